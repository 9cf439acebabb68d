//! Runs: claims, what runs write under them, and how they end.

use std::collections::BTreeMap;

use longhaul_types::{Reason, State, Timestamp};

use super::tables::{Row, Tables, must};
use crate::{
    model::{AttemptEnd, Change, Claim, Illegal, Seq, Status, next},
    store::{ClaimRequest, Claimed, End, Error, Inserted, StoredArtifact, Write, Written},
};

impl Tables {
    /// A worker that has not joined, or whose lease is over, gets nothing: its jobs would be rescued at once.
    pub(super) fn claim(&mut self, request: &ClaimRequest) -> Result<Vec<Claimed>, Error> {
        let mut claimed = Vec::new();
        let Some(life) = self.life_of(&request.worker, request.now) else {
            return Ok(claimed);
        };
        for (queue, slots) in &request.slots {
            if self.paused.contains_key(queue) {
                continue;
            }
            for seq in self.due(queue, *slots, request) {
                claimed.push(self.give(seq, request, life)?);
            }
        }
        Ok(claimed)
    }

    fn give(&mut self, seq: Seq, request: &ClaimRequest, life: u64) -> Result<Claimed, Error> {
        let given = self.change(seq, |row| {
            let due = match row.job.status {
                Status::Pending { run_at, .. } => run_at,
                _ => None,
            };
            let state = must(next(row.job.standing(), Change::Claim))?;
            debug_assert_eq!(state, State::Running, "a claim makes a job run");
            row.job.status = Status::Running {
                worker: request.worker.clone(),
                since: request.now,
                cancel_requested: None,
            };
            row.job.claim += 1;
            row.job.started_at.get_or_insert(request.now);
            row.claimed_at = request.now;
            row.life = life;
            // A held job, which has no time, is never given.
            Ok(due.unwrap_or(request.now))
        });
        let due = given.unwrap_or(Err(Error::NotFound(seq)))?;
        let row = &self.rows[&seq];
        Ok(Claimed {
            job: row.job.clone(),
            due,
            args_version: row.args_version,
            args: row.args.clone(),
            checkpoint: row.checkpoint.clone(),
        })
    }

    /// Jobs of a queue that the request may have, in order.
    fn due(&self, queue: &str, slots: u32, request: &ClaimRequest) -> Vec<Seq> {
        let jobs = self.pending.get(queue).into_iter().flatten();
        jobs.map(|(_, seq)| *seq)
            .filter(|seq| {
                let job = &self.rows[seq].job;
                matches!(
                    job.status,
                    Status::Pending { run_at: Some(at), worker: None, .. } if at <= request.now
                ) && request.kinds.contains(&job.kind)
            })
            .take(usize::try_from(slots).unwrap_or(usize::MAX))
            .collect()
    }

    /// One write of a run: whole or refused.
    pub(super) fn write(&mut self, mut write: Write) -> Written {
        let seq = write.claim.job;
        let Some(row) = self.held(write.claim) else {
            return Written::ClaimLost;
        };
        if let Some(end) = &write.end
            && let Err(illegal) = end.target(row.job.standing())
        {
            return Written::Refused(Error::Internal(illegal.to_string()));
        }
        if let Err(full) = self.fits(row, &write.artifacts) {
            return Written::Refused(full);
        }
        // New jobs come after the end, so that the next of a series may have the unique key of the one that ends.
        let inserts = std::mem::take(&mut write.jobs);
        let before = (!inserts.is_empty()).then(|| row.clone());
        let (now, end, log) = (write.now, write.end.take(), std::mem::take(&mut write.log));
        let first_line = self.append(seq, log);
        self.change(seq, |row| {
            report(row, write);
            if let Some(end) = end {
                // Looked up above to fit.
                let _ = finish(row, end, now);
            }
        });
        match self.insert(inserts) {
            Ok(mut jobs) => {
                // A run held the job until now: an end is this write's.
                if self.rows[&seq].job.state().is_ended() {
                    jobs.extend(self.follow(seq));
                }
                self.written(seq, jobs, first_line)
            }
            Err(error) => {
                if let Some(before) = before {
                    self.restore(before);
                }
                Written::Refused(error)
            }
        }
    }

    /// The job of a claim that holds it.
    fn held(&self, claim: Claim) -> Option<&Row> {
        self.rows
            .get(&claim.job)
            .filter(|row| row.job.claim == claim.number && row.worker().is_some())
    }

    /// Whether these files of a job are not too much for its owner.
    fn fits(&self, row: &Row, artifacts: &[StoredArtifact]) -> Result<(), Error> {
        let owner = &row.job.owner;
        let mut after = row.artifacts.clone();
        let files = artifacts.iter().cloned();
        after.extend(files.map(|stored| (stored.artifact.name.clone(), stored)));
        let size = |files: &BTreeMap<String, StoredArtifact>| -> u64 {
            files.values().map(|stored| stored.artifact.size).sum()
        };
        let (was, is) = (size(&row.artifacts), size(&after));
        let limit = self.owner_disk;
        if is > was && !owner.is_empty() && self.disk(owner) - was + is > limit {
            let owner = owner.clone();
            return Err(Error::DiskLimit { owner, limit });
        }
        Ok(())
    }

    fn written(&self, seq: Seq, jobs: Vec<Inserted>, first_line: u64) -> Written {
        let job = &self.rows[&seq].job;
        Written::Done {
            state: job.state(),
            revision: job.revision,
            cancel_requested: job.cancel_requested(),
            jobs,
            first_line,
        }
    }
}

/// All of a write but its log, its jobs and its end.
fn report(row: &mut Row, write: Write) {
    let mut advanced = write.checkpoint.is_some();
    if let Some(progress) = write.progress {
        row.job.progress = progress;
    }
    row.checkpoint = write.checkpoint.or_else(|| row.checkpoint.take());
    if !write.items.is_empty() {
        for item in write.items {
            advanced |= row.write_item(item, write.now);
        }
        row.count_items();
    }
    if advanced {
        row.job.rescues = 0;
    }
    for stored in write.artifacts {
        row.artifacts.insert(stored.artifact.name.clone(), stored);
    }
}

/// Ends a run. A run whose cancel was requested ends as cancelled, and what else its end says is dropped.
fn finish(row: &mut Row, end: End, now: Timestamp) -> Result<(), Illegal> {
    let state = end.target(row.job.standing())?;
    match end {
        _ if state == State::Cancelled => {
            row.note(AttemptEnd::Cancelled, None, now);
            row.end(state, now);
        }
        End::Complete { result } => {
            row.result = result;
            row.job.error = None;
            row.end(state, now);
        }
        End::Fail { error } => {
            row.note(AttemptEnd::Failed, Some(error.clone()), now);
            row.job.attempts += 1;
            row.job.error = Some(error);
            row.end(state, now);
        }
        End::Retry { at, error } => {
            row.note(AttemptEnd::Failed, Some(error.clone()), now);
            row.job.attempts += 1;
            row.job.error = Some(error);
            row.wait(Reason::Retry, at, None, now);
        }
        End::CheckAgain { at, every } => {
            row.check_every = every;
            row.job.attempts = 0;
            let worker = row.worker().cloned();
            row.wait(Reason::Check, at, worker, now);
        }
        End::CheckLater { at } => {
            row.job.attempts = 0;
            row.wait(Reason::Check, at, None, now);
        }
        End::Release { at } => {
            row.note(AttemptEnd::Released, None, now);
            row.wait(Reason::Released, at, None, now);
        }
        End::Cancelled => row.end(state, now),
    }
    Ok(())
}
