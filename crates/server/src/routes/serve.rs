//! The server itself: who answers, what it runs, whether it is well, and its stop.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use longhaul_types::{
    ErrorCode, State as JobState,
    body::{Counts, CountsAnswer, CountsView, Health, KindPage, KindView, ServerInfo},
};

use super::App;
use crate::{StopReason, access::Caller, answer::Refusal, query::Query};

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<Health> {
    health("ok")
}

/// `GET /health/ready`: the store answers too.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Refusal> {
    app.engine.counts(Some("")).await?;
    Ok(health("ok"))
}

fn health(status: &str) -> Json<Health> {
    Json(Health {
        status: status.to_owned(),
    })
}

/// `GET /api/v1/server`.
pub(super) async fn info(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<ServerInfo>, Refusal> {
    // A server whose database is away is there all the same.
    let counts = match app.engine.counts(caller.sees()).await {
        Ok(counts) => Some(counts),
        Err(error) if error.code() == ErrorCode::Unavailable => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Json(ServerInfo {
        version: app.version.clone(),
        build: app.build.clone(),
        pid: std::process::id(),
        started_at: app.started_at,
        on_demand: app.on_demand,
        kinds: app.engine.kinds(),
        counts,
    }))
}

/// `POST /api/v1/server/stop`: a graceful stop; runs go on later from their checkpoint.
pub(super) async fn stop(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    app.stop(StopReason::Asked);
    (StatusCode::ACCEPTED, health("stopping"))
}

/// `GET /api/v1/kinds`.
pub(super) async fn kinds(State(app): State<Arc<App>>) -> Result<Json<KindPage>, Refusal> {
    let here = app.engine.kinds();
    let declared = app.engine.store().kinds().await?;
    let kinds = declared.into_iter().map(|kind| KindView {
        runs_here: here.contains(&kind.name),
        name: kind.name,
        version: kind.version,
    });
    Ok(Json(KindPage {
        kinds: kinds.collect(),
    }))
}

/// `GET /api/v1/counts`.
pub(super) async fn counts(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Query,
) -> Result<Json<CountsAnswer>, Refusal> {
    query.finish()?;
    let by = app.engine.counts_by(caller.sees()).await?;
    let mut total = Counts::default();
    for counts in by.values() {
        add(&mut total, counts);
    }
    let by = by
        .into_iter()
        .map(|((kind, queue), counts)| CountsView {
            kind,
            queue,
            counts,
        })
        .collect();
    Ok(Json(CountsAnswer { total, by }))
}

/// Adds `more` to `sum`.
pub(super) fn add(sum: &mut Counts, more: &Counts) {
    for state in JobState::ALL {
        *sum.of_mut(state) += more.of(state);
    }
}
