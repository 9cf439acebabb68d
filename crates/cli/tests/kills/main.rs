//! `kill -9` of a real server at random moments, over a mix of jobs, while others submit.
//!
//! No acknowledged job is lost, each completes once, and a piece that was saved is not fetched again. `LONGHAUL_KILLS` says
//! how many kills, `LONGHAUL_SEED` repeats the random choices of an earlier run.
#![expect(clippy::expect_used, reason = "a test may fail by a panic")]

mod jobs;
mod saved;
mod server;

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    str::FromStr,
    time::{Duration, Instant},
};

use longhaul_client::{Client, JobsQuery};
use longhaul_sandbox::aggregator::{Aggregator as Sandbox, Fault, Rule};
use longhaul_types::{JobId, State, Timestamp, body::JobView};

use jobs::{Blobs, Mix};
use saved::Saved;
use server::Server;

/// How long something that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Kills between two calm lives, in which all that was submitted completes: fewer than the rescues after which a job that
/// got nowhere fails, and a life may well be too short to get anywhere.
const STORM: u32 = 8;
/// Milliseconds that a life lasts once the server answers.
const LIFE: std::ops::Range<u64> = 5..150;

/// The test's folders, and what was seen so far.
struct Lab {
    folder: tempfile::TempDir,
    client: Client,
    random: fastrand::Rng,
    blobs: Blobs,
    /// Jobs that were seen completed: their revision and the time of their end.
    completed: BTreeMap<JobId, (u64, Option<Timestamp>)>,
    kills: u32,
    rescues: usize,
    saved_pieces: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_over_kills() {
    let seed = setting("LONGHAUL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let kills: u32 = setting("LONGHAUL_KILLS").unwrap_or(200);
    println!("LONGHAUL_SEED={seed} LONGHAUL_KILLS={kills}");
    let began = Instant::now();
    let mut lab = Lab::new(seed);
    let mut server = lab.serve().await;
    let mut acknowledged = Vec::new();
    let mut storm = 0;
    while lab.kills < kills {
        storm += 1;
        let (ids, calm) = lab.storm(server, storm, kills).await;
        acknowledged.extend(ids);
        server = calm;
    }
    lab.nothing_else(&acknowledged).await;
    println!(
        "{} kills, {} jobs, {} rescues, {} saved pieces kept, {:.1?}",
        lab.kills,
        acknowledged.len(),
        lab.rescues,
        lab.saved_pieces,
        began.elapsed()
    );
    assert!(lab.rescues > 0, "no kill hit a running job");
    assert!(
        kills < 50 || lab.saved_pieces > 0,
        "no kill found a saved piece"
    );
    server.kill();
}

/// The value of an environment variable.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().ok().expect("a number in the environment"))
}

impl Lab {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["blobs", "home", "lists", "ran"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let blobs = Blobs::make(folder.path(), &mut random);
        Self {
            client: Client::unix(folder.path().join("data/longhaul.sock")).expect("a client"),
            folder,
            random,
            blobs,
            completed: BTreeMap::new(),
            kills: 0,
            rescues: 0,
            saved_pieces: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn serve(&self) -> Server {
        Server::start(self.folder.path(), &self.client).await
    }

    /// Submits a mix of jobs while the server is killed again and again; then lets all complete. Gives the acknowledged
    /// jobs and the server that is left.
    async fn storm(&mut self, mut server: Server, number: u32, kills: u32) -> (Vec<JobId>, Server) {
        let sandbox = Sandbox::start(self.path("blobs")).await.expect("started");
        let slow = Fault::Slow {
            bytes_per_second: 20 << 20,
        };
        sandbox.faults().add(Rule::new(slow));
        let mix = Mix::new(self.folder.path(), &sandbox.url(), &self.blobs, number);
        let submitting = tokio::spawn(mix.submit(self.client.clone(), self.random.fork()));
        let mut states: Vec<(usize, Saved)> = Vec::new();
        for _ in 0..STORM.min(kills - self.kills) {
            // The one pause that is meant: the random moment of the kill.
            tokio::time::sleep(Duration::from_millis(self.random.u64(LIFE))).await;
            server.kill();
            self.kills += 1;
            let saved = Saved::read(&self.path("data"), &self.path("copy"), number);
            states.push((sandbox.requests().len(), saved));
            server = self.serve().await;
            self.once().await;
        }
        let acknowledged = tokio::time::timeout(PATIENCE, submitting).await;
        let acknowledged = acknowledged.expect("in time").expect("submitted");
        for id in &acknowledged {
            self.completes(id).await;
        }
        self.once().await;
        self.blobs.delivered(&self.path(&format!("out-{number}")));
        let requests = sandbox.requests();
        for (mark, saved) in &states {
            self.saved_pieces += saved.pieces();
            let again = requests[*mark..].iter().find(|request| saved.has(request));
            assert!(again.is_none(), "fetched again: {again:?}, {saved:?}");
        }
        sandbox.stop().await;
        (acknowledged, server)
    }

    /// Waits for the end of an acknowledged job, and sees that it is the one end of its last run.
    async fn completes(&mut self, id: &JobId) {
        let end = Instant::now() + PATIENCE;
        let job = loop {
            // A refusal would be a lost job.
            let job = self.client.job(id).await.expect("an acknowledged job");
            if job.state.is_ended() {
                break job;
            }
            assert!(Instant::now() < end, "{id} does not end: {job:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(job.state, State::Completed, "{job:?}");
        assert_eq!(job.items.failed, 0, "{job:?}");
        let attempts = self.client.attempts(id).await.expect("attempts");
        for (claim, attempt) in (1..).zip(&attempts) {
            assert_eq!(attempt.claim, claim);
            // Given back by the engine when one more of those ran that were rescued too often.
            assert!(
                ["rescued", "released"].contains(&attempt.end.as_str()),
                "{attempt:?}"
            );
            assert!(Some(attempt.ended_at) <= job.completed_at, "{attempt:?}");
        }
        self.rescues += attempts
            .iter()
            .filter(|attempt| attempt.end == "rescued")
            .count();
        if job.kind == "longhaul.run" {
            let ran = fs::read_to_string(self.path("ran").join(id.as_str())).expect("it ran");
            let runs = ran.lines().count();
            // Each claim runs the command once at most; the last one, that completed it, did.
            assert!(
                (1..=attempts.len() + 1).contains(&runs),
                "{id}: {runs} runs, {attempts:?}"
            );
        }
        self.seen(&job);
    }

    /// Sees that the newest completed jobs are as they were when they were first seen so.
    async fn once(&mut self) {
        let query = JobsQuery {
            states: vec![State::Completed],
            limit: Some(100),
            ..JobsQuery::default()
        };
        let page = self.client.jobs(&query).await.expect("a page of jobs");
        page.jobs.iter().for_each(|job| self.seen(job));
    }

    fn seen(&mut self, job: &JobView) {
        let now = (job.revision, job.completed_at);
        let first = self.completed.entry(job.job_id.clone()).or_insert(now);
        assert_eq!(*first, now, "{} ended twice", job.job_id);
    }

    /// There is every acknowledged job, each completed as it was first seen, and none besides.
    async fn nothing_else(&mut self, acknowledged: &[JobId]) {
        for id in acknowledged {
            let job = self.client.job(id).await.expect("an acknowledged job");
            self.seen(&job);
        }
        let counts = self.client.counts().await.expect("counts").total;
        assert_eq!(counts.completed, acknowledged.len() as u64, "{counts:?}");
        let others = counts.pending + counts.running + counts.failed + counts.cancelled;
        assert_eq!(others, 0, "{counts:?}");
    }
}
