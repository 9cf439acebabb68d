//! The passing of time for remote workers: leases that end, runs that take too long, and runs that nobody knows of.
//!
//! Invariant: a job is nobody's within a second or so of the end of its worker's lease.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Core, Error, heartbeat},
    report,
    roster::{Run, Worker},
};
use crate::context::Stop;

/// Between two looks.
const TICK: Duration = Duration::from_millis(500);

/// Looks until the engine stops; sleeps while there is no remote worker.
pub(crate) async fn watch(core: Arc<Core>) {
    // Whether somebody's jobs are still to be rescued.
    let mut owed = false;
    loop {
        if core.roster.count() == 0 && !owed {
            tokio::select! {
                () = core.roster.joined.notified() => {}
                () = core.stopping.cancelled() => return,
            }
        }
        tokio::select! {
            () = core.clock.sleep(TICK) => {}
            () = core.stopping.cancelled() => return,
        }
        for worker in core.roster.all() {
            if worker.lives(core.clock.now()) {
                for run in worker.runs() {
                    look(&core, &worker, &run).await;
                }
            } else {
                tracing::warn!(worker = %worker.id, name = worker.about.name, "the lease of a remote worker has ended");
                core.roster.remove(&worker.id);
                owed = true;
            }
        }
        if owed {
            owed = !heartbeat::rescue(&core).await;
        }
    }
}

/// Sees whether a run must stop, and takes its job away when the worker had its time to stop it, or does not know of it.
async fn look(core: &Arc<Core>, worker: &Arc<Worker>, run: &Arc<Run>) {
    let now = core.clock.now();
    let job = &run.held.job;
    if job.deadline().is_some_and(|deadline| deadline <= now) {
        run.held.tell_to_stop(Stop::Deadline);
    }
    if job
        .attempt_timeout
        .is_some_and(|timeout| run.since + timeout <= now)
    {
        run.held.tell_to_stop(Stop::AttemptTimeout);
    }
    let (_, grace) = worker.policy(core, &job.kind);
    let over = run.told_at().is_some_and(|told| told + grace <= now);
    let unknown = run.named_at() + worker.lease <= now;
    if !over && !unknown {
        return;
    }
    let why = if over {
        "it did not stop in time"
    } else {
        "its worker does not name it"
    };
    tracing::warn!(job = %job.id, worker = %worker.id, "a job is taken away: {why}");
    match report::end(core, worker, run, None).await {
        Ok(_) | Err(Error::ClaimLost) => {}
        Err(error) => tracing::warn!(job = %job.id, %error, "not taken away; trying again"),
    }
}
