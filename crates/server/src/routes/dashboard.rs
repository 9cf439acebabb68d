//! Sessions of the dashboard: a link that works once, and what it is changed for.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use longhaul_types::{
    ErrorCode,
    body::{DashboardLink, DashboardSession, DashboardSessionRequest},
};

use super::App;
use crate::{Door, access::Caller, answer::Refusal, query::Query, request::SmallJson};

/// `POST /api/v1/dashboard/links`: a link that opens the dashboard once.
pub(super) async fn link(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    query: Query,
) -> Result<(StatusCode, Answer<DashboardLink>), Refusal> {
    query.finish()?;
    // Whoever came over TCP comes again by the same name, which the guard has compared.
    let name = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = match (caller.door, name) {
        (Door::Tcp, Some(name)) => app.place.named(name),
        _ => app.place.origin(&app.access).await?,
    };
    let (code, expires_at) = app.access.sessions().link();
    let url = format!("{origin}/#link={code}");
    Ok((
        StatusCode::CREATED,
        Answer(DashboardLink { url, expires_at }),
    ))
}

/// `POST /api/v1/dashboard/sessions`: a token for the code of a link. Strangers call it: the code is what they show.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    query: Query,
    body: SmallJson,
) -> Result<(StatusCode, Answer<DashboardSession>), Refusal> {
    query.finish()?;
    let request: DashboardSessionRequest = body.0.parse()?;
    let Some((token, expires_at)) = app.access.sessions().begin(&request.code) else {
        return Err(Refusal::new(
            ErrorCode::Unauthorised,
            "this link was used already or is older than a minute; run longhaul dashboard for a new one",
        ));
    };
    tracing::info!("a session of the dashboard begins");
    Ok((
        StatusCode::CREATED,
        Answer(DashboardSession { token, expires_at }),
    ))
}

/// `DELETE /api/v1/dashboard/sessions`: ends the session that asks, with its streams.
pub(super) async fn end(caller: Caller, query: Query) -> Result<StatusCode, Refusal> {
    query.finish()?;
    let Some(session) = caller.session() else {
        let detail = "only a session of the dashboard ends so";
        return Err(Refusal::new(ErrorCode::Forbidden, detail));
    };
    session.end();
    Ok(StatusCode::NO_CONTENT)
}
