//! Servers and workers over one database, while they are killed, frozen, cut off and starved at random; and what the database
//! saw of it, checked afterwards.
//!
//! No acknowledged job is lost, states change along the diagram alone, no claim is given twice, nobody runs more than it may,
//! and a cancel that was answered holds. `LONGHAUL_STORMS` says how many storms there are, `LONGHAUL_SEED` repeats the random
//! choices of an earlier run; `script/test --chaos` has many.
#![expect(clippy::expect_used, reason = "a test may fail by a panic")]

mod history;
mod jobs;
mod process;
mod proxy;
mod remote;
#[path = "../../../longhaul/tests/postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;
mod trouble;

use std::{
    env,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use history::History;
use jobs::Submitted;
use process::{Process, Role};
use trouble::Trouble;

/// How long something that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Workers, beside the server that answers and runs nothing.
const WORKERS: usize = 3;
/// Jobs that a worker runs at a time.
const SLOTS: usize = 4;
/// Rounds of troubles in a storm: fewer than the rescues after which a job that got nowhere fails.
const ROUNDS: u32 = 5;

/// The value of an environment variable.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().ok().expect("a number in the environment"))
}

/// The seed and the number of storms, said so that they can be had again.
fn begin() -> (fastrand::Rng, u32) {
    let seed = setting("LONGHAUL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let storms: u32 = setting("LONGHAUL_STORMS").unwrap_or(1);
    println!("LONGHAUL_SEED={seed} LONGHAUL_STORMS={storms}");
    (fastrand::Rng::with_seed(seed), storms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_storms_on_postgresql() {
    let (mut random, storms) = begin();
    let mut database = server::Server::start();
    let socket = socket_of(database.url());
    let folder = tempfile::tempdir().expect("a folder");
    let mut processes = Vec::new();
    for number in 0..=WORKERS {
        let role = if number == 0 {
            Role::Server
        } else {
            Role::Worker
        };
        let own = folder.path().join(number.to_string());
        processes.push(Process::start(&own, role, socket.clone()));
    }
    processes[0].answers().await;
    History::begin(database.url()).await;
    let (mut all, mut troubles) = (Submitted::default(), 0);
    for storm in 0..storms {
        let client = processes[0].client();
        let work = jobs::submit(client, folder.path().to_owned(), storm, random.fork());
        let submitting = tokio::spawn(work);
        for _ in 0..ROUNDS {
            let round = Trouble::some(&mut random, true);
            println!("storm {storm}: {round:?}");
            trouble::happen(&round, &mut random, &mut processes, Some(&mut database)).await;
            troubles += round.len();
        }
        let submitted = tokio::time::timeout(PATIENCE, submitting).await;
        let submitted = submitted.expect("in time").expect("submitted");
        calm(&mut processes).await;
        submitted.end(&processes[0].client()).await;
        all.extend(submitted);
    }
    let history = History::read(database.url()).await;
    history.is_sound();
    all.is_in(&history, folder.path());
    all.ran_within(SLOTS, folder.path());
    println!(
        "{troubles} troubles, {} jobs of which {} were cancelled, {} runs, {} of them taken away",
        all.jobs.len(),
        all.cancelled.len(),
        history.runs(),
        history.taken_away()
    );
}

/// Sees that all live, and the first answers.
async fn calm(processes: &mut [Process]) {
    for process in &mut *processes {
        process.lives().await;
    }
    processes[0].answers().await;
}

/// The socket of a database whose address names its folder.
fn socket_of(url: &str) -> PathBuf {
    let place = url.split(' ').find_map(|word| word.strip_prefix("host="));
    Path::new(place.expect("a folder")).join(".s.PGSQL.5432")
}
