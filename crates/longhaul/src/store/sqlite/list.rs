//! Pages of jobs, newest first, out of any number of rows.
//!
//! Invariant: what is read grows with the page, not with the table, in every filter of owner, kinds and states: the kept
//! counts say which ranges of an index hold something, and those are merged. Labels have an index of their own. Only a
//! large backlog of ready jobs that is older than many others is sorted: an index for that case would cost every insert.

use std::{collections::BTreeSet, fmt::Write as _};

use longhaul_types::State;
use rusqlite::{Connection, OptionalExtension, types::ToSql};

use super::{read, row, statements::Sql};
use crate::{
    model::{Job, Seq},
    store::Filter,
};

/// Ranges of an index that are merged; past them the rows are read in order.
const RANGES: usize = 256;

/// Jobs that are sorted, or looked through, for one page.
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

/// A line of the counts that the filter lets through.
#[derive(Clone, Copy, Debug)]
struct Group {
    owner: i64,
    kind: i64,
    queue: i64,
    state: u8,
    n: i64,
}

const PENDING: u8 = 0;
const RUNNING: u8 = 1;

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
        let anybodys = self.owner.is_none() && self.kinds.is_none() && self.queues.is_none();
        if !self.filter.labels.is_empty() {
            return self.labelled(db);
        }
        if anybodys && self.filter.states.is_empty() {
            return column(db, Sql::ListAll, &[&self.before, &self.count]);
        }
        let Some(groups) = self.groups(db)? else {
            return self.scanned(db);
        };
        let mut seqs = self.ended(db, &groups)?;
        if groups.iter().any(|group| group.state == PENDING) {
            seqs.extend(self.waiting(db, &groups)?);
            seqs.extend(self.ready(db, &groups)?);
        }
        if groups.iter().any(|group| group.state == RUNNING) {
            seqs.extend(self.running(db)?);
        }
        seqs.sort_unstable_by(|newer, older| older.cmp(newer));
        seqs.truncate(usize::try_from(self.count).unwrap_or(usize::MAX));
        Ok(seqs)
    }

    /// What the counts say there is of this filter; none when it lies in too many places.
    fn groups(&self, db: &Connection) -> rusqlite::Result<Option<Vec<Group>>> {
        let line = |row: &rusqlite::Row<'_>| {
            Ok(Group {
                owner: row.get(0)?,
                kind: row.get(1)?,
                queue: row.get(2)?,
                state: row.get(3)?,
                n: row.get(4)?,
            })
        };
        let mut groups = match self.owner {
            Some(owner) => read::all(db, Sql::ListGroupsOwner, (GROUPS, owner), line)?,
            None => read::all(db, Sql::ListGroups, [GROUPS], line)?,
        };
        if limit(groups.len()) == GROUPS {
            return Ok(None);
        }
        let has = |numbers: &Option<Vec<i64>>, number| {
            numbers.as_ref().is_none_or(|all| all.contains(&number))
        };
        groups.retain(|group| {
            self.states & (1 << group.state) != 0
                && has(&self.kinds, group.kind)
                && has(&self.queues, group.queue)
        });
        let matching: i64 = groups.iter().map(|group| group.n).sum();
        Ok((groups.len() <= RANGES || matching <= SORTED).then_some(groups))
    }

    /// The newest of each kind, owner and state that ended.
    fn ended(&self, db: &Connection, groups: &[Group]) -> rusqlite::Result<Vec<Seq>> {
        let queues = self.queues.as_deref().map(json);
        let ended = groups.iter().filter(|group| group.state > RUNNING);
        let ranges: BTreeSet<(i64, i64, u8)> = ended
            .map(|group| (group.kind, group.owner, group.state))
            .collect();
        let mut seqs = Vec::new();
        for (kind, owner, state) in &ranges {
            let parameters: [&dyn ToSql; 6] =
                [kind, owner, &self.before, state, &queues, &self.count];
            seqs.extend(column(db, Sql::ListEnded, &parameters)?);
        }
        Ok(seqs)
    }

    /// The newest of each kind and owner that wait for a time, for somebody, or for their next check.
    fn waiting(&self, db: &Connection, groups: &[Group]) -> rusqlite::Result<Vec<Seq>> {
        let queues = self.queues.as_deref().map(json);
        let pending = groups.iter().filter(|group| group.state == PENDING);
        let ranges: BTreeSet<(i64, i64)> = pending.map(|group| (group.kind, group.owner)).collect();
        let mut seqs = Vec::new();
        for (kind, owner) in &ranges {
            let parameters: [&dyn ToSql; 5] = [kind, owner, &self.before, &queues, &self.count];
            seqs.extend(column(db, Sql::ListWaits, &parameters)?);
        }
        Ok(seqs)
    }

    /// The newest that are ready. Their index has the order of claims, so all of them are sorted; of a large backlog the
    /// newest mostly stand among the newest jobs of all, which are looked at first.
    fn ready(&self, db: &Connection, groups: &[Group]) -> rusqlite::Result<Vec<Seq>> {
        let pending = groups.iter().filter(|group| group.state == PENDING);
        let matching: i64 = pending.clone().map(|group| group.n).sum();
        if matching > SORTED {
            let newest: Option<Seq> = column(db, Sql::ListAll, &[&self.before, &1])?.pop();
            let first = newest.unwrap_or(0).saturating_sub(SORTED);
            let (kinds, queues) = (
                self.kinds.as_deref().map(json),
                self.queues.as_deref().map(json),
            );
            let parameters: [&dyn ToSql; 6] = [
                &self.before,
                &first,
                &self.owner,
                &kinds,
                &queues,
                &self.count,
            ];
            let found = column(db, Sql::ListWindow, &parameters)?;
            if limit(found.len()) == self.count {
                return Ok(found);
            }
        }
        let places: BTreeSet<(i64, i64)> = pending.map(|group| (group.queue, group.kind)).collect();
        let mut seqs = Vec::new();
        for (queue, kind) in &places {
            let parameters: [&dyn ToSql; 5] = [queue, kind, &self.before, &self.owner, &self.count];
            seqs.extend(column(db, Sql::ListReady, &parameters)?);
        }
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
