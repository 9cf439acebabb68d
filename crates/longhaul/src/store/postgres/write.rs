//! What runs report, under their claims.
//!
//! Invariant: every write is fenced first: unless the claim holds the job, nothing is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use longhaul_types::{ItemState, JobError, Reason, State};
use tokio_postgres::Row;

use super::{
    Role, Shared,
    error::Fault,
    hot::{self, Hot, wait},
    insert, row,
    text::kept,
    tx::Tx,
};
use crate::{
    model::{AttemptEnd, Seq},
    store::{End, Error, ItemWrite, StoredArtifact, Write, Written},
};

/// Does all writes, each whole or refused on its own.
pub(super) async fn write_all(tx: &mut Tx<'_>, writes: &[&Write]) -> Result<Vec<Written>, Fault> {
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        answers.push(write_one(tx, write).await?);
    }
    Ok(answers)
}

impl Shared {
    /// Completes the jobs whose writes do nothing else, all in one statement, which is a transaction of its own. Answers by
    /// the places of those that were done; what turns out to be something else is left as it was.
    pub(super) async fn complete_plain(
        &self,
        writes: &[&Write],
        lane: i16,
    ) -> Result<HashMap<usize, Written>, Error> {
        let mut places: BTreeMap<Seq, usize> = BTreeMap::new();
        let mut twice = HashSet::new();
        for (place, write) in writes.iter().enumerate() {
            if places.insert(write.claim.job, place).is_some() {
                twice.insert(write.claim.job);
            }
        }
        // In one order, so that two who complete the same jobs do not wait for each other.
        places.retain(|seq, place| writes[*place].only_completes() && !twice.contains(seq));
        if places.is_empty() {
            return Ok(HashMap::new());
        }
        let seqs: Vec<Seq> = places.keys().copied().collect();
        let each = || places.values().map(|place| writes[*place]);
        let claims: Vec<i64> = each()
            .map(|write| row::signed(write.claim.number))
            .collect();
        let times: Vec<i64> = each().map(|write| write.now.0).collect();
        let (mut jobs, mut results) = (Vec::new(), Vec::new());
        for write in each() {
            if let Some(End::Complete {
                result: Some(result),
            }) = &write.end
            {
                jobs.push(write.claim.job);
                results.push(result.as_str());
            }
        }
        let shard = self.shard_of(Role::Write, lane);
        let rows = self
            .rows(
                sql!("complete_many"),
                &[&seqs, &claims, &times, &jobs, &results, &shard],
            )
            .await?;
        let done = |line: &Row| {
            let place = places.get(&line.get(0))?;
            let written = Written::Done {
                state: State::Completed,
                revision: row::unsigned(line, 1),
                cancel_requested: false,
                jobs: Vec::new(),
                first_line: row::unsigned(line, 2) + 1,
            };
            Some((*place, written))
        };
        Ok(rows.iter().filter_map(done).collect())
    }
}

async fn write_one(tx: &mut Tx<'_>, write: &Write) -> Result<Written, Fault> {
    let Some(held) = fence(tx, write).await? else {
        return Ok(Written::ClaimLost);
    };
    if write.jobs.is_empty() && write.artifacts.is_empty() {
        // What is refused of such a write is so before its first row.
        return match apply(tx, write, held).await {
            Err(Fault::Refused(error)) => Ok(Written::Refused(error)),
            other => other,
        };
    }
    let mark = tx.mark().await?;
    match apply(tx, write, held).await {
        Ok(written) => {
            tx.keep(mark).await?;
            Ok(written)
        }
        Err(Fault::Refused(error)) => {
            tx.undo(mark).await?;
            Ok(Written::Refused(error))
        }
        Err(fault) => Err(fault),
    }
}

/// The job, locked, if the claim holds it.
async fn fence(tx: &Tx<'_>, write: &Write) -> Result<Option<Hot>, Fault> {
    let found = hot::lock(tx, write.claim.job).await?;
    Ok(found.filter(|job| job.claim == write.claim.number && job.worker.is_some()))
}

/// Writes everything.
async fn apply(tx: &mut Tx<'_>, write: &Write, mut job: Hot) -> Result<Written, Fault> {
    let to = write
        .end
        .as_ref()
        .map(|end| end.target(job.standing()))
        .transpose()
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    let seq = write.claim.job;
    let first_line = job.lines + 1;
    write_items(tx, write, &mut job).await?;
    if let Some(progress) = &write.progress {
        let text =
            serde_json::to_string(progress).map_err(|error| Error::Internal(error.to_string()))?;
        tx.execute(sql!("progress_write"), &[&seq, &text]).await?;
    }
    if let Some(checkpoint) = &write.checkpoint {
        tx.execute(sql!("checkpoint_write"), &[&seq, checkpoint])
            .await?;
        job.rescues = 0;
    }
    write_artifacts(tx, write, job.place.owner).await?;
    write_log(tx, write, &mut job).await?;
    let cancel_requested = job.cancel_requested.is_some();
    let state = match (&write.end, to) {
        (Some(end), Some(to)) => {
            end_run(tx, write, &mut job, end, to).await?;
            to
        }
        _ => {
            hot::save(tx, &mut job).await?;
            job.state()
        }
    };
    // After the end, so that the next of a series may take over the unique key.
    let new: Vec<_> = write.jobs.iter().collect();
    let mut jobs = insert::insert_many(tx, &new).await?;
    // Last, as nothing may be refused any more.
    if state.is_ended() {
        jobs.extend(hot::follow_end(tx, &job).await?);
    }
    Ok(Written::Done {
        state,
        revision: job.revision,
        cancel_requested: cancel_requested && !state.is_ended(),
        jobs,
        first_line,
    })
}

/// Ends the run of `job`, which becomes `to`.
async fn end_run(
    tx: &mut Tx<'_>,
    write: &Write,
    job: &mut Hot,
    end: &End,
    to: State,
) -> Result<(), Fault> {
    let now = write.now;
    let from = job.state();
    match (to, end) {
        (State::Pending, End::CheckAgain { at, every }) => {
            (job.wait, job.reason) = (Some(wait::PARKED), Some(row::reason_number(Reason::Check)));
            (job.run_at, job.check_every) = (Some(at.0), Some(row::millis(*every)));
            job.attempts = 0;
        }
        (State::Pending, End::CheckLater { at }) => {
            job.back(Reason::Check, *at, now);
            job.attempts = 0;
        }
        (State::Pending, End::Release { at }) => {
            hot::note_attempt(tx, job, now, AttemptEnd::Released, None).await?;
            job.back(Reason::Released, *at, now);
        }
        (State::Pending, End::Retry { at, error }) => {
            spend(tx, write, job, error).await?;
            job.back(Reason::Retry, *at, now);
        }
        (State::Completed, End::Complete { result }) => {
            job.error = None;
            if let Some(result) = result {
                let parameters = (vec![job.seq], vec![result.as_str()]);
                tx.execute(sql!("result_write"), &[&parameters.0, &parameters.1])
                    .await?;
            }
        }
        (State::Failed, End::Fail { error }) => spend(tx, write, job, error).await?,
        _ => hot::note_attempt(tx, job, now, AttemptEnd::Cancelled, None).await?,
    }
    hot::stop_items(tx, job, now).await?;
    if to.is_ended() {
        hot::end(tx, job, to, now).await
    } else {
        tx.moved(job.place, from, to);
        hot::save(tx, job).await
    }
}

/// An attempt failed.
async fn spend(tx: &Tx<'_>, write: &Write, job: &mut Hot, error: &JobError) -> Result<(), Fault> {
    hot::note_attempt(tx, job, write.now, AttemptEnd::Failed, Some(error)).await?;
    job.attempts += 1;
    job.error = Some(error.clone());
    Ok(())
}

/// Items as they are after a write, by name, in the order in which they are named.
async fn write_items(tx: &Tx<'_>, write: &Write, job: &mut Hot) -> Result<(), Fault> {
    if write.items.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = write.items.iter().map(|item| kept(&item.name)).collect();
    let mut known: HashMap<String, (i64, ItemState)> = HashMap::new();
    for line in tx.rows(sql!("items_find"), &[&job.seq, &names]).await? {
        let state = row::pick(&line, 2, &ItemState::ALL)?;
        known.insert(row::text(&line, 0), (line.get(1), state));
    }
    let mut written: BTreeMap<i64, &ItemWrite> = BTreeMap::new();
    for item in &write.items {
        let was = known.get(&item.name).copied();
        let position = match was {
            Some((position, _)) => position,
            None => {
                job.items += 1;
                i64::from(job.items) - 1
            }
        };
        known.insert(item.name.clone(), (position, item.state));
        written.insert(position, item);
        advance(job, was.map(|(_, state)| state), item.state);
    }
    let column = |of: &dyn Fn(&ItemWrite) -> Option<String>| -> Vec<Option<String>> {
        written.values().map(|item| of(item)).collect()
    };
    let error = |item: &ItemWrite, part: fn(&JobError) -> &String| {
        item.error
            .as_ref()
            .map(|error| kept(part(error)).into_owned())
    };
    let positions: Vec<i64> = written.keys().copied().collect();
    let states: Vec<i16> = written
        .values()
        .map(|item| row::item_state_number(item.state))
        .collect();
    let attempts: Vec<i64> = written.values().map(|item| item.attempts.into()).collect();
    tx.execute(
        sql!("items_write"),
        &[
            &job.seq,
            &write.now.0,
            &positions,
            &column(&|item| Some(kept(&item.name).into_owned())),
            &states,
            &attempts,
            &column(&|item| error(item, |error| &error.code)),
            &column(&|item| error(item, |error| &error.message)),
            &column(&|item| item.result.clone()),
        ],
    )
    .await?;
    Ok(())
}

/// Counts an item's step.
fn advance(job: &mut Hot, was: Option<ItemState>, state: ItemState) {
    if was == Some(state) {
        return;
    }
    match was {
        Some(ItemState::Completed) => job.items_completed -= 1,
        Some(ItemState::Failed) => job.items_failed -= 1,
        _ => {}
    }
    match state {
        ItemState::Completed => {
            job.items_completed += 1;
            job.rescues = 0;
        }
        ItemState::Failed => job.items_failed += 1,
        ItemState::Pending | ItemState::Running => {}
    }
}

/// Writes the rows of files, and counts them as their owner's: refused when that is too much.
async fn write_artifacts(tx: &mut Tx<'_>, write: &Write, owner: i32) -> Result<(), Fault> {
    if write.artifacts.is_empty() {
        return Ok(());
    }
    let job = write.claim.job;
    let files: BTreeMap<&str, &StoredArtifact> = write
        .artifacts
        .iter()
        .map(|stored| (stored.artifact.name.as_str(), stored))
        .collect();
    let names: Vec<_> = files.keys().map(|name| kept(name)).collect();
    let replaced = tx.rows(sql!("artifact_sizes"), &[&job, &names]).await?;
    let replaced: i64 = replaced.iter().map(|line| line.get::<_, i64>(1)).sum();
    let sizes: Vec<i64> = files
        .values()
        .map(|stored| row::signed(stored.artifact.size))
        .collect();
    let column = |of: &dyn Fn(&StoredArtifact) -> &str| -> Vec<String> {
        files
            .values()
            .map(|stored| kept(of(stored)).into_owned())
            .collect()
    };
    let times: Vec<i64> = files
        .values()
        .map(|stored| stored.artifact.created_at.0)
        .collect();
    tx.execute(
        sql!("artifacts_write"),
        &[
            &job,
            &names,
            &sizes,
            &column(&|stored| &stored.artifact.sha256),
            &column(&|stored| &stored.artifact.content_type),
            &column(&|stored| &stored.location),
            &times,
        ],
    )
    .await?;
    tx.add_disk(owner, sizes.iter().sum::<i64>() - replaced)
        .await
}

/// Appends log lines and drops the middle past the bound: the first tenth and the newest stay.
async fn write_log(tx: &Tx<'_>, write: &Write, job: &mut Hot) -> Result<(), Fault> {
    if write.log.is_empty() {
        return Ok(());
    }
    let before = job.lines;
    job.lines += write.log.len() as u64;
    let numbers: Vec<i64> = (before + 1..=job.lines).map(row::signed).collect();
    let times: Vec<i64> = write.log.iter().map(|line| line.time.0).collect();
    let levels: Vec<i16> = write
        .log
        .iter()
        .map(|line| row::level_number(line.level))
        .collect();
    let texts: Vec<_> = write.log.iter().map(|line| kept(&line.text)).collect();
    tx.execute(
        sql!("log_insert"),
        &[&job.seq, &numbers, &times, &levels, &texts],
    )
    .await?;
    let bound = tx.bounds.log_lines;
    if job.lines > bound {
        let first = bound / 10;
        let newest = job.lines - (bound - first);
        tx.execute(
            sql!("log_trim"),
            &[&job.seq, &row::signed(first), &row::signed(newest)],
        )
        .await?;
    }
    Ok(())
}
