//! What the server counts and measures.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use longhaul::handler::DEFAULT_QUEUE;
use longhaul_types::{ErrorCode, State as JobState};

use super::App;
use crate::{
    access::Caller,
    answer::Refusal,
    metrics::{MEDIA_TYPE, Now, OTHER},
    query::Query,
};

/// `GET /metrics`: for Prometheus. The numbers of jobs are of those that the caller sees.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let slots = app.engine.slots();
    let declared = app.engine.store().kinds().await?;
    let queues = declared.iter().map(|kind| kind.queue.as_str());
    let queues: BTreeSet<&str> = queues
        .chain(slots.keys().map(String::as_str))
        .chain([DEFAULT_QUEUE])
        .collect();
    let mut jobs = Vec::new();
    for ((_, queue), counts) in app.engine.counts_by(caller.sees()).await? {
        let known = queues.contains(queue.as_str());
        let queue = if known { queue } else { OTHER.to_owned() };
        let states = JobState::ALL.map(|state| (queue.clone(), state, counts.of(state)));
        jobs.extend(states);
    }
    let now = Now {
        version: app.version.clone(),
        build: app.build.clone(),
        uptime: app.clock.now().since(app.started_at),
        jobs,
        slots: slots
            .iter()
            .map(|(queue, slots)| (queue.clone(), *slots))
            .collect(),
    };
    let text = app.metrics.render(now).map_err(|error| {
        tracing::error!(%error, "the metrics can not be written");
        Refusal::new(ErrorCode::Internal, "the metrics can not be written")
    })?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}
