//! The worker's heartbeat: keeps its lease and hears of cancels and pauses from elsewhere.
//!
//! It runs beside the jobs, never inside one, so that a long job keeps its lease.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{Core, remote};
use crate::model::Seq;

/// Between two looks where no lease asks for more.
const INTERVAL: Duration = Duration::from_secs(10);

/// Between two comparisons of what this process holds with what the store says.
const COMPARE: Duration = Duration::from_secs(5);

/// Beats until the engine is closed: also while runs stop.
pub(crate) async fn beat(core: Arc<Core>, lease: Option<Duration>) {
    let mut changed = core.store.changed();
    let interval = lease.map_or(INTERVAL, |lease| (lease / 3).min(INTERVAL));
    // Whether another process changed something since the last comparison, and when that was.
    let mut elsewhere = false;
    let mut compared_at = core.clock.now();
    loop {
        tokio::select! {
            () = core.clock.sleep(interval) => {}
            result = changed.changed() => {
                if result.is_err() {
                    return;
                }
                core.wake.notify_one();
                core.hub.touch_all();
                elsewhere = true;
            }
            () = core.closed.cancelled() => return,
        }
        if let Err(error) = core.read_pauses().await {
            tracing::warn!(%error, "could not ask which queues are paused; trying again");
        }
        if lease.is_none() && core.all_held().is_empty() {
            continue;
        }
        match core.store.heartbeat(&core.worker, core.clock.now()).await {
            Ok(heartbeat) if heartbeat.held => {
                for job in heartbeat.cancelled {
                    if let Some(held) = core.held(job) {
                        held.cancel();
                    }
                }
            }
            Ok(_) => {
                tracing::error!("the lease has lapsed: every run is told to stop");
                core.all_held().iter().for_each(|held| held.lose());
                begin_again(&core, lease).await;
            }
            Err(error) => tracing::warn!(%error, "heartbeat failed; trying again"),
        }
        if lease.is_some() {
            rescue(&core).await;
        }
        let now = core.clock.now();
        if elsewhere && now.since(compared_at) >= COMPARE {
            (elsewhere, compared_at) = (false, now);
            drop_lost(&core).await;
        }
    }
}

/// Joins as another worker of the same name, as a life that has lapsed never goes on: what it held is rescued by whoever
/// is first.
async fn begin_again(core: &Arc<Core>, lease: Option<Duration>) {
    let now = core.clock.now();
    let joined = async {
        core.store.join(&core.worker, lease, now).await?;
        remote::introduce_local(core).await
    };
    match joined.await {
        Ok(()) => core.wake.notify_one(),
        Err(error) => tracing::warn!(%error, "could not join again; trying again"),
    }
}

/// Forgets jobs kept between two checks that somebody ended from another process: their checks write nothing, so no
/// refused write would tell.
async fn drop_lost(core: &Core) {
    let before = core.all_held();
    match core.store.held(&core.worker).await {
        Ok(held) => {
            let held: HashSet<Seq> = held.into_iter().collect();
            before
                .iter()
                .filter(|job| !held.contains(&job.job.seq))
                .for_each(|job| job.lose());
        }
        Err(error) => tracing::warn!(%error, "could not compare what is held; trying again"),
    }
}

/// Takes over what dead workers held. Answers whether the store could.
pub(crate) async fn rescue(core: &Core) -> bool {
    match core.store.rescue(core.clock.now()).await {
        Ok(jobs) => {
            if !jobs.is_empty() {
                tracing::info!(jobs = jobs.len(), "rescued from dead workers");
                core.wake.notify_one();
            }
            for job in jobs {
                core.send_state(&job);
                core.observe(|observer| observer.rescued(&job.kind));
                if job.state().is_ended() {
                    core.ended_without_run(&job);
                }
            }
            true
        }
        Err(error) => {
            tracing::error!(%error, "could not rescue jobs of dead workers");
            false
        }
    }
}
