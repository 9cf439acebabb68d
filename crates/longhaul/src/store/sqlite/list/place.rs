//! Where jobs stand in the order of submission: by time, by priority, and who waits longest.
//!
//! Invariant: nothing here reads more than a few hundred rows, but for waiting jobs whose time has come and that no claim
//! has made ready yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use longhaul_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{LOOKS, read, row};
use crate::{
    model::Seq,
    store::{Filter, sqlite::statements::Sql},
};

/// Clocks of those who submit may differ by this much.
const SLACK: Duration = Duration::from_mins(10);
/// Waiting jobs that are looked at.
const WAITING: i64 = 10_000;
/// Priorities of one kind and queue.
const PRIORITIES: usize = 64;
/// Lines of the counts.
const GROUPS: i64 = 8192;

/// Numbers between which all jobs of the filter's times are: from the first on, below the second.
pub(super) fn bounds(db: &Connection, filter: &Filter) -> rusqlite::Result<(Seq, Seq)> {
    // What has ended by then was submitted before.
    let ends = [filter.created.before, filter.ended.before];
    let end = ends.into_iter().flatten().min();
    let mut bounds = (Seq::MIN, Seq::MAX);
    if filter.created.after.is_none() && end.is_none() {
        return Ok(bounds);
    }
    let Some((first, last)) = span(db)? else {
        return Ok(bounds);
    };
    // So few are rather looked at.
    if last.abs_diff(first) <= LOOKS {
        return Ok(bounds);
    }
    if let Some(after) = filter.created.after {
        bounds.0 = first_since(db, after - SLACK, first, last)?;
    }
    if let Some(before) = end {
        bounds.1 = first_since(db, before + SLACK, first, last)?;
    }
    Ok(bounds)
}

/// When the job of this number was submitted, or the next newer one.
pub(super) fn created_at(db: &Connection, seq: Seq) -> rusqlite::Result<Timestamp> {
    Ok(from(db, seq)?.map_or(Timestamp(0), |(_, created)| created))
}

/// The priorities that ready jobs of a queue and kind have; none when they are more than `most`.
pub(super) fn priorities(
    db: &Connection,
    queue: i64,
    kind: i64,
    most: usize,
) -> rusqlite::Result<Option<Vec<i64>>> {
    let mut below = i64::MAX;
    let mut found = Vec::new();
    let mut next = db.prepare_cached(Sql::ListPriority.text())?;
    while let Some(priority) = next
        .query_row((queue, kind, below), |row| row.get(0))
        .optional()?
    {
        if found.len() == most {
            return Ok(None);
        }
        found.push(priority);
        below = priority;
    }
    Ok(Some(found))
}

/// By queue, since when the job that was submitted first of those that are due waits for a slot.
pub(in super::super) fn waiting(
    db: &Connection,
    now: Timestamp,
) -> rusqlite::Result<BTreeMap<String, Timestamp>> {
    let mut oldest: BTreeMap<i64, (Seq, i64)> = BTreeMap::new();
    let mut see = |queue: i64, seq: Seq, due: i64| {
        let known = oldest.entry(queue).or_insert((seq, due));
        *known = (*known).min((seq, due));
    };
    let line = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let late: Vec<(i64, Seq, i64)> = read::all(db, Sql::OldestWaiting, (now.0, WAITING), line)?;
    for (queue, seq, due) in late {
        see(queue, seq, due);
    }
    let place = |row: &Row<'_>| Ok((row.get(2)?, row.get(1)?, row.get(3)?));
    let groups: Vec<(i64, i64, u8)> = read::all(db, Sql::ListGroups, [GROUPS], place)?;
    let pending = groups.into_iter().filter(|(_, _, state)| *state == 0);
    let places: BTreeSet<(i64, i64)> = pending.map(|(queue, kind, _)| (queue, kind)).collect();
    for (queue, kind) in places {
        for priority in priorities(db, queue, kind, PRIORITIES)?.unwrap_or_default() {
            let first: Option<(Seq, i64)> = db
                .prepare_cached(Sql::OldestReady.text())?
                .query_row((queue, kind, priority), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            if let Some((seq, due)) = first.filter(|(_, due)| *due <= now.0) {
                see(queue, seq, due);
            }
        }
    }
    let mut name = db.prepare_cached(Sql::NameText.text())?;
    let named = oldest.into_iter().map(|(queue, (_, due))| {
        let queue = name.query_row([queue], |row| row.get(0))?;
        Ok((queue, Timestamp(due)))
    });
    named.collect()
}

/// The first number from which on jobs were submitted at `time` or later, in a table from `first` to `last`.
fn first_since(db: &Connection, time: Timestamp, first: Seq, last: Seq) -> rusqlite::Result<Seq> {
    let (mut low, mut high) = (first, last.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match from(db, middle)? {
            Some((seq, created)) if created < time => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The oldest and the newest number.
fn span(db: &Connection) -> rusqlite::Result<Option<(Seq, Seq)>> {
    let both = db
        .prepare_cached(Sql::ListSpan.text())?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match both {
        (Some(first), Some(last)) => Some((first, last)),
        _ => None,
    })
}

/// The first job from a number on, and when it was submitted.
fn from(db: &Connection, seq: Seq) -> rusqlite::Result<Option<(Seq, Timestamp)>> {
    db.prepare_cached(Sql::ListCreated.text())?
        .query_row([seq], |row| Ok((row.get(0)?, row::time(row, 1)?)))
        .optional()
}
