//! Cancel and retry of all jobs that a filter shows.

use std::sync::Arc;

use axum::{
    Extension, Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use longhaul::{
    engine::{Bulk, BulkStep},
    model::{Job, Seq},
    store::Filter,
};
use longhaul_types::body::{BulkAnswer, BulkRequest};

use super::App;
use crate::{
    access::{Caller, Changed},
    answer::Refusal,
    bulk::BulkArgs,
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
    let answered = answer(&app, &caller, bulk, query, body).await;
    answered.unwrap_or_else(Refusal::into_response)
}

async fn answer(
    app: &App,
    caller: &Caller,
    bulk: Bulk,
    query: Query,
    body: Result<Json, Refusal>,
) -> Result<Response, Refusal> {
    query.finish()?;
    let mut request: BulkRequest = body?.parse()?;
    let (all, dry_run, background) = (request.all, request.dry_run, request.background);
    let before = request.cursor.take().as_deref().map(cursor).transpose()?;
    let filter = filter::of_bulk(request, &app.filter_names)?;
    if filter.is_empty() && !all {
        return Err(Refusal::bad(
            "without a filter this is every job: say \"all\": true if that is meant",
        ));
    }
    let filter = filter::resolve(app, caller.sees(), filter).await?;
    if background {
        if dry_run || before.is_some() {
            return Err(Refusal::bad(
                "background: a job of its own walks through all of them, so leave dryRun and cursor out",
            ));
        }
        return submit(app, caller, bulk, filter).await;
    }
    let answer = match filter {
        Some(filter) => {
            let step = BulkStep {
                bulk,
                filter: &filter,
                before,
                dry: dry_run,
            };
            one_step(app, caller, step).await?
        }
        None => BulkAnswer {
            success: true,
            ..BulkAnswer::default()
        },
    };
    let changed = Changed::new(format_args!("{} jobs", answer.done));
    Ok((Extension(changed), Answer(answer)).into_response())
}

/// As a job of its own.
async fn submit(
    app: &App,
    caller: &Caller,
    bulk: Bulk,
    filter: Option<Filter>,
) -> Result<Response, Refusal> {
    let (kinds, queues) = caller.limited_to();
    let args = BulkArgs {
        bulk,
        filter,
        kinds,
        queues,
    };
    let job = args.job()?.owner(caller.owner.clone());
    caller.count_jobs(&app.engine, 1).await?;
    Ok(super::jobs::accepted(
        &app.engine.submit_job(job).await?,
        None,
    ))
}

/// One step of it.
async fn one_step(app: &App, caller: &Caller, step: BulkStep<'_>) -> Result<BulkAnswer, Refusal> {
    let may = |job: &Job| caller.may_submit(&job.kind, &job.queue).is_ok();
    let done = app.engine.ask_all(step, may).await?;
    Ok(BulkAnswer {
        success: true,
        matched: done.matched,
        done: done.done,
        skipped: done.skipped.len() as u64,
        next_cursor: done.next.map(|seq| seq.to_string()),
    })
}

fn cursor(text: &str) -> Result<Seq, Refusal> {
    let parsed = text.parse();
    parsed.map_err(|_| Refusal::bad("cursor: give the nextCursor of the answer before"))
}
