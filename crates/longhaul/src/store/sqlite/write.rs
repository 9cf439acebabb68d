//! What runs report, under their claims.
//!
//! Invariant: every write is fenced first: unless the claim holds the job, nothing is written.

use std::collections::HashMap;

use longhaul_types::{ItemState, State, Timestamp};
use rusqlite::{OptionalExtension, Row};

use super::{
    end,
    error::Fault,
    follow, insert, row,
    statements::{Sql, array, chunk, range},
    tx::{Place, Tx},
};
use crate::{
    model::{Seq, Standing},
    store::{End, Error, Inserted, ItemWrite, Write, Written},
};

/// A job as the fence finds it, and as the write leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Where it is counted.
    pub(super) place: Place,
    /// Running, or pending when its worker keeps it between two checks.
    pub(super) state: State,
    /// Number of its worker.
    pub(super) worker: i64,
    /// When the run began.
    pub(super) since: i64,
    /// Whether a cancel was asked for.
    pub(super) cancel_requested: bool,
    /// Its revision.
    pub(super) revision: u64,
    /// All its items.
    pub(super) items: u32,
    items_completed: u32,
    items_failed: u32,
    lines: u64,
    rescues: u32,
    /// Whether jobs follow its ends.
    pub(super) followed: bool,
}

impl Held {
    /// What the transition function must know.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            cancel_requested: self.cancel_requested,
            failed_items: self.items_failed > 0,
        }
    }
}

/// Does all writes, each whole or refused on its own.
pub(super) fn write_all(tx: &mut Tx<'_>, writes: &[Write]) -> Result<Vec<Written>, Fault> {
    let mut answers = Vec::with_capacity(writes.len());
    let mut left = writes;
    while let [first, others @ ..] = left {
        // Jobs that do nothing but complete share statements; a claim holds one job, so none comes twice with effect.
        let alike = left
            .iter()
            .take_while(|write| write.only_completes())
            .count();
        if alike > 1 {
            let (some, others) = left.split_at(alike);
            complete_many(tx, some, &mut answers)?;
            left = others;
        } else {
            answers.push(write_one(tx, first)?);
            left = others;
        }
    }
    Ok(answers)
}

/// A running job of which nothing but its end is to be written, as the fence finds it.
struct Plain {
    claim: u64,
    place: Place,
    revision: u64,
    lines: u64,
    /// Whether the list of writes has ended it already.
    ended: bool,
}

/// A row of `fence_many.sql`.
fn plain(row: &Row<'_>) -> rusqlite::Result<(Seq, Plain)> {
    let plain = Plain {
        claim: row::unsigned(row, 1)?,
        place: Place {
            owner: row.get(2)?,
            kind: row.get(3)?,
            queue: row.get(4)?,
        },
        revision: row::unsigned(row, 5)?,
        lines: row::unsigned(row, 6)?,
        ended: false,
    };
    Ok((row.get(0)?, plain))
}

/// Completes jobs; those that turn out to be something else are written one by one.
fn complete_many(
    tx: &mut Tx<'_>,
    writes: &[Write],
    answers: &mut Vec<Written>,
) -> Result<(), Fault> {
    let seqs = array(writes.iter().map(|write| write.claim.job));
    let mut found: HashMap<Seq, Plain> = HashMap::with_capacity(writes.len());
    let mut rows = tx.sql.get(Sql::FenceMany)?.query([seqs])?;
    while let Some(row) = rows.next()? {
        let (seq, job) = plain(row)?;
        found.insert(seq, job);
    }
    drop(rows);
    let mut groups: Vec<Group> = Vec::new();
    let mut results: Vec<(Seq, &str)> = Vec::new();
    for write in writes {
        let found = found.get_mut(&write.claim.job);
        let (Some(job), Some(end @ End::Complete { result })) = (found, &write.end) else {
            // What follows its end must find the jobs before it ended.
            complete_groups(tx, &mut groups)?;
            answers.push(write_one(tx, write)?);
            continue;
        };
        if job.ended || job.claim != write.claim.number {
            answers.push(Written::ClaimLost);
            continue;
        }
        job.ended = true;
        let state = end::target(end, Standing::of(State::Running))?;
        let (kind, now) = (job.place.kind, write.now);
        match groups
            .iter_mut()
            .find(|(of, at, _)| (*of, *at) == (kind, now))
        {
            Some((_, _, seqs)) => seqs.push(write.claim.job),
            None => groups.push((kind, now, vec![write.claim.job])),
        }
        results.extend(result.as_deref().map(|result| (write.claim.job, result)));
        tx.moved(job.place, State::Running, state);
        answers.push(Written::Done {
            state,
            revision: job.revision + 1,
            cancel_requested: false,
            jobs: Vec::new(),
            first_line: job.lines + 1,
        });
    }
    complete_groups(tx, &mut groups)?;
    Ok(write_results(tx, &results)?)
}

/// Jobs that complete alike: kind, time, and their numbers.
type Group = (i64, Timestamp, Vec<Seq>);

/// Completes the jobs of each group.
fn complete_groups(tx: &mut Tx<'_>, groups: &mut Vec<Group>) -> rusqlite::Result<()> {
    for (kind, now, seqs) in groups.drain(..) {
        let sweep_at = now.0.saturating_add(tx.sweep_after(kind)?);
        match range(&seqs) {
            Some((first, last)) => {
                let statement = tx.sql.get(Sql::CompleteRange)?;
                statement.execute((first, last, now.0, sweep_at))?
            }
            None => tx
                .sql
                .get(Sql::CompleteMany)?
                .execute((array(seqs), now.0, sweep_at))?,
        };
    }
    Ok(())
}

fn write_results(tx: &mut Tx<'_>, mut results: &[(Seq, &str)]) -> rusqlite::Result<()> {
    while !results.is_empty() {
        let (some, others) = results.split_at(chunk(results.len()));
        results = others;
        let statement = tx.sql.get_rows(Sql::ResultWrite, some.len())?;
        let mut at = 0;
        for (job, result) in some {
            statement.raw_bind_parameter(at + 1, job)?;
            statement.raw_bind_parameter(at + 2, *result)?;
            at += 2;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

fn write_one(tx: &mut Tx<'_>, write: &Write) -> Result<Written, Fault> {
    let Some(held) = fence(tx, write)? else {
        return Ok(Written::ClaimLost);
    };
    let done = if write.jobs.is_empty() && write.artifacts.is_empty() {
        apply(tx, write, held)
    } else {
        tx.alone(|tx| apply(tx, write, held))
    };
    match done {
        Err(Fault::Refused(error)) => Ok(Written::Refused(error)),
        other => other,
    }
}

fn fence(tx: &mut Tx<'_>, write: &Write) -> Result<Option<Held>, Fault> {
    let claim = (write.claim.job, row::signed(write.claim.number));
    Ok(tx.sql.get(Sql::Fence)?.query_row(claim, held).optional()?)
}

/// A row of `fence.sql`.
fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        place: Place {
            owner: row.get(0)?,
            kind: row.get(1)?,
            queue: row.get(2)?,
        },
        state: row::state(row, 3)?,
        worker: row.get(4)?,
        since: row.get(5)?,
        cancel_requested: row.get(6)?,
        revision: row::unsigned(row, 7)?,
        items: row.get(8)?,
        items_completed: row.get(9)?,
        items_failed: row.get(10)?,
        lines: row::unsigned(row, 11)?,
        rescues: row.get(12)?,
        followed: row.get::<_, u32>(13)? > 0,
    })
}

/// Writes everything. A refusal comes before the first row, or in a savepoint.
fn apply(tx: &mut Tx<'_>, write: &Write, before: Held) -> Result<Written, Fault> {
    let to = write
        .end
        .as_ref()
        .map(|end| end::target(end, before.standing()))
        .transpose()?;
    let mut held = before;
    for item in &write.items {
        write_item(tx, write, &mut held, item)?;
    }
    if let Some(progress) = &write.progress {
        let text =
            serde_json::to_string(progress).map_err(|error| Error::Internal(error.to_string()))?;
        tx.sql
            .get(Sql::ProgressWrite)?
            .execute((write.claim.job, text))?;
    }
    if let Some(checkpoint) = &write.checkpoint {
        tx.sql
            .get(Sql::CheckpointWrite)?
            .execute((write.claim.job, checkpoint))?;
        held.rescues = 0;
    }
    write_artifacts(tx, write, before.place.owner)?;
    write_log(tx, write, &mut held)?;
    touch(tx, write, &before, &mut held)?;
    let state = match (&write.end, to) {
        (Some(end), Some(to)) => {
            end::apply(tx, write, &held, end, to)?;
            held.revision += 1;
            to
        }
        _ => held.state,
    };
    // After the end, so that the next of a series may take over the unique key.
    let mut jobs: Vec<Inserted> = insert::insert_many(tx, &write.jobs)?
        .into_iter()
        .zip(&write.jobs)
        .map(|(outcome, job)| outcome.of(job.id.clone()))
        .collect();
    // Last, as nothing may be refused any more.
    if held.followed && state.is_ended() {
        jobs.extend(follow::insert(tx, write.claim.job)?);
    }
    Ok(Written::Done {
        state,
        revision: held.revision,
        cancel_requested: held.cancel_requested && !state.is_ended(),
        jobs,
        first_line: before.lines + 1,
    })
}

/// Writes what changed of the hot row apart from the end, which raises the revision itself.
fn touch(tx: &mut Tx<'_>, write: &Write, before: &Held, held: &mut Held) -> Result<(), Fault> {
    let raise = write.end.is_none();
    if raise || *held != *before {
        tx.sql.get(Sql::Touch)?.execute((
            write.claim.job,
            raise,
            held.items,
            held.items_completed,
            held.items_failed,
            row::signed(held.lines),
            held.rescues,
        ))?;
        held.revision += u64::from(raise);
    }
    Ok(())
}

fn write_item(
    tx: &mut Tx<'_>,
    write: &Write,
    held: &mut Held,
    item: &ItemWrite,
) -> Result<(), Fault> {
    let job = write.claim.job;
    let known = tx
        .sql
        .get(Sql::ItemFind)?
        .query_row((job, &item.name), |row| {
            Ok((row.get::<_, u32>(0)?, row::item_state(row, 1)?))
        })
        .optional()?;
    let state = row::item_state_number(item.state);
    let (code, message) = match &item.error {
        Some(error) => (Some(&error.code), Some(&error.message)),
        None => (None, None),
    };
    let was = if let Some((position, was)) = known {
        tx.sql.get(Sql::ItemUpdate)?.execute((
            job,
            position,
            state,
            item.attempts,
            code,
            message,
            &item.result,
            write.now.0,
        ))?;
        Some(was)
    } else {
        tx.sql.get(Sql::ItemInsert)?.execute((
            job,
            held.items,
            &item.name,
            state,
            item.attempts,
            code,
            message,
            &item.result,
            write.now.0,
        ))?;
        held.items += 1;
        None
    };
    if was == Some(item.state) {
        return Ok(());
    }
    match was {
        Some(ItemState::Completed) => held.items_completed -= 1,
        Some(ItemState::Failed) => held.items_failed -= 1,
        _ => {}
    }
    match item.state {
        ItemState::Completed => {
            held.items_completed += 1;
            held.rescues = 0;
        }
        ItemState::Failed => held.items_failed += 1,
        ItemState::Pending | ItemState::Running => {}
    }
    Ok(())
}

/// Writes the rows of files, and counts them as their owner's: refused when that is too much.
fn write_artifacts(tx: &mut Tx<'_>, write: &Write, owner: i64) -> Result<(), Fault> {
    let job = write.claim.job;
    let mut more = 0;
    for stored in &write.artifacts {
        let artifact = &stored.artifact;
        let size = row::signed(artifact.size);
        let replaced: Option<i64> = tx
            .sql
            .get(Sql::ArtifactSize)?
            .query_row((job, &artifact.name), |row| row.get(0))
            .optional()?;
        more += size - replaced.unwrap_or(0);
        tx.sql.get(Sql::ArtifactWrite)?.execute((
            job,
            &artifact.name,
            size,
            &artifact.sha256,
            &artifact.content_type,
            &stored.location,
            artifact.created_at.0,
        ))?;
    }
    tx.add_disk(owner, more)
}

/// Appends log lines and drops the middle past the bound: the first tenth and the newest stay.
fn write_log(tx: &mut Tx<'_>, write: &Write, held: &mut Held) -> Result<(), Fault> {
    if write.log.is_empty() {
        return Ok(());
    }
    let job = write.claim.job;
    let insert = tx.sql.get(Sql::LogInsert)?;
    for line in &write.log {
        held.lines += 1;
        let number = row::signed(held.lines);
        insert.execute((
            job,
            number,
            line.time.0,
            row::level_number(line.level),
            &line.text,
        ))?;
    }
    let bound = tx.bounds.log_lines;
    if held.lines > bound {
        let first = bound / 10;
        let newest = held.lines - (bound - first);
        tx.sql
            .get(Sql::LogTrim)?
            .execute((job, row::signed(first), row::signed(newest)))?;
    }
    Ok(())
}
