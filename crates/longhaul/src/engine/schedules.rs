//! Schedules, as programs put, read, pause and remove them.
//!
//! Invariant: a change is made to the revision it was decided on, or decided anew.

use std::sync::Arc;

use longhaul_types::Timestamp;

use super::{Core, Engine, Error, JobHandle};
use crate::{
    model::{Schedule, Scheduled},
    store::{self, After, Fire, Fired, PutDone, PutSchedule},
};

/// How often a change is decided anew before giving up.
const TRIES: usize = 20;

impl Engine {
    /// Puts a schedule in, in place of one with its owner and name: counts go on, and so does its next time where its
    /// times are the same, so that times missed meanwhile are not forgotten.
    ///
    /// # Errors
    /// [`Error::InvalidSchedule`] for times, zones and limits that do not fit; as at a submission, for a job that does not.
    pub async fn put_schedule(&self, schedule: Schedule) -> Result<Scheduled, Error> {
        self.core.put_schedule(schedule).await
    }

    /// A schedule by name, of one owner or of any.
    ///
    /// # Errors
    /// [`Error::UnknownSchedule`]
    pub async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Scheduled, Error> {
        self.core.schedule(owner, name).await
    }

    /// A page of schedules by name and owner, after one, of one owner or of any.
    pub async fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, Error> {
        Ok(self.core.store.schedules(owner, after, limit).await?)
    }

    /// When a schedule submits its next job; none when none is active.
    pub async fn next_scheduled(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.core.store.next_schedule().await?)
    }

    /// Takes a schedule out. The jobs that it submitted stay.
    ///
    /// # Errors
    /// [`Error::UnknownSchedule`]
    pub async fn remove_schedule(
        &self,
        owner: Option<&str>,
        name: &str,
    ) -> Result<Scheduled, Error> {
        let removed = self.schedule(owner, name).await?;
        let owner = &removed.schedule.owner;
        if self.core.store.remove_schedule(owner, name).await? {
            return Ok(removed);
        }
        Err(Error::UnknownSchedule(name.to_owned()))
    }

    /// Has a schedule submit nothing until [`Self::resume_schedule`]. Pausing twice is no error.
    ///
    /// # Errors
    /// [`Error::UnknownSchedule`]
    pub async fn pause_schedule(
        &self,
        owner: Option<&str>,
        name: &str,
    ) -> Result<Scheduled, Error> {
        self.set_paused(owner, name, true).await
    }

    /// Has a schedule go on with its first time from now on: what passed while it was paused was not missed. Resuming
    /// one that is not paused is no error.
    ///
    /// # Errors
    /// [`Error::UnknownSchedule`]
    pub async fn resume_schedule(
        &self,
        owner: Option<&str>,
        name: &str,
    ) -> Result<Scheduled, Error> {
        self.set_paused(owner, name, false).await
    }

    async fn set_paused(
        &self,
        owner: Option<&str>,
        name: &str,
        paused: bool,
    ) -> Result<Scheduled, Error> {
        for _ in 0..TRIES {
            let known = self.schedule(owner, name).await?;
            if known.is_paused() == paused {
                return Ok(known);
            }
            let now = self.core.clock.now();
            let schedule = known.schedule.paused(paused);
            let next_at = if paused { None } else { schedule.first(now)? };
            let put = self.core.put(schedule, next_at, Some(known.revision), now);
            if let PutDone::Done(now) = put.await? {
                return Ok(*now);
            }
        }
        Err(Error::ContestedSchedule(name.to_owned()))
    }

    /// Submits a job of a schedule now, also of a paused one; its next time stays. With [`Overlap::Skip`] it is the job
    /// before, while that lives.
    ///
    /// # Errors
    /// [`Error::UnknownSchedule`]; as at a submission.
    ///
    /// [`Overlap::Skip`]: longhaul_types::schedule::Overlap::Skip
    pub async fn run_schedule(&self, owner: Option<&str>, name: &str) -> Result<JobHandle, Error> {
        let core = &self.core;
        if core.stopping.is_cancelled() {
            return Err(Error::Closed);
        }
        for _ in 0..TRIES {
            let known = self.schedule(owner, name).await?;
            let now = core.clock.now();
            let job = core.resolve(known.schedule.job_at(None), now)?;
            // What a refused fire says has no code; a full queue is the only refusal that is left here.
            let queue = job.queue.clone();
            let fire = Fire {
                owner: known.schedule.owner.clone(),
                name: known.schedule.name.clone(),
                revision: known.revision,
                jobs: vec![(now, job)],
                next_at: known.next_at,
                look_at: known.look_at,
                missed: 0,
                error: known.error.clone(),
            };
            match core.store.fire(vec![fire]).await?.pop() {
                Some(Fired::Done(mut inserted)) => {
                    core.tell_fired(&known, &inserted, now);
                    let job = inserted.pop().ok_or(Error::Closed)?;
                    let owner = known.schedule.owner;
                    let core = Arc::clone(core);
                    return Ok(JobHandle::new(core, job.seq, job.id, owner, job.new));
                }
                Some(Fired::Refused(_)) => {
                    let limit = core.limits.queue_depth;
                    return Err(store::Error::QueueFull { queue, limit }.into());
                }
                Some(Fired::Stale) | None => {}
            }
        }
        Err(Error::ContestedSchedule(name.to_owned()))
    }
}

impl Core {
    pub(super) async fn put_schedule(&self, schedule: Schedule) -> Result<Scheduled, Error> {
        let now = self.clock.now();
        schedule.validate()?;
        // Whatever would be refused at its time is refused now.
        self.resolve(schedule.job_at(Some(now)), now)?;
        for _ in 0..TRIES {
            let owner = Some(schedule.owner.as_str());
            let known = self.store.schedule(owner, &schedule.name).await?;
            let mut schedule = schedule.clone();
            let was_paused = known.as_ref().is_some_and(Scheduled::is_paused);
            let paused = *schedule.paused.get_or_insert(was_paused);
            let next_at = match &known {
                Some(known) if known.schedule.same_times(&schedule) && !was_paused => known.next_at,
                Some(known) if known.schedule.same_times(&schedule) => schedule.first(now)?,
                _ => Some(schedule.some_first(now)?),
            };
            let next_at = next_at.filter(|_| !paused);
            let replaces = known.as_ref().map(|known| known.revision);
            if let Some(known) = known
                && known.schedule == schedule
                && known.next_at == next_at
            {
                return Ok(known);
            }
            if let PutDone::Done(now) = self.put(schedule, next_at, replaces, now).await? {
                return Ok(*now);
            }
        }
        Err(Error::ContestedSchedule(schedule.name))
    }

    async fn put(
        &self,
        schedule: Schedule,
        next_at: Option<Timestamp>,
        replaces: Option<u64>,
        now: Timestamp,
    ) -> Result<PutDone, Error> {
        let put = PutSchedule {
            schedule,
            next_at,
            replaces,
            most: self.limits.schedules,
            now,
        };
        let done = self.store.put_schedule(put).await?;
        self.rescheduled.notify_one();
        Ok(done)
    }

    async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Scheduled, Error> {
        let found = self.store.schedule(owner, name).await?;
        found.ok_or_else(|| Error::UnknownSchedule(name.to_owned()))
    }
}
