//! Jobs in the API's own words: the document's statuses and messages beside the five states.

use std::time::Duration;

use longhaul::{
    Job,
    model::{Attempt, AttemptEnd, Detail, Status},
};
use longhaul_types::{
    Reason, State, Timestamp,
    body::{AttemptView, JobView, WaitingFor},
};

use crate::routes::App;

/// The document's word for where a job stands.
pub(crate) fn status(job: &Job) -> &'static str {
    match job.state() {
        State::Pending if job.started_at.is_none() => "pending",
        State::Pending | State::Running => "processing",
        State::Completed => "completed",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

/// A job as lists show it, with what this server's engine knows of it.
pub(crate) fn shown(app: &App, job: Job) -> JobView {
    let now = app.clock.now();
    let pause = app.engine.is_paused(&job.queue);
    let estimate = app.engine.estimate_end(&job);
    let waiting_for = waiting_for(&job, now, pause);
    let status = status(&job);
    let mut view = self::job(job, now);
    if waiting_for == Some(WaitingFor::Resume) {
        view.message = format!("Job is {status}. Its queue {} is paused.", view.queue);
    }
    view.waiting_for = waiting_for;
    view.estimated_completion_at = view.estimated_completion_at.or(estimate);
    view
}

/// A job with its args and result, and what this server's engine knows of it.
pub(crate) fn shown_detail(app: &App, detail: Detail) -> JobView {
    JobView {
        args: Some(detail.args),
        results: detail.result,
        ..shown(app, detail.job)
    }
}

/// A job that has ended, with its args and result.
pub(crate) fn ended_detail(detail: Detail, now: Timestamp) -> JobView {
    JobView {
        args: Some(detail.args),
        results: detail.result,
        ..job(detail.job, now)
    }
}

/// What a pending job waits for next.
fn waiting_for(job: &Job, now: Timestamp, paused: bool) -> Option<WaitingFor> {
    let Status::Pending { run_at, .. } = job.status else {
        return None;
    };
    Some(match run_at {
        None => WaitingFor::Start,
        Some(at) if at > now => WaitingFor::Time,
        Some(_) if paused => WaitingFor::Resume,
        Some(_) => WaitingFor::Slot,
    })
}

/// A job as lists show it, by its record alone.
pub(crate) fn job(job: Job, now: Timestamp) -> JobView {
    let message = message(&job);
    let (reason, run_at) = match job.status {
        Status::Pending { reason, run_at, .. } => (Some(reason), run_at),
        Status::Running { .. } | Status::Ended { .. } => (None, None),
    };
    // What an attempt said that failed before the job completed is in its attempts.
    let error = job
        .error
        .clone()
        .filter(|_| job.state() != State::Completed);
    JobView {
        success: true,
        status: status(&job).to_owned(),
        state: job.state(),
        reason,
        waiting_for: None,
        run_at,
        cancel_requested: job.cancel_requested(),
        completed_at: job.ended_at(),
        estimated_completion_at: estimate(&job, now),
        error: error.as_ref().map(|error| error.message.clone()),
        error_code: error.map(|error| error.code),
        results: None,
        args: None,
        message,
        job_id: job.id,
        owner: job.owner,
        kind: job.kind,
        queue: job.queue,
        priority: job.priority,
        progress: job.progress,
        items: job.items,
        attempts: job.attempts,
        max_attempts: job.max_attempts,
        labels: job.labels,
        created_at: job.created_at,
        started_at: job.started_at,
        revision: job.revision,
    }
}

/// An attempt.
pub(crate) fn attempt(attempt: Attempt) -> AttemptView {
    let end = match attempt.end {
        AttemptEnd::Failed => "failed",
        AttemptEnd::Cancelled => "cancelled",
        AttemptEnd::Released => "released",
        AttemptEnd::Rescued => "rescued",
    };
    AttemptView {
        claim: attempt.claim,
        worker: attempt.worker.as_str().to_owned(),
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        end: end.to_owned(),
        error: attempt.error,
    }
}

/// How a job stands, in words.
fn message(job: &Job) -> String {
    match &job.status {
        Status::Pending { reason, run_at, .. } => waiting(job, *reason, *run_at),
        Status::Running {
            cancel_requested: Some(_),
            ..
        } => "Job is being cancelled.".to_owned(),
        Status::Running { .. } => match &job.progress.current_task {
            Some(task) => format!("Job is processing. {task}"),
            None => "Job is processing.".to_owned(),
        },
        Status::Ended {
            state: State::Failed,
            ..
        } => match &job.error {
            Some(error) => format!("Job failed. {}", error.message),
            None => "Job failed.".to_owned(),
        },
        Status::Ended {
            state: State::Cancelled,
            ..
        } => "Job was cancelled.".to_owned(),
        Status::Ended { .. } if job.items.failed > 0 => format!(
            "Job completed with warnings. {} of {} items failed.",
            job.items.failed, job.items.total
        ),
        Status::Ended { .. } => "Job completed successfully.".to_owned(),
    }
}

fn waiting(job: &Job, reason: Reason, run_at: Option<Timestamp>) -> String {
    let at = run_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let error = job.error.as_ref().map(|error| error.message.as_str());
    let why = match (reason, error) {
        (Reason::New, _) => "Waiting for a free slot.".to_owned(),
        (Reason::Held, _) => "Waiting to be started.".to_owned(),
        (Reason::Scheduled, _) => format!("It runs{at}."),
        (Reason::Retry, Some(error)) => format!("It is tried again{at}: {error}"),
        (Reason::Retry, None) => format!("It is tried again{at}."),
        (Reason::Check, _) => match &job.progress.current_task {
            Some(task) => task.clone(),
            None => format!("It looks again{at}."),
        },
        (Reason::Released | Reason::Rescued, _) => {
            "It goes on where it was when a slot is free.".to_owned()
        }
    };
    format!("Job is {}. {why}", status(job))
}

/// When a running job should end: at the rate of late, or else as fast as since its start.
fn estimate(job: &Job, now: Timestamp) -> Option<Timestamp> {
    if job.state() != State::Running {
        return None;
    }
    if let Some(left) = job.progress.time_left {
        return Some(now + Duration::try_from_secs_f64(left).ok()?);
    }
    let (current, total) = (job.progress.current, job.progress.total?);
    if current == 0 || current > total {
        return None;
    }
    let spent = now.since(job.started_at?).as_millis();
    let left = spent * u128::from(total - current) / u128::from(current);
    Some(now + Duration::from_millis(u64::try_from(left).ok()?))
}
