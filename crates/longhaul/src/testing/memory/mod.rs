//! A store in memory: for tests, and the plain model that other stores are compared with.
//!
//! Invariants: every method runs under one mutex, so each is one transaction; every change of a row goes through
//! [`Tables::change`], which raises the revision and keeps the index; a state changes only along [`crate::model::next`].

mod ask;
mod insert;
mod read;
mod run;
mod schedules;
mod sweep;
mod tables;
mod workers;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use longhaul_types::{Item, ItemState, JobId, LogLine, Timestamp};
use tokio::sync::watch;

use self::tables::Tables;
use crate::{
    model::{Attempt, Detail, Job, Limits, Scheduled, Seq, Token, WorkerId},
    store::{
        After, Asked, ClaimRequest, Claimed, CountsBy, Due, Error, Failures, Filter, Fire, Fired,
        Heartbeat, Insert, Inserted, Kind, Member, Page, PageRequest, PutDone, PutSchedule,
        Request, Store, StoredArtifact, Sweep, Total, Write, Written,
    },
};

/// A store in memory. What it holds ends with it.
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    installation: u64,
    /// No other process can reach this memory: never sent to, kept so that receivers wait instead of failing.
    changed: watch::Sender<u64>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl MemoryStore {
    /// An empty store that keeps [`Limits::log_lines`] of a job's log and takes [`Limits::queue_depth`] pending jobs a
    /// queue; the other limits are the engine's to check.
    pub fn new(limits: &Limits) -> Self {
        Self {
            tables: Mutex::new(Tables::new(limits)),
            installation: fastrand::u64(1..),
            changed: watch::Sender::new(0),
        }
    }

    /// A panic under the lock is a bug that its test reports; what other tests of the process see stays usable.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    /// Says that another process has changed something: what went past an engine is as if one had done it.
    pub fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn installation(&self) -> Result<u64, Error> {
        Ok(self.installation)
    }

    async fn declare(&self, kinds: Vec<Kind>) -> Result<(), Error> {
        self.tables().declare(kinds);
        Ok(())
    }

    async fn kinds(&self) -> Result<Vec<Kind>, Error> {
        Ok(self.tables().kinds())
    }

    async fn join(
        &self,
        worker: &WorkerId,
        lease: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.tables().join(worker, lease, now);
        Ok(())
    }

    async fn introduce(&self, worker: &WorkerId, about: String) -> Result<(), Error> {
        self.tables().introduce(worker, about);
        Ok(())
    }

    async fn members(&self, jobs: usize) -> Result<Vec<Member>, Error> {
        Ok(self.tables().members(jobs))
    }

    async fn extend_leases(&self, now: Timestamp) -> Result<(), Error> {
        self.tables().extend_leases(now);
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<(), Error> {
        self.tables().leave(worker);
        Ok(())
    }

    async fn heartbeat(&self, worker: &WorkerId, now: Timestamp) -> Result<Heartbeat, Error> {
        Ok(self.tables().heartbeat(worker, now))
    }

    async fn held(&self, worker: &WorkerId) -> Result<Vec<Seq>, Error> {
        Ok(self.tables().held_by(worker))
    }

    async fn insert(&self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error> {
        self.tables().insert(jobs)
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, Error> {
        self.tables().claim(&request)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, Error> {
        let mut tables = self.tables();
        Ok(writes
            .into_iter()
            .map(|write| tables.write(write))
            .collect())
    }

    async fn rescue(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.tables().rescue(now)
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.tables().expire(now)
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        Ok(self.tables().next_due(now))
    }

    async fn ask(
        &self,
        request: Request,
        owner: Option<&str>,
        ids: Vec<JobId>,
        now: Timestamp,
    ) -> Result<Vec<Asked>, Error> {
        let mut tables = self.tables();
        Ok(ids
            .iter()
            .map(|id| tables.ask(request, owner, id, now))
            .collect())
    }

    async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Option<Job>, Error> {
        Ok(self.tables().job(owner, id))
    }

    async fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error> {
        self.tables().detail(seq)
    }

    async fn page(&self, filter: &Filter, request: &PageRequest) -> Result<Page, Error> {
        Ok(self.tables().page(filter, request))
    }

    async fn count(&self, filter: &Filter) -> Result<Total, Error> {
        Ok(self.tables().count(filter))
    }

    async fn waiting(&self, now: Timestamp) -> Result<BTreeMap<String, Timestamp>, Error> {
        Ok(self.tables().waiting(now))
    }

    async fn counts(&self, owner: Option<&str>) -> Result<CountsBy, Error> {
        Ok(self.tables().counts(owner))
    }

    async fn paused(&self) -> Result<BTreeMap<String, Timestamp>, Error> {
        Ok(self.tables().paused.clone())
    }

    async fn pause(&self, queue: &str, now: Timestamp) -> Result<(), Error> {
        self.tables().paused.entry(queue.to_owned()).or_insert(now);
        Ok(())
    }

    async fn resume(&self, queue: &str) -> Result<(), Error> {
        self.tables().paused.remove(queue);
        Ok(())
    }

    async fn put_schedule(&self, put: PutSchedule) -> Result<PutDone, Error> {
        self.tables().put_schedule(put)
    }

    async fn remove_schedule(&self, owner: &str, name: &str) -> Result<bool, Error> {
        let key = (name.to_owned(), owner.to_owned());
        Ok(self.tables().schedules.remove(&key).is_some())
    }

    async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Option<Scheduled>, Error> {
        Ok(self.tables().schedule(owner, name))
    }

    async fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, Error> {
        Ok(self.tables().schedules(owner, after, limit))
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<Scheduled>, Error> {
        Ok(self.tables().due_schedules(now, limit))
    }

    async fn next_schedule(&self) -> Result<Option<Timestamp>, Error> {
        let tables = self.tables();
        Ok(tables
            .schedules
            .values()
            .filter_map(|one| one.look_at)
            .min())
    }

    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>, Error> {
        let mut tables = self.tables();
        Ok(fires.into_iter().map(|fire| tables.fire(fire)).collect())
    }

    async fn items(
        &self,
        job: Seq,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        self.tables().items(job, state, after, limit)
    }

    async fn log(&self, job: Seq, after: u64, limit: usize) -> Result<Vec<LogLine>, Error> {
        Ok(self.tables().log(job, after, limit))
    }

    async fn log_tail(&self, job: Seq, limit: usize) -> Result<Vec<LogLine>, Error> {
        Ok(self.tables().log_tail(job, limit))
    }

    async fn artifacts(&self, job: Seq) -> Result<Vec<StoredArtifact>, Error> {
        Ok(self.tables().artifacts(job))
    }

    async fn failures(&self, owner: Option<&str>) -> Result<Failures, Error> {
        Ok(self.tables().failures(owner))
    }

    async fn disk(&self, owner: &str) -> Result<u64, Error> {
        Ok(self.tables().disk(owner))
    }

    async fn attempts(&self, job: Seq) -> Result<Vec<Attempt>, Error> {
        Ok(self.tables().attempts(job))
    }

    async fn sweepable(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        Ok(self.tables().sweepable(now, limit))
    }

    async fn sweep(&self, sweeps: Vec<Sweep>) -> Result<Vec<String>, Error> {
        Ok(self.tables().sweep(sweeps))
    }

    async fn orphans(&self, locations: Vec<String>) -> Result<Vec<String>, Error> {
        Ok(self.tables().orphans(locations))
    }

    async fn add_token(&self, token: Token) -> Result<(), Error> {
        let tokens = &mut self.tables().tokens;
        let same = |other: &Token| other.id == token.id || other.hash == token.hash;
        if tokens.iter().any(same) {
            return Err(Error::TokenTaken);
        }
        tokens.push(token);
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<Token>, Error> {
        Ok(self.tables().tokens.clone())
    }

    async fn revoke_token(&self, id: &str) -> Result<bool, Error> {
        let tokens = &mut self.tables().tokens;
        let before = tokens.len();
        tokens.retain(|token| token.id != id);
        Ok(tokens.len() < before)
    }

    async fn note_token_use(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error> {
        let tokens = &mut self.tables().tokens;
        for (id, time) in uses {
            for token in tokens.iter_mut().filter(|token| token.id == id) {
                token.used_at = token.used_at.max(Some(time));
            }
        }
        Ok(())
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
