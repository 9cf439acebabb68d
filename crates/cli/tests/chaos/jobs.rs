//! Those who submit and cancel, and what they were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use longhaul_client::{Client, Error};
use longhaul_types::{ErrorCode, JobId, State, body::SubmitRequest};
use serde_json::json;

use super::{PATIENCE, history::History};

/// Jobs of a storm.
const JOBS: u32 = 60;

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Submitted {
    pub(crate) jobs: BTreeSet<JobId>,
    /// Those whose cancel was.
    pub(crate) cancelled: BTreeSet<JobId>,
}

/// Submits the jobs of a storm, whatever happens, and cancels some.
pub(crate) async fn submit(
    client: Client,
    folder: PathBuf,
    storm: u32,
    mut random: fastrand::Rng,
) -> Submitted {
    fs::create_dir_all(folder.join("ran")).expect("a folder");
    let mut submitted = Submitted::default();
    for number in 0..JOBS {
        // Most are short; some outlast a lease.
        let seconds = if random.u32(0..6) == 0 {
            2.5
        } else {
            random.f64() / 2.0
        };
        // Its parent is the worker.
        let note = |word| format!("echo {word} $PPID $(/bin/date +%s%N) >> \"$LONGHAUL_JOB_ID\"");
        // Its output becomes its log.
        let script = format!(
            "{}; /bin/sleep {seconds:.2}; {}; echo done $PPID",
            note("begun"),
            note("done")
        );
        let request = SubmitRequest {
            kind: "longhaul.run".to_owned(),
            args: json!({"command": ["/bin/sh", "-c", script], "folder": folder.join("ran")}),
            id: Some(format!("s{storm}-{number}").parse().expect("an id")),
            ..SubmitRequest::default()
        };
        let id = request.id.clone().expect("its id");
        until_taken(&client, &request).await;
        submitted.jobs.insert(id.clone());
        // Only an answer counts.
        if random.u32(0..10) == 0 && client.cancel(&id).await.is_ok() {
            submitted.cancelled.insert(id);
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
    }
    submitted
}

/// Submits a job until it is acknowledged.
pub(crate) async fn until_taken(client: &Client, request: &SubmitRequest) {
    let end = Instant::now() + PATIENCE;
    let mut unsure = false;
    loop {
        match tokio::time::timeout(Duration::from_secs(20), client.submit(request)).await {
            Ok(Ok(_)) => return,
            // The answer to an earlier try was lost, and it was done.
            Ok(Err(error)) if unsure && error.code() == Some(ErrorCode::IdTaken) => return,
            // Of the server's answers, these say that its database is away: it may have been done or not.
            Ok(Err(Error::Interrupted { .. })) | Err(_) => unsure = true,
            Ok(Err(error)) if error.is_unavailable() || is_fault(&error) => unsure = true,
            Ok(Err(error)) => panic!("{error:?}"),
        }
        assert!(Instant::now() < end, "{request:?} is not taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_fault(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::Unavailable | ErrorCode::Internal)
    )
}

impl Submitted {
    pub(crate) fn extend(&mut self, other: Self) {
        self.jobs.extend(other.jobs);
        self.cancelled.extend(other.cancelled);
    }

    /// Waits until all have ended.
    pub(crate) async fn end(&self, client: &Client) {
        let end = Instant::now() + PATIENCE;
        for id in &self.jobs {
            loop {
                match client.job(id).await {
                    Ok(job) if job.state.is_ended() => break,
                    Ok(job) => assert!(Instant::now() < end, "does not end: {job:?}"),
                    Err(error) if error.code() == Some(ErrorCode::NotFound) => {
                        panic!("{id} is lost");
                    }
                    Err(error) => assert!(Instant::now() < end, "{id}: {error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Sees that each ended as it must, and did what it does.
    pub(crate) fn is_in(&self, history: &History, folder: &Path) {
        assert_eq!(history.jobs(), self.jobs.len(), "no other jobs");
        for id in &self.jobs {
            let end = history.end(id.as_str());
            let ran = fs::read_to_string(folder.join("ran").join(id.as_str())).unwrap_or_default();
            let count = |word: &str| ran.lines().filter(|line| line.starts_with(word)).count();
            match end {
                State::Completed => assert!(count("done") > 0, "{id} completed without its effect"),
                State::Cancelled => {}
                other => panic!("{id} ended as {other:?}"),
            }
            // Each claim runs it once at most.
            let claims = history.claims(id.as_str());
            assert!(count("begun") <= claims, "{id}: {ran}, {claims} claims");
            if self.cancelled.contains(id) {
                assert_eq!(end, State::Cancelled, "{id}: its cancel was answered");
            }
        }
    }

    /// Sees that no worker ran more than its slots at a time. A run that was stopped is not counted: nobody knows when.
    pub(crate) fn ran_within(&self, slots: usize, folder: &Path) {
        let mut moments: BTreeMap<u32, Vec<(u64, i32)>> = BTreeMap::new();
        for id in &self.jobs {
            let ran = fs::read_to_string(folder.join("ran").join(id.as_str())).unwrap_or_default();
            let mut began: BTreeMap<u32, u64> = BTreeMap::new();
            for line in ran.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let (worker, at) = (words[1].parse().expect("a process"), words[2].parse());
                let at: u64 = at.expect("a time");
                match words[0] {
                    "begun" => drop(began.insert(worker, at)),
                    _ => {
                        let from = began.remove(&worker).expect("it began");
                        moments
                            .entry(worker)
                            .or_default()
                            .extend([(from, 1), (at, -1)]);
                    }
                }
            }
        }
        for (worker, mut moments) in moments {
            moments.sort_unstable();
            let mut running = 0;
            for (_, change) in moments {
                running += change;
                assert!(
                    usize::try_from(running).is_ok_and(|running| running <= slots),
                    "{worker}"
                );
            }
        }
    }
}
