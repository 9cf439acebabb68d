//! Schedules.
//!
//! Invariant: a schedule moves on in the transaction that inserts its jobs, and only from the revision it was read in.

use longhaul_types::{JobId, Timestamp};

use super::{error::Fault, insert, row, text::kept, tx::Tx};
use crate::store::{Error, Fire, Fired, PutDone, PutSchedule};

/// Puts a schedule in, unless another change came first.
pub(super) async fn put(tx: &mut Tx<'_>, put: &PutSchedule) -> Result<PutDone, Fault> {
    let schedule = &put.schedule;
    // An unknown kind is refused, as at a submission.
    tx.kind(&schedule.job.kind).await?;
    let definition = serde_json::to_string(schedule)
        .map_err(|error| Error::Internal(format!("a schedule can not be kept: {error}")))?;
    let owner = tx.intern(&schedule.owner).await?;
    let paused = schedule.paused == Some(true);
    let next_at = put.next_at.filter(|_| !paused).map(|at| at.0);
    let name = kept(&schedule.name);
    let now = put.now.0;
    let changed = match put.replaces {
        Some(revision) => {
            let revision = row::signed(revision);
            tx.execute(
                sql!("schedule_replace"),
                &[
                    &owner,
                    &name,
                    &revision,
                    &definition,
                    &paused,
                    &next_at,
                    &now,
                ],
            )
            .await?
        }
        None => {
            let count = tx.row(sql!("schedule_count"), &[]).await?;
            let count: i64 = count.map_or(0, |line| line.get(0));
            if u64::try_from(count).unwrap_or(0) >= put.most {
                return Err(Error::TooManySchedules(put.most).into());
            }
            tx.execute(
                sql!("schedule_add"),
                &[&owner, &name, &definition, &paused, &next_at, &now],
            )
            .await?
        }
    };
    if changed == 0 {
        return Ok(PutDone::Stale);
    }
    let owner = Some(kept(&schedule.owner));
    let found = tx.row(sql!("schedule_find"), &[&name, &owner]).await?;
    let found = found.ok_or(Fault::Again)?;
    Ok(PutDone::Done(Box::new(row::scheduled(&found)?)))
}

/// Moves schedules on, each on its own.
pub(super) async fn fire_all(tx: &mut Tx<'_>, fires: &[Fire]) -> Result<Vec<Fired>, Fault> {
    let mut answers = Vec::with_capacity(fires.len());
    for one in fires {
        let mark = tx.mark().await?;
        match fire(tx, one).await {
            Ok(done) => {
                tx.keep(mark).await?;
                answers.push(done);
            }
            Err(Fault::Refused(error)) => {
                tx.undo(mark).await?;
                answers.push(Fired::Refused(error.to_string()));
            }
            Err(Fault::Postgres(error)) if is_local(&error) => {
                tx.undo(mark).await?;
                answers.push(Fired::Refused(error.to_string()));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(answers)
}

/// Whether a statement broke a constraint, so that the transaction may go on once it is undone.
fn is_local(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.code().starts_with("23"))
}

async fn fire(tx: &mut Tx<'_>, fire: &Fire) -> Result<Fired, Fault> {
    let (owner, name) = (kept(&fire.owner), kept(&fire.name));
    let moved = tx
        .execute(
            sql!("schedule_fire"),
            &[
                &owner,
                &name,
                &row::signed(fire.revision),
                &fire.next_at.map(|at| at.0),
                &fire.look_at.map(|at| at.0),
                &row::signed(fire.missed),
                &fire.error.as_deref().map(kept),
            ],
        )
        .await?;
    if moved == 0 {
        return Ok(Fired::Stale);
    }
    let jobs: Vec<_> = fire.jobs.iter().map(|(_, job)| job).collect();
    let inserted = insert::insert_many(tx, &jobs).await?;
    if !inserted.is_empty() {
        let mut each = fire.jobs.iter().zip(&inserted);
        let last: Option<(Timestamp, &JobId)> = each
            .rfind(|(_, one)| one.new)
            .map(|((time, job), _)| (*time, &job.id));
        let new = inserted.iter().filter(|one| one.new).count();
        tx.execute(
            sql!("schedule_submitted"),
            &[
                &owner,
                &name,
                &row::limit(new),
                &row::limit(inserted.len() - new),
                &last.map(|(time, _)| time.0),
                &last.map(|(_, id)| id.as_str()),
            ],
        )
        .await?;
    }
    Ok(Fired::Done(inserted))
}
