//! New jobs.
//!
//! Invariant: a job is there with its args, labels, keys and count, or not at all. Jobs that meet share statements.

use std::collections::HashSet;

use longhaul_types::{Reason, State, Timestamp};
use tokio_postgres::Row;

use super::{
    error::Fault,
    follow,
    hot::wait_until,
    row,
    text::kept,
    tx::{Place, Tx},
};
use crate::{
    model::Seq,
    store::{Error, IDEMPOTENCY, Insert, Inserted},
};

/// Jobs of one statement.
const CHUNK: usize = 5_000;

/// A job that is to be inserted as it is.
pub(super) struct Planned<'j> {
    pub(super) job: &'j Insert,
    pub(super) place: Place,
    pub(super) run_at: Option<Timestamp>,
}

impl<'j> Planned<'j> {
    pub(super) fn new(job: &'j Insert, place: Place) -> Self {
        Self {
            job,
            place,
            // A held job has no time, whatever it says; any other has one.
            run_at: match job.reason {
                Reason::Held => None,
                _ => Some(job.run_at.unwrap_or(job.created_at)),
            },
        }
    }

    /// How it waits.
    pub(super) fn wait(&self) -> i16 {
        wait_until(self.run_at, self.job.created_at)
    }
}

/// Whether an earlier job may be the answer, so that rows before this one must be there when it is looked for.
fn has_key(job: &Insert) -> bool {
    job.unique_key.is_some() || job.idempotency_key.is_some()
}

/// Inserts all jobs.
pub(super) async fn insert_many(tx: &mut Tx<'_>, jobs: &[&Insert]) -> Result<Vec<Inserted>, Fault> {
    let mut answers = Vec::new();
    let mut planned = Vec::new();
    for job in jobs {
        if has_key(job) {
            write_many(tx, &mut planned, &mut answers).await?;
            match insert_keyed(tx, job, false).await? {
                Ok(earlier) => answers.push(earlier),
                Err(new) => write_many(tx, &mut vec![new], &mut answers).await?,
            }
        } else {
            planned.push(plan(tx, job, false).await?);
        }
    }
    write_many(tx, &mut planned, &mut answers).await?;
    Ok(answers)
}

/// Inserts a job that follows an end: a full queue takes it too.
pub(super) async fn insert_following(tx: &mut Tx<'_>, job: &Insert) -> Result<Inserted, Fault> {
    let new = match insert_keyed(tx, job, true).await? {
        Ok(earlier) => return Ok(earlier),
        Err(new) => new,
    };
    let mut answers = Vec::new();
    write_many(tx, &mut vec![new], &mut answers).await?;
    answers.pop().ok_or(Fault::Again)
}

/// The earlier job that a key of this one names, or what to insert.
async fn insert_keyed<'j>(
    tx: &mut Tx<'_>,
    job: &'j Insert,
    follows: bool,
) -> Result<Result<Inserted, Planned<'j>>, Fault> {
    let kind = tx.kind(&job.kind).await?;
    if has_key(job)
        && let Some(owner) = tx.find_name(&job.owner).await?
        && let Some(earlier) = earlier(tx, job, owner, kind).await?
    {
        return Ok(Ok(earlier));
    }
    Ok(Err(plan(tx, job, follows).await?))
}

/// Sees that a job may be inserted, and counts it.
async fn plan<'j>(tx: &mut Tx<'_>, job: &'j Insert, follows: bool) -> Result<Planned<'j>, Fault> {
    let kind = tx.kind(&job.kind).await?;
    for follow_up in &job.follow_ups {
        follow::check(tx, follow_up).await?;
    }
    let owner = tx.intern(&job.owner).await?;
    let queue = tx.intern(&job.queue).await?;
    if !follows {
        tx.check_depth(queue, &job.queue).await?;
    }
    let place = Place { owner, kind, queue };
    tx.count(place, State::Pending, 1);
    Ok(Planned::new(job, place))
}

async fn write_many(
    tx: &mut Tx<'_>,
    planned: &mut Vec<Planned<'_>>,
    answers: &mut Vec<Inserted>,
) -> Result<(), Fault> {
    for some in planned.chunks(CHUNK) {
        write_rows(tx, some, answers).await?;
    }
    planned.clear();
    Ok(())
}

async fn write_rows(
    tx: &mut Tx<'_>,
    planned: &[Planned<'_>],
    answers: &mut Vec<Inserted>,
) -> Result<(), Fault> {
    let count = row::limit(planned.len());
    let seqs: Vec<Seq> = tx
        .rows(sql!("seqs"), &[&count])
        .await?
        .iter()
        .map(|line| line.get(0))
        .collect();
    write_jobs(tx, planned, &seqs).await?;
    write_live(tx, planned, &seqs).await?;
    write_names(tx, planned, &seqs).await?;
    answers.extend(planned.iter().zip(seqs).map(|(new, seq)| Inserted {
        seq,
        id: new.job.id.clone(),
        new: true,
    }));
    Ok(())
}

pub(super) fn column<'p, T>(
    planned: &'p [Planned<'p>],
    of: impl Fn(&'p Planned<'p>) -> T,
) -> Vec<T> {
    planned.iter().map(of).collect()
}

async fn write_jobs(tx: &Tx<'_>, planned: &[Planned<'_>], seqs: &Vec<Seq>) -> Result<(), Fault> {
    let labels: Result<Vec<Option<String>>, Error> = planned.iter().map(labels).collect();
    let written = tx
        .rows(
            sql!("job_insert"),
            &[
                seqs,
                &column(planned, |new| new.job.id.as_str()),
                &column(planned, |new| new.place.owner),
                &column(planned, |new| new.place.kind),
                &column(planned, |new| new.place.queue),
                &column(planned, |new| new.job.priority),
                &column(planned, follow_ups),
                &column(planned, |new| new.job.created_at.0),
                &column(planned, |new| i64::from(new.job.max_attempts)),
                &column(planned, |new| new.job.attempt_timeout.map(row::millis)),
                &column(planned, |new| new.job.timeout.map(row::millis)),
                &column(planned, |new| i64::from(new.job.args_version)),
                &column(planned, |new| new.job.unique_key.as_deref().map(kept)),
                &labels?,
                &column(planned, |new| new.job.args.as_str()),
            ],
        )
        .await?;
    if written.len() == planned.len() {
        return Ok(());
    }
    let written: HashSet<Seq> = written.iter().map(|line| line.get(0)).collect();
    let mut each = planned.iter().zip(seqs);
    let taken = each.find(|(_, seq)| !written.contains(seq));
    Err(match taken {
        Some((new, _)) => Error::IdTaken(new.job.id.clone()).into(),
        None => Fault::Again,
    })
}

async fn write_live(tx: &Tx<'_>, planned: &[Planned<'_>], seqs: &Vec<Seq>) -> Result<(), Fault> {
    let written = tx
        .execute(
            sql!("live_insert"),
            &[
                seqs,
                &column(planned, |new| new.place.owner),
                &column(planned, |new| new.place.kind),
                &column(planned, |new| new.place.queue),
                &column(planned, |new| new.job.priority),
                &column(planned, follow_ups),
                &column(planned, Planned::wait),
                &column(planned, |new| row::reason_number(new.job.reason)),
                &column(planned, |new| new.run_at.map(|at| at.0)),
                &column(planned, |new| new.job.timeout.map(row::millis)),
                &column(planned, |new| new.job.unique_key.as_deref().map(kept)),
            ],
        )
        .await?;
    // Another has inserted a living job under the unique key since it was looked for.
    if written < planned.len() as u64 {
        return Err(Fault::Again);
    }
    Ok(())
}

/// Writes what few jobs have: labels, follow-ups and an idempotency key.
async fn write_names(tx: &Tx<'_>, planned: &[Planned<'_>], seqs: &[Seq]) -> Result<(), Fault> {
    let (mut names, mut values, mut labelled) = (Vec::new(), Vec::new(), Vec::new());
    let (mut followed, mut positions, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (new, seq) in planned.iter().zip(seqs) {
        for (name, value) in &new.job.labels {
            names.push(kept(name));
            values.push(kept(value));
            labelled.push(*seq);
        }
        for (position, follow_up) in (0_i64..).zip(&new.job.follow_ups) {
            followed.push(*seq);
            positions.push(position);
            texts.push(json(follow_up)?);
        }
        if let Some(key) = &new.job.idempotency_key {
            let (job, now) = (new.job, new.job.created_at);
            let expires_at = (now + IDEMPOTENCY).0;
            let id = job.id.as_str();
            let written = tx
                .execute(
                    sql!("key_insert"),
                    &[&new.place.owner, &kept(key), seq, &id, &expires_at, &now.0],
                )
                .await?;
            if written == 0 {
                return Err(Fault::Again);
            }
        }
    }
    if !labelled.is_empty() {
        tx.execute(sql!("label_insert"), &[&names, &values, &labelled])
            .await?;
    }
    if !followed.is_empty() {
        tx.execute(sql!("follow_up_insert"), &[&followed, &positions, &texts])
            .await?;
    }
    Ok(())
}

fn follow_ups(new: &Planned<'_>) -> i32 {
    i32::try_from(new.job.follow_ups.len()).unwrap_or(i32::MAX)
}

/// Labels as JSON text; none when there are none.
pub(super) fn labels(new: &Planned<'_>) -> Result<Option<String>, Error> {
    let labels = &new.job.labels;
    (!labels.is_empty()).then(|| json(labels)).transpose()
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

/// The earlier job that a key of this one names.
async fn earlier(
    tx: &Tx<'_>,
    job: &Insert,
    owner: i32,
    kind: i32,
) -> Result<Option<Inserted>, Fault> {
    if let Some(key) = &job.idempotency_key {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&owner, &kept(key), &job.created_at.0];
        if let Some(line) = tx.row(sql!("key_find"), &parameters).await? {
            return Ok(Some(found(&line)?));
        }
    }
    if let Some(key) = &job.unique_key {
        let line = tx
            .row(sql!("unique_find"), &[&owner, &kind, &kept(key)])
            .await?;
        return Ok(line.as_ref().map(found).transpose()?);
    }
    Ok(None)
}

fn found(row: &Row) -> Result<Inserted, Error> {
    Ok(Inserted {
        seq: row.get(0),
        id: row::id(row, 1)?,
        new: false,
    })
}
