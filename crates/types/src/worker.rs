//! What remote workers and the server say to each other: the bodies of `/api/v1/workers`.
//!
//! A claim is text that names one run of one job, unlike every other: whatever a worker writes goes under it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ItemCounts, ItemState, JobError, JobId, Labels, Level, State, Timestamp, body::SubmitRequest,
};

/// `POST /api/v1/workers`: a worker joins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// What people call it.
    pub name: String,
    /// The kinds of jobs that it runs; they are known from then on.
    pub kinds: Vec<WorkerKind>,
    /// How many jobs it runs at a time, by queue; one of each queue that its kinds name when missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<String, u32>,
    /// Seconds for which it holds its jobs without a word; 30 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 3600))]
    pub lease_seconds: Option<u32>,
}

/// A kind of job as a worker declares it. What it leaves out is as for every kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerKind {
    /// Its name: `system.verb`.
    pub name: String,
    /// Version of its args.
    #[serde(default = "one")]
    pub version: u32,
    /// Queue of jobs that name none; `default` when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Attempts in all; 5 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub max_attempts: Option<u32>,
    /// Seconds an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<f64>,
    /// Seconds the whole job may take from its first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Seconds a run has to stop once it was told to, before its job is taken away; 10 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<f64>,
    /// Waits between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<WorkerBackoff>,
    /// How long what its jobs leave is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<WorkerRetention>,
}

/// Waits between attempts: random, up to a bound that doubles with each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerBackoff {
    /// Bound of the first wait, in seconds.
    pub first: f64,
    /// Bound of every wait, in seconds.
    pub cap: f64,
}

/// Seconds for which what a job leaves is kept after its end: 30 days when missing, the log 7 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkerRetention {
    /// A completed job, with its items and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<f64>,
    /// A failed job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<f64>,
    /// A cancelled job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<f64>,
    /// The log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<f64>,
    /// The result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<f64>,
    /// The last progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
}

/// Answer to a worker that has joined, status 201.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JoinAnswer {
    /// Its id, for the paths of whatever it asks.
    pub worker_id: String,
    /// Seconds for which it holds its jobs without a word.
    pub lease_seconds: u32,
}

/// `POST /api/v1/workers/{worker}/claim`: a worker asks for jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ClaimRequest {
    /// How many at most; its free slots bound it too.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub jobs: u32,
    /// Seconds to wait for the first; a third of the lease at most.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub wait: f64,
}

impl Default for ClaimRequest {
    fn default() -> Self {
        Self { jobs: 1, wait: 0.0 }
    }
}

/// Answer to a worker that asked for jobs: those that it holds now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimAnswer {
    /// The jobs, none when nothing came in time.
    pub jobs: Vec<ClaimedJob>,
}

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimedJob {
    /// The right to write, for the paths of whatever the worker writes about this run.
    pub claim: String,
    /// The job.
    pub job_id: JobId,
    /// Whose it is.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its args.
    pub args: Value,
    /// Version of the args.
    pub args_version: u32,
    /// Its labels.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Whether somebody held it before: there may be a checkpoint, finished items or files.
    pub resumed: bool,
    /// The latest checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Value>,
    /// How its items stand.
    pub items: ItemCounts,
    /// When this attempt has taken as long as it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_deadline: Option<Timestamp>,
    /// When the whole job has taken as long as it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// `POST /api/v1/workers/{worker}/heartbeat`: a worker lives, and works on these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// The claims it works on. A job that it does not name for a whole lease is given back: the answer that gave it may
    /// have been lost.
    pub claims: Vec<String>,
    /// Seconds to wait for news; a third of the lease at most.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub wait: f64,
}

/// Answer to a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatAnswer {
    /// Runs that must stop and report their end.
    pub stop: Vec<StopOrder>,
    /// Claims that the worker does not hold any more: their runs must stop, and can write nothing.
    pub lost: Vec<String>,
}

/// A run that must stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StopOrder {
    /// Its claim.
    pub claim: String,
    /// Why.
    pub reason: StopReason,
}

/// Why a run must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// Somebody cancelled the job.
    Cancel,
    /// The attempt took longer than it may.
    AttemptTimeout,
    /// The job took longer than it may.
    Deadline,
}

/// `POST /api/v1/workers/{worker}/jobs/{claim}/report`: what a run has to say, written whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ReportRequest {
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ReportedProgress>,
    /// Items declared or changed; an unknown name is added at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ReportedItem>,
    /// Log lines, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<ReportedLine>,
    /// What the next run of the job is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Value>,
    /// Jobs to start, of the same owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub submit: Vec<SubmitRequest>,
    /// How the run ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<ReportedEnd>,
}

/// How far a run is. The server measures rate and time left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ReportedProgress {
    /// Units done.
    pub current: u64,
    /// Units in all, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What a unit is: `bytes`, `items`, `blocks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What is being done just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    /// Whatever else should show.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Map<String, Value>,
}

/// An item declared or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedItem {
    /// Its name, unique in the job.
    pub name: String,
    /// Where it stands now.
    pub state: ItemState,
    /// How often it was begun; 1 when missing.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Why it failed; to be said of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// What it gave; of a completed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedLine {
    /// How much it matters; `info` when missing.
    #[serde(default = "info")]
    pub level: Level,
    /// The text; a long one is cut.
    pub text: String,
}

/// How a run ends. A job whose cancel was asked for ends as cancelled, whatever this says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(
    tag = "outcome",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum ReportedEnd {
    /// With a result. A job all of whose items failed has failed all the same.
    Completed {
        /// The result.
        #[serde(default)]
        result: Option<Value>,
    },
    /// With an error.
    Failed {
        /// Stable code of the worker's own; `handler_failed` when missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// What happened and what to do.
        message: String,
        /// Whether another attempt may help, as long as any is left; true when missing.
        #[serde(default = "yes")]
        retry: bool,
        /// Seconds until that attempt; the kind's backoff when missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<f64>,
    },
    /// Not finished: whoever is free then looks again.
    CheckAgain {
        /// Seconds until then.
        after: f64,
    },
    /// The worker gives the job back: it spends no attempt, and may run at once.
    Released,
}

/// Answer to a report: it is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportAnswer {
    /// The job's state now.
    pub state: State,
    /// The job's revision now.
    pub revision: u64,
    /// Why the run must stop, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// The jobs that were started, in order; where a key named an earlier one, that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submitted: Vec<JobId>,
}

/// `GET /api/v1/workers`: the workers that live, those that joined first first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerPage {
    /// The workers.
    pub workers: Vec<WorkerView>,
}

/// A worker that lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// Its id.
    pub worker_id: String,
    /// What people call it.
    pub name: String,
    /// Whether it runs in a server's own process or elsewhere.
    pub place: WorkerPlace,
    /// When it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<Timestamp>,
    /// When it last renewed its lease, or when a server that started renewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat: Option<Timestamp>,
    /// When it loses its jobs unless it says something; a local one needs no lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_end: Option<Timestamp>,
    /// The kinds that it runs.
    pub kinds: Vec<WorkerKind>,
    /// How many jobs it runs at a time, by queue.
    pub queues: BTreeMap<String, u32>,
    /// How many jobs it holds.
    pub holds: u64,
    /// The first hundred of them.
    pub jobs: Vec<JobId>,
}

/// Where a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum WorkerPlace {
    /// In a server's own process.
    Local,
    /// Elsewhere, over HTTP.
    Remote,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn info() -> Level {
    Level::Info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart_by_their_outcome() {
        let parse = |text: &str| serde_json::from_str::<ReportedEnd>(text);
        assert_eq!(
            parse(r#"{"outcome":"failed","message":"no","retryAfter":5}"#).expect("an end"),
            ReportedEnd::Failed {
                code: None,
                message: "no".to_owned(),
                retry: true,
                retry_after: Some(5.0),
            }
        );
        assert_eq!(
            parse(r#"{"outcome":"completed"}"#).expect("an end"),
            ReportedEnd::Completed { result: None }
        );
        assert_eq!(
            parse(r#"{"outcome":"released"}"#).expect("an end"),
            ReportedEnd::Released
        );
        for wrong in [
            r#"{"outcome":"failed"}"#,
            r#"{"outcome":"done"}"#,
            r#"{"outcome":"completed","reslut":1}"#,
            r#"{"result":1}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
