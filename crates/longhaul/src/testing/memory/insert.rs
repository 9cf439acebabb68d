//! Submission: all jobs of a call or none.

use std::{collections::BTreeMap, time::Duration};

use longhaul_types::{ItemCounts, Progress, Timestamp};

use super::tables::{Row, Tables};
use crate::{
    model::{Job, Seq, Status},
    store::{Error, IDEMPOTENCY, Insert, Inserted, StoredFollowUp},
};

impl Tables {
    /// As in a database, a call that is refused may leave a gap in the numbers.
    pub(super) fn insert(&mut self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error> {
        let last_seq = self.last_seq;
        let inserted: Result<Vec<_>, _> = jobs
            .into_iter()
            .map(|job| self.insert_one(job, false))
            .collect();
        if inserted.is_err() {
            for seq in last_seq + 1..=self.last_seq {
                self.remove(seq);
            }
        }
        inserted
    }

    /// Keys are looked at before depth and id: who submits again must get the first job, not a complaint.
    fn insert_one(&mut self, job: Insert, follows: bool) -> Result<Inserted, Error> {
        if !self.kinds.contains_key(&job.kind) {
            return Err(Error::UnknownKind(job.kind));
        }
        if let Some(earlier) = self.remembered(&job).or_else(|| self.living_twin(&job)) {
            return Ok(Inserted {
                seq: earlier.seq,
                id: earlier.id.clone(),
                new: false,
            });
        }
        self.check_kinds(&job.follow_ups)?;
        let depth = self
            .pending
            .get(&job.queue)
            .map_or(0, |queue| queue.len() as u64);
        if depth >= self.queue_depth && !follows {
            return Err(Error::QueueFull {
                queue: job.queue,
                limit: self.queue_depth,
            });
        }
        self.last_seq += 1;
        if self.ids.contains_key(&(job.owner.clone(), job.id.clone())) {
            return Err(Error::IdTaken(job.id));
        }
        let row = row(self.last_seq, job);
        let inserted = Inserted {
            seq: row.job.seq,
            id: row.job.id.clone(),
            new: true,
        };
        self.put(row);
        Ok(inserted)
    }

    /// Refuses follow-ups that could not be inserted once their time has come.
    fn check_kinds(&self, follow_ups: &[StoredFollowUp]) -> Result<(), Error> {
        for follow_up in follow_ups {
            if !self.kinds.contains_key(&follow_up.kind) {
                return Err(Error::UnknownKind(follow_up.kind.clone()));
            }
            self.check_kinds(&follow_up.follow_ups)?;
        }
        Ok(())
    }

    /// Inserts what follows the end of a job that has just ended. Nothing about it keeps the job from ending.
    pub(super) fn follow(&mut self, ended: Seq) -> Vec<Inserted> {
        let Some(row) = self.rows.get(&ended) else {
            return Vec::new();
        };
        let follow_ups = row.follow_ups.iter();
        let new: Vec<Insert> = follow_ups
            .filter_map(|follow_up| follow_up.of(&row.job))
            .collect();
        new.into_iter()
            .filter_map(|job| self.insert_one(job, true).ok())
            .collect()
    }

    /// The job that this owner submitted under this idempotency key within [`IDEMPOTENCY`].
    fn remembered(&self, job: &Insert) -> Option<&Job> {
        let key = job.idempotency_key.as_deref()?;
        self.rows
            .values()
            .rev()
            .find(|row| row.job.owner == job.owner && row.idempotency_key.as_deref() == Some(key))
            .filter(|row| job.created_at < row.job.created_at + IDEMPOTENCY)
            .map(|row| &row.job)
    }

    fn living_twin(&self, job: &Insert) -> Option<&Job> {
        let key = job.unique_key.as_deref()?;
        self.living(&job.owner, &job.kind, key)
    }

    /// The living job of this owner and kind with this unique key.
    pub(super) fn living(&self, owner: &str, kind: &str, key: &str) -> Option<&Job> {
        self.rows.values().map(|row| &row.job).find(|job| {
            !job.state().is_ended()
                && job.owner == owner
                && job.kind == kind
                && job.unique_key.as_deref() == Some(key)
        })
    }
}

fn row(seq: Seq, insert: Insert) -> Row {
    let job = Job {
        seq,
        id: insert.id,
        owner: insert.owner,
        kind: insert.kind,
        queue: insert.queue,
        priority: insert.priority,
        status: Status::Pending {
            reason: insert.reason,
            run_at: insert.run_at,
            worker: None,
        },
        claim: 0,
        attempts: 0,
        max_attempts: insert.max_attempts,
        rescues: 0,
        attempt_timeout: insert.attempt_timeout,
        timeout: insert.timeout,
        items: ItemCounts::default(),
        error: None,
        created_at: insert.created_at,
        started_at: None,
        unique_key: insert.unique_key,
        labels: insert.labels,
        progress: Progress::default(),
        revision: 1,
    };
    Row {
        job,
        args_version: insert.args_version,
        args: insert.args,
        result: None,
        checkpoint: None,
        idempotency_key: insert.idempotency_key,
        follow_ups: insert.follow_ups,
        claimed_at: Timestamp::default(),
        life: 0,
        check_every: Duration::ZERO,
        sweep_at: None,
        items: Vec::new(),
        positions: BTreeMap::new(),
        log: BTreeMap::new(),
        next_line: 1,
        artifacts: BTreeMap::new(),
        attempts: Vec::new(),
    }
}
