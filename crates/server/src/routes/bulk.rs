//! Cancel and retry of all jobs that a filter shows.

use std::sync::Arc;

use axum::{
    Extension, Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use longhaul::{engine::Bulk, model::Seq};
use longhaul_types::body::{BulkAnswer, BulkRequest};

use super::App;
use crate::{
    access::{Caller, Changed},
    answer::Refusal,
    filter,
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
        // The guard lets nothing else through.
        verb => return Refusal::bad(format!("jobs are not asked for {verb}")).into_response(),
    };
    let done = step(&app, &caller, bulk, query, body).await;
    match done {
        Ok(answer) => {
            let changed = Changed::new(format_args!("{} jobs", answer.done));
            (Extension(changed), answer).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn step(
    app: &App,
    caller: &Caller,
    bulk: Bulk,
    query: Query,
    body: Result<Json, Refusal>,
) -> Result<Answer<BulkAnswer>, Refusal> {
    query.finish()?;
    let mut request: BulkRequest = body?.parse()?;
    let (all, dry_run) = (request.all, request.dry_run);
    let before = request.cursor.take().as_deref().map(cursor).transpose()?;
    let filter = filter::of_bulk(request, &app.filter_names)?;
    if filter.is_empty() && !all {
        return Err(Refusal::bad(
            "without a filter this is every job: say \"all\": true if that is meant",
        ));
    }
    let Some(filter) = filter::resolve(app, caller.sees(), filter).await? else {
        return Ok(Answer(BulkAnswer {
            success: true,
            ..BulkAnswer::default()
        }));
    };
    let step = app
        .engine
        .ask_all(
            bulk,
            &filter,
            |job| caller.may_submit(&job.kind, &job.queue).is_ok(),
            before,
            dry_run,
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

fn cursor(text: &str) -> Result<Seq, Refusal> {
    let parsed = text.parse();
    parsed.map_err(|_| Refusal::bad("cursor: give the nextCursor of the answer before"))
}
