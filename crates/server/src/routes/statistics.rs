//! What happened of late, for charts.

use std::sync::Arc;

use axum::{Json, extract::State};
use longhaul_types::statistics::Statistics;

use super::App;
use crate::{answer::Refusal, query::Query};

/// `GET /api/v1/statistics`: of every owner's jobs.
pub(super) async fn statistics(
    State(app): State<Arc<App>>,
    mut query: Query,
) -> Result<Json<Statistics>, Refusal> {
    let span = query.one("span")?.unwrap_or_default();
    query.finish()?;
    Ok(Json(app.metrics.recorder().read(span, app.started_at)))
}
