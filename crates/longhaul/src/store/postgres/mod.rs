//! Jobs in a PostgreSQL database, in its schema `longhaul`, that any number of processes share.
//!
//! Invariants: an answer comes after the commit of what it says (`synchronous_commit` is on); whoever changes a job has locked
//! its row first; a transaction that another came between is done again; leases end by the database's clock.

/// A statement: one a file.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("sql/", $name, ".sql"))
    };
}

/// Does what `$work` says in a transaction, again as long as another comes between.
macro_rules! transact {
    ($shared:expr, $role:expr, |$tx:ident| $work:expr) => {
        transact!($shared, $role, 0, |$tx| $work)
    };
    ($shared:expr, $role:expr, $lane:expr, |$tx:ident| $work:expr) => {{
        let mut tries = 0;
        loop {
            let mut transaction = $shared.begin($role, $lane).await?;
            let done = {
                let $tx = &mut transaction;
                $work.await
            };
            match transaction.end(done, tries).await {
                $crate::store::postgres::tx::Ended::Done(done) => break done,
                $crate::store::postgres::tx::Ended::Again => tries += 1,
            }
        }
    }};
}

mod ask;
mod batch;
mod claim;
pub(crate) mod error;
mod follow;
mod hot;
mod insert;
mod list;
mod news;
pub(crate) mod open;
mod plain;
mod read;
mod row;
mod schedules;
mod submit;
mod sweep;
pub(crate) mod text;
mod tls;
mod tokens;
mod tx;
mod workers;
mod write;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use longhaul_types::{Item, ItemState, JobId, LogLine, Timestamp};
use tokio::sync::watch;

pub use submit::submit_in;

use self::{
    batch::Batch,
    news::{Ear, News},
    plain::Depths,
    text::kept,
    tx::{Bounds, Known, Tx},
};
use crate::{
    model::{Attempt, Detail, Job, Limits, Scheduled, Seq, Token, WorkerId},
    store::{
        After, Asked, ClaimRequest, Claimed, CountsBy, Due, Error, Failures, Filter, Fire, Fired,
        Heartbeat, Insert, Inserted, Kind, Member, Page, PageRequest, PutDone, PutSchedule,
        Request, Store, StoredArtifact, Sweep, Total, Write, Written,
    },
};

/// Whose clock sets and compares the ends of leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseClock {
    /// The database's, whatever the machines of the workers say.
    #[default]
    Database,
    /// The one that calls are given the time by: for tests with a clock of their own.
    Caller,
}

/// How a database is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the args of a job that is submitted beside the engine.
    pub args: usize,
    /// Pending jobs of a queue; a few more where several processes submit at once.
    pub queue_depth: u64,
    /// Lines of a job's log.
    pub log_lines: u64,
    /// Bytes of the artifacts of an owner's jobs.
    pub owner_disk: u64,
    /// Connections of this process at a time.
    pub connections: usize,
    /// Whose clock sets and compares the ends of leases.
    pub lease_clock: LeaseClock,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_limits(&Limits::default())
    }
}

impl Options {
    /// Options with these limits.
    pub fn with_limits(limits: &Limits) -> Self {
        Self {
            args: limits.args,
            queue_depth: limits.queue_depth,
            log_lines: limits.log_lines,
            owner_disk: limits.owner_disk,
            connections: 8,
            lease_clock: LeaseClock::default(),
        }
    }
}

/// Whether the address of a database has a password in it, which a command line is to keep out.
pub fn has_password(url: &str) -> bool {
    open::has_password(url)
}

/// What a transaction is for. Each has counts of its own, so that none waits for another's commit.
#[derive(Clone, Copy, Debug)]
enum Role {
    Insert,
    Claim,
    Write,
    Other,
}

/// What all calls of a store share.
#[derive(Debug)]
struct Shared {
    pool: Pool,
    known: Known,
    bounds: Bounds,
    clock: LeaseClock,
    shard: i16,
    depths: Depths,
    news: News,
}

impl Shared {
    async fn begin(&self, role: Role, lane: i16) -> Result<Tx<'_>, Error> {
        Tx::begin(
            &self.pool,
            &self.known,
            self.bounds,
            self.shard_of(role, lane),
        )
        .await
    }

    /// Where transactions of a role count, of which several may run at a time.
    fn shard_of(&self, role: Role, lane: i16) -> i16 {
        (self.shard * 4 + role as i16) * 4 + lane
    }

    /// Tells the other processes of what was done, if it is news to them.
    fn told<T>(&self, done: Result<T, Error>, is_news: impl Fn(&T) -> bool) -> Result<T, Error> {
        if done.as_ref().is_ok_and(is_news) {
            self.news.changed();
        }
        done
    }

    /// The time by which leases end, where the database's clock is not asked.
    fn lease_time(&self, now: Timestamp) -> Option<i64> {
        (self.clock == LeaseClock::Caller).then_some(now.0)
    }
}

/// Jobs in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    inserts: Batch<Insert, Inserted>,
    writes: Batch<Write, Written>,
    ear: Ear,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://user@host:5432/database`, or the words of libpq), and brings its schema
    /// `longhaul` up to date, made when missing. With `sslmode=require` the server must have a certificate for its name, from
    /// an authority of the system or of the file that `sslrootcert` names. To be called in a Tokio runtime, which the store's tasks live in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can not be reached or lets nobody in, [`Error::Schema`] when a newer version made it.
    pub async fn connect(url: &str, options: &Options) -> Result<Self, Error> {
        let address = open::address(url)?;
        open::ensure_schema(&address).await?;
        let shared = Arc::new(Shared {
            pool: open::pool(&address, options)?,
            known: Known::default(),
            bounds: Bounds {
                queue_depth: options.queue_depth,
                log_lines: options.log_lines,
                owner_disk: options.owner_disk,
            },
            clock: options.lease_clock,
            shard: fastrand::i16(0..8),
            depths: Depths::default(),
            news: News::new(),
        });
        for (name, value) in [
            ("args_limit", row::limit(options.args)),
            ("queue_depth", row::signed(options.queue_depth)),
        ] {
            shared.rows(sql!("setting_write"), &[&name, &value]).await?;
        }
        let ear = news::start(&shared, address);
        Ok(Self {
            inserts: batch::inserts(Arc::clone(&shared)),
            writes: batch::writes(Arc::clone(&shared)),
            shared,
            ear,
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn installation(&self) -> Result<u64, Error> {
        let found = self
            .shared
            .row(sql!("setting_read"), &[&"installation"])
            .await?;
        found
            .map(|line| row::unsigned(&line, 0))
            .ok_or_else(|| Error::Corrupt("this installation has no number".to_owned()))
    }

    async fn declare(&self, kinds: Vec<Kind>) -> Result<(), Error> {
        transact!(self.shared, Role::Other, |tx| async {
            for kind in &kinds {
                tx.declare(kind).await?;
            }
            Ok(())
        })
    }

    async fn kinds(&self) -> Result<Vec<Kind>, Error> {
        let rows = self.shared.rows(sql!("kinds"), &[]).await?;
        rows.iter().map(|line| Ok(row::kind(line)?.1)).collect()
    }

    async fn join(
        &self,
        worker: &WorkerId,
        lease: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let clock = self.shared.lease_time(now);
        transact!(self.shared, Role::Other, |tx| workers::join(
            tx, worker, lease, now, clock
        ))
    }

    async fn introduce(&self, worker: &WorkerId, about: String) -> Result<(), Error> {
        let name = kept(worker.as_str());
        self.shared
            .rows(sql!("worker_about"), &[&name, &about])
            .await?;
        Ok(())
    }

    async fn members(&self, jobs: usize) -> Result<Vec<Member>, Error> {
        self.shared.members(jobs).await
    }

    async fn extend_leases(&self, now: Timestamp) -> Result<(), Error> {
        let clock = self.shared.lease_time(now);
        self.shared.rows(sql!("workers_extend"), &[&clock]).await?;
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<(), Error> {
        let name = kept(worker.as_str());
        self.shared.rows(sql!("worker_end"), &[&name]).await?;
        Ok(())
    }

    async fn heartbeat(&self, worker: &WorkerId, now: Timestamp) -> Result<Heartbeat, Error> {
        let clock = self.shared.lease_time(now);
        transact!(self.shared, Role::Other, |tx| workers::heartbeat(
            tx, worker, clock
        ))
    }

    async fn held(&self, worker: &WorkerId) -> Result<Vec<Seq>, Error> {
        let name = kept(worker.as_str());
        let rows = self.shared.rows(sql!("held"), &[&name]).await?;
        Ok(rows.iter().map(|line| line.get(0)).collect())
    }

    async fn insert(&self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let inserted = self.inserts.call(jobs).await?;
        if inserted.iter().any(|one| one.new) {
            self.shared.news.due();
        }
        Ok(inserted)
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, Error> {
        let clock = self.shared.lease_time(request.now);
        self.shared.claim(&request, clock).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, Error> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let written = self.writes.call(writes).await?;
        self.shared.news.changed();
        if written.iter().any(Written::makes_due) {
            self.shared.news.due();
        }
        Ok(written)
    }

    async fn rescue(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        let clock = self.shared.lease_time(now);
        let rescued: Result<Vec<Job>, _> = transact!(self.shared, Role::Other, |tx| {
            workers::rescue(tx, now, clock)
        });
        self.shared.told(rescued, |jobs| !jobs.is_empty())
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        let expired: Result<Vec<Job>, _> =
            transact!(self.shared, Role::Other, |tx| workers::expire(tx, now));
        self.shared.told(expired, |jobs| !jobs.is_empty())
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let found = self.shared.row(sql!("next_due"), &[&now.0]).await?;
        let due = found.and_then(|line| row::maybe_time(&line, 0));
        Ok(due.map(|due| due.max(now)))
    }

    async fn ask(
        &self,
        request: Request,
        owner: Option<&str>,
        ids: Vec<JobId>,
        now: Timestamp,
    ) -> Result<Vec<Asked>, Error> {
        let asked = transact!(self.shared, Role::Other, |tx| ask::ask(
            tx, request, owner, &ids, now
        ));
        self.shared.told(asked, |_| true)
    }

    async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Option<Job>, Error> {
        self.shared.job(owner, id).await
    }

    async fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error> {
        self.shared.detail(seq).await
    }

    async fn page(&self, filter: &Filter, request: &PageRequest) -> Result<Page, Error> {
        self.shared.page(filter, request).await
    }

    async fn count(&self, filter: &Filter) -> Result<Total, Error> {
        self.shared.count(filter).await
    }

    async fn counts(&self, owner: Option<&str>) -> Result<CountsBy, Error> {
        self.shared.counts(owner).await
    }

    async fn waiting(&self, now: Timestamp) -> Result<BTreeMap<String, Timestamp>, Error> {
        let rows = self.shared.rows(sql!("oldest"), &[&now.0]).await?;
        let queue = |line| (row::text(line, 0), row::time(line, 1));
        Ok(rows.iter().map(queue).collect())
    }

    async fn paused(&self) -> Result<BTreeMap<String, Timestamp>, Error> {
        let rows = self.shared.rows(sql!("paused"), &[]).await?;
        let queue = |line| (row::text(line, 0), row::time(line, 1));
        Ok(rows.iter().map(queue).collect())
    }

    async fn pause(&self, queue: &str, now: Timestamp) -> Result<(), Error> {
        let paused = transact!(self.shared, Role::Other, |tx| async {
            let queue = tx.intern(queue).await?;
            tx.execute(sql!("pause"), &[&queue, &now.0]).await?;
            Ok(())
        });
        self.shared.told(paused, |()| true)
    }

    async fn resume(&self, queue: &str) -> Result<(), Error> {
        let resumed = self.shared.rows(sql!("resume"), &[&kept(queue)]).await;
        self.shared.told(resumed.map(drop), |()| true)
    }

    async fn put_schedule(&self, put: PutSchedule) -> Result<PutDone, Error> {
        let done = transact!(self.shared, Role::Other, |tx| schedules::put(tx, &put));
        self.shared.told(done, |_| true)
    }

    async fn remove_schedule(&self, owner: &str, name: &str) -> Result<bool, Error> {
        let parameters = (kept(owner), kept(name));
        transact!(self.shared, Role::Other, |tx| async {
            let removed = tx
                .execute(sql!("schedule_delete"), &[&parameters.0, &parameters.1])
                .await?;
            Ok(removed > 0)
        })
    }

    async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Option<Scheduled>, Error> {
        let parameters = (kept(name), owner.map(kept));
        let found = self
            .shared
            .row(sql!("schedule_find"), &[&parameters.0, &parameters.1])
            .await?;
        found.as_ref().map(row::scheduled).transpose()
    }

    async fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, Error> {
        // Every name is longer than the empty one.
        let (name, last) = after.unwrap_or_default();
        let parameters = (owner.map(kept), kept(name), kept(last), row::limit(limit));
        let rows = self
            .shared
            .rows(
                sql!("schedules"),
                &[&parameters.0, &parameters.1, &parameters.2, &parameters.3],
            )
            .await?;
        rows.iter().map(row::scheduled).collect()
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<Scheduled>, Error> {
        let limit = row::limit(limit);
        let rows = self
            .shared
            .rows(sql!("schedules_due"), &[&now.0, &limit])
            .await?;
        rows.iter().map(row::scheduled).collect()
    }

    async fn next_schedule(&self) -> Result<Option<Timestamp>, Error> {
        let found = self.shared.row(sql!("schedules_next"), &[]).await?;
        Ok(found.and_then(|line| row::maybe_time(&line, 0)))
    }

    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>, Error> {
        let done = transact!(self.shared, Role::Other, |tx| schedules::fire_all(
            tx, &fires
        ));
        self.shared.told(done, |_| true)
    }

    async fn items(
        &self,
        job: Seq,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        let after = after.map_or(-1, i64::from);
        let limit = row::limit(limit);
        let rows = match state {
            Some(state) => {
                let state = row::item_state_number(state);
                self.shared
                    .rows(sql!("items_state"), &[&job, &after, &limit, &state])
                    .await?
            }
            None => {
                self.shared
                    .rows(sql!("items"), &[&job, &after, &limit])
                    .await?
            }
        };
        rows.iter().map(row::item).collect()
    }

    async fn log(&self, job: Seq, after: u64, limit: usize) -> Result<Vec<LogLine>, Error> {
        let (after, limit) = (row::signed(after), row::limit(limit));
        let rows = self
            .shared
            .rows(sql!("log"), &[&job, &after, &limit])
            .await?;
        rows.iter().map(row::log_line).collect()
    }

    async fn log_tail(&self, job: Seq, limit: usize) -> Result<Vec<LogLine>, Error> {
        let limit = row::limit(limit);
        let rows = self.shared.rows(sql!("log_tail"), &[&job, &limit]).await?;
        rows.iter().rev().map(row::log_line).collect()
    }

    async fn artifacts(&self, job: Seq) -> Result<Vec<StoredArtifact>, Error> {
        let rows = self.shared.rows(sql!("artifacts"), &[&job]).await?;
        Ok(rows.iter().map(row::artifact).collect())
    }

    async fn failures(&self, owner: Option<&str>) -> Result<Failures, Error> {
        self.shared.failures(owner).await
    }

    async fn disk(&self, owner: &str) -> Result<u64, Error> {
        let found = self.shared.row(sql!("disk_owner"), &[&kept(owner)]).await?;
        Ok(found.map_or(0, |line| row::unsigned(&line, 0)))
    }

    async fn attempts(&self, job: Seq) -> Result<Vec<Attempt>, Error> {
        let rows = self.shared.rows(sql!("attempts"), &[&job]).await?;
        rows.iter().map(row::attempt).collect()
    }

    async fn sweepable(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        self.shared.rows(sql!("counts_fold"), &[]).await?;
        let limit = row::limit(limit);
        let rows = self
            .shared
            .rows(sql!("sweepable"), &[&now.0, &limit])
            .await?;
        let due = |line| {
            Ok(Due {
                seq: tokio_postgres::Row::get(line, 0),
                kind: row::text(line, 1),
                state: row::pick(line, 2, &longhaul_types::State::ALL)?,
                ended_at: row::time(line, 3),
            })
        };
        rows.iter().map(due).collect()
    }

    async fn sweep(&self, sweeps: Vec<Sweep>) -> Result<Vec<String>, Error> {
        transact!(self.shared, Role::Other, |tx| sweep::sweep(tx, &sweeps))
    }

    async fn orphans(&self, mut locations: Vec<String>) -> Result<Vec<String>, Error> {
        let asked: Vec<_> = locations.iter().map(|location| kept(location)).collect();
        let rows = self.shared.rows(sql!("locations_used"), &[&asked]).await?;
        let used: HashSet<String> = rows.iter().map(|line| row::text(line, 0)).collect();
        drop(asked);
        locations.retain(|location| !used.contains(location));
        Ok(locations)
    }

    async fn add_token(&self, token: Token) -> Result<(), Error> {
        transact!(self.shared, Role::Other, |tx| tokens::add(tx, &token))
    }

    async fn tokens(&self) -> Result<Vec<Token>, Error> {
        let rows = self.shared.rows(sql!("tokens"), &[]).await?;
        rows.iter().map(tokens::token).collect()
    }

    async fn revoke_token(&self, id: &str) -> Result<bool, Error> {
        transact!(self.shared, Role::Other, |tx| async {
            Ok(tx.execute(sql!("token_revoke"), &[&kept(id)]).await? > 0)
        })
    }

    async fn note_token_use(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error> {
        transact!(self.shared, Role::Other, |tx| tokens::note_use(tx, &uses))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.ear.changed.clone()
    }

    fn due(&self) -> watch::Receiver<u64> {
        self.ear.due.clone()
    }
}
