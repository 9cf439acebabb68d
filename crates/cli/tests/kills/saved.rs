//! What a killed server had saved of its retrievals.

use std::{fs, ops::Range, path::Path};

use longhaul::rusqlite::Connection;
use longhaul_sandbox::aggregator::Request;
use longhaul_walrus::download::Pieces;
use serde_json::Value;

/// The bytes of blobs that must not be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// Pieces of blobs that are not delivered yet.
    pieces: Vec<(String, Range<u64>)>,
    /// Blobs whose items are completed.
    blobs: Vec<String>,
}

impl Saved {
    /// Reads what the retrievals of a storm had saved when the server of this data folder was killed. A copy is read, so
    /// that the next server finds what the kill left.
    pub(crate) fn read(data: &Path, copy: &Path, storm: u32) -> Self {
        // Of the copy before.
        let _ = fs::remove_dir_all(copy);
        fs::create_dir(copy).expect("a folder");
        for name in ["jobs.db", "jobs.db-wal"] {
            if data.join(name).exists() {
                fs::copy(data.join(name), copy.join(name)).expect("copied");
            }
        }
        let db = Connection::open(copy.join("jobs.db")).expect("opened");
        let jobs = format!("s{storm}-%");
        let texts = |sql: &str| -> Vec<Value> {
            let mut select = db.prepare(sql).expect("a statement");
            let texts = select.query_map([&jobs], |row| row.get::<_, String>(0));
            let texts = texts.expect("rows").map(|text| text.expect("text"));
            texts
                .map(|text| serde_json::from_str(&text).expect("JSON"))
                .collect()
        };
        let checkpoints = texts(
            "SELECT checkpoint FROM longhaul_checkpoints c JOIN longhaul_jobs j ON j.seq = c.job \
             WHERE j.id LIKE ?1 AND j.id NOT LIKE '%command%'",
        );
        let results = texts(
            "SELECT i.result FROM longhaul_items i JOIN longhaul_jobs j ON j.seq = i.job \
             WHERE j.id LIKE ?1 AND i.state = 2 AND i.result IS NOT NULL",
        );
        Self {
            pieces: checkpoints.iter().flat_map(done_pieces).collect(),
            blobs: results
                .iter()
                .filter_map(|result| Some(result["blobId"].as_str()?.to_owned()))
                .collect(),
        }
    }

    /// Number of saved pieces.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Whether the request asks for bytes that are saved.
    pub(crate) fn has(&self, request: &Request) -> bool {
        if self.blobs.contains(&request.blob) {
            return true;
        }
        let asked = match &request.range {
            Some(text) => range(text),
            None => 0..u64::MAX,
        };
        self.pieces.iter().any(|(blob, saved)| {
            *blob == request.blob && saved.start < asked.end && asked.start < saved.end
        })
    }
}

fn done_pieces(checkpoint: &Value) -> Vec<(String, Range<u64>)> {
    let blobs = checkpoint["pieces"].as_object().expect("blobs in pieces");
    let mut done = Vec::new();
    for pieces in blobs.values() {
        let pieces: Pieces = serde_json::from_value(pieces.clone()).expect("pieces");
        let saved = (0..pieces.count()).filter(|index| pieces.is_done(*index));
        done.extend(saved.map(|index| (pieces.blob().to_string(), pieces.range(index))));
    }
    done
}

/// The bytes of a header `bytes=first-last`.
fn range(header: &str) -> Range<u64> {
    let numbers = header
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'));
    let (first, last) = numbers.expect("a range of bytes");
    first.parse().expect("a number")..last.parse::<u64>().expect("a number") + 1
}
