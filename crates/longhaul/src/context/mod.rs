//! What a running handler talks to: progress, items, log, checkpoint, commit, scratch, artifacts, cancellation, time.
//!
//! Invariant: everything a run writes goes under its claim, one write after the other; a run that lost its claim writes
//! nothing and is told to stop.

mod commit;
mod held;
mod item;
mod progress;
mod scratch;

use std::{path::PathBuf, sync::Arc, time::Duration};

use longhaul_types::{Item, JobId, Labels, Level, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

pub use commit::Commit;
pub(crate) use commit::json;
pub(crate) use held::Held;
pub use held::Stop;
pub use item::{ItemError, ItemRun};
pub(crate) use item::{all_failed, check as check_item, remember as remember_item};
pub use progress::Reporter;
pub(crate) use scratch::{job_of as scratch_job_of, remove as remove_scratch};

use crate::{
    artifacts::JobArtifacts,
    engine::{Core, Error},
    model::{Detail, Job, Limits},
    store::LogWrite,
};

/// What a running handler talks to.
///
/// Cheap to clone; a clone can go to a task of the handler's own, which must end with the run.
#[derive(Clone)]
pub struct Context {
    pub(crate) core: Arc<Core>,
    pub(crate) held: Arc<Held>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("job", &self.held.job.id)
            .field("claim", &self.held.claim.number)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.held.job.id
    }

    /// The job as it was when this worker took it.
    pub fn job(&self) -> &Job {
        &self.held.job
    }

    /// The job's owner; empty where there is only one.
    pub fn owner(&self) -> &str {
        &self.held.job.owner
    }

    /// The job's labels.
    pub fn labels(&self) -> &Labels {
        &self.held.job.labels
    }

    /// This attempt's number, from 1.
    pub fn attempt(&self) -> u32 {
        self.held.attempts() + 1
    }

    /// Attempts in all.
    pub fn max_attempts(&self) -> u32 {
        self.held.job.max_attempts
    }

    /// Whether an earlier run of this job was claimed: there may be a checkpoint, finished items or scratch.
    pub fn is_resumed(&self) -> bool {
        self.held.job.claim > 1
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// Ends after `duration`, or at once with an error when the run must stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stop> {
        tokio::select! {
            biased;
            stop = self.stopped() => Err(stop),
            () = self.core.clock.sleep(duration) => Ok(()),
        }
    }

    /// Measures something of the handler's own, a quality score say, for whoever observes the engine. Not kept with the
    /// job. Names are few and of the code: what is not a number, and names past the observer's limit, are left out.
    pub fn observe(&self, name: &'static str, value: f64) {
        if value.is_finite() {
            let kind = &self.held.job.kind;
            self.core
                .observe(|observer| observer.observed(kind, name, value));
        }
    }

    /// Fires when the run must stop: a cancel, a shutdown, a time limit, or a lost claim.
    pub fn cancellation(&self) -> CancellationToken {
        self.held.token()
    }

    /// Whether the run must stop.
    pub fn is_stopped(&self) -> bool {
        self.held.stop().is_some()
    }

    /// Ends when the run must stop, and says why.
    pub async fn stopped(&self) -> Stop {
        self.held.token().cancelled().await;
        self.held.stop().unwrap_or(Stop::Cancel)
    }

    /// Reports how far the run is. Cheap: kept in memory and written a few times a second at most; the last value
    /// before an end is always written.
    pub fn progress(&self) -> Reporter<'_> {
        Reporter::new(self)
    }

    /// Writes a line to the job's log.
    pub fn log(&self, level: Level, text: impl Into<String>) {
        let mut text = text.into();
        // Before the line is cut: a part of a secret could stay at its end.
        if let Some(redactor) = self.held.redactor() {
            redactor.text(&mut text);
        }
        let line = LogWrite {
            time: self.now(),
            level,
            text: cut(text, self.core.limits.log_line),
        };
        if self.held.push_log(line) {
            self.core.mark_dirty(&self.held);
        }
    }

    /// Writes a line at level info.
    pub fn info(&self, text: impl Into<String>) {
        self.log(Level::Info, text);
    }

    /// Writes a line at level warn.
    pub fn warn(&self, text: impl Into<String>) {
        self.log(Level::Warn, text);
    }

    /// The latest checkpoint, of this run or an earlier one.
    pub fn checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        self.held
            .checkpoint()
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|source| Error::Json {
                what: "the checkpoint",
                source,
            })
    }

    /// Stores a checkpoint: on disk when this returns.
    pub async fn save<T: Serialize + ?Sized>(&self, checkpoint: &T) -> Result<(), Error> {
        self.commit().checkpoint(checkpoint)?.run().await.map(drop)
    }

    /// Begins one fenced transaction of checkpoint, item results and new jobs.
    pub fn commit(&self) -> Commit<'_> {
        Commit::new(self)
    }

    /// A durable step: run now, or answered with its stored result when it finished earlier.
    pub fn item(&self, name: impl Into<String>) -> ItemRun<'_> {
        ItemRun::new(self, name.into())
    }

    /// Declares items by name before they run, so that they show as pending. Known names are left alone.
    pub async fn declare_items<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<(), Error> {
        item::declare(self, names.into_iter().map(Into::into).collect()).await
    }

    /// The job's items as they stand, by position.
    pub async fn items(&self) -> Result<Vec<Item>, Error> {
        item::all(self).await
    }

    /// A folder of this job on this machine, made when missing. It outlives attempts and restarts, is synced before
    /// every checkpoint, and goes when the job ends.
    pub async fn scratch(&self) -> Result<PathBuf, Error> {
        scratch::make(self).await
    }

    /// The files this job made.
    pub fn artifacts(&self) -> JobArtifacts<'_> {
        JobArtifacts::new(self)
    }

    /// Another job of this job's owner, with its args and result: the one that this follows, say. None when it is gone.
    pub async fn find(&self, id: &JobId) -> Result<Option<Detail>, Error> {
        let store = &self.core.store;
        match store.job(Some(self.owner()), id).await? {
            Some(job) => Ok(store.detail(job.seq).await?),
            None => Ok(None),
        }
    }

    /// The engine's limits.
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }
}

/// `text` in at most `limit` bytes, and in one line.
pub(crate) fn cut(text: String, limit: usize) -> String {
    let text = shorten(text, limit);
    if text.contains(['\n', '\r']) {
        return text.replace(['\n', '\r'], " ");
    }
    text
}

/// `text` in at most `limit` bytes and a mark.
pub(crate) fn shorten(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(cut("aéé".to_owned(), 2), "a…");
        assert_eq!(cut("a\nb".to_owned(), 9), "a b");
    }
}
