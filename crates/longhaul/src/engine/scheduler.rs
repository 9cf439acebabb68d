//! The scheduler: submits the jobs of schedules when their time has come.
//!
//! Invariants: a schedule moves on in the transaction that inserts the jobs of the time it leaves, and only from the
//! revision in which it was read, so that neither a crash nor another scheduler on the same store loses a time or submits
//! it twice; what can not be submitted stays due and is tried again. It sleeps until the next time of all schedules, which
//! one look into an index tells, so that schedules that wait cost nothing.

use std::{sync::Arc, time::Duration};

use longhaul_types::Timestamp;

use super::{Core, Error, Named};
use crate::{
    model::Scheduled,
    store::{Fire, Fired, Inserted},
};

/// Schedules moved on in one transaction.
const BATCH: usize = 100;
/// The wait after the store failed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a time waits that could not be submitted.
const PUT_OFF: Duration = Duration::from_mins(1);
/// The longest sleep: a clock that was set forward is noticed within this.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Schedules until the engine stops.
pub(crate) async fn schedule(core: Arc<Core>) {
    let mut changed = core.store.changed();
    loop {
        let next = match fire_due(&core).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "could not look at the schedules; trying again");
                Some(core.clock.now() + PATIENCE)
            }
        };
        if !sleep_until(&core, next, &mut changed).await {
            return;
        }
    }
}

/// Sleeps until a schedule is due or they may have changed. False when the engine stops.
async fn sleep_until(
    core: &Core,
    next: Option<Timestamp>,
    changed: &mut tokio::sync::watch::Receiver<u64>,
) -> bool {
    loop {
        let now = core.clock.now();
        let wait = match next {
            Some(at) if at <= now => return true,
            Some(at) => at.since(now).min(LONGEST_SLEEP),
            None => LONGEST_SLEEP,
        };
        tokio::select! {
            () = core.stopping.cancelled() => return false,
            () = core.rescheduled.notified() => return true,
            result = changed.changed() => return result.is_ok(),
            () = core.clock.sleep(wait) => {}
        }
    }
}

/// Moves on every schedule that is due, and answers when the next one is.
async fn fire_due(core: &Core) -> Result<Option<Timestamp>, Error> {
    loop {
        let now = core.clock.now();
        let due = core.store.due_schedules(now, BATCH).await?;
        let full = due.len() == BATCH;
        if !due.is_empty() {
            fire_all(core, due, now).await?;
        }
        if core.stopping.is_cancelled() {
            return Ok(None);
        }
        if !full {
            return Ok(core.store.next_schedule().await?);
        }
    }
}

async fn fire_all(core: &Core, due: Vec<Scheduled>, now: Timestamp) -> Result<(), Error> {
    let mut moves = Vec::with_capacity(due.len());
    for one in &due {
        moves.push(match core.fire_of(one, now) {
            Ok(fire) => fire,
            Err(error) => put_off(one, now, error.to_string()),
        });
    }
    let fired = core.store.fire(moves).await?;
    let mut refused = Vec::new();
    for (one, fired) in due.iter().zip(fired) {
        match fired {
            Fired::Done(inserted) => core.tell_fired(one, &inserted, now),
            Fired::Stale => {}
            Fired::Refused(why) => refused.push(put_off(one, now, why)),
        }
    }
    if !refused.is_empty() {
        core.store.fire(refused).await?;
    }
    Ok(())
}

/// Leaves a schedule where it is for a while: its time stays due.
fn put_off(one: &Scheduled, now: Timestamp, why: String) -> Fire {
    tracing::warn!(
        schedule = one.schedule.name,
        error = why,
        "not submitted; trying again"
    );
    Fire {
        owner: one.schedule.owner.clone(),
        name: one.schedule.name.clone(),
        revision: one.revision,
        jobs: Vec::new(),
        next_at: one.next_at,
        look_at: Some(now + PUT_OFF),
        missed: 0,
        error: Some(why),
    }
}

impl Core {
    /// What moves a schedule on whose time has come.
    fn fire_of(&self, one: &Scheduled, now: Timestamp) -> Result<Fire, Error> {
        let schedule = &one.schedule;
        let due = schedule.due(one.next_at.unwrap_or(now), now)?;
        let mut jobs = Vec::with_capacity(due.times.len());
        for time in due.times {
            jobs.push((time, self.resolve(schedule.job_at(Some(time)), now)?));
        }
        Ok(Fire {
            owner: schedule.owner.clone(),
            name: schedule.name.clone(),
            revision: one.revision,
            jobs,
            next_at: due.next_at,
            look_at: due.next_at,
            missed: due.missed,
            error: None,
        })
    }

    /// Tells who listens, and wakes the worker.
    pub(super) fn tell_fired(&self, one: &Scheduled, inserted: &[Inserted], now: Timestamp) {
        let schedule = &one.schedule;
        for job in inserted.iter().filter(|job| job.new) {
            let named = Named {
                owner: schedule.owner.clone(),
                kind: schedule.job.kind.clone(),
                labels: schedule.job.labels.clone(),
            };
            self.send_new(job, named, now);
        }
        if !inserted.is_empty() {
            self.wake.notify_one();
        }
    }
}
