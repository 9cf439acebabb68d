//! Pages of jobs, newest first, out of any number of rows.
//!
//! Invariant: what is read grows with the page, not with the table, in every filter of owner, kinds and states: the kept
//! counts say which ranges of an index hold something, and those are merged. Labels have an index of their own.

use std::fmt::Write as _;

use longhaul_types::State;
use rusqlite::{Connection, OptionalExtension, types::ToSql};

use super::{read, row, statements::Sql};
use crate::{
    model::{Job, Seq},
    store::Filter,
};

/// Ranges of an index that are merged; past them the rows are read in order.
const RANGES: usize = 256;

/// Jobs that are sorted, when they lie in more ranges than that.
const SORTED: i64 = 20_000;

/// Lines of the counts that are looked at.
const GROUPS: i64 = 8192;

/// A number of rows as the database takes it.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Numbers as a JSON array, for `json_each`.
fn json(numbers: &[i64]) -> String {
    let mut text = String::with_capacity(numbers.len() * 8 + 2);
    for number in numbers {
        text.push(if text.is_empty() { '[' } else { ',' });
        // Writing to a string can not fail.
        let _ = write!(text, "{number}");
    }
    text.push_str(if text.is_empty() { "[]" } else { "]" });
    text
}

/// A page of jobs older than `before`.
pub(super) fn jobs(
    db: &Connection,
    filter: &Filter,
    before: Option<Seq>,
    count: usize,
) -> rusqlite::Result<Vec<Job>> {
    let seqs = match Wanted::resolve(db, filter, before.unwrap_or(Seq::MAX), count)? {
        Some(wanted) => wanted.seqs(db)?,
        None => Vec::new(),
    };
    let mut jobs = Vec::with_capacity(seqs.len());
    for seq in seqs {
        jobs.extend(read::by_seq(db, seq)?);
    }
    Ok(jobs)
}

/// A filter in numbers.
struct Wanted<'f> {
    owner: Option<i64>,
    kinds: Option<Vec<i64>>,
    queues: Option<Vec<i64>>,
    /// A bit for each state.
    states: i64,
    filter: &'f Filter,
    before: Seq,
    count: i64,
}

/// Jobs that lie together in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    kind: i64,
    owner: i64,
    /// None for the living ones.
    ended: Option<u8>,
}

impl<'f> Wanted<'f> {
    /// None when a name of the filter is unknown, so that nothing can match.
    fn resolve(
        db: &Connection,
        filter: &'f Filter,
        before: Seq,
        count: usize,
    ) -> rusqlite::Result<Option<Self>> {
        let owner = match &filter.owner {
            Some(name) => match number(db, name)? {
                Some(owner) => Some(owner),
                None => return Ok(None),
            },
            None => None,
        };
        let kinds = numbers(db, &filter.kinds)?;
        let queues = numbers(db, &filter.queues)?;
        let nothing = |numbers: &Option<Vec<i64>>| numbers.as_ref().is_some_and(Vec::is_empty);
        if nothing(&kinds) || nothing(&queues) {
            return Ok(None);
        }
        let chosen = if filter.states.is_empty() {
            &State::ALL[..]
        } else {
            &filter.states
        };
        Ok(Some(Self {
            owner,
            kinds,
            queues,
            states: chosen
                .iter()
                .fold(0, |bits, state| bits | (1 << row::state_number(*state))),
            filter,
            before,
            count: limit(count),
        }))
    }

    fn seqs(&self, db: &Connection) -> rusqlite::Result<Vec<Seq>> {
        let everything = self.owner.is_none() && self.kinds.is_none() && self.queues.is_none();
        if !self.filter.labels.is_empty() {
            return self.labelled(db);
        }
        if everything && self.filter.states.is_empty() {
            return column(db, Sql::ListAll, &[&self.before, &self.count]);
        }
        if self.states == 1 << row::state_number(State::Running) {
            return self.running(db);
        }
        match self.ranges(db)? {
            Some(ranges) => self.merged(db, &ranges),
            None => self.scanned(db),
        }
    }

    /// The ranges that hold jobs of this filter; none when they are too many.
    fn ranges(&self, db: &Connection) -> rusqlite::Result<Option<Vec<Range>>> {
        let sql = if self.owner.is_some() {
            Sql::ListGroupsOwner
        } else {
            Sql::ListGroups
        };
        let line = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(i64, i64, i64, u8, i64)> {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        };
        let groups = match self.owner {
            Some(owner) => read::all(db, sql, (GROUPS, owner), line)?,
            None => read::all(db, sql, [GROUPS], line)?,
        };
        if limit(groups.len()) == GROUPS {
            return Ok(None);
        }
        let has = |numbers: &Option<Vec<i64>>, number| {
            numbers.as_ref().is_none_or(|all| all.contains(&number))
        };
        let mut matching = 0;
        let mut ranges = Vec::new();
        for (owner, kind, queue, state, n) in groups {
            if self.states & (1 << state) != 0 && has(&self.kinds, kind) && has(&self.queues, queue)
            {
                let ended = (state > row::state_number(State::Running)).then_some(state);
                ranges.push(Range { kind, owner, ended });
                matching += n;
            }
        }
        ranges.sort_unstable();
        ranges.dedup();
        Ok((ranges.len() <= RANGES || matching <= SORTED).then_some(ranges))
    }

    /// The newest of the heads of these ranges.
    fn merged(&self, db: &Connection, ranges: &[Range]) -> rusqlite::Result<Vec<Seq>> {
        let queues = self.queues.as_deref().map(json);
        let mut seqs = Vec::new();
        for range in ranges {
            let found = match &range.ended {
                None => column(
                    db,
                    Sql::ListLiving,
                    &[
                        &range.kind,
                        &range.owner,
                        &self.before,
                        &self.states,
                        &queues,
                        &self.count,
                    ],
                )?,
                Some(state) => column(
                    db,
                    Sql::ListEnded,
                    &[
                        &range.kind,
                        &range.owner,
                        &self.before,
                        state,
                        &queues,
                        &self.count,
                    ],
                )?,
            };
            seqs.extend(found);
        }
        seqs.sort_unstable_by(|newer, older| older.cmp(newer));
        seqs.truncate(usize::try_from(self.count).unwrap_or(usize::MAX));
        Ok(seqs)
    }

    fn running(&self, db: &Connection) -> rusqlite::Result<Vec<Seq>> {
        let (kinds, queues) = (
            self.kinds.as_deref().map(json),
            self.queues.as_deref().map(json),
        );
        column(
            db,
            Sql::ListRunning,
            &[&self.before, &self.owner, &kinds, &queues, &self.count],
        )
    }

    fn scanned(&self, db: &Connection) -> rusqlite::Result<Vec<Seq>> {
        let (kinds, queues) = (
            self.kinds.as_deref().map(json),
            self.queues.as_deref().map(json),
        );
        column(
            db,
            Sql::ListScan,
            &[
                &self.before,
                &self.owner,
                &kinds,
                &queues,
                &self.states,
                &self.count,
            ],
        )
    }

    fn labelled(&self, db: &Connection) -> rusqlite::Result<Vec<Seq>> {
        let (kinds, queues) = (
            self.kinds.as_deref().map(json),
            self.queues.as_deref().map(json),
        );
        let Some((name, value)) = self.filter.labels.iter().next() else {
            return Ok(Vec::new());
        };
        let all = serde_json::to_string(&self.filter.labels)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        column(
            db,
            Sql::ListLabels,
            &[
                &self.before,
                &self.owner,
                &kinds,
                &queues,
                &self.states,
                &self.count,
                name,
                value,
                &all,
            ],
        )
    }
}

fn number(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(Sql::NameFind.text())?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// The numbers of the names that are known; none when any name will do.
fn numbers(db: &Connection, names: &[String]) -> rusqlite::Result<Option<Vec<i64>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        numbers.extend(number(db, name)?);
    }
    Ok(Some(numbers))
}

fn column(db: &Connection, sql: Sql, parameters: &[&dyn ToSql]) -> rusqlite::Result<Vec<Seq>> {
    read::all(db, sql, parameters, |row| row.get(0))
}
