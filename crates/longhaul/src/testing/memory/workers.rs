//! Workers and time: leases, rescue from the dead, deadlines, and when something is next to be done.

use std::time::Duration;

use longhaul_types::{ErrorCode, JobError, Reason, State, Timestamp};

use super::tables::{Lease, Life, Row, Tables, must};
use crate::{
    model::{AttemptEnd, Change, Job, Seq, Status, WorkerId, next, spread},
    store::{Error, Heartbeat, Kind, Member},
};

impl Tables {
    pub(super) fn declare(&mut self, kinds: Vec<Kind>) {
        for kind in kinds {
            self.kinds.insert(kind.name.clone(), kind);
        }
    }

    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.kinds.values().cloned().collect()
    }

    pub(super) fn join(&mut self, worker: &WorkerId, lease: Option<Duration>, now: Timestamp) {
        if lease.is_none() {
            let superseded =
                |other: &WorkerId, life: &Life| life.lease.is_none() && other != worker;
            self.workers.retain(|other, life| !superseded(other, life));
        }
        self.lapse(now);
        let lease = lease.map(|length| Lease {
            length,
            ends: now + length,
        });
        if let Some(life) = self.workers.get_mut(worker) {
            life.lease = lease;
        } else {
            self.last_life += 1;
            let number = self.last_life;
            let life = Life {
                number,
                lease,
                about: None,
                joined_at: now,
            };
            self.workers.insert(worker.clone(), life);
        }
    }

    pub(super) fn introduce(&mut self, worker: &WorkerId, about: String) {
        if let Some(life) = self.workers.get_mut(worker) {
            life.about = Some(about);
        }
    }

    pub(super) fn members(&self, jobs: usize) -> Vec<Member> {
        let mut lives: Vec<_> = self.workers.iter().collect();
        lives.sort_by_key(|(_, life)| life.number);
        let member = |(worker, life): (&WorkerId, &Life)| {
            let mut held: Vec<&Job> = self
                .held_by(worker)
                .iter()
                .map(|seq| &self.rows[seq].job)
                .collect();
            held.sort_by_key(|job| (job.state() != State::Running, job.seq));
            Member {
                worker: worker.clone(),
                about: life.about.clone(),
                joined_at: Some(life.joined_at),
                lease: life.lease.map(|lease| (lease.length, lease.ends)),
                holds: held.len() as u64,
                jobs: held.iter().take(jobs).map(|job| job.id.clone()).collect(),
            }
        };
        lives.into_iter().map(member).collect()
    }

    pub(super) fn extend_leases(&mut self, now: Timestamp) {
        for life in self.workers.values_mut() {
            if let Some(lease) = &mut life.lease {
                lease.ends = lease.ends.max(now + lease.length);
            }
        }
    }

    pub(super) fn leave(&mut self, worker: &WorkerId) {
        self.workers.remove(worker);
    }

    /// Ends the lives whose leases have ended.
    fn lapse(&mut self, now: Timestamp) {
        self.workers.retain(|_, life| life.holds(now));
    }

    /// The life that a worker lives now, if it has joined and its lease has not ended.
    pub(super) fn life_of(&self, worker: &WorkerId, now: Timestamp) -> Option<u64> {
        let life = self.workers.get(worker)?;
        life.holds(now).then_some(life.number)
    }

    pub(super) fn heartbeat(&mut self, worker: &WorkerId, now: Timestamp) -> Heartbeat {
        if self.life_of(worker, now).is_none() {
            return Heartbeat::default();
        }
        if let Some(Life {
            lease: Some(lease), ..
        }) = self.workers.get_mut(worker)
        {
            lease.ends = now + lease.length;
        }
        let held = self.held_by(worker).into_iter();
        let cancelled = held.filter(|seq| self.rows[seq].job.cancel_requested());
        Heartbeat {
            held: true,
            cancelled: cancelled.collect(),
        }
    }

    pub(super) fn held_by(&self, worker: &WorkerId) -> Vec<Seq> {
        self.seqs(|row| row.worker() == Some(worker) && self.held_by_living(row))
    }

    /// Whether the life in which a job's worker claimed it goes on.
    fn held_by_living(&self, row: &Row) -> bool {
        let life = row.worker().and_then(|worker| self.workers.get(worker));
        life.is_some_and(|life| life.number == row.life)
    }

    pub(super) fn rescue(&mut self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.lapse(now);
        let lost = self.seqs(|row| row.worker().is_some() && !self.held_by_living(row));
        self.change_all(lost, |row| rescue(row, now))
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Result<Vec<Job>, Error> {
        let late = self.seqs(|row| {
            row.job.state() == State::Pending && row.job.deadline().is_some_and(|end| end <= now)
        });
        self.change_all(late, |row| {
            let state = must(next(row.job.standing(), Change::Deadline))?;
            row.job.error = Some(JobError::new(
                ErrorCode::Deadline,
                "the job took longer than it may as a whole",
            ));
            row.end(state, now);
            Ok(())
        })
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.rows.values().filter_map(|row| match row.job.status {
            Status::Pending {
                run_at,
                worker: None,
                ..
            } => [run_at, row.job.deadline()].into_iter().flatten().min(),
            _ => None,
        });
        waiting.min().map(|due| due.max(now))
    }

    fn seqs(&self, which: impl Fn(&Row) -> bool) -> Vec<Seq> {
        let found = self.rows.values().filter(|row| which(row));
        found.map(|row| row.job.seq).collect()
    }

    fn change_all(
        &mut self,
        seqs: Vec<Seq>,
        change: impl Fn(&mut Row) -> Result<(), Error>,
    ) -> Result<Vec<Job>, Error> {
        let mut changed = Vec::new();
        for seq in seqs {
            changed.extend(
                self.change(seq, |row| change(row).map(|()| seq))
                    .transpose()?,
            );
            // None of them had ended before.
            if self.rows[&seq].job.state().is_ended() {
                self.follow(seq);
            }
        }
        Ok(changed
            .iter()
            .map(|seq| self.rows[seq].job.clone())
            .collect())
    }
}

impl Life {
    /// Whether the worker still holds its jobs.
    fn holds(&self, now: Timestamp) -> bool {
        self.lease.is_none_or(|lease| lease.ends > now)
    }
}

/// Takes a job from its dead worker.
fn rescue(row: &mut Row, now: Timestamp) -> Result<(), Error> {
    if row.job.state() == State::Pending {
        let due = now + spread(row.job.seq, row.check_every);
        row.wait(Reason::Check, due, None, now);
        return Ok(());
    }
    let before = row.job.rescues;
    let state = must(next(row.job.standing(), Change::Rescue { before }))?;
    row.note(AttemptEnd::Rescued, None, now);
    row.job.rescues += 1;
    match state {
        State::Pending => row.wait(Reason::Rescued, now, None, now),
        State::Failed => {
            row.job.error = Some(JobError::new(
                ErrorCode::WorkerLost,
                format!(
                    "{} workers in a row died while they ran this job",
                    before + 1
                ),
            ));
            row.end(state, now);
        }
        _ => row.end(state, now),
    }
    Ok(())
}
