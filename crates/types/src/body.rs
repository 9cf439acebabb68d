//! Bodies of requests and answers of `/api/v1`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Item, ItemCounts, JobId, Labels, LogLine, Progress, Reason, State, Timestamp};

/// `POST /api/v1/jobs`: start a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SubmitRequest {
    /// Kind of job.
    pub kind: String,
    /// Args of that kind.
    pub args: Value,
    /// The caller's own id; made when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<JobId>,
    /// Queue; the kind's own when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Higher runs first; 0 when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
    /// Names to values, to find the job by.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Not before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// Wait until somebody starts it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// At most one living job of this kind and owner has this key; a second submission gets the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Attempts in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds an attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<f64>,
    /// Seconds the whole job may take from its first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// Answer to a submission, status 202.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitAnswer {
    /// True.
    pub success: bool,
    /// The job.
    pub job_id: JobId,
    /// `accepted`, or `existing` when a unique or idempotency key named an earlier job.
    pub status: String,
    /// In words.
    pub message: String,
    /// Where to ask how it goes.
    pub poll_url: String,
}

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// True.
    pub success: bool,
    /// Its id.
    pub job_id: JobId,
    /// Whose it is.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// Queue.
    pub queue: String,
    /// Higher runs first.
    pub priority: i16,
    /// `pending`, `processing`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// The state.
    pub state: State,
    /// Why a pending job waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When a pending job may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// How far it is.
    pub progress: Progress,
    /// How its items stand.
    pub items: ItemCounts,
    /// Attempts spent.
    pub attempts: u32,
    /// Attempts it may spend.
    pub max_attempts: u32,
    /// Whether a cancel is asked for and the run has not stopped yet.
    pub cancel_requested: bool,
    /// Why it failed, or what its last failed attempt said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Stable code of that error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// What it gave; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<Value>,
    /// Its args; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// Labels.
    pub labels: Labels,
    /// How it stands, in words.
    pub message: String,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it first started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When it should end, at the rate of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_completion_at: Option<Timestamp>,
    /// Rises with every change.
    pub revision: u64,
}

/// `GET /api/v1/jobs`: a page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPage {
    /// True.
    pub success: bool,
    /// The jobs.
    pub jobs: Vec<JobView>,
    /// Jobs per state under this owner and kind.
    pub counts: Counts,
    /// `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Waiting.
    pub pending: u64,
    /// Held by a worker.
    pub running: u64,
    /// Ended with a result.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended by request.
    pub cancelled: u64,
}

impl Counts {
    /// The count of one state.
    pub fn of(&self, state: State) -> u64 {
        match state {
            State::Pending => self.pending,
            State::Running => self.running,
            State::Completed => self.completed,
            State::Failed => self.failed,
            State::Cancelled => self.cancelled,
        }
    }

    /// The count of one state, to change it.
    pub fn of_mut(&mut self, state: State) -> &mut u64 {
        match state {
            State::Pending => &mut self.pending,
            State::Running => &mut self.running,
            State::Completed => &mut self.completed,
            State::Failed => &mut self.failed,
            State::Cancelled => &mut self.cancelled,
        }
    }
}

/// `GET /api/v1/jobs/{id}/items`: a page of items, by position.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemPage {
    /// The items.
    pub items: Vec<Item>,
    /// `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u32>,
}

/// `GET /api/v1/jobs/{id}/log`: a page of log lines, by number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u64>,
}

/// A file that a job made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its name, unique in the job.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Media type.
    pub content_type: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Answer to a cancel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelAnswer {
    /// True.
    pub success: bool,
    /// The job.
    pub job_id: JobId,
    /// The state it has now: `cancelled`, or `running` until the run has stopped.
    pub state: State,
    /// In words.
    pub message: String,
}

/// `GET /api/v1/server`: who answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// Version of the program.
    pub version: String,
    /// Changes with every build that must not talk to an older one.
    pub build: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Whether it stops by itself when nobody needs it.
    pub on_demand: bool,
    /// The kinds it runs.
    pub kinds: Vec<String>,
    /// Jobs per state.
    pub counts: Counts,
}
