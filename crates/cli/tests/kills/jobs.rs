//! The mix of jobs, and those who submit it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use longhaul_client::{Client, Error};
use longhaul_types::{ErrorCode, JobId, body::SubmitRequest};
use longhaul_walrus::blob_id::{self, BlobId};
use serde_json::{Value, json};

use super::PATIENCE;

/// Commands of a mix.
const COMMANDS: u32 = 14;
/// Bytes of the blob that is fetched in pieces: five.
const LARGE: usize = 5 << 20;
/// Name of the list.
const LIST: &str = "todos";
/// Milliseconds between two submissions.
const GAP: std::ops::Range<u64> = 0..100;

/// The blobs that the stand-in has, and a list of two of them.
pub(crate) struct Blobs {
    large: BlobId,
    listed: Vec<(BlobId, Vec<u8>)>,
}

impl Blobs {
    /// Makes them, with true IDs.
    pub(crate) fn make(folder: &Path, random: &mut fastrand::Rng) -> Self {
        let store = |bytes: &Vec<u8>| {
            let options = blob_id::Options::default();
            let id = blob_id::compute(bytes, bytes.len() as u64, &options).expect("an ID");
            fs::write(folder.join("blobs").join(id.to_string()), bytes).expect("written");
            id
        };
        let mut bytes = vec![0; LARGE];
        random.fill(&mut bytes);
        let large = store(&bytes);
        let todos = ["one", "two"].map(|title| {
            let bytes = json!({"id": title, "title": title})
                .to_string()
                .into_bytes();
            (title, store(&bytes), bytes)
        });
        let entries: Vec<Value> = todos
            .iter()
            .map(|(title, id, _)| json!({"id": title, "title": title, "walrusBlobId": id}))
            .collect();
        let list = json!({"id": LIST, "name": LIST, "owner": "me", "version": 1, "todos": entries});
        fs::write(folder.join(format!("lists/{LIST}.json")), list.to_string()).expect("written");
        let listed = todos.map(|(_, id, bytes)| (id, bytes)).into();
        Self { large, listed }
    }

    /// Sees that the listed blobs are in `folder`, whole.
    pub(crate) fn delivered(&self, folder: &Path) {
        for (id, bytes) in &self.listed {
            let file = fs::read(folder.join(id.to_string())).expect("delivered");
            assert!(file == *bytes, "{id} is not the blob");
        }
    }
}

/// Jobs to submit, in order.
pub(crate) struct Mix(Vec<SubmitRequest>);

impl Mix {
    /// The mix of one storm: a blob in pieces, a list of items, and commands that note that they ran.
    pub(crate) fn new(folder: &Path, aggregator: &str, blobs: &Blobs, storm: u32) -> Self {
        let retrieve = |name: &str, source: &str, output: Option<PathBuf>| {
            let args = json!({
                "source": source,
                "lists": folder.join("lists"),
                "aggregator": aggregator,
                "output": output,
                "chunkSize": 2,
                "attempts": 3,
            });
            request(storm, name, "walrus.retrieve", args)
        };
        let output = folder.join(format!("out-{storm}"));
        let mut jobs = vec![
            retrieve("blob", &blobs.large.to_string(), None),
            retrieve("list", LIST, Some(output)),
        ];
        jobs.extend((0..COMMANDS).map(|number| {
            // Half of them last long enough to be killed while they run.
            let rest = if number % 2 == 0 {
                ""
            } else {
                "; /bin/sleep 0.1"
            };
            let script = format!("echo run >> \"$LONGHAUL_JOB_ID\"{rest}");
            let args = json!({"command": ["/bin/sh", "-c", script], "folder": folder.join("ran")});
            request(storm, &format!("command-{number}"), "longhaul.run", args)
        }));
        Self(jobs)
    }

    /// Submits them all, whatever happens to the server. Gives the ids that it acknowledged.
    pub(crate) async fn submit(self, client: Client, mut random: fastrand::Rng) -> Vec<JobId> {
        let mut acknowledged = Vec::with_capacity(self.0.len());
        for job in self.0 {
            submit(&client, &job).await;
            acknowledged.extend(job.id);
            // Spread over the lives of a storm.
            tokio::time::sleep(Duration::from_millis(random.u64(GAP))).await;
        }
        acknowledged
    }
}

fn request(storm: u32, name: &str, kind: &str, args: Value) -> SubmitRequest {
    SubmitRequest {
        kind: kind.to_owned(),
        args,
        id: Some(format!("s{storm}-{name}").parse().expect("an id")),
        ..SubmitRequest::default()
    }
}

/// Submits a job until it is acknowledged.
async fn submit(client: &Client, job: &SubmitRequest) {
    let end = Instant::now() + PATIENCE;
    let mut unsure = false;
    loop {
        match client.submit(job).await {
            Ok(_) => return,
            // The answer to an earlier try was lost, and it was done.
            Err(error) if unsure && error.code() == Some(ErrorCode::IdTaken) => return,
            Err(Error::Interrupted { .. }) => unsure = true,
            Err(error) if error.is_unavailable() => {}
            Err(error) => panic!("{error:?}"),
        }
        assert!(Instant::now() < end, "{job:?} is not taken");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
