//! Cancel and retry of all jobs that a filter shows.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{Method, header},
    response::{IntoResponse as _, Response},
};
use longhaul::{engine::Bulk, model::Seq, store::Filter};
use longhaul_types::{
    ErrorCode,
    body::{BulkAnswer, BulkRequest},
};

use super::{
    App,
    jobs::{Standings, resolve_kinds},
};
use crate::{
    access::Caller,
    answer::Refusal,
    query::Query,
    request::{Id, Json},
};

/// `POST /api/v1/jobs/cancel` and `/api/v1/jobs/retry`. They share their paths with jobs of these ids, which are read and
/// removed by other methods.
pub(super) async fn run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(verb): Id,
    query: Query,
    body: Result<Json, Refusal>,
) -> Response {
    let bulk = match verb.as_str() {
        "cancel" => Bulk::Cancel,
        "retry" => Bulk::Retry,
        _ => return no_verb(verb.as_str()),
    };
    step(&app, &caller, bulk, query, body).await.into_response()
}

async fn step(
    app: &App,
    caller: &Caller,
    bulk: Bulk,
    query: Query,
    body: Result<Json, Refusal>,
) -> Result<Answer<BulkAnswer>, Refusal> {
    query.finish()?;
    let request: BulkRequest = body?.parse()?;
    if is_empty(&request) && !request.all {
        return Err(Refusal::bad(
            "without a filter this is every job: say \"all\": true if that is meant",
        ));
    }
    let states = request.states.iter().map(ToString::to_string).collect();
    let wanted = Standings::of(states, request.statuses)?;
    let before = request.cursor.as_deref().map(cursor).transpose()?;
    let mut filter = Filter {
        owner: caller.sees().map(str::to_owned),
        states: wanted.states(),
        kinds: Vec::new(),
        queues: request.queues,
        labels: request.labels,
    };
    let found = resolve_kinds(app, request.kinds, &mut filter).await?;
    if !found || filter.states.is_empty() {
        return Ok(Answer(BulkAnswer {
            success: true,
            ..BulkAnswer::default()
        }));
    }
    let step = app
        .engine
        .ask_all(
            bulk,
            &filter,
            |job| wanted.has(job),
            before,
            request.dry_run,
        )
        .await?;
    Ok(Answer(BulkAnswer {
        success: true,
        matched: step.matched,
        done: step.done,
        skipped: step.skipped,
        next_cursor: step.next.map(|seq| seq.to_string()),
    }))
}

fn no_verb(text: &str) -> Response {
    let refusal = Refusal::new(
        ErrorCode::MethodNotAllowed,
        format!("/api/v1/jobs/{text} does not take {}", Method::POST),
    );
    // What a job's own path takes.
    ([(header::ALLOW, "GET,HEAD,DELETE")], refusal).into_response()
}

fn is_empty(request: &BulkRequest) -> bool {
    request.states.is_empty()
        && request.statuses.is_empty()
        && request.kinds.is_empty()
        && request.queues.is_empty()
        && request.labels.is_empty()
}

fn cursor(text: &str) -> Result<Seq, Refusal> {
    let parsed = text.parse();
    parsed.map_err(|_| Refusal::bad("cursor: give the nextCursor of the answer before"))
}
