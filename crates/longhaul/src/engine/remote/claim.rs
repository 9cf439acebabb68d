//! Jobs for a remote worker: claimed for its free slots, or waited for.
//!
//! Invariant: whatever a claim gave is in the worker's answer or given back; nobody else can hold it meanwhile.

use std::{sync::Arc, time::Duration};

use longhaul_types::worker::{ClaimAnswer, ClaimRequest, ClaimedJob};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    super::{
        Core, Error,
        ends::{Ending, write_batch},
        run::whole_args,
        worker::{LONGEST_SLEEP, PATIENCE, PUT_OFF, SUSPECT},
    },
    report,
    roster::{Run, Worker},
    text, wait,
};
use crate::{
    context::Held,
    model::WorkerId,
    store::{self, Claimed, End, Write},
};

/// Jobs that one claim may ask for.
const MOST: u32 = 1000;
/// Between two looks that wake-ups ask for: many workers that wait must not keep the store busy with looking.
const BREATH: Duration = Duration::from_millis(20);

/// Gives a worker due jobs, or waits for the first.
pub(super) async fn claim(
    core: &Arc<Core>,
    id: &WorkerId,
    request: ClaimRequest,
) -> Result<ClaimAnswer, Error> {
    if !(1..=MOST).contains(&request.jobs) {
        return Err(Error::Worker(format!(
            "jobs: {}; it may be 1 to {MOST}",
            request.jobs
        )));
    }
    let worker = core.roster.living(id, core.clock.now())?;
    let wait = wait(request.wait, &worker)?;
    worker.renew_if_due(core).await?;
    let until = core.clock.now() + wait;
    let mut due = core.wake.subscribe();
    loop {
        due.borrow_and_update();
        let jobs = give_and_hear(core, &worker, request.jobs).await?;
        let now = core.clock.now();
        if !jobs.is_empty() || now >= until || core.stopping.is_cancelled() {
            return Ok(ClaimAnswer { jobs });
        }
        let next = match core.store.next_due(now).await? {
            // For others, or of a queue that is paused.
            Some(at) if at <= now => now + PATIENCE,
            Some(at) => at,
            None => now + LONGEST_SLEEP,
        };
        tokio::select! {
            changed = due.changed() => {
                changed.map_err(|_| Error::Closed)?;
                core.clock.sleep(BREATH.min(until.since(now))).await;
            }
            () = core.clock.sleep(next.min(until).since(now)) => {}
            () = core.stopping.cancelled() => {}
        }
        core.roster.living(id, core.clock.now())?;
    }
}

/// Claims in a task of its own, so that nothing is half done when whoever asked has gone away; what they do not hear of
/// is given back.
async fn give_and_hear(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    most: u32,
) -> Result<Vec<ClaimedJob>, Error> {
    let (say, hear) = oneshot::channel();
    let (core, worker) = (Arc::clone(core), Arc::clone(worker));
    tokio::spawn(async move {
        let given = give(&core, &worker, most).await;
        let Err(Ok(unheard)) = say.send(given) else {
            return;
        };
        for (run, _) in unheard {
            // What can not be given back now is when its worker has not named it for a lease.
            let _ = report::end(&core, &worker, &run, None).await;
        }
    });
    let given = hear.await.map_err(|_| Error::Closed)??;
    Ok(given.into_iter().map(|(_, job)| job).collect())
}

async fn give(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    most: u32,
) -> Result<Vec<(Arc<Run>, ClaimedJob)>, Error> {
    let _turn = worker.claiming.lock().await;
    let kinds = worker.about.kinds.iter().map(|kind| kind.name.clone());
    let kinds: Vec<String> = kinds.collect();
    let mut given = Vec::new();
    let mut left = most;
    for (queue, free) in worker.free() {
        let slots = free.min(left);
        if slots == 0 {
            continue;
        }
        let request = store::ClaimRequest {
            worker: worker.id.clone(),
            now: core.clock.now(),
            slots: vec![(queue, slots)],
            kinds: kinds.clone(),
        };
        let claimed = match core.store.claim(request).await {
            Ok(claimed) => claimed,
            Err(error) if given.is_empty() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "could not claim for every queue");
                break;
            }
        };
        left -= slots.min(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        for claimed in claimed {
            core.send_state(&claimed.job);
            if claimed.job.rescues >= SUSPECT && worker.has_suspect() {
                put_off(core, claimed).await;
            } else {
                given.extend(take(core, worker, claimed).await);
            }
        }
    }
    if !given.is_empty() {
        worker.given.notify_waiters();
    }
    Ok(given)
}

/// Takes note of a run, and says what its worker is told. A run whose secrets can not be had has ended before it began.
async fn take(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    claimed: Claimed,
) -> Option<(Arc<Run>, ClaimedJob)> {
    let now = core.clock.now();
    let waited = now.since(claimed.due);
    let run = worker.hold(Run::new(Held::new(claimed), now, now));
    let job = &run.held.job;
    core.observe(|observer| observer.started(&job.kind, &job.queue, waited));
    let args = match whole_args(core, &run.held) {
        Ok(args) => args,
        Err(failure) => {
            // What can not be written now is given back when its worker has not named it for a lease.
            let _ = report::end(core, worker, &run, Some(Err(failure))).await;
            return None;
        }
    };
    // What the store holds was JSON when it came.
    let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let view = ClaimedJob {
        claim: text(run.held.claim),
        job_id: job.id.clone(),
        owner: job.owner.clone(),
        kind: job.kind.clone(),
        queue: job.queue.clone(),
        args: value(&args),
        args_version: run.held.args_version,
        labels: job.labels.clone(),
        attempt: job.attempts + 1,
        max_attempts: job.max_attempts,
        resumed: job.claim > 1,
        checkpoint: run.held.checkpoint().as_deref().map(value),
        items: job.items,
        attempt_deadline: job.attempt_timeout.map(|timeout| now + timeout),
        deadline: job.deadline(),
    };
    drop(args);
    Some((run, view))
}

/// Gives a job back for a while that may be what kills its worker, while another such one runs.
async fn put_off(core: &Arc<Core>, claimed: Claimed) {
    let held = Arc::new(Held::new(claimed));
    let now = core.clock.now();
    let mut write = Write::new(held.claim, now);
    write.end = Some(End::Release { at: now + PUT_OFF });
    write_batch(core, vec![Ending { held, write }]).await;
}
