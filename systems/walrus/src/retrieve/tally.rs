//! How far a retrieval is, in the document's words: bytes for one blob, items for a list.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use longhaul::{Context, engine};
use longhaul_types::ItemState;

use super::plan::Entry;
use crate::download::Retrying;

/// What the run has done so far, shared by its items.
pub(super) struct Tally<'a> {
    job: &'a Context,
    total: u64,
    /// Items that ended, here or in an earlier run.
    ended: AtomicU64,
    connected: AtomicBool,
    retried: AtomicBool,
}

impl<'a> Tally<'a> {
    pub(super) async fn new(
        job: &'a Context,
        entries: &[Entry],
        retried: bool,
    ) -> Result<Self, engine::Error> {
        let done = job.items().await?;
        let done = done
            .iter()
            .filter(|item| item.state == ItemState::Completed)
            .count();
        let tally = Self {
            job,
            total: entries.len() as u64,
            ended: AtomicU64::new(done as u64),
            connected: AtomicBool::new(false),
            retried: AtomicBool::new(retried),
        };
        let progress = job.progress().task("Retrieving data...");
        if tally.is_batch() {
            progress.unit("items").set(done as u64, tally.total);
        } else {
            progress.unit("bytes");
        }
        Ok(tally)
    }

    fn is_batch(&self) -> bool {
        self.total > 1
    }

    /// Bytes of one blob are here.
    pub(super) fn bytes(&self, done: u64, total: Option<u64>) {
        if !self.connected.swap(true, Ordering::Relaxed) {
            self.job.info("Connected to Walrus storage");
        }
        if self.is_batch() {
            return;
        }
        let progress = self.job.progress().current(done).total(total);
        if !self.retried.load(Ordering::Relaxed) {
            progress.task("Retrieving data...");
        }
    }

    /// An attempt failed and another follows.
    pub(super) fn retrying(&self, entry: &Entry, retrying: &Retrying<'_>) {
        self.retried.store(true, Ordering::Relaxed);
        let text = format!(
            "Retrying connection (attempt {}/{})...",
            retrying.attempt, retrying.of
        );
        self.job
            .warn(format!("{text} {}: {}", entry.title, retrying.error));
        self.job.progress().task(text);
    }

    /// The blob need not be fetched.
    pub(super) fn cached(&self, entry: &Entry) {
        self.job.info(format!(
            "Item {}/{} is in the result cache: retrieved and verified less than an hour ago",
            entry.number, self.total
        ));
        if !self.is_batch() {
            self.job.progress().task("Finalizing...");
        }
    }

    /// A blob's bytes are here and are verified now.
    pub(super) fn verifying(&self) {
        if !self.is_batch() {
            self.job.progress().task("Finalizing...");
        }
    }

    /// The item is begun.
    pub(super) fn began(&self, entry: &Entry) {
        self.job.info(format!(
            "Retrieving item {}/{}: \"{}\"",
            entry.number, self.total, entry.title
        ));
    }

    /// The item is delivered.
    pub(super) fn retrieved(&self, entry: &Entry) {
        self.job.info(format!(
            "Retrieved item {}/{}: \"{}\"",
            entry.number, self.total, entry.title
        ));
        self.ended();
    }

    /// The item is given up.
    pub(super) fn failed(&self, entry: &Entry, why: &str) {
        self.job.log(
            longhaul_types::Level::Error,
            format!(
                "Failed item {}/{}: \"{}\": {why}",
                entry.number, self.total, entry.title
            ),
        );
        self.ended();
    }

    fn ended(&self) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_batch() {
            self.job
                .progress()
                .set(ended, self.total)
                .task(format!("Item {ended}/{} completed", self.total));
        }
    }

    /// Every item has ended.
    pub(super) fn finished(&self) {
        if self.retried.load(Ordering::Relaxed) {
            self.job.progress().task("Retrieval completed after retry");
        }
    }
}
