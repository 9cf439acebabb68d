//! Queues: how they stand, their pause and their resume.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use longhaul::engine::Queue;
use longhaul_types::body::{QueuePage, QueueView};

use super::App;
use crate::{access::Caller, answer::Refusal, query::Query};

/// `GET /api/v1/queues`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Query,
) -> Result<Json<QueuePage>, Refusal> {
    query.finish()?;
    let queues = app.engine.queues(caller.sees()).await?;
    Ok(Json(QueuePage {
        queues: queues.into_iter().map(view).collect(),
    }))
}

/// `POST /api/v1/queues/{queue}/pause`: nothing of it starts until it is resumed.
pub(super) async fn pause(
    State(app): State<Arc<App>>,
    queue: Result<Path<String>, PathRejection>,
) -> Result<Json<QueueView>, Refusal> {
    let queue = app.engine.pause_queue(&name(queue)?).await?;
    tracing::info!(queue = queue.name, "paused");
    Ok(Json(view(queue)))
}

/// `POST /api/v1/queues/{queue}/resume`: what waits starts at once.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    queue: Result<Path<String>, PathRejection>,
) -> Result<Json<QueueView>, Refusal> {
    let queue = app.engine.resume_queue(&name(queue)?).await?;
    tracing::info!(queue = queue.name, "resumed");
    Ok(Json(view(queue)))
}

fn name(path: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    match path {
        Ok(Path(name)) => Ok(name),
        Err(rejection) => Err(Refusal::bad(rejection.body_text())),
    }
}

fn view(queue: Queue) -> QueueView {
    QueueView {
        name: queue.name,
        paused: queue.paused_at.is_some(),
        paused_at: queue.paused_at,
        concurrency: queue.concurrency,
        waiting_since: queue.waiting_since,
        counts: queue.counts,
    }
}
