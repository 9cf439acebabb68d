//! Schedules.

use longhaul_types::Timestamp;

use super::tables::Tables;
use crate::{
    model::Scheduled,
    store::{After, Error, Fire, Fired, Inserted, PutDone, PutSchedule},
};

impl Tables {
    pub(super) fn put_schedule(&mut self, put: PutSchedule) -> Result<PutDone, Error> {
        let mut schedule = put.schedule;
        if !self.kinds.contains_key(&schedule.job.kind) {
            return Err(Error::UnknownKind(schedule.job.kind));
        }
        let paused = *schedule.paused.get_or_insert(false);
        let next_at = put.next_at.filter(|_| !paused);
        let key = (schedule.name.clone(), schedule.owner.clone());
        let count = self.schedules.len() as u64;
        let row = match (self.schedules.get_mut(&key), put.replaces) {
            (Some(row), Some(revision)) if row.revision == revision => {
                row.revision += 1;
                row.schedule = schedule;
                row
            }
            (None, None) if count >= put.most => return Err(Error::TooManySchedules(put.most)),
            (None, None) => self.schedules.entry(key).or_insert(Scheduled {
                schedule,
                next_at: None,
                look_at: None,
                last: None,
                submitted: 0,
                missed: 0,
                skipped: 0,
                error: None,
                created_at: put.now,
                updated_at: put.now,
                revision: 1,
            }),
            (Some(_), None) if count >= put.most => return Err(Error::TooManySchedules(put.most)),
            _ => return Ok(PutDone::Stale),
        };
        (row.next_at, row.look_at) = (next_at, next_at);
        row.error = None;
        row.updated_at = put.now;
        Ok(PutDone::Done(Box::new(row.clone())))
    }

    pub(super) fn schedule(&self, owner: Option<&str>, name: &str) -> Option<Scheduled> {
        let mut named = self
            .schedules
            .values()
            .filter(|one| one.schedule.name == name);
        named
            .find(|one| owner.is_none_or(|owner| one.schedule.owner == owner))
            .cloned()
    }

    pub(super) fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Vec<Scheduled> {
        let shown = self.schedules.values().filter(|one| {
            let place = (one.schedule.name.as_str(), one.schedule.owner.as_str());
            owner.is_none_or(|owner| place.1 == owner)
                && match (after, owner) {
                    (None, _) => true,
                    (Some((name, _)), Some(_)) => place.0 > name,
                    (Some(after), None) => place > after,
                }
        });
        shown.take(limit).cloned().collect()
    }

    pub(super) fn due_schedules(&self, now: Timestamp, limit: usize) -> Vec<Scheduled> {
        let due = |one: &&Scheduled| one.look_at.is_some_and(|at| at <= now);
        let mut due: Vec<Scheduled> = self.schedules.values().filter(due).cloned().collect();
        due.sort_by_key(|one| one.look_at);
        due.truncate(limit);
        due
    }

    pub(super) fn fire(&mut self, fire: Fire) -> Fired {
        let key = (fire.name, fire.owner);
        let found = self.schedules.get(&key);
        let Some(row) = found.filter(|row| row.revision == fire.revision) else {
            return Fired::Stale;
        };
        if row.schedule.paused == Some(true) && fire.next_at.is_some() {
            return Fired::Refused("a paused schedule has no next time".to_owned());
        }
        let (times, jobs): (Vec<_>, Vec<_>) = fire.jobs.into_iter().unzip();
        let inserted: Vec<Inserted> = match self.insert(jobs) {
            Ok(inserted) => inserted,
            Err(error) => return Fired::Refused(error.to_string()),
        };
        let Some(row) = self.schedules.get_mut(&key) else {
            return Fired::Stale;
        };
        row.revision += 1;
        (row.next_at, row.look_at) = (fire.next_at, fire.look_at);
        row.missed += fire.missed;
        row.error = fire.error;
        for (time, job) in times.into_iter().zip(&inserted) {
            if job.new {
                row.submitted += 1;
                row.last = Some((time, job.id.clone()));
            } else {
                row.skipped += 1;
            }
        }
        Fired::Done(inserted)
    }
}
