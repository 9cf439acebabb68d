//! What belongs to a job: items, log, attempts.

use std::sync::Arc;

use axum::{Json, extract::State};
use longhaul::model::Seq;
use longhaul_types::{
    ItemState,
    body::{AttemptPage, ItemPage, LogPage},
};

use super::{App, job::find};
use crate::{access::Caller, answer::Refusal, query::Query, request::Id, view};

/// Most rows of a page, and how many it has when nothing is said.
const PAGE: (usize, usize) = (1000, 100);

/// `GET …/items?state&after&limit`: by position.
pub(super) async fn items(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<ItemPage>, Refusal> {
    let job = find(&app, &caller, &id).await?;
    item_page(&app, job.seq, query).await
}

/// The page of a job's items that a query asks for.
pub(super) async fn item_page(
    app: &App,
    job: Seq,
    mut query: Query,
) -> Result<Json<ItemPage>, Refusal> {
    let state: Option<String> = query.one("state")?;
    let state = state.as_deref().map(item_state).transpose()?;
    let after: Option<u32> = query.one("after")?;
    let limit = query.limit("limit", PAGE.1, PAGE.0)?;
    query.finish()?;
    let store = app.engine.store();
    let mut items = store.items(job, state, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().map(|item| item.position);
    Ok(Json(ItemPage {
        items,
        next_after: last.filter(|_| more),
    }))
}

fn item_state(text: &str) -> Result<ItemState, Refusal> {
    let found = ItemState::ALL.into_iter().find(|s| s.as_str() == text);
    found.ok_or_else(|| Refusal::bad("state: items are pending, running, completed or failed"))
}

/// `GET …/log?after&limit` or `?tail`: by number.
pub(super) async fn log(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    mut query: Query,
) -> Result<Json<LogPage>, Refusal> {
    let after: Option<u64> = query.one("after")?;
    let tail = match query.limit("tail", 0, PAGE.0)? {
        0 => None,
        tail => Some(tail),
    };
    let limit = query.limit("limit", PAGE.1, PAGE.0)?;
    query.finish()?;
    if tail.is_some() && after.is_some() {
        return Err(Refusal::bad("give tail or after, not both"));
    }
    let job = find(&app, &caller, &id).await?;
    let store = app.engine.store();
    if let Some(tail) = tail {
        let lines = store.log_tail(job.seq, tail).await?;
        return Ok(Json(LogPage {
            lines,
            next_after: None,
        }));
    }
    let mut lines = store.log(job.seq, after.unwrap_or(0), limit + 1).await?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    let last = lines.last().map(|line| line.number);
    Ok(Json(LogPage {
        lines,
        next_after: last.filter(|_| more),
    }))
}

/// `GET …/attempts`: oldest first.
pub(super) async fn attempts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<AttemptPage>, Refusal> {
    query.finish()?;
    let job = find(&app, &caller, &id).await?;
    let attempts = app.engine.store().attempts(job.seq).await?;
    Ok(Json(AttemptPage {
        attempts: attempts.into_iter().map(view::attempt).collect(),
    }))
}
