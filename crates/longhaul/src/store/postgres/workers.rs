//! Workers and time: leases, rescue from the dead, deadlines, and when something is next to be done.
//!
//! Invariants: a worker that has ended or lapsed never comes back; under its old name it is another worker. The ends of leases
//! are set and compared by one clock: the database's, unless the store was opened with another.

use std::time::Duration;

use longhaul_types::{ErrorCode, JobError, Reason, State, Timestamp};

use super::{
    claim::living,
    error::Fault,
    hot::{self, Hot},
    read, row,
    text::kept,
    tx::Tx,
};
use crate::{
    model::{AttemptEnd, Change, Job, Seq, WorkerId, next, spread},
    store::{Error, Heartbeat},
};

/// Jobs that are rescued, or whose deadlines are looked at, in one go.
const AT_ONCE: i64 = 10_000;

/// A worker begins its life; without a lease it ends those of all others without one.
pub(super) async fn join(
    tx: &mut Tx<'_>,
    worker: &WorkerId,
    lease: Option<Duration>,
    now: Timestamp,
    clock: Option<i64>,
) -> Result<(), Fault> {
    let name = kept(worker.as_str());
    if lease.is_none() {
        tx.execute(sql!("workers_supersede"), &[&name]).await?;
    }
    tx.execute(sql!("workers_lapse"), &[&clock]).await?;
    let lease = lease.map(row::millis);
    match living(tx, worker, clock).await? {
        Some(id) => {
            tx.execute(sql!("worker_lease"), &[&id, &lease, &clock])
                .await?
        }
        None => {
            tx.execute(sql!("worker_add"), &[&name, &lease, &clock, &now.0])
                .await?
        }
    };
    Ok(())
}

/// Renews a worker's lease and reads which of its jobs are to be cancelled.
pub(super) async fn heartbeat(
    tx: &mut Tx<'_>,
    worker: &WorkerId,
    clock: Option<i64>,
) -> Result<Heartbeat, Fault> {
    let name = kept(worker.as_str());
    let Some(line) = tx.row(sql!("worker_renew"), &[&name, &clock]).await? else {
        return Ok(Heartbeat::default());
    };
    let id: i64 = line.get(0);
    let cancelled = tx.rows(sql!("worker_cancelled"), &[&id]).await?;
    Ok(Heartbeat {
        held: true,
        cancelled: cancelled.iter().map(|line| line.get(0)).collect(),
    })
}

/// Gives back the jobs of dead workers. The rows of those are locked, so that one process rescues from each.
pub(super) async fn rescue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    clock: Option<i64>,
) -> Result<Vec<Job>, Fault> {
    tx.execute(sql!("workers_lapse"), &[&clock]).await?;
    let dead = seqs(&tx.rows(sql!("workers_dead"), &[]).await?);
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let lost = seqs(&tx.rows(sql!("workers_jobs"), &[&dead, &AT_ONCE]).await?);
    let mut rescued = Vec::with_capacity(lost.len());
    for seq in lost {
        // Whoever ended it meanwhile was first.
        if let Some(job) = hot::lock(tx, seq).await?
            && job.worker.is_some_and(|worker| dead.contains(&worker))
        {
            rescue_one(tx, job, now).await?;
            rescued.push(seq);
        }
    }
    tx.execute(sql!("worker_delete"), &[&dead]).await?;
    jobs(tx, rescued).await
}

fn seqs(rows: &[tokio_postgres::Row]) -> Vec<i64> {
    rows.iter().map(|line| line.get(0)).collect()
}

async fn rescue_one(tx: &mut Tx<'_>, mut job: Hot, now: Timestamp) -> Result<(), Fault> {
    hot::stop_items(tx, &job, now).await?;
    if job.state() == State::Pending {
        // Parked between two checks: nothing was running, so nothing is counted.
        let every = u64::try_from(job.check_every.unwrap_or(0)).unwrap_or(0);
        let at = now + spread(job.seq, Duration::from_millis(every));
        job.back(Reason::Check, at, now);
        return hot::save(tx, &mut job).await;
    }
    let before = job.rescues;
    let to = next(job.standing(), Change::Rescue { before })
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    hot::note_attempt(tx, &job, now, AttemptEnd::Rescued, None).await?;
    job.rescues += 1;
    if to == State::Pending {
        tx.moved(job.place, State::Running, to);
        job.back(Reason::Rescued, now, now);
        return hot::save(tx, &mut job).await;
    }
    if to == State::Failed {
        let message = format!(
            "{} workers in a row died while they ran this job",
            before + 1
        );
        job.error = Some(JobError::new(ErrorCode::WorkerLost, message));
    }
    hot::end(tx, &mut job, to, now).await?;
    hot::follow_end(tx, &job).await?;
    Ok(())
}

/// Fails pending jobs whose time as a whole is over, and forgets old idempotency keys.
pub(super) async fn expire(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Job>, Fault> {
    tx.execute(sql!("keys_expire"), &[&now.0]).await?;
    let late = seqs(&tx.rows(sql!("expired"), &[&now.0, &AT_ONCE]).await?);
    let mut failed = Vec::with_capacity(late.len());
    for seq in late {
        let Some(mut job) = hot::lock(tx, seq).await? else {
            continue;
        };
        if job.state() != State::Pending || job.deadline.is_none_or(|end| end > now.0) {
            continue;
        }
        let to = next(job.standing(), Change::Deadline)
            .map_err(|illegal| Error::Internal(illegal.to_string()))?;
        hot::stop_items(tx, &job, now).await?;
        job.error = Some(JobError::new(
            ErrorCode::Deadline,
            "the job took longer than it may as a whole",
        ));
        hot::end(tx, &mut job, to, now).await?;
        hot::follow_end(tx, &job).await?;
        failed.push(seq);
    }
    jobs(tx, failed).await
}

/// Jobs as they are now, oldest first.
async fn jobs(tx: &Tx<'_>, seqs: Vec<Seq>) -> Result<Vec<Job>, Fault> {
    let rows = tx.rows(sql!("jobs"), &[&seqs]).await?;
    let mut jobs = read::jobs_of(&rows)?;
    jobs.reverse();
    Ok(jobs)
}
