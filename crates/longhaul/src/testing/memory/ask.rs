//! What somebody from outside asks for one job.

use longhaul_types::{ItemState, JobId, Reason, State, Timestamp};

use super::tables::{Row, Tables};
use crate::{
    model::{Change, Illegal, Job, Seq, Status, next},
    store::{Asked, Request},
};

impl Tables {
    pub(super) fn ask(
        &mut self,
        request: Request,
        owner: Option<&str>,
        id: &JobId,
        now: Timestamp,
    ) -> Asked {
        let Some(seq) = self.find(owner, id) else {
            return Asked::NotFound;
        };
        let done = match request {
            Request::Cancel => self.cancel(seq, now),
            Request::Retry => self.retry(seq, now),
            Request::Start => self.start(seq, now),
            Request::Remove => return self.remove_ended(seq),
        };
        match done {
            Ok(()) => Asked::Done(Box::new(self.rows[&seq].job.clone())),
            Err(illegal) => Asked::Illegal(illegal),
        }
    }

    /// The job of this id; of several owners' the first, when no owner is named.
    pub(super) fn find(&self, owner: Option<&str>, id: &JobId) -> Option<Seq> {
        if let Some(owner) = owner {
            return self.ids.get(&(owner.to_owned(), id.clone())).copied();
        }
        let found = self.ids.iter().filter(|((_, other), _)| other == id);
        found.map(|(_, seq)| *seq).min()
    }

    fn cancel(&mut self, seq: Seq, now: Timestamp) -> Result<(), Illegal> {
        let job = &self.rows[&seq].job;
        let state = next(job.standing(), Change::Cancel)?;
        if job.cancel_requested() {
            return Ok(());
        }
        self.change(seq, |row| match &mut row.job.status {
            Status::Running {
                cancel_requested, ..
            } => *cancel_requested = Some(now),
            _ => row.end(state, now),
        });
        if state.is_ended() {
            self.follow(seq);
        }
        Ok(())
    }

    fn retry(&mut self, seq: Seq, now: Timestamp) -> Result<(), Illegal> {
        let job = &self.rows[&seq].job;
        let change = Change::RetryByHand;
        next(job.standing(), change)?;
        if self.has_living_twin(job) {
            return Err(illegal(job, change));
        }
        self.change(seq, |row| again(row, now));
        Ok(())
    }

    /// Whether another job lives under this one's unique key: two may not.
    fn has_living_twin(&self, job: &Job) -> bool {
        job.unique_key
            .as_deref()
            .is_some_and(|key| self.living(&job.owner, &job.kind, key).is_some())
    }

    fn start(&mut self, seq: Seq, now: Timestamp) -> Result<(), Illegal> {
        let job = &self.rows[&seq].job;
        let reason = match job.status {
            Status::Pending {
                reason: Reason::Held | Reason::Scheduled,
                ..
            } => Reason::New,
            Status::Pending {
                reason: Reason::Retry,
                run_at: Some(at),
                ..
            } if at > now => Reason::Retry,
            _ => return Err(illegal(job, Change::Claim)),
        };
        self.change(seq, |row| row.wait(reason, now, None, now));
        Ok(())
    }

    fn remove_ended(&mut self, seq: Seq) -> Asked {
        let job = &self.rows[&seq].job;
        if !job.state().is_ended() {
            return Asked::Illegal(illegal(job, Change::RetryByHand));
        }
        match self.remove(seq) {
            Some(row) => Asked::Done(Box::new(row.job)),
            None => Asked::NotFound,
        }
    }
}

fn illegal(job: &Job, change: Change) -> Illegal {
    Illegal {
        state: job.state(),
        change,
    }
}

/// Another go: failed items run again, finished ones are kept, attempts count from 0.
fn again(row: &mut Row, now: Timestamp) {
    row.wait(Reason::Retry, now, None, now);
    row.sweep_at = None;
    row.result = None;
    row.job.attempts = 0;
    row.job.rescues = 0;
    row.job.started_at = None;
    row.job.error = None;
    for (item, changed) in &mut row.items {
        if item.state == ItemState::Failed {
            item.state = ItemState::Pending;
            item.attempts = 0;
            *changed = now;
        }
    }
    row.count_items();
    debug_assert_eq!(row.job.state(), State::Pending, "a retried job waits");
}
