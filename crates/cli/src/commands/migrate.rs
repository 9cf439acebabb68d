//! `longhaul migrate`: the jobs of a data folder move to a PostgreSQL database.
//!
//! Invariant: what was moved is put aside, not removed; until everything has arrived nothing is changed but what ran waits.

use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use longhaul::{
    artifacts::Artifacts,
    engine::beside,
    migrate::{self, Error, Moved, Step},
    store,
};
use serde_json::{Map, json};

use crate::{
    data_dir::DataDir,
    database::{Database, Flags},
    exit::{Fail, Result},
    output,
    settings::Settings,
    terminal::escape,
};

/// Flags of `longhaul migrate`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The empty PostgreSQL database to move to; without a password [env: LONGHAUL_DATABASE_URL]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Where the files of jobs go: s3://BUCKET/PREFIX, or a folder; the data folder unless said otherwise [env: LONGHAUL_ARTIFACTS]
    #[arg(long, value_name = "ADDRESS")]
    artifacts: Option<String>,
}

/// Moves everything.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let flags = Flags::of(args.database_url.clone(), args.artifacts.clone());
    let storage = flags.storage(settings)?;
    let Database::Shared { url, .. } = &storage.database else {
        return Err(Fail::usage("no database is named to move to")
            .hint("Name it with --database-url, or LONGHAUL_DATABASE_URL."));
    };
    let data = DataDir::open(&settings.data_dir()?)?;
    let path = data.database();
    if fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Err(Fail::not_found(format!(
            "there are no jobs in {} to move",
            data.path().display()
        )));
    }
    let files = storage
        .artifacts(&data)
        .map_err(|error| Fail::failed(error.to_string()))?;
    let moved = move_all(&path, url, &files, settings.json()).await?;
    let aside = put_aside(&data)?;
    if settings.json() {
        return say_json(&moved, &aside);
    }
    say(&moved, &aside)
}

async fn move_all(path: &Path, url: &str, files: &Artifacts, json: bool) -> Result<Moved> {
    let shown = !json && std::io::stderr().is_terminal();
    let note = |step| {
        if shown {
            let text = match step {
                Step::Files(done, all) => format!("files {done} of {all}"),
                Step::Rows(table, rows) => format!("{table} {rows}"),
            };
            eprint!("\r\u{1b}[K{text}");
        }
    };
    let now = longhaul::types::Timestamp::now();
    let moved = migrate::to_postgres(path, url, files, now, note).await;
    if shown {
        eprint!("\r\u{1b}[K");
    }
    moved.map_err(|error| {
        let fail = Fail::failed(escape(&error.to_string()).into_owned());
        match error {
            Error::Store(store::Error::Locked(_)) => {
                fail.hint("Stop the server first: systemctl --user stop longhaul, or end its process.")
            }
            Error::Damaged { .. } => fail.hint(
                "Nothing has moved. Restore the file from a backup, or remove the job, and try again.",
            ),
            _ => fail.hint("Nothing has moved, or all of it: it can be tried again."),
        }
    })
}

/// Puts the old file aside, and the scratch folders of jobs where the next server looks for them.
fn put_aside(data: &DataDir) -> Result<PathBuf> {
    let path = data.database();
    let old = path.with_extension("db.moved");
    let scratch = beside(&path).join("scratch");
    if scratch.exists() && !data.scratch().exists() {
        rename(&scratch, &data.scratch())?;
    }
    for part in ["", "-wal", "-shm"] {
        let named = |path: &Path| PathBuf::from(format!("{}{part}", path.display()));
        if named(&path).exists() {
            rename(&named(&path), &named(&old))?;
        }
    }
    Ok(old)
}

fn rename(from: &Path, to: &Path) -> Result {
    fs::rename(from, to).map_err(|error| Fail::io(from.display(), &error))
}

fn say_json(moved: &Moved, aside: &Path) -> Result<ExitCode> {
    let rows: Map<_, _> = moved
        .rows
        .iter()
        .map(|(table, rows)| ((*table).to_owned(), json!(rows)))
        .collect();
    let missing: Vec<_> = moved
        .missing
        .iter()
        .map(|(job, name)| json!({"job": job, "name": name}))
        .collect();
    output::json(&json!({
        "rows": rows,
        "files": moved.files,
        "missing": missing,
        "old": aside,
    }))?;
    Ok(ExitCode::SUCCESS)
}

fn say(moved: &Moved, aside: &Path) -> Result<ExitCode> {
    let rows = |table| {
        let found = moved.rows.iter().find(|(name, _)| *name == table);
        found.map_or(0, |(_, rows)| *rows)
    };
    if moved.rows.is_empty() {
        output::line("the jobs were there already")?;
    } else {
        output::line(&format!(
            "moved {} jobs ({} to run), {} schedules, {} tokens and {} files",
            rows("jobs"),
            rows("live"),
            rows("schedules"),
            rows("tokens"),
            moved.files
        ))?;
    }
    for (job, name) in &moved.missing {
        eprintln!(
            "longhaul: the file '{}' of job {} was gone before",
            escape(name),
            escape(job)
        );
    }
    output::line(&format!(
        "the old file is {}; once all is well, remove it and {}",
        aside.display(),
        beside(&aside.with_extension("")).display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
