//! A transaction: statements, interned names and counts.
//!
//! Invariant: nothing that a transaction noted is seen by another before it is committed, and a connection whose transaction
//! did not end goes to nobody else.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use deadpool_postgres::{Object, Pool};
use longhaul_types::State;
use tokio_postgres::{Row, types::ToSql};

use super::{
    error::{Fault, store_error},
    row,
    text::{kept, told},
};
use crate::store::{Error, Kind};

/// Names that are remembered: owners can be many.
const NAMES: usize = 100_000;
/// How often a transaction is done again that another came between.
const TRIES: u32 = 8;

/// What the store checks itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Pending jobs of a queue.
    pub(super) queue_depth: u64,
    /// Lines of a job's log.
    pub(super) log_lines: u64,
    /// Bytes of the artifacts of an owner's jobs.
    pub(super) owner_disk: u64,
}

/// Where a job is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of its owner.
    pub(super) owner: i32,
    /// Number of its kind.
    pub(super) kind: i32,
    /// Number of its queue.
    pub(super) queue: i32,
}

/// What is known of names and kinds, which never change once they are there.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: Mutex<Names>,
    kinds: Mutex<HashMap<String, i32>>,
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, i32>,
    texts: HashMap<i32, String>,
}

impl Known {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<String, i32>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a name that is known.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.names().numbers.get(name).copied()
    }

    /// The number of a kind that is known to be declared.
    pub(super) fn kind(&self, name: &str) -> Option<i32> {
        self.kinds().get(name).copied()
    }

    /// The name that is known to have this number.
    pub(super) fn text(&self, number: i32) -> Option<String> {
        self.names().texts.get(&number).cloned()
    }

    /// Remembers a name, which is there for good.
    pub(super) fn note(&self, name: String, number: i32) {
        let mut names = self.names();
        if names.numbers.len() >= NAMES {
            *names = Names::default();
        }
        names.texts.insert(number, name.clone());
        names.numbers.insert(name, number);
    }
}

/// A transaction on a connection of its own.
pub(super) struct Tx<'s> {
    db: Option<Object>,
    known: &'s Known,
    pub(super) bounds: Bounds,
    shard: i16,
    new_names: HashMap<String, i32>,
    deltas: BTreeMap<(Place, i16), i64>,
    pending: HashMap<i32, i64>,
}

/// How a transaction ended.
pub(super) enum Ended<T> {
    /// For good.
    Done(Result<T, Error>),
    /// Another came between: to be done once more.
    Again,
}

impl<'s> Tx<'s> {
    /// Begins.
    pub(super) async fn begin(
        pool: &Pool,
        known: &'s Known,
        bounds: Bounds,
        shard: i16,
    ) -> Result<Self, Error> {
        let tx = Self {
            db: Some(connection(pool).await?),
            known,
            bounds,
            shard,
            new_names: HashMap::new(),
            deltas: BTreeMap::new(),
            pending: HashMap::new(),
        };
        match tx.execute(sql!("begin"), &[]).await {
            Ok(_) => Ok(tx),
            Err(fault) => Err(refusal(fault)),
        }
    }

    /// Commits what was done, or undoes it.
    pub(super) async fn end<T>(mut self, done: Result<T, Fault>, tries: u32) -> Ended<T> {
        let done = match done {
            Ok(value) => self.commit().await.map(|()| value),
            Err(fault) => Err(fault),
        };
        let fault = match done {
            Ok(value) => {
                self.give_back();
                for (name, number) in self.new_names.drain() {
                    self.known.note(name, number);
                }
                return Ended::Done(Ok(value));
            }
            Err(fault) => fault,
        };
        if self.execute(sql!("rollback"), &[]).await.is_ok() {
            self.give_back();
        }
        match fault {
            Fault::Again if tries < TRIES => Ended::Again,
            fault => Ended::Done(Err(refusal(fault))),
        }
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        let deltas: Vec<_> = std::mem::take(&mut self.deltas)
            .into_iter()
            .filter(|(_, by)| *by != 0)
            .collect();
        if !deltas.is_empty() {
            let shards = vec![self.shard; deltas.len()];
            let column = |of: &dyn Fn(&Place) -> i32| -> Vec<i32> {
                deltas.iter().map(|((place, _), _)| of(place)).collect()
            };
            let states: Vec<i16> = deltas.iter().map(|((_, state), _)| *state).collect();
            let by: Vec<i64> = deltas.iter().map(|(_, by)| *by).collect();
            self.execute(
                sql!("counts_add"),
                &[
                    &column(&|place| place.owner),
                    &column(&|place| place.kind),
                    &column(&|place| place.queue),
                    &states,
                    &shards,
                    &by,
                ],
            )
            .await?;
        }
        self.execute(sql!("commit"), &[]).await?;
        Ok(())
    }

    /// The connection goes back to the others: only when no transaction is open on it.
    fn give_back(&mut self) {
        self.db = None;
    }

    fn db(&self) -> Result<&Object, Fault> {
        let gone = || Error::Internal("a transaction has ended".to_owned());
        Ok(self.db.as_ref().ok_or_else(gone)?)
    }

    /// The rows of a statement.
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let db = self.db()?;
        let statement = db.prepare_cached(sql).await?;
        Ok(db.query(&statement, parameters).await?)
    }

    /// The first row of a statement, if it has any.
    pub(super) async fn row(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        let db = self.db()?;
        let statement = db.prepare_cached(sql).await?;
        Ok(db.execute(&statement, parameters).await?)
    }

    /// From here on, what is done can be undone alone, by [`Self::undo`].
    pub(super) async fn mark(&mut self) -> Result<Mark, Fault> {
        self.execute(sql!("savepoint"), &[]).await?;
        Ok(Mark(self.deltas.clone()))
    }

    /// Keeps what was done since the mark.
    pub(super) async fn keep(&mut self, _mark: Mark) -> Result<(), Fault> {
        self.execute(sql!("savepoint_release"), &[]).await?;
        Ok(())
    }

    /// Undoes what was done since the mark.
    pub(super) async fn undo(&mut self, mark: Mark) -> Result<(), Fault> {
        self.execute(sql!("savepoint_rollback"), &[]).await?;
        self.execute(sql!("savepoint_release"), &[]).await?;
        self.deltas = mark.0;
        self.new_names.clear();
        self.pending.clear();
        Ok(())
    }

    /// Notes that `by` more jobs are in `state`.
    pub(super) fn count(&mut self, place: Place, state: State, by: i64) {
        if state == State::Pending
            && let Some(pending) = self.pending.get_mut(&place.queue)
        {
            *pending += by;
        }
        *self
            .deltas
            .entry((place, row::state_number(state)))
            .or_default() += by;
    }

    /// Notes that a job went from one state to another.
    pub(super) fn moved(&mut self, place: Place, from: State, to: State) {
        if from != to {
            self.count(place, from, -1);
            self.count(place, to, 1);
        }
    }

    /// Refuses a job more in a queue that is full.
    pub(super) async fn check_depth(&mut self, queue: i32, name: &str) -> Result<(), Fault> {
        let limit = self.bounds.queue_depth;
        let held = match self.pending.get(&queue) {
            Some(held) => *held,
            None => {
                let found = self.row(sql!("counts_pending"), &[&queue]).await?;
                let mut held: i64 = found.map_or(0, |row| row.get(0));
                for ((place, state), by) in &self.deltas {
                    if place.queue == queue && *state == row::state_number(State::Pending) {
                        held += by;
                    }
                }
                self.pending.insert(queue, held);
                held
            }
        };
        if u64::try_from(held).unwrap_or(0) >= limit {
            let queue = name.to_owned();
            return Err(Error::QueueFull { queue, limit }.into());
        }
        Ok(())
    }

    /// Counts bytes of files as an owner's, or refuses them: less is always right.
    pub(super) async fn add_disk(&mut self, owner: i32, more: i64) -> Result<(), Fault> {
        if more < 0 {
            self.execute(sql!("disk_less"), &[&owner, &-more]).await?;
        }
        if more <= 0 {
            return Ok(());
        }
        let name = self.name(owner).await?;
        if !name.is_empty() {
            let held = self.row(sql!("disk_read"), &[&owner]).await?;
            let held: i64 = held.map_or(0, |row| row.get(0));
            let limit = self.bounds.owner_disk;
            if held.saturating_add(more) > row::signed(limit) {
                return Err(Error::DiskLimit { owner: name, limit }.into());
            }
        }
        self.execute(sql!("disk_add"), &[&owner, &more]).await?;
        Ok(())
    }

    /// The number of a name; made when new.
    pub(super) async fn intern(&mut self, name: &str) -> Result<i32, Fault> {
        if let Some(number) = self.find_name(name).await? {
            return Ok(number);
        }
        self.execute(sql!("name_add"), &[&kept(name)]).await?;
        // None where another has made it since this statement began: visible to the next.
        self.find_name(name).await?.ok_or(Fault::Again)
    }

    /// The number of a name, if it has one.
    pub(super) async fn find_name(&mut self, name: &str) -> Result<Option<i32>, Fault> {
        let known = self.known.number(name);
        if let Some(number) = known.or_else(|| self.new_names.get(name).copied()) {
            return Ok(Some(number));
        }
        let found = self.row(sql!("name_find"), &[&kept(name)]).await?;
        let number = found.map(|row| row.get(0));
        if let Some(number) = number {
            self.new_names.insert(name.to_owned(), number);
        }
        Ok(number)
    }

    /// The name with this number.
    pub(super) async fn name(&mut self, number: i32) -> Result<String, Fault> {
        let known = self.known.text(number);
        if let Some(name) = known {
            return Ok(name);
        }
        let found = self.row(sql!("names_text"), &[&vec![number]]).await?;
        let name = found.map(|row| told(row.get(1))).unwrap_or_default();
        self.new_names.insert(name.clone(), number);
        Ok(name)
    }

    /// The number of a kind that some worker declared.
    pub(super) async fn kind(&mut self, name: &str) -> Result<i32, Fault> {
        if let Some(number) = self.known.kind(name) {
            return Ok(number);
        }
        for line in self.rows(sql!("kinds"), &[]).await? {
            let (number, kind) = row::kind(&line)?;
            // Declared by a transaction that is committed: it stays.
            self.known.kinds().insert(kind.name, number);
        }
        let known = self.known.kind(name);
        known.ok_or_else(|| Error::UnknownKind(name.to_owned()).into())
    }

    /// Declares a kind.
    pub(super) async fn declare(&mut self, kind: &Kind) -> Result<(), Fault> {
        let number = self.intern(&kind.name).await?;
        let queue = self.intern(&kind.queue).await?;
        self.execute(
            sql!("kind_declare"),
            &[
                &number,
                &i64::from(kind.version),
                &row::retention_text(&kind.retention),
                &row::millis(kind.retention.first()),
                &queue,
                &i64::from(kind.max_attempts.max(1)),
                &kind.attempt_timeout.map(row::millis),
                &kind.timeout.map(row::millis),
            ],
        )
        .await?;
        Ok(())
    }
}

impl Drop for Tx<'_> {
    /// A transaction that nobody ended, as its caller has gone, ends with its connection.
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            drop(Object::take(db));
        }
    }
}

/// What was noted when something began that can be undone alone.
pub(super) struct Mark(BTreeMap<(Place, i16), i64>);

/// A connection of the pool.
pub(super) async fn connection(pool: &Pool) -> Result<Object, Error> {
    use deadpool_postgres::PoolError;

    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => store_error(&error),
        PoolError::Closed => Error::Unavailable("it is closed".to_owned()),
        error => Error::Unavailable(format!(
            "no connection to PostgreSQL came free ({error}); allow more, or ask for less at once"
        )),
    })
}

/// What a caller is told.
pub(super) fn refusal(fault: Fault) -> Error {
    match fault {
        Fault::Refused(error) => error,
        Fault::Postgres(error) => store_error(&error),
        Fault::Again => Error::Unavailable(
            "other transactions came between again and again; try again".to_owned(),
        ),
    }
}
