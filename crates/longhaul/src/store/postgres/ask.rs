//! What somebody from outside asks for one job.
//!
//! Invariant: a request that does not fit the job's state changes nothing.

use longhaul_types::{JobId, Labels, Reason, State, Timestamp};

use super::{
    error::Fault,
    hot::{self, Hot, wait},
    read, row,
    sweep::{self, Gone},
    text::kept,
    tx::{Place, Tx},
};
use crate::{
    model::{Change, Illegal, Seq, Standing, next},
    store::{Asked, Error, Request},
};

/// A job that has ended, locked.
pub(super) struct Done {
    pub(super) place: Place,
    pub(super) state: State,
    pub(super) labels: Labels,
    claim: i64,
    revision: i64,
    items: i64,
    items_completed: i64,
    items_failed: i64,
    lines: i64,
    priority: i16,
    follow_ups: i32,
    timeout: Option<i64>,
    unique_key: Option<String>,
}

/// A job where it stands, locked.
enum Found {
    Live(Hot),
    Ended(Done),
}

/// Does what is asked for each id, each on its own.
pub(super) async fn ask(
    tx: &mut Tx<'_>,
    request: Request,
    owner: Option<&str>,
    ids: &[JobId],
    now: Timestamp,
) -> Result<Vec<Asked>, Fault> {
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(ask_one(tx, request, owner, id, now).await?);
    }
    Ok(answers)
}

async fn ask_one(
    tx: &mut Tx<'_>,
    request: Request,
    owner: Option<&str>,
    id: &JobId,
    now: Timestamp,
) -> Result<Asked, Fault> {
    let line = match owner {
        Some(owner) => {
            let parameters = (id.as_str(), kept(owner));
            tx.row(sql!("seq_of_owner"), &[&parameters.0, &parameters.1])
                .await?
        }
        None => tx.row(sql!("seq_of_any"), &[&id.as_str()]).await?,
    };
    let seq: Option<Seq> = line.and_then(|line| line.get(0));
    let Some(seq) = seq else {
        return Ok(Asked::NotFound);
    };
    let Some(found) = find(tx, seq).await? else {
        return Ok(Asked::NotFound);
    };
    if request == Request::Remove {
        return remove(tx, seq, found).await;
    }
    let done = match request {
        Request::Cancel => cancel(tx, found, now).await?,
        Request::Retry => retry(tx, seq, found, now).await?,
        Request::Start | Request::Remove => start(tx, found, now).await?,
    };
    if let Err(illegal) = done {
        return Ok(Asked::Illegal(illegal));
    }
    Ok(Asked::Done(Box::new(job(tx, seq).await?)))
}

async fn job(tx: &Tx<'_>, seq: Seq) -> Result<crate::model::Job, Fault> {
    let rows = tx.rows(sql!("jobs"), &[&vec![seq]]).await?;
    let found = read::jobs_of(&rows)?.pop();
    Ok(found.ok_or(Error::NotFound(seq))?)
}

/// Locks a job where it stands. One that goes from one table to the other meanwhile is looked for again.
async fn find(tx: &Tx<'_>, seq: Seq) -> Result<Option<Found>, Fault> {
    for _ in 0..2 {
        if let Some(job) = hot::lock(tx, seq).await? {
            return Ok(Some(Found::Live(job)));
        }
        if let Some(job) = ended(tx, seq).await? {
            return Ok(Some(Found::Ended(job)));
        }
    }
    Ok(None)
}

/// Locks a job that has ended; none when it has not, or is not there.
pub(super) async fn ended(tx: &Tx<'_>, seq: Seq) -> Result<Option<Done>, Fault> {
    let Some(line) = tx.row(sql!("ended_read"), &[&seq]).await? else {
        return Ok(None);
    };
    Ok(Some(Done {
        place: Place {
            owner: line.get(1),
            kind: line.get(2),
            queue: line.get(3),
        },
        state: row::pick(&line, 4, &State::ALL)?,
        claim: line.get(6),
        revision: line.get(7),
        items: line.get(8),
        items_completed: line.get(9),
        items_failed: line.get(10),
        lines: line.get(11),
        priority: line.get(12),
        follow_ups: line.get(13),
        timeout: line.get(14),
        unique_key: line.get(15),
        labels: row::labels(&line, 16)?,
    }))
}

impl Done {
    fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            cancel_requested: false,
            failed_items: self.items_failed > 0,
        }
    }
}

impl Found {
    fn standing(&self) -> Standing {
        match self {
            Self::Live(job) => job.standing(),
            Self::Ended(job) => job.standing(),
        }
    }
}

async fn cancel(
    tx: &mut Tx<'_>,
    found: Found,
    now: Timestamp,
) -> Result<Result<(), Illegal>, Fault> {
    let to = match next(found.standing(), Change::Cancel) {
        Ok(to) => to,
        Err(illegal) => return Ok(Err(illegal)),
    };
    let Found::Live(mut job) = found else {
        return Ok(Ok(()));
    };
    if to == State::Running {
        if job.cancel_requested.is_none() {
            job.cancel_requested = Some(now.0);
            hot::save(tx, &mut job).await?;
        }
    } else {
        hot::stop_items(tx, &job, now).await?;
        hot::end(tx, &mut job, to, now).await?;
        hot::follow_end(tx, &job).await?;
    }
    Ok(Ok(()))
}

async fn retry(
    tx: &mut Tx<'_>,
    seq: Seq,
    found: Found,
    now: Timestamp,
) -> Result<Result<(), Illegal>, Fault> {
    let change = Change::RetryByHand;
    let standing = found.standing();
    let to = match next(standing, change) {
        Ok(to) => to,
        Err(illegal) => return Ok(Err(illegal)),
    };
    let Found::Ended(job) = found else {
        return Ok(Err(Illegal {
            state: standing.state,
            change,
        }));
    };
    let place = job.place;
    if let Some(key) = &job.unique_key {
        let parameters = (place.owner, place.kind);
        let twin = tx
            .row(sql!("unique_find"), &[&parameters.0, &parameters.1, key])
            .await?;
        // Another job lives under its unique key: two may not.
        if twin.is_some() {
            let state = standing.state;
            return Ok(Err(Illegal { state, change }));
        }
    }
    tx.execute(sql!("ended_delete"), &[&seq]).await?;
    let written = tx
        .execute(
            sql!("again"),
            &[
                &seq,
                &place.owner,
                &place.kind,
                &place.queue,
                &job.priority,
                &job.follow_ups,
                &now.0,
                &job.claim,
                &(job.revision + 1),
                &job.timeout,
                &job.items,
                &job.items_completed,
                &job.lines,
                &job.unique_key,
            ],
        )
        .await?;
    if written == 0 {
        return Err(Fault::Again);
    }
    tx.execute(sql!("items_again"), &[&seq, &now.0]).await?;
    tx.execute(sql!("delete_results"), &[&seq]).await?;
    tx.moved(place, standing.state, to);
    Ok(Ok(()))
}

async fn start(
    tx: &mut Tx<'_>,
    found: Found,
    now: Timestamp,
) -> Result<Result<(), Illegal>, Fault> {
    let illegal = Illegal {
        state: found.standing().state,
        change: Change::Claim,
    };
    let Found::Live(mut job) = found else {
        return Ok(Err(illegal));
    };
    let retry = row::reason_number(Reason::Retry);
    let waits = [Reason::Held, Reason::Scheduled].map(row::reason_number);
    let between = job.reason == Some(retry) && job.run_at > Some(now.0);
    if !(between || job.reason.is_some_and(|reason| waits.contains(&reason))) {
        return Ok(Err(illegal));
    }
    let reason = if between { Reason::Retry } else { Reason::New };
    job.wait = Some(wait::READY);
    job.reason = Some(row::reason_number(reason));
    job.run_at = Some(now.0);
    hot::save(tx, &mut job).await?;
    Ok(Ok(()))
}

async fn remove(tx: &mut Tx<'_>, seq: Seq, found: Found) -> Result<Asked, Fault> {
    let state = found.standing().state;
    let Found::Ended(done) = found else {
        return Ok(Asked::Illegal(Illegal {
            state,
            change: Change::RetryByHand,
        }));
    };
    let job = job(tx, seq).await?;
    sweep::remove(tx, &[Gone { seq, done }]).await?;
    Ok(Asked::Done(Box::new(job)))
}
