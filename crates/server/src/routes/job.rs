//! One job: read it, cancel it, give it another go, start it, remove it.

use std::sync::Arc;

use axum::{Json, extract::State};
use longhaul::{Job, engine};
use longhaul_types::{
    JobId, State as JobState,
    body::{CancelAnswer, JobView},
};

use super::App;
use crate::{access::Caller, answer::Refusal, query::Query, request::Id, view};

/// The job, if the caller may see it.
pub(crate) async fn find(app: &App, caller: &Caller, id: &JobId) -> Result<Job, Refusal> {
    Ok(app.engine.job(caller.sees(), id).await?)
}

/// Lets a caller whose token is for some kinds or queues alone change a job of these, and nobody see another's.
async fn check_change(app: &App, caller: &Caller, id: &JobId) -> Result<(), Refusal> {
    if caller.is_limited() {
        let job = find(app, caller, id).await?;
        caller.may_submit(&job.kind, &job.queue)?;
    }
    Ok(())
}

/// `GET /api/v1/jobs/{id}` and the document's `/status`.
pub(super) async fn detail(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<JobView>, Refusal> {
    query.finish()?;
    let job = find(&app, &caller, &id).await?;
    // The row could go between the two reads.
    let detail = app.engine.store().detail(job.seq).await?;
    let detail = detail.ok_or(engine::Error::NotFound(id))?;
    Ok(Json(view::shown_detail(&app, detail)))
}

/// `POST …/cancel`, and the document's `DELETE …/status`.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<CancelAnswer>, Refusal> {
    query.finish()?;
    check_change(&app, &caller, &id).await?;
    let job = app.engine.cancel(caller.sees(), &id).await?;
    let message = if job.state() == JobState::Cancelled {
        "Job was cancelled."
    } else {
        "Job is being cancelled."
    };
    Ok(Json(CancelAnswer {
        success: true,
        state: job.state(),
        job_id: job.id,
        message: message.to_owned(),
    }))
}

/// `POST …/retry`: failed items run again, finished ones are kept.
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<JobView>, Refusal> {
    query.finish()?;
    check_change(&app, &caller, &id).await?;
    let job = app.engine.retry(caller.sees(), &id).await?;
    Ok(Json(view::shown(&app, job)))
}

/// `POST …/start`: a job that is held, scheduled, or waits for its next attempt runs now.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<JobView>, Refusal> {
    query.finish()?;
    check_change(&app, &caller, &id).await?;
    let job = app.engine.start_now(caller.sees(), &id).await?;
    Ok(Json(view::shown(&app, job)))
}

/// `DELETE /api/v1/jobs/{id}`: an ended job goes, with all it left.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<JobView>, Refusal> {
    query.finish()?;
    check_change(&app, &caller, &id).await?;
    let job = app.engine.remove(caller.sees(), &id).await?;
    Ok(Json(view::shown(&app, job)))
}
