//! The transaction that the writer's commands share: statements, interned names, counts and numbers.
//!
//! Invariants: what is remembered here between transactions is what the file says, or forgotten (after a rollback, and
//! when another process has written); counts are written once a commit, in the commit that changed them.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use longhaul_types::{State, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{
    error::{Fault, is_local, store_error},
    row,
    statements::{Sql, Statements},
};
use crate::{
    model::{Job, Seq, Standing},
    store::{Error, Kind},
};

/// Bounds that the store keeps itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Pending jobs of a queue.
    pub(super) queue_depth: u64,
    /// Lines of a job's log.
    pub(super) log_lines: u64,
    /// Bytes of the artifacts of an owner's jobs.
    pub(super) owner_disk: u64,
}

/// A declared kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownKind {
    /// Number of its name.
    pub(super) id: i64,
    /// How long after the end of one of its jobs the sweeper first has something to do, in milliseconds.
    pub(super) sweep_after: i64,
}

/// Where a job is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Number of its owner.
    pub(super) owner: i64,
    /// Number of its kind.
    pub(super) kind: i64,
    /// Number of its queue.
    pub(super) queue: i64,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standpoint {
    /// Where it is counted.
    pub(super) place: Place,
    /// What the transition function must know of it.
    pub(super) standing: Standing,
    /// Whether jobs follow its ends.
    pub(super) followed: bool,
}

/// A change of counts that is not written yet.
#[derive(Clone, Copy, Debug)]
struct Delta {
    place: Place,
    state: State,
    by: i64,
}

/// The writer's side of the file.
pub(super) struct Tx<'c> {
    pub(super) sql: Statements<'c>,
    pub(super) bounds: Bounds,
    path: Arc<Path>,
    names: HashMap<Box<str>, i64>,
    texts: HashMap<i64, Box<str>>,
    kinds: Option<HashMap<Box<str>, KnownKind>>,
    sweep_after: HashMap<i64, i64>,
    pending: Option<HashMap<i64, i64>>,
    paused: Option<HashSet<i64>>,
    next_seq: Option<Seq>,
    deltas: Vec<Delta>,
    /// Where the deltas of the command begin that can be undone alone.
    mark: usize,
    latest: Latest,
}

/// The names asked for last, as one commit asks for the same ones again and again.
#[derive(Default)]
struct Latest {
    names: [(Box<str>, i64); 2],
    older: usize,
    kind: Option<(Box<str>, KnownKind)>,
}

impl Latest {
    fn name(&self, name: &str) -> Option<i64> {
        let known = |known: &&(Box<str>, i64)| known.1 != 0 && *known.0 == *name;
        self.names.iter().find(known).map(|(_, id)| *id)
    }

    fn note(&mut self, name: &str, id: i64) {
        self.names[self.older] = (name.into(), id);
        self.older = 1 - self.older;
    }
}

impl<'c> Tx<'c> {
    /// Nothing remembered yet.
    pub(super) fn new(db: &'c Connection, path: Arc<Path>, bounds: Bounds) -> Self {
        Self {
            sql: Statements::new(db),
            bounds,
            path,
            names: HashMap::new(),
            texts: HashMap::new(),
            kinds: None,
            sweep_after: HashMap::new(),
            pending: None,
            paused: None,
            next_seq: None,
            deltas: Vec::new(),
            mark: 0,
            latest: Latest::default(),
        }
    }

    /// Forgets everything remembered: the file may say otherwise.
    pub(super) fn forget(&mut self) {
        self.names.clear();
        self.latest = Latest::default();
        self.texts.clear();
        self.forget_kinds();
        self.pending = None;
        self.paused = None;
        self.next_seq = None;
        self.deltas.clear();
        self.mark = 0;
    }

    /// Forgets the kinds, after a declaration.
    pub(super) fn forget_kinds(&mut self) {
        self.kinds = None;
        self.latest.kind = None;
        self.sweep_after.clear();
    }

    /// Runs `command` so that it alone is undone when it fails.
    pub(super) fn alone<T>(
        &mut self,
        command: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.sql.get(Sql::Savepoint)?.execute([])?;
        self.mark = self.deltas.len();
        let mark = self.mark;
        match command(self) {
            Ok(value) => {
                self.sql.get(Sql::SavepointRelease)?.execute([])?;
                self.mark = 0;
                Ok(value)
            }
            Err(fault) => {
                let refused = match fault {
                    Fault::Refused(error) => error,
                    Fault::Sqlite(error) if is_local(&error) => store_error(&error, &self.path),
                    Fault::Sqlite(error) => return Err(Fault::Sqlite(error)),
                };
                self.sql.get(Sql::SavepointRollback)?.execute([])?;
                self.sql.get(Sql::SavepointRelease)?.execute([])?;
                let deltas = std::mem::take(&mut self.deltas);
                let next = self.next_seq;
                self.forget();
                // Numbers handed out stay used; other commands' counts stay.
                self.deltas = deltas;
                self.deltas.truncate(mark);
                self.mark = 0;
                self.next_seq = next;
                Err(Fault::Refused(refused))
            }
        }
    }

    /// Writes what is written once a commit.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        if self.deltas.is_empty() {
            return Ok(());
        }
        let mut sums: HashMap<(Place, State), i64> = HashMap::new();
        for delta in self.deltas.drain(..) {
            *sums.entry((delta.place, delta.state)).or_default() += delta.by;
        }
        for ((place, state), by) in sums {
            let Place { owner, kind, queue } = place;
            let line = (owner, kind, queue, row::state_number(state), by);
            if by != 0 && self.sql.get(Sql::CountsChange)?.execute(line)? == 0 {
                self.sql.get(Sql::CountsAdd)?.execute(line)?;
            }
        }
        Ok(())
    }

    /// Notes that `by` more jobs are in `state`.
    pub(super) fn count(&mut self, place: Place, state: State, by: i64) {
        if state == State::Pending
            && let Some(pending) = &mut self.pending
        {
            *pending.entry(place.queue).or_default() += by;
        }
        // The same few places come again and again.
        let own = &mut self.deltas[self.mark..];
        let same = |delta: &&mut Delta| delta.place == place && delta.state == state;
        match own.iter_mut().rev().take(8).find(same) {
            Some(delta) => delta.by += by,
            None => self.deltas.push(Delta { place, state, by }),
        }
    }

    /// Notes that a job went from one state to another.
    pub(super) fn moved(&mut self, place: Place, from: State, to: State) {
        if from != to {
            self.count(place, from, -1);
            self.count(place, to, 1);
        }
    }

    /// Refuses a job more in a queue that is full.
    pub(super) fn check_depth(&mut self, queue: i64, name: &str) -> Result<(), Fault> {
        if self.pending.is_none() {
            let mut pending: HashMap<i64, i64> = HashMap::new();
            let statement = self.sql.get(Sql::CountsPending)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                pending.insert(row.get(0)?, row.get(1)?);
            }
            for delta in &self.deltas {
                if delta.state == State::Pending {
                    *pending.entry(delta.place.queue).or_default() += delta.by;
                }
            }
            self.pending = Some(pending);
        }
        let held = self
            .pending
            .as_ref()
            .and_then(|pending| pending.get(&queue))
            .copied()
            .unwrap_or(0);
        if u64::try_from(held).unwrap_or(0) >= self.bounds.queue_depth {
            return Err(Fault::Refused(Error::QueueFull {
                queue: name.to_owned(),
                limit: self.bounds.queue_depth,
            }));
        }
        Ok(())
    }

    /// Counts bytes of files as an owner's, or refuses them: less is always right.
    pub(super) fn add_disk(&mut self, owner: i64, more: i64) -> Result<(), Fault> {
        if more == 0 {
            return Ok(());
        }
        let name = self.name(owner)?;
        if more > 0 && !name.is_empty() {
            let held = self
                .sql
                .get(Sql::Disk)?
                .query_row([owner], |row| row.get::<_, i64>(0));
            let held = held.optional()?.unwrap_or(0);
            let limit = self.bounds.owner_disk;
            if held.saturating_add(more) > row::signed(limit) {
                return Err(Fault::Refused(Error::DiskLimit { owner: name, limit }));
            }
        }
        if self.sql.get(Sql::DiskChange)?.execute((owner, more))? == 0 {
            self.sql.get(Sql::DiskAdd)?.execute((owner, more))?;
        }
        Ok(())
    }

    /// Whether nothing of a queue is to be claimed.
    pub(super) fn is_paused(&mut self, queue: i64) -> rusqlite::Result<bool> {
        if let Some(paused) = &self.paused {
            return Ok(paused.contains(&queue));
        }
        let statement = self.sql.get(Sql::Paused)?;
        let paused: rusqlite::Result<HashSet<i64>> =
            statement.query_map([], |row| row.get(2))?.collect();
        Ok(self.paused.insert(paused?).contains(&queue))
    }

    /// Has nothing of a queue be claimed.
    pub(super) fn pause(&mut self, queue: &str, now: Timestamp) -> Result<(), Fault> {
        let queue = self.intern(queue)?;
        self.sql.get(Sql::Pause)?.execute((queue, now.0))?;
        self.paused = None;
        Ok(())
    }

    /// Has a queue's jobs be claimed again.
    pub(super) fn resume(&mut self, queue: &str) -> Result<(), Fault> {
        if let Some(queue) = self.find_name(queue)? {
            self.sql.get(Sql::Resume)?.execute([queue])?;
            self.paused = None;
        }
        Ok(())
    }

    /// A number for a new job.
    pub(super) fn take_seq(&mut self) -> rusqlite::Result<Seq> {
        let seq = match self.next_seq {
            Some(seq) => seq,
            None => self
                .sql
                .get(Sql::SequenceRead)?
                .query_row([], |row| row.get(0))?,
        };
        self.next_seq = Some(seq + 1);
        Ok(seq)
    }

    /// The number of a name; made when new.
    pub(super) fn intern(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.find_name(name)? {
            return Ok(id);
        }
        let id = self.sql.get(Sql::NameAdd)?.insert([name])?;
        self.names.insert(name.into(), id);
        Ok(id)
    }

    /// The number of a name, if it has one.
    pub(super) fn find_name(&mut self, name: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.latest.name(name) {
            return Ok(Some(id));
        }
        if let Some(id) = self.names.get(name) {
            self.latest.note(name, *id);
            return Ok(Some(*id));
        }
        let id: Option<i64> = self
            .sql
            .get(Sql::NameFind)?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            // Owners can be many: what is remembered stays bounded.
            if self.names.len() >= 100_000 {
                self.names.clear();
            }
            self.names.insert(name.into(), id);
        }
        Ok(id)
    }

    /// The name with this number.
    pub(super) fn name(&mut self, id: i64) -> rusqlite::Result<String> {
        if let Some(text) = self.texts.get(&id) {
            return Ok(text.to_string());
        }
        let text: String = self
            .sql
            .get(Sql::NameText)?
            .query_row([id], |row| row.get(0))?;
        if self.texts.len() >= 100_000 {
            self.texts.clear();
        }
        self.texts.insert(id, text.as_str().into());
        Ok(text)
    }

    /// A kind that some worker declared.
    pub(super) fn kind(&mut self, name: &str) -> Result<KnownKind, Fault> {
        if let Some((known, kind)) = &self.latest.kind
            && **known == *name
        {
            return Ok(*kind);
        }
        if self.kinds.is_none() {
            self.read_kinds()?;
        }
        let known = self
            .kinds
            .as_ref()
            .and_then(|kinds| kinds.get(name))
            .copied();
        let kind = known.ok_or_else(|| Fault::Refused(Error::UnknownKind(name.to_owned())))?;
        self.latest.kind = Some((name.into(), kind));
        Ok(kind)
    }

    /// How long after its end the sweeper first comes for a job of a kind, in milliseconds.
    pub(super) fn sweep_after(&mut self, kind: i64) -> rusqlite::Result<i64> {
        /// 7 days, for kinds that nobody declares any more.
        const UNKNOWN: i64 = 7 * 24 * 3600 * 1000;

        if self.kinds.is_none() {
            self.read_kinds()?;
        }
        Ok(self.sweep_after.get(&kind).copied().unwrap_or(UNKNOWN))
    }

    fn read_kinds(&mut self) -> rusqlite::Result<()> {
        let mut kinds = HashMap::new();
        self.sweep_after.clear();
        let mut rows = self.sql.get(Sql::Kinds)?.query([])?;
        while let Some(row) = rows.next()? {
            let (id, kind) = row::kind(row)?;
            let known = KnownKind {
                id,
                sweep_after: row::millis(kind.retention.first()),
            };
            self.sweep_after.insert(id, known.sweep_after);
            kinds.insert(Box::from(kind.name), known);
        }
        drop(rows);
        self.kinds = Some(kinds);
        Ok(())
    }

    /// Where a job stands.
    pub(super) fn standing(&mut self, seq: Seq) -> rusqlite::Result<Option<Standpoint>> {
        let statement = self.sql.get(Sql::Standing)?;
        let found = statement.query_row([seq], |row| {
            let place = Place {
                owner: row.get(0)?,
                kind: row.get(1)?,
                queue: row.get(2)?,
            };
            let standing = Standing {
                state: row::state(row, 3)?,
                cancel_requested: row.get(4)?,
                failed_items: row.get(5)?,
            };
            Ok(Standpoint {
                place,
                standing,
                followed: row.get::<_, u32>(10)? > 0,
            })
        });
        found.optional()
    }

    /// A job as it is now.
    pub(super) fn job(&mut self, seq: Seq) -> rusqlite::Result<Option<Job>> {
        self.sql
            .get(Sql::Job)?
            .query_row([seq], row::job)
            .optional()
    }

    /// Declares a kind.
    pub(super) fn declare(&mut self, kind: &Kind) -> Result<(), Fault> {
        let id = self.intern(&kind.name)?;
        let queue = self.intern(&kind.queue)?;
        self.sql.get(Sql::KindDeclare)?.execute((
            id,
            kind.version,
            row::retention_text(&kind.retention),
            queue,
            kind.max_attempts.max(1),
            kind.attempt_timeout.map(row::millis),
            kind.timeout.map(row::millis),
        ))?;
        self.forget_kinds();
        Ok(())
    }
}
