//! A filter in the numbers of a database, and where the jobs are that it shows.

use std::collections::BTreeSet;

use longhaul_types::{Labels, State};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    column, limit, place,
    streams::{Merge, Range, Stream},
};
use crate::{
    model::Seq,
    store::{
        Filter,
        sqlite::{read, row, statements::Sql},
    },
};

/// Ranges of an index that are merged; with more the rows are looked at in order.
const RANGES: usize = 256;
/// Jobs that are so few that they are looked at rather than those of a label, or that are merged from any number of ranges.
const FEW: i64 = 10_000;
/// Lines of the counts that are looked at.
const GROUPS: i64 = 8192;
/// Priorities of one kind and queue that are told apart.
const PRIORITIES: usize = 64;
/// Jobs of one id, each of another owner.
const SAME_ID: i64 = 1000;

const PENDING: u8 = 0;
const RUNNING: u8 = 1;
/// A bit for each state that has ended.
const ENDED: i64 = 0b1_1100;
/// The bit of those that failed.
const FAILED: i64 = 0b0_1000;

/// A filter in numbers.
pub(super) struct Wanted<'f> {
    filter: &'f Filter,
    owner: Option<i64>,
    kinds: Option<Vec<i64>>,
    queues: Option<Vec<i64>>,
    /// A bit for each state.
    states: i64,
    before: Seq,
    floor: Seq,
    /// The jobs whose whole id is asked for.
    listed: Option<Vec<Seq>>,
}

/// Where to look.
pub(super) struct Found<'f> {
    /// Every job of the filter, and maybe others.
    pub(super) jobs: Merge<'f>,
    /// What of those is not shown.
    pub(super) except: Option<Merge<'f>>,
    /// Whether an exact stream has none but jobs of the filter.
    pub(super) complete: bool,
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

impl<'f> Wanted<'f> {
    /// None when a name of the filter is unknown, so that nothing can match.
    pub(super) fn resolve(
        db: &Connection,
        filter: &'f Filter,
        before: Seq,
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
        let states = states(filter);
        if nothing(&kinds) || nothing(&queues) || states == 0 {
            return Ok(None);
        }
        let (floor, end) = place::bounds(db, filter)?;
        Ok(Some(Self {
            filter,
            owner,
            kinds,
            queues,
            states,
            before: before.min(end),
            floor,
            listed: listed(db, filter, owner)?,
        }))
    }

    /// Whether a job must be looked at with its words: `list_words.sql`, else `list_facts.sql`.
    pub(super) fn needs_words(&self) -> bool {
        !self.filter.labels.is_empty() || !self.filter.text.is_empty()
    }

    /// Whether the filter shows the job of this row.
    pub(super) fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let named = |numbers: &Option<Vec<i64>>, index| -> rusqlite::Result<bool> {
            let number = row.get(index)?;
            Ok(numbers.as_ref().is_none_or(|all| all.contains(&number)))
        };
        let state = row::state(row, 3)?;
        if self.states & (1 << row::state_number(state)) == 0
            || self.owner.is_some_and(|owner| row.get(0) != Ok(owner))
            || !named(&self.kinds, 1)?
            || !named(&self.queues, 2)?
            || !self.filter.created.has(row::time(row, 4)?)
            || (state == State::Pending && !self.filter.has_begun(row::maybe_time(row, 5)?))
            || !self.filter.has_ended(row::maybe_time(row, 6)?)
            || !self.filter.failed_so(row.get_ref(7)?.as_str_or_null()?)
        {
            return Ok(false);
        }
        if !self.needs_words() {
            return Ok(true);
        }
        let labels: Labels = row::labels(row, 10)?;
        let mut all = self.filter.labels.iter();
        if !all.all(|(name, value)| labels.get(name) == Some(value)) {
            return Ok(false);
        }
        let (id, error) = (row.get_ref(8)?.as_str()?, row.get_ref(9)?.as_str_or_null()?);
        Ok(self.filter.finds(id, error, &labels))
    }

    /// Where to look for the jobs.
    pub(super) fn find(&self, db: &Connection) -> rusqlite::Result<Found<'f>> {
        if let Some(seqs) = &self.listed {
            let older = seqs.iter().copied();
            let older = older.filter(|seq| (self.floor..self.before).contains(seq));
            return Ok(self.found(vec![Stream::listed(older.collect())], false));
        }
        let plain = self.filter.text.is_empty()
            && self.filter.created.is_all()
            && self.filter.ended.is_all();
        let by_names = self.owner.is_some()
            || self.kinds.is_some()
            || self.queues.is_some()
            || self.states != states(&Filter::default());
        let groups = if by_names { self.groups(db)? } else { None };
        let few = |groups: &[Group]| groups.iter().map(|group| group.n).sum::<i64>() <= FEW;
        if let Some((name, value)) = self.rarest_label(db)?
            && !groups.as_deref().is_some_and(few)
        {
            let alone = self.filter.labels.len() == 1 && self.filter.begun.is_none() && !by_names;
            let label = Stream::new(Range::Label(name, value), true, self.before);
            return Ok(self.found(vec![label], plain && alone));
        }
        if let Some(groups) = groups
            && let Some(streams) = self.streams(db, &groups)?
        {
            let mut found = self.found(streams, plain && self.filter.labels.is_empty());
            if self.filter.begun == Some(false) {
                found.except = Some(Merge::new(self.begun(&groups), self.floor));
            }
            return Ok(found);
        }
        let complete = plain && !by_names && self.filter.begun.is_none();
        let all = Stream::new(Range::All, true, self.before);
        Ok(self.found(vec![all], complete))
    }

    fn found(&self, streams: Vec<Stream<'f>>, complete: bool) -> Found<'f> {
        Found {
            jobs: Merge::new(streams, self.floor),
            except: None,
            complete,
        }
    }

    /// The label of the filter that the fewest jobs have, as far as that is soon known.
    fn rarest_label(&self, db: &Connection) -> rusqlite::Result<Option<(&'f str, &'f str)>> {
        let labels = self.filter.labels.iter();
        let mut labels = labels.map(|(name, value)| (name.as_str(), value.as_str()));
        if self.filter.labels.len() < 2 {
            return Ok(labels.next());
        }
        let mut rarest: Option<(i64, (&str, &str))> = None;
        for label in labels {
            let n: i64 = db
                .prepare_cached(Sql::ListRarity.text())?
                .query_row((label.0, label.1, FEW / 10), |row| row.get(0))?;
            if rarest.is_none_or(|(fewest, _)| n < fewest) {
                rarest = Some((n, label));
            }
        }
        Ok(rarest.map(|(_, label)| label))
    }

    /// What the counts say there is of this filter; none when it lies in too many places.
    fn groups(&self, db: &Connection) -> rusqlite::Result<Option<Vec<Group>>> {
        let line = |row: &Row<'_>| {
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
        Ok((groups.len() <= RANGES || matching <= FEW).then_some(groups))
    }

    /// The ranges that hold these groups; none when they are too many.
    fn streams(
        &self,
        db: &Connection,
        groups: &[Group],
    ) -> rusqlite::Result<Option<Vec<Stream<'f>>>> {
        let any_queue = self.queues.is_none();
        if !self.filter.errors.is_empty() {
            return Ok(self.failed(groups, any_queue));
        }
        let ended: BTreeSet<(i64, i64, u8)> = groups
            .iter()
            .filter(|group| group.state > RUNNING)
            .map(|group| (group.kind, group.owner, group.state))
            .collect();
        let ended = ended.into_iter().map(|(kind, owner, state)| {
            Stream::new(Range::Ended { kind, owner, state }, any_queue, self.before)
        });
        let mut streams: Vec<Stream<'f>> = ended.collect();
        if groups.iter().any(|group| group.state == RUNNING) {
            let exact = self.owner.is_none() && self.kinds.is_none() && any_queue;
            streams.push(Stream::new(Range::Running, exact, self.before));
        }
        if self.filter.begun == Some(true) {
            streams.extend(self.begun(groups));
            return Ok(Some(streams));
        }
        for (kind, owner) in pending(groups) {
            let range = Range::Waits { kind, owner };
            streams.push(Stream::new(range, any_queue, self.before));
        }
        for (queue, kind) in places(groups) {
            let Some(priorities) = place::priorities(db, queue, kind, PRIORITIES)? else {
                return Ok(None);
            };
            for priority in priorities {
                let range = Range::Ready {
                    queue,
                    kind,
                    priority,
                };
                streams.push(Stream::new(range, self.owner.is_none(), self.before));
            }
        }
        Ok(Some(streams))
    }

    /// The ranges of jobs that failed with these codes; none when they are too many.
    fn failed(&self, groups: &[Group], any_queue: bool) -> Option<Vec<Stream<'f>>> {
        let places: BTreeSet<_> = groups
            .iter()
            .map(|group| (group.kind, group.owner))
            .collect();
        let codes: BTreeSet<&'f str> = self.filter.errors.iter().map(String::as_str).collect();
        if places.len() * codes.len() > RANGES {
            return None;
        }
        let ranges = places.into_iter().flat_map(|(kind, owner)| {
            let codes = codes.iter();
            codes.map(move |code| Range::Failed { kind, owner, code })
        });
        Some(
            ranges
                .map(|range| Stream::new(range, any_queue, self.before))
                .collect(),
        )
    }

    /// The ranges of pending jobs that started before.
    fn begun(&self, groups: &[Group]) -> Vec<Stream<'f>> {
        let ranges = pending(groups).into_iter();
        let stream = |(kind, owner)| {
            Stream::new(
                Range::Begun { kind, owner },
                self.queues.is_none(),
                self.before,
            )
        };
        ranges.map(stream).collect()
    }
}

/// Kinds and owners of pending jobs.
fn pending(groups: &[Group]) -> BTreeSet<(i64, i64)> {
    let pending = groups.iter().filter(|group| group.state == PENDING);
    pending.map(|group| (group.kind, group.owner)).collect()
}

/// Queues and kinds of pending jobs.
fn places(groups: &[Group]) -> BTreeSet<(i64, i64)> {
    let pending = groups.iter().filter(|group| group.state == PENDING);
    pending.map(|group| (group.queue, group.kind)).collect()
}

/// A bit for each state that the filter may show.
fn states(filter: &Filter) -> i64 {
    let chosen = if filter.states.is_empty() {
        &State::ALL[..]
    } else {
        &filter.states
    };
    let bits = chosen
        .iter()
        .fold(0, |bits, state| bits | (1 << row::state_number(*state)));
    let ended = if filter.ended.is_all() {
        bits
    } else {
        bits & ENDED
    };
    if filter.errors.is_empty() {
        ended
    } else {
        ended & FAILED
    }
}

/// The jobs whose whole ids are words of the filter; none when no word is an id.
fn listed(
    db: &Connection,
    filter: &Filter,
    owner: Option<i64>,
) -> rusqlite::Result<Option<Vec<Seq>>> {
    let mut listed: Option<Vec<Seq>> = None;
    for id in filter.ids() {
        let seqs = column(db, Sql::ListIds, &[&id.as_str(), &owner, &SAME_ID])?;
        if seqs.is_empty() {
            continue;
        }
        listed = Some(match listed {
            None => seqs,
            Some(known) => known.into_iter().filter(|seq| seqs.contains(seq)).collect(),
        });
    }
    Ok(listed)
}

pub(super) fn number(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
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
