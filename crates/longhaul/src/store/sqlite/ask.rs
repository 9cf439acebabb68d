//! What somebody from outside asks for one job.
//!
//! Invariant: a request that does not fit the job's state changes nothing.

use longhaul_types::{JobId, Reason, State, Timestamp};
use rusqlite::OptionalExtension;

use super::{
    end::{Ended, end_row},
    error::Fault,
    follow, row,
    statements::Sql,
    sweep,
    tx::{Standpoint, Tx},
};
use crate::{
    model::{Change, Illegal, Seq, next},
    store::{Asked, Error, Request},
};

/// Does what is asked for each id, each on its own.
pub(super) fn ask(
    tx: &mut Tx<'_>,
    request: Request,
    owner: Option<&str>,
    ids: &[JobId],
    now: Timestamp,
) -> Result<Vec<Asked>, Fault> {
    ids.iter()
        .map(|id| ask_one(tx, request, owner, id, now))
        .collect()
}

fn ask_one(
    tx: &mut Tx<'_>,
    request: Request,
    owner: Option<&str>,
    id: &JobId,
    now: Timestamp,
) -> Result<Asked, Fault> {
    let found: Option<Seq> = match owner {
        Some(owner) => tx
            .sql
            .get(Sql::SeqOfOwner)?
            .query_row((id.as_str(), owner), |row| row.get(0))
            .optional()?,
        None => tx
            .sql
            .get(Sql::SeqOfAny)?
            .query_row([id.as_str()], |row| row.get(0))?,
    };
    let Some(seq) = found else {
        return Ok(Asked::NotFound);
    };
    let done = match request {
        Request::Cancel => cancel(tx, seq, now)?,
        Request::Retry => retry(tx, seq, now)?,
        Request::Start => start(tx, seq, now)?,
        Request::Remove => return remove(tx, seq),
    };
    if let Err(illegal) = done {
        return Ok(Asked::Illegal(illegal));
    }
    let job = tx.job(seq)?.ok_or(Error::NotFound(seq))?;
    Ok(Asked::Done(Box::new(job)))
}

fn cancel(tx: &mut Tx<'_>, seq: Seq, now: Timestamp) -> Result<Result<(), Illegal>, Fault> {
    let Standpoint {
        place,
        standing,
        followed,
    } = tx.standing(seq)?.ok_or(Error::NotFound(seq))?;
    let to = match next(standing, Change::Cancel) {
        Ok(to) => to,
        Err(illegal) => return Ok(Err(illegal)),
    };
    if to == State::Running {
        if !standing.cancel_requested {
            tx.sql.get(Sql::CancelRequest)?.execute((seq, now.0))?;
        }
    } else {
        let ended = Ended {
            state: to,
            kind: place.kind,
            at: now,
            error: None,
            spent: false,
        };
        end_row(tx, seq, &ended)?;
        tx.sql.get(Sql::ItemsStop)?.execute((seq, now.0))?;
        tx.moved(place, standing.state, to);
        if followed {
            follow::insert(tx, seq)?;
        }
    }
    Ok(Ok(()))
}

fn retry(tx: &mut Tx<'_>, seq: Seq, now: Timestamp) -> Result<Result<(), Illegal>, Fault> {
    let Standpoint {
        place, standing, ..
    } = tx.standing(seq)?.ok_or(Error::NotFound(seq))?;
    let change = Change::RetryByHand;
    let to = match next(standing, change) {
        Ok(to) => to,
        Err(illegal) => return Ok(Err(illegal)),
    };
    if has_living_twin(tx, seq)? {
        let state = standing.state;
        return Ok(Err(Illegal { state, change }));
    }
    tx.sql.get(Sql::Again)?.execute((seq, now.0))?;
    tx.sql.get(Sql::ItemsAgain)?.execute((seq, now.0))?;
    tx.sql.get(Sql::DeleteResults)?.execute([seq])?;
    tx.moved(place, standing.state, to);
    Ok(Ok(()))
}

/// Whether another job lives under this one's unique key: two may not.
fn has_living_twin(tx: &mut Tx<'_>, seq: Seq) -> rusqlite::Result<bool> {
    tx.sql.get(Sql::TwinFind)?.exists([seq])
}

fn start(tx: &mut Tx<'_>, seq: Seq, now: Timestamp) -> Result<Result<(), Illegal>, Fault> {
    let (state, reason, run_at) = tx.sql.get(Sql::Standing)?.query_row([seq], |row| {
        let reason = row.get::<_, Option<i16>>(7)?;
        Ok((row::state(row, 3)?, reason, row::maybe_time(row, 11)?))
    })?;
    let waits = [Reason::Held, Reason::Scheduled].map(row::reason_number);
    let between = reason == Some(row::reason_number(Reason::Retry)) && run_at > Some(now);
    if state != State::Pending || !(between || reason.is_some_and(|reason| waits.contains(&reason)))
    {
        let change = Change::Claim;
        return Ok(Err(Illegal { state, change }));
    }
    tx.sql.get(Sql::Start)?.execute((seq, now.0))?;
    Ok(Ok(()))
}

fn remove(tx: &mut Tx<'_>, seq: Seq) -> Result<Asked, Fault> {
    let job = tx.job(seq)?.ok_or(Error::NotFound(seq))?;
    if !job.state().is_ended() {
        return Ok(Asked::Illegal(Illegal {
            state: job.state(),
            change: Change::RetryByHand,
        }));
    }
    sweep::remove(tx, seq)?;
    Ok(Asked::Done(Box::new(job)))
}
