//! A remote worker as the tests drive it.

use std::time::Duration;

use longhaul::{
    Job, NewJob,
    engine::{Error, remote::Remote},
    model::{Status, WorkerId},
    types::{
        ErrorCode, JobId, Reason,
        worker::{
            ClaimRequest, ClaimedJob, HeartbeatAnswer, HeartbeatRequest, ReportAnswer,
            ReportRequest,
        },
    },
};
use serde_json::{Value, json};

use crate::support::Bench;

pub(crate) const KIND: &str = "far.kind";

/// A remote worker of an engine, and what it is told.
pub(crate) struct Far<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) remote: Remote,
    pub(crate) id: WorkerId,
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it fits")
}

pub(crate) async fn bench() -> Bench {
    Bench::new(|run, _| async move { Ok(longhaul::Outcome::Done(run)) }).await
}

impl<'a> Far<'a> {
    pub(crate) async fn join(bench: &'a Bench) -> Self {
        let kind =
            json!({"name": KIND, "grace": 5, "maxAttempts": 3, "backoff": {"first": 8, "cap": 8}});
        Self::join_as(bench, kind).await
    }

    pub(crate) async fn join_as(bench: &'a Bench, kind: Value) -> Self {
        let request = json!({"name": "far", "kinds": [kind], "queues": {"default": 2}});
        let remote = bench.engine.remote();
        let joined = remote.join(parse(request), None).await.expect("joined");
        assert_eq!(joined.lease_seconds, 30);
        Self {
            bench,
            remote,
            id: WorkerId::named(joined.worker_id),
        }
    }

    pub(crate) async fn submit(&self, args: Value) -> JobId {
        let job = NewJob::new(KIND, &args).expect("args");
        let job = self.bench.engine.submit_job(job).await;
        job.expect("submitted").id().clone()
    }

    pub(crate) async fn job(&self, id: &JobId) -> Job {
        self.bench.engine.job(None, id).await.expect("there")
    }

    pub(crate) async fn claims(&self, jobs: u32) -> Vec<ClaimedJob> {
        let request = ClaimRequest { jobs, wait: 0.0 };
        let answer = self.remote.claim(&self.id, request).await;
        answer.expect("claimed").jobs
    }

    pub(crate) async fn claim(&self) -> ClaimedJob {
        let mut jobs = self.claims(1).await;
        assert_eq!(jobs.len(), 1);
        jobs.remove(0)
    }

    pub(crate) async fn report(&self, claim: &str, report: Value) -> Result<ReportAnswer, Error> {
        let report: ReportRequest = parse(report);
        self.remote
            .report(&self.id, claim, report, Vec::new())
            .await
    }

    pub(crate) async fn beat(&self, claims: &[&str]) -> Result<HeartbeatAnswer, Error> {
        let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
        let request = HeartbeatRequest { claims, wait: 0.0 };
        self.remote.heartbeat(&self.id, request).await
    }

    /// Moves the clock on in small steps, so that whatever waits for it has its turn.
    pub(crate) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.bench.clock.advance(Duration::from_millis(250));
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    answer.expect_err("refused").code()
}

pub(crate) fn reason(job: &Job) -> Option<Reason> {
    match job.status {
        Status::Pending { reason, .. } => Some(reason),
        _ => None,
    }
}
