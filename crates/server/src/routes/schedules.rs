//! Schedules: what submits jobs by itself.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use longhaul::model::{
    Schedule, Scheduled,
    schedule::{Template, Timing},
};
use longhaul_types::{
    body::SubmitRequest,
    schedule::{SchedulePage, ScheduleRequest, ScheduleView},
};

use super::{
    App,
    jobs::{answer, seconds},
};
use crate::{access::Caller, answer::Refusal, query::Query, request::Json};

/// Most schedules of a page, and how many it has when nothing is said.
const PAGE: (usize, usize) = (1000, 100);
/// Next times that are shown.
const TIMES: usize = 5;

/// The `{name}` of a path.
pub(super) struct Name(String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Refusal::bad(rejection.body_text())),
        }
    }
}

/// `GET /api/v1/schedules`: a page, by name.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> Result<Answer<SchedulePage>, Refusal> {
    let limit = query.limit("limit", PAGE.1, PAGE.0)?;
    let cursor: Option<String> = query.one("cursor")?;
    query.finish()?;
    let after = cursor.as_deref().map(place).transpose()?;
    let mut found = app
        .engine
        .schedules(caller.sees(), after, limit + 1)
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(cursor_after);
    Ok(Answer(SchedulePage {
        schedules: found.into_iter().map(view).collect::<Result<_, _>>()?,
        next_cursor,
    }))
}

/// The cursor of what comes after a schedule: the length of its name, the name, and its owner.
fn cursor_after(one: &Scheduled) -> String {
    let name = &one.schedule.name;
    format!("{}:{name}{}", name.len(), one.schedule.owner)
}

fn place(cursor: &str) -> Result<(&str, &str), Refusal> {
    let bad = || Refusal::bad("cursor: give the nextCursor of the page before");
    let (length, rest) = cursor.split_once(':').ok_or_else(bad)?;
    let length: usize = length.parse().map_err(|_| bad())?;
    rest.split_at_checked(length).ok_or_else(bad)
}

/// `GET /api/v1/schedules/{name}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
) -> Result<Answer<ScheduleView>, Refusal> {
    query.finish()?;
    view(app.engine.schedule(caller.sees(), &name).await?).map(Answer)
}

/// `PUT /api/v1/schedules/{name}`: in place of the caller's own one of this name, if there is one.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
    body: Json,
) -> Result<Answer<ScheduleView>, Refusal> {
    query.finish()?;
    let request: ScheduleRequest = body.parse()?;
    app.admission.admit(caller.door, &submission(&request))?;
    may_submit(&app, &caller, &request.kind, request.queue.as_deref())?;
    let schedule = schedule(name, caller.owner, request)?;
    let put = app.engine.put_schedule(schedule).await?;
    tracing::info!(schedule = put.schedule.name, "put");
    view(put).map(Answer)
}

/// `DELETE /api/v1/schedules/{name}`: the jobs that it submitted stay.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
) -> Result<Answer<ScheduleView>, Refusal> {
    query.finish()?;
    may_change(&app, &caller, &name).await?;
    let removed = app.engine.remove_schedule(caller.sees(), &name).await?;
    tracing::info!(schedule = name, "removed");
    view(removed).map(Answer)
}

/// `POST /api/v1/schedules/{name}/pause`: nothing is submitted until it is resumed.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
) -> Result<Answer<ScheduleView>, Refusal> {
    query.finish()?;
    may_change(&app, &caller, &name).await?;
    let paused = app.engine.pause_schedule(caller.sees(), &name).await?;
    tracing::info!(schedule = name, "paused");
    view(paused).map(Answer)
}

/// `POST /api/v1/schedules/{name}/resume`: it goes on with its next time.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
) -> Result<Answer<ScheduleView>, Refusal> {
    query.finish()?;
    may_change(&app, &caller, &name).await?;
    let resumed = app.engine.resume_schedule(caller.sees(), &name).await?;
    tracing::info!(schedule = name, "resumed");
    view(resumed).map(Answer)
}

/// `POST /api/v1/schedules/{name}/run`: a job of it now.
pub(super) async fn run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    may_change(&app, &caller, &name).await?;
    let handle = app.engine.run_schedule(caller.sees(), &name).await?;
    let headers = [(header::LOCATION, format!("/api/v1/jobs/{}", handle.id()))];
    Ok((StatusCode::ACCEPTED, headers, Answer(answer(&handle, None))).into_response())
}

/// Lets a caller change a schedule whose jobs they may submit.
async fn may_change(app: &App, caller: &Caller, name: &str) -> Result<(), Refusal> {
    if !caller.is_limited() {
        return Ok(());
    }
    let job = app.engine.schedule(caller.sees(), name).await?.schedule.job;
    may_submit(app, caller, &job.kind, job.queue.as_deref())
}

fn may_submit(app: &App, caller: &Caller, kind: &str, queue: Option<&str>) -> Result<(), Refusal> {
    let queue = queue.unwrap_or_else(|| app.engine.queue_of(kind));
    caller.may_submit(kind, queue)
}

/// The submission that each of its times will be.
fn submission(request: &ScheduleRequest) -> SubmitRequest {
    SubmitRequest {
        kind: request.kind.clone(),
        args: request.args.clone(),
        queue: request.queue.clone(),
        priority: request.priority,
        labels: request.labels.clone(),
        max_attempts: request.max_attempts,
        attempt_timeout: request.attempt_timeout,
        timeout: request.timeout,
        ..SubmitRequest::default()
    }
}

fn schedule(name: String, owner: String, request: ScheduleRequest) -> Result<Schedule, Refusal> {
    if request.max_attempts == Some(0) {
        return Err(Refusal::bad("maxAttempts: a job has at least one attempt"));
    }
    let timing = match (request.cron, request.every) {
        (Some(expression), None) => Timing::Cron {
            expression,
            zone: request.zone.unwrap_or_else(|| "UTC".to_owned()),
        },
        (None, Some(_)) if request.zone.is_some() => {
            return Err(Refusal::bad("a zone is for cron; every knows none"));
        }
        (None, Some(every)) => Timing::Every(seconds("every", Some(every))?.unwrap_or_default()),
        _ => return Err(Refusal::bad("a schedule has cron or every, and not both")),
    };
    Ok(Schedule {
        name,
        owner,
        timing,
        start: request.start,
        end: request.end,
        missed: request.missed,
        missed_window: seconds("missedWindow", request.missed_window)?,
        missed_limit: request.missed_limit,
        overlap: request.overlap,
        paused: request.paused,
        job: Template {
            kind: request.kind,
            args_version: None,
            args: request.args.to_string(),
            queue: request.queue,
            priority: request.priority.unwrap_or(0),
            labels: request.labels,
            max_attempts: request.max_attempts,
            attempt_timeout: seconds("attemptTimeout", request.attempt_timeout)?,
            timeout: seconds("timeout", request.timeout)?,
        },
    })
}

fn view(one: Scheduled) -> Result<ScheduleView, Refusal> {
    let next_times = one.next_times(TIMES);
    let paused = one.is_paused();
    let (last_time, last_job_id) = one.last.unzip();
    let Schedule {
        name, owner, job, ..
    } = one.schedule;
    let (cron, zone, every) = match one.schedule.timing {
        Timing::Cron { expression, zone } => (Some(expression), Some(zone), None),
        Timing::Every(every) => (None, None, Some(every.as_secs_f64())),
    };
    let args = serde_json::from_str(&job.args).map_err(|error| {
        tracing::error!(%error, schedule = name, "args that are no JSON");
        Refusal::new(longhaul_types::ErrorCode::Internal, "args that are no JSON")
    })?;
    Ok(ScheduleView {
        name,
        owner,
        schedule: ScheduleRequest {
            cron,
            zone,
            every,
            start: one.schedule.start,
            end: one.schedule.end,
            missed: one.schedule.missed,
            missed_window: one
                .schedule
                .missed_window
                .map(|window| window.as_secs_f64()),
            missed_limit: one.schedule.missed_limit,
            overlap: one.schedule.overlap,
            paused: None,
            kind: job.kind,
            args,
            queue: job.queue,
            priority: (job.priority != 0).then_some(job.priority),
            labels: job.labels,
            max_attempts: job.max_attempts,
            attempt_timeout: job.attempt_timeout.map(|time| time.as_secs_f64()),
            timeout: job.timeout.map(|time| time.as_secs_f64()),
        },
        paused,
        next_times,
        last_time,
        last_job_id,
        submitted: one.submitted,
        missed: one.missed,
        skipped: one.skipped,
        error: one.error,
        created_at: one.created_at,
        updated_at: one.updated_at,
        revision: one.revision,
    })
}
