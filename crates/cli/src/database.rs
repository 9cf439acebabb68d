//! Where a server keeps its jobs: in a file of its data folder, or in a PostgreSQL database that it shares with other servers;
//! and where the files that they make, in its data folder or at an address.
//!
//! Invariant: either way one server runs on a data folder, by the lock of the file.

use std::{sync::Arc, time::Duration};

use longhaul::{
    Engine,
    artifacts::{self, Artifacts},
    engine::{self, Builder},
    model::Limits,
    store::{
        PostgresStore,
        postgres::{self, Options},
        sqlite::{RunLock, SqliteStore},
    },
};

use crate::{
    data_dir::DataDir,
    exit::{Fail, Result},
    settings::Settings,
};

/// Flags that say where jobs and their files are kept.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Keep jobs in this PostgreSQL database, which other servers may share; without a password [env: LONGHAUL_DATABASE_URL]
    #[arg(long, value_name = "URL", help_heading = "Database")]
    database_url: Option<String>,
    /// Seconds after which other servers take over the jobs of one that died [default: 30; env: LONGHAUL_LEASE]
    #[arg(long, value_name = "SECONDS", help_heading = "Database", value_parser = clap::value_parser!(u32).range(1..=3600))]
    lease: Option<u32>,
    /// Keep the files that jobs make here, where other servers find them too: s3://BUCKET/PREFIX, or a folder [env: LONGHAUL_ARTIFACTS]
    #[arg(long, value_name = "ADDRESS", help_heading = "Database")]
    artifacts: Option<String>,
}

/// Where a server keeps what it must not lose.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// The jobs.
    pub(crate) database: Database,
    /// The address of their files, when they are not in the data folder.
    artifacts: Option<String>,
}

/// The database of a server.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// The file in its data folder.
    Own,
    /// One that servers share.
    Shared {
        /// Where it is; may have a password in it.
        url: String,
        /// How long a server holds its jobs without a heartbeat.
        lease: Duration,
    },
}

impl Flags {
    /// Those that name only the places.
    pub(crate) fn of(database_url: Option<String>, artifacts: Option<String>) -> Self {
        Self {
            database_url,
            lease: None,
            artifacts,
        }
    }

    /// The storage that these and the settings name.
    pub(crate) fn storage(&self, settings: &Settings) -> Result<Storage> {
        let artifacts =
            settings.served(self.artifacts.clone(), "LONGHAUL_ARTIFACTS", "artifacts")?;
        Ok(Storage {
            database: self.database(settings)?,
            artifacts,
        })
    }

    fn database(&self, settings: &Settings) -> Result<Database> {
        if self
            .database_url
            .as_deref()
            .is_some_and(postgres::has_password)
        {
            return Err(Fail::usage("--database-url has a password, which every user of this machine could read")
                .hint("Give it in LONGHAUL_DATABASE_URL, or as database_url under [serve] in your settings file."));
        }
        let url = settings.served(
            self.database_url.clone(),
            "LONGHAUL_DATABASE_URL",
            "database_url",
        )?;
        let lease = settings.served(self.lease, "LONGHAUL_LEASE", "lease")?;
        Ok(match url {
            None => Database::Own,
            Some(url) => Database::Shared {
                url,
                lease: Duration::from_secs(u64::from(lease.unwrap_or(30).max(1))),
            },
        })
    }
}

impl Storage {
    /// Opens it. The lock of the folder is to be held as long as the engine runs.
    pub(crate) async fn open(
        &self,
        data: &DataDir,
        limits: &Limits,
    ) -> std::result::Result<(Builder, Option<RunLock>), engine::Error> {
        let path = data.database();
        let Database::Shared { url, lease } = &self.database else {
            let builder = Engine::open(path);
            return Ok(match &self.artifacts {
                Some(address) => (builder.artifacts(Artifacts::open(address)?), None),
                None => (builder, None),
            });
        };
        let artifacts = self.artifacts(data)?;
        let lock = SqliteStore::lock(&path)?;
        let store = PostgresStore::connect(url, &Options::with_limits(limits)).await?;
        let builder = Engine::on(Arc::new(store))
            .lease(*lease)
            .artifacts(artifacts)
            .scratch(data.scratch());
        Ok((builder, Some(lock)))
    }

    /// The files of the jobs of a database that servers share.
    pub(crate) fn artifacts(
        &self,
        data: &DataDir,
    ) -> std::result::Result<Artifacts, artifacts::Error> {
        match &self.artifacts {
            Some(address) => Artifacts::open(address),
            None => Artifacts::folder(&data.artifacts()),
        }
    }
}
