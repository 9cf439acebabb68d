//! What goes wrong.

use std::time::Duration;

use longhaul::tokio_postgres::{self, NoTls};

use super::{WORKERS, process::Process, proxy::Way, server::Server};

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A process is killed.
    Kill(usize),
    /// A process is frozen, also beyond its lease.
    Freeze(usize),
    /// The way of a process to what it needs is cut.
    Cut(usize),
    /// The same, and nothing says so.
    Silence(usize),
    /// The database crashes.
    Crash,
    /// The database ends the sessions of all.
    Terminate,
    /// Strangers take the connections that the database has left.
    Exhaust,
}

impl Trouble {
    /// One to three of them, each of something else: of the processes alone, or of their database too.
    pub(crate) fn some(random: &mut fastrand::Rng, database: bool) -> Vec<Self> {
        let mut some: Vec<Self> = Vec::new();
        let count = random.usize(1..=3);
        while some.len() < count {
            let one = Self::one(random, database);
            let apart = |other: &Self| match (other.process(), one.process()) {
                (Some(other), Some(one)) => other != one,
                (None, None) => false,
                _ => true,
            };
            if some.iter().all(apart) {
                some.push(one);
            }
        }
        some
    }

    fn one(random: &mut fastrand::Rng, database: bool) -> Self {
        let process = random.usize(0..=WORKERS);
        match random.u32(0..if database { 12 } else { 9 }) {
            0..=2 => Self::Kill(process),
            3..=5 => Self::Freeze(process),
            6 | 7 => Self::Cut(process),
            8 => Self::Silence(process),
            9 => Self::Crash,
            10 => Self::Terminate,
            _ => Self::Exhaust,
        }
    }

    fn process(self) -> Option<usize> {
        match self {
            Self::Kill(number)
            | Self::Freeze(number)
            | Self::Cut(number)
            | Self::Silence(number) => Some(number),
            Self::Crash | Self::Terminate | Self::Exhaust => None,
        }
    }
}

/// Has all of them happen at once, and ends them after a while.
pub(crate) async fn happen(
    troubles: &[Trouble],
    random: &mut fastrand::Rng,
    processes: &mut [Process],
    mut database: Option<&mut Server>,
) {
    let mut strangers = Vec::new();
    for trouble in troubles {
        match *trouble {
            Trouble::Kill(number) => processes[number].kill(),
            Trouble::Freeze(number) => processes[number].freeze(),
            Trouble::Cut(number) => processes[number].proxy.set(Way::Cut),
            Trouble::Silence(number) => processes[number].proxy.set(Way::Silent),
            Trouble::Crash | Trouble::Terminate | Trouble::Exhaust => {
                let database = database.as_deref_mut().expect("a database");
                match trouble {
                    Trouble::Crash => database.crash(),
                    Trouble::Terminate => terminate(database.url()).await,
                    _ => strangers = exhaust(database.url()).await,
                }
            }
        }
    }
    // The times that are meant: below the lease of two seconds, and above.
    tokio::time::sleep(Duration::from_millis(random.u64(100..4_500))).await;
    drop(strangers);
    for trouble in troubles {
        match *trouble {
            Trouble::Kill(number) => processes[number].lives().await,
            Trouble::Freeze(number) => processes[number].thaw(),
            Trouble::Cut(number) | Trouble::Silence(number) => {
                processes[number].proxy.set(Way::Open);
            }
            Trouble::Crash => database.as_deref_mut().expect("a database").recover(),
            Trouble::Terminate | Trouble::Exhaust => {}
        }
    }
    for process in processes {
        process.lives().await;
    }
    tokio::time::sleep(Duration::from_millis(random.u64(100..1_000))).await;
}

async fn terminate(url: &str) {
    let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await else {
        return;
    };
    let driver = tokio::spawn(connection);
    let ended =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    // It may be told to end itself, as it crashes.
    let _ = client.batch_execute(ended).await;
    driver.abort();
}

async fn exhaust(url: &str) -> Vec<tokio_postgres::Client> {
    let mut strangers = Vec::new();
    while let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await {
        tokio::spawn(connection);
        strangers.push(client);
        if strangers.len() == 40 {
            break;
        }
    }
    strangers
}
