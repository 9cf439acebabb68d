//! A server on a file of its own, and workers elsewhere that run its jobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use longhaul_client::Client;
use longhaul_types::{JobId, State, body::SubmitRequest};
use serde_json::json;

use super::{
    PATIENCE, ROUNDS, WORKERS, begin, calm, jobs,
    process::{Process, Role},
    trouble::{self, Trouble},
};

/// Jobs of a storm, and items of a job.
const JOBS: u32 = 40;
const ITEMS: u32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_storms_with_workers_elsewhere() {
    let (mut random, storms) = begin();
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("ran")).expect("a folder");
    // It needs nothing: its way leads nowhere.
    let server = Process::start(&folder.path().join("0"), Role::Alone, "/nowhere".into());
    let socket = server.socket();
    let mut processes = vec![server];
    processes[0].answers().await;
    for number in 1..=WORKERS {
        let own = folder.path().join(number.to_string());
        processes.push(Process::start(&own, Role::Remote, socket.clone()));
    }
    known(&processes[0].client()).await;
    let (mut all, mut troubles, mut found) = (Vec::new(), 0, Found::default());
    for storm in 0..storms {
        let work = submit(processes[0].client(), storm, random.fork());
        let submitting = tokio::spawn(work);
        for _ in 0..ROUNDS {
            let round = Trouble::some(&mut random, false);
            println!("storm {storm}: {round:?}");
            trouble::happen(&round, &mut random, &mut processes, None).await;
            troubles += round.len();
        }
        let submitted = tokio::time::timeout(PATIENCE, submitting).await;
        let submitted = submitted.expect("in time").expect("submitted");
        calm(&mut processes).await;
        for id in &submitted {
            found.see(&processes[0].client(), id, folder.path()).await;
        }
        all.extend(submitted);
    }
    let counts = processes[0].client().counts().await.expect("counts").total;
    assert_eq!(counts.completed, all.len() as u64, "{counts:?}");
    println!(
        "{troubles} troubles, {} jobs, {} runs, {} of them refused",
        all.len(),
        found.runs,
        found.refused
    );
}

/// Waits until some worker has declared the kind.
async fn known(client: &Client) {
    let end = Instant::now() + PATIENCE;
    while client
        .kinds()
        .await
        .expect("kinds")
        .iter()
        .all(|kind| kind.name != "chaos.count")
    {
        assert!(Instant::now() < end, "no worker joins");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn submit(client: Client, storm: u32, mut random: fastrand::Rng) -> Vec<JobId> {
    let mut submitted = Vec::new();
    for number in 0..JOBS {
        let id: JobId = format!("s{storm}-{number}").parse().expect("an id");
        let request = SubmitRequest {
            kind: "chaos.count".to_owned(),
            args: json!({"items": random.u32(1..=ITEMS)}),
            id: Some(id.clone()),
            ..SubmitRequest::default()
        };
        jobs::until_taken(&client, &request).await;
        submitted.push(id);
        tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
    }
    submitted
}

/// What the workers noted.
#[derive(Default)]
struct Found {
    runs: usize,
    refused: usize,
}

impl Found {
    /// Waits for the job's end, and sees that it is the end of one run, by the worker that held it.
    async fn see(&mut self, client: &Client, id: &JobId, folder: &Path) {
        let end = Instant::now() + PATIENCE;
        let job = loop {
            let job = client.job(id).await.expect("an acknowledged job");
            if job.state.is_ended() {
                break job;
            }
            assert!(Instant::now() < end, "does not end: {job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(job.state, State::Completed, "{job:?}");
        let result = job.results.expect("a result");
        let claim = result["claim"].as_str().expect("a claim");
        let notes = fs::read_to_string(folder.join("ran").join(id.as_str())).expect("it ran");
        let mut seen = BTreeSet::new();
        let mut words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut items = BTreeSet::new();
        for line in notes.lines() {
            // No claim begins twice, and no item's effect comes twice under one.
            assert!(seen.insert(line), "{id}: {line} twice in\n{notes}");
            let parts: Vec<&str> = line.split(' ').collect();
            words.entry(parts[0]).or_default().push(parts[1]);
            if parts[0] == "effect" {
                items.insert(parts[2]);
            }
        }
        let of = |word: &str| words.get(word).cloned().unwrap_or_default();
        assert!(
            of("ending").contains(&claim),
            "{id}: nobody ended {claim}:\n{notes}"
        );
        for taken in of("taken") {
            assert_eq!(taken, claim, "{id}: two ends were taken:\n{notes}");
        }
        assert_eq!(items.len(), job.items.completed as usize, "{id}:\n{notes}");
        self.runs += of("begun").len();
        self.refused += of("refused").len();
    }
}
