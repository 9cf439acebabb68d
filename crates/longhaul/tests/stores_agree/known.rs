//! What is known of the stores, and the calls that a command becomes by it.

use std::time::Duration;

use longhaul::{
    model::{Claim, Seq},
    store::{End, Insert, ItemWrite, LogWrite, StoredArtifact, StoredFollowUp, Sweep, Write},
    types::{
        ErrorCode, ItemState, JobError, JobId, Labels, Level, Progress, Reason, Timestamp,
        body::Artifact,
    },
};
use proptest::sample::Index;

use super::commands::{Command, Ending, NewJob, Part, Report};

/// What is known so far, from the answers that both stores gave.
pub(crate) struct Known {
    pub(crate) now: Timestamp,
    /// Every claim that was given, and those that hold their jobs.
    pub(crate) claims: Vec<Claim>,
    pub(crate) held: Vec<Claim>,
    pub(crate) jobs: Vec<Seq>,
    /// Every id that a submission named.
    pub(crate) ids: Vec<JobId>,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            now: Timestamp(1_700_000_000_000),
            claims: Vec::new(),
            held: Vec::new(),
            jobs: Vec::new(),
            ids: Vec::new(),
        }
    }

    pub(crate) fn insert(&self, job: &NewJob, number: usize) -> Insert {
        let (reason, ahead) = job.start;
        let labels = job.label.map(|label| ("of".to_owned(), label.to_owned()));
        Insert {
            id: job
                .id
                .map_or_else(|| fresh(self.ids.len(), number), |which| self.id(which)),
            owner: job.owner.to_owned(),
            kind: job.kind.to_owned(),
            queue: job.queue.to_owned(),
            priority: job.priority,
            args_version: 1,
            args: format!("{{\"made at\": {}}}", self.now.0),
            labels: labels.into_iter().collect(),
            reason,
            run_at: (reason != Reason::Held).then(|| self.now + ahead),
            unique_key: job.unique_key.map(str::to_owned),
            idempotency_key: job.idempotency_key.map(str::to_owned),
            max_attempts: 3,
            attempt_timeout: None,
            timeout: job.timeout,
            follow_ups: self.follow_ups(job, number),
            created_at: self.now,
        }
    }

    pub(crate) fn follow_ups(&self, job: &NewJob, number: usize) -> Vec<StoredFollowUp> {
        let mut follow_ups = Vec::new();
        for (place, (on, kind, unique_key)) in job.follow_ups.iter().enumerate() {
            follow_ups.push(StoredFollowUp {
                on: on.clone(),
                tell: Some("end".to_owned()),
                after: Duration::from_secs(20 * place as u64),
                name: format!("f{}-{number}-{place}", self.ids.len()),
                kind: (*kind).to_owned(),
                queue: job.queue.to_owned(),
                priority: job.priority,
                args_version: 1,
                args: "{}".to_owned(),
                labels: Labels::new(),
                unique_key: unique_key.map(str::to_owned),
                max_attempts: 2,
                attempt_timeout: None,
                timeout: job.timeout,
                follow_ups: follow_ups.clone(),
            });
        }
        follow_ups
    }

    pub(crate) fn id(&self, which: Index) -> JobId {
        if self.ids.is_empty() {
            return fresh(0, 0);
        }
        self.ids[which.index(self.ids.len())].clone()
    }

    pub(crate) fn inserts(&self, jobs: &[NewJob]) -> Vec<Insert> {
        jobs.iter()
            .zip(0..)
            .map(|(job, number)| self.insert(job, number))
            .collect()
    }

    pub(crate) fn claim(&self, report: &Report) -> Claim {
        let claims = if report.held {
            &self.held
        } else {
            &self.claims
        };
        if claims.is_empty() {
            return Claim { job: 1, number: 1 };
        }
        claims[report.claim.index(claims.len())]
    }

    pub(crate) fn job(&self, which: Index) -> Seq {
        if self.jobs.is_empty() {
            return 1;
        }
        self.jobs[which.index(self.jobs.len())]
    }

    pub(crate) fn write(&self, report: &Report) -> Write {
        let claim = self.claim(report);
        let items = report.items.iter().map(|(name, state)| item(name, *state));
        let line = |n| LogWrite {
            time: self.now,
            level: Level::Info,
            text: format!("line {n}"),
        };
        Write {
            progress: report.progress.map(|current| Progress {
                current,
                ..Progress::default()
            }),
            checkpoint: report.checkpoint.map(|at| at.to_string()),
            items: items.collect(),
            log: (0..report.lines).map(line).collect(),
            artifacts: report
                .artifact
                .map(|name| artifact(name, claim, self.now))
                .into_iter()
                .collect(),
            jobs: self.inserts(&report.jobs),
            end: report.end.as_ref().map(|end| self.end(end)),
            ..Write::new(claim, self.now)
        }
    }

    pub(crate) fn end(&self, ending: &Ending) -> End {
        let error = JobError::new(ErrorCode::HandlerFailed, self.now.to_string());
        match ending {
            Ending::Complete(result) => End::Complete {
                result: result.map(|result| result.to_string()),
            },
            Ending::Fail => End::Fail { error },
            Ending::Retry(ahead) => End::Retry {
                at: self.now + *ahead,
                error,
            },
            Ending::CheckAgain(ahead, every) => End::CheckAgain {
                at: self.now + *ahead,
                every: *every,
            },
            Ending::CheckLater(ahead) => End::CheckLater {
                at: self.now + *ahead,
            },
            Ending::Release(ahead) => End::Release {
                at: self.now + *ahead,
            },
            Ending::Cancelled => End::Cancelled,
        }
    }

    pub(crate) fn note_ids(&mut self, command: &Command) {
        let inserts = match command {
            Command::Insert(new) => self.inserts(new),
            Command::Fire(_, jobs, _) => self.inserts(jobs),
            Command::Write(reports) => {
                let jobs = reports.iter().map(|report| self.inserts(&report.jobs));
                jobs.flatten().collect()
            }
            _ => Vec::new(),
        };
        self.ids.extend(inserts.into_iter().map(|insert| insert.id));
    }

    pub(crate) fn sweep(&self, part: &Part) -> Sweep {
        let [row, log, result, progress] = part.parts;
        Sweep {
            seq: self.job(part.job),
            row,
            log,
            result,
            progress,
            next: part.next.map(|ahead| self.now + ahead),
        }
    }
}

fn fresh(call: usize, number: usize) -> JobId {
    format!("{call}-{number}").parse().expect("an id")
}

fn item(name: &str, state: ItemState) -> ItemWrite {
    ItemWrite {
        name: name.to_owned(),
        state,
        attempts: 2,
        error: (state == ItemState::Failed)
            .then(|| JobError::new(ErrorCode::HandlerFailed, "no such part")),
        result: (state == ItemState::Completed).then(|| format!("\"{name}\"")),
    }
}

fn artifact(name: &str, claim: Claim, now: Timestamp) -> StoredArtifact {
    StoredArtifact {
        artifact: Artifact {
            name: name.to_owned(),
            size: claim.number,
            sha256: "0".repeat(64),
            content_type: "text/plain".to_owned(),
            created_at: now,
        },
        location: format!("{}/{}/{name}", claim.job, claim.number),
    }
}
