//! Bodies of requests and answers of `/api/v1`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Item, ItemCounts, JobError, JobId, Labels, LogLine, Progress, Reason, State, Timestamp,
};

/// `POST /api/v1/jobs`: start a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SubmitRequest {
    /// Kind of job.
    #[cfg_attr(feature = "openapi", schema(required = true))]
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
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
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
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds an attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<f64>,
    /// Seconds the whole job may take from its first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Who is told of the job's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookRequest>,
    /// Jobs that follow its end, inserted in the very commit of that end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub follow_ups: Vec<FollowUpRequest>,
}

/// Who is told of a job's end: by a POST, signed as Standard Webhooks say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where to: `http://` or `https://`, without a user or a password.
    pub url: String,
    /// The ends to tell of, `completed`, `failed` or `cancelled`; none named means every end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<State>,
    /// The secret that signs, whose value begins with `whsec_`; not signed without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
}

/// A secret of the server, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretName {
    /// Its name.
    #[serde(rename = "$secret")]
    pub name: String,
}

/// A job that follows the end of another. Its owner is that of the other, its id is made anew each time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FollowUpRequest {
    /// The ends that it follows, `completed`, `failed` or `cancelled`; none named means every end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<State>,
    /// The member of its args under which it is told of that end: `jobId`, `kind`, `state`, `revision`, `endedAt`, `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<String>,
    /// Seconds after that end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
    /// The job; it has no id, no `runAt` and is not held.
    pub job: SubmitRequest,
}

/// Answer to a submission, status 202.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// When it should end, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_completion_time: Option<Timestamp>,
}

/// Answer to a submission of many, status 202: all of them are taken, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubmitManyAnswer {
    /// True.
    pub success: bool,
    /// One answer a job.
    pub jobs: Vec<SubmitAnswer>,
}

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// What a pending job waits for next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
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
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
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

/// What a pending job waits for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum WaitingFor {
    /// Somebody must start it.
    Start,
    /// `runAt` must come.
    Time,
    /// Its queue is paused: somebody must resume that.
    Resume,
    /// A slot must be free.
    Slot,
}

/// `GET /api/v1/jobs`: a page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobPage {
    /// True.
    pub success: bool,
    /// The jobs.
    pub jobs: Vec<JobView>,
    /// Jobs per state under this owner, these kinds and these queues; other filters do not change them.
    pub counts: Counts,
    /// Jobs that the whole filter shows, on all pages.
    #[serde(default)]
    pub total: u64,
    /// Whether `total` is exact. Owner, state, kind and queue are counted exactly; everything else up to 10,000, or as far as
    /// one answer looks.
    #[serde(default)]
    pub total_is: TotalIs,
    /// Set when the search for more was given up before the page was full: `nextCursor` goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<ListCut>,
    /// The page, from 1, when one was asked for by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Jobs that a page has at most.
    #[serde(default)]
    pub limit: u64,
    /// `cursor` of the next page; a page may be short and still have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `GET /api/v1/failures`: failed jobs by kind and error code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FailurePage {
    /// The most frequent first; 64 at most.
    pub failures: Vec<FailureView>,
    /// Whether there are more kinds and codes than were looked at.
    pub more: bool,
}

/// Jobs of a kind that failed alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// The kind.
    pub kind: String,
    /// The error's code.
    pub error_code: String,
    /// How many.
    pub total: u64,
    /// Whether `total` is exact, as it is up to 10,000.
    pub total_is: TotalIs,
    /// The one that was submitted last.
    pub newest: JobView,
}

/// What a number of jobs is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum TotalIs {
    /// So many.
    #[default]
    Exact,
    /// So many or more.
    AtLeast,
}

impl TotalIs {
    /// What a number is that is exact, or not.
    pub fn of(exact: bool) -> Self {
        if exact { Self::Exact } else { Self::AtLeast }
    }
}

/// How far a search went that was given up before its page was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListCut {
    /// Jobs that were looked at for this page.
    pub looked_at: u64,
    /// When the last of them was submitted.
    pub back_to: Timestamp,
}

/// `POST /api/v1/jobs/cancel` and `/api/v1/jobs/retry`: which jobs, as the list filters them. An empty list means any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BulkRequest {
    /// Without any filter, every job: to be said, so that a forgotten filter does not do it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Only count them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Do it as a job of its own, which the answer names: it goes on whatever becomes of the server and of whoever asked,
    /// reports its progress, and takes the jobs that are there now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// A filter in words, as the list takes it: `state:failed kind:walrus.* ended:<1h`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// Only in these states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<State>,
    /// Only with these of the document's statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Only of these kinds; `walrus.*` is every kind that begins so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Only in these queues.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
    /// Only with all these labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The `nextCursor` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Answer to a request for many jobs. One request takes 10,000 jobs at most, and looks for them
/// among 200,000: with a `nextCursor`, older ones are left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BulkAnswer {
    /// True.
    pub success: bool,
    /// Jobs that the filter shows and for which the request makes sense.
    pub matched: u64,
    /// Those for which it was done; 0 of a dry run.
    pub done: u64,
    /// Those for which it could not be: they changed meanwhile, or another job lives under their unique key.
    pub skipped: u64,
    /// `cursor` of the next request, when not all were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u64>,
}

/// `GET /api/v1/jobs/{id}/attempts`: the attempts that did not complete the job, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptPage {
    /// The attempts.
    pub attempts: Vec<AttemptView>,
}

/// One attempt that did not complete its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// Claim number of the run.
    pub claim: u64,
    /// Who ran it.
    pub worker: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended: `failed`, `cancelled`, `released` or `rescued`.
    pub end: String,
    /// Why, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// `GET /api/v1/jobs/{id}/artifacts`: what the job stored, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArtifactPage {
    /// The files.
    pub artifacts: Vec<Artifact>,
}

/// A file that a job made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Jobs per state; none while the database can not be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

/// `GET /api/v1/kinds`: every kind that a worker has ever declared, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindPage {
    /// The kinds.
    pub kinds: Vec<KindView>,
}

/// A kind of job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindView {
    /// Its name.
    pub name: String,
    /// Version of its args.
    pub version: u32,
    /// Whether this server runs it; else a worker elsewhere must.
    pub runs_here: bool,
}

/// `GET /api/v1/counts`: how many jobs there are, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CountsAnswer {
    /// All of them.
    pub total: Counts,
    /// By kind and queue.
    pub by: Vec<CountsView>,
}

/// Counts of one kind in one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CountsView {
    /// The kind.
    pub kind: String,
    /// The queue.
    pub queue: String,
    /// Its jobs per state.
    pub counts: Counts,
}

/// `GET /api/v1/queues`: every queue that a kind names, that this server runs jobs of, that holds jobs, or that is
/// paused, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueuePage {
    /// The queues.
    pub queues: Vec<QueueView>,
}

/// A queue. Also the answer to its pause and its resume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Whether its jobs wait until somebody resumes it; those that run go on.
    pub paused: bool,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// Jobs of it that this server runs at a time; 0 when it runs none.
    pub concurrency: u32,
    /// Since when the job is due that was submitted first of those that wait for a slot. For those who see every owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// Its jobs per state.
    pub counts: Counts,
}

/// Answer of `/health/live` and `/health/ready`, and to a server stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, or `stopping`.
    pub status: String,
}

/// `POST /api/v1/dashboard/links`: a link that opens the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DashboardLink {
    /// The link, with a code in its fragment, which browsers send to nobody. It works once.
    pub url: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// `POST /api/v1/dashboard/sessions`: begin a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DashboardSessionRequest {
    /// The code of a link.
    pub code: String,
}

/// A session of the dashboard.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DashboardSession {
    /// To be shown with every request: `Authorization: Bearer …`.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}
