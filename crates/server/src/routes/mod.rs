//! The native API, a file per part. Every route stands in [`ROUTES`] too, from which a test asks each as a stranger,
//! and in the OpenAPI document, which a test compares.

mod artifacts;
mod bulk;
mod dashboard;
mod documents;
mod events;
mod job;
mod jobs;
mod metrics;
mod parts;
mod queues;
mod schedules;
mod serve;
mod statistics;
mod through;
mod tokens;
mod workers;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    http::Uri,
    middleware::from_fn_with_state,
    routing::{delete, get, post},
};
pub(crate) use job::find;
use longhaul::{Engine, clock::SharedClock};
use longhaul_types::{FilterNames, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::through::through;
use crate::{
    Admission, Metrics, Right, SocketEvents, StopReason, Traces,
    access::Access,
    answer::no_route,
    dashboard::{Place, asset, shell},
    live::Live,
    options::Limits,
    sockets,
};

/// Every route: method, path, and the right it needs. What is not here is not there: the guard refuses it. Beside them is
/// `/socket.io/`, a protocol of its own that asks for the token later.
pub const ROUTES: &[(&str, &str, Right)] = &[
    ("GET", "/", Right::None),
    ("GET", "/assets/{*name}", Right::None),
    ("POST", "/api/v1/dashboard/links", Right::Admin),
    ("POST", "/api/v1/dashboard/sessions", Right::None),
    ("DELETE", "/api/v1/dashboard/sessions", Right::Token),
    ("GET", "/health/live", Right::None),
    ("GET", "/health/ready", Right::Token),
    ("GET", "/api/v1/server", Right::Read),
    ("POST", "/api/v1/server/stop", Right::Admin),
    ("GET", "/api/v1/kinds", Right::Token),
    ("GET", "/api/v1/counts", Right::Read),
    ("GET", "/api/v1/failures", Right::Read),
    ("GET", "/api/v1/statistics", Right::Admin),
    ("GET", "/api/v1/queues", Right::Read),
    ("POST", "/api/v1/queues/{queue}/pause", Right::Admin),
    ("POST", "/api/v1/queues/{queue}/resume", Right::Admin),
    ("GET", "/api/v1/schedules", Right::Read),
    ("GET", "/api/v1/schedules/{name}", Right::Read),
    ("PUT", "/api/v1/schedules/{name}", Right::Submit),
    ("DELETE", "/api/v1/schedules/{name}", Right::Submit),
    ("POST", "/api/v1/schedules/{name}/pause", Right::Submit),
    ("POST", "/api/v1/schedules/{name}/resume", Right::Submit),
    ("POST", "/api/v1/schedules/{name}/run", Right::Submit),
    ("GET", "/api/v1/tokens", Right::Admin),
    ("POST", "/api/v1/tokens", Right::Admin),
    ("DELETE", "/api/v1/tokens/{token}", Right::Admin),
    ("GET", "/api/v1/workers", Right::Admin),
    ("POST", "/api/v1/workers", Right::Work),
    ("DELETE", "/api/v1/workers/{worker}", Right::Work),
    ("POST", "/api/v1/workers/{worker}/claim", Right::Work),
    ("POST", "/api/v1/workers/{worker}/heartbeat", Right::Work),
    (
        "POST",
        "/api/v1/workers/{worker}/jobs/{claim}/report",
        Right::Work,
    ),
    (
        "GET",
        "/api/v1/workers/{worker}/jobs/{claim}/items",
        Right::Work,
    ),
    (
        "GET",
        "/api/v1/workers/{worker}/jobs/{claim}/artifacts",
        Right::Work,
    ),
    (
        "GET",
        "/api/v1/workers/{worker}/jobs/{claim}/artifacts/{*name}",
        Right::Work,
    ),
    (
        "PUT",
        "/api/v1/workers/{worker}/jobs/{claim}/artifacts/{*name}",
        Right::Work,
    ),
    ("GET", "/api/v1/events", Right::Read),
    ("GET", "/api/v1/jobs", Right::Read),
    ("POST", "/api/v1/jobs", Right::Submit),
    ("POST", "/api/v1/jobs/cancel", Right::Submit),
    ("POST", "/api/v1/jobs/retry", Right::Submit),
    ("GET", "/api/v1/jobs/{id}", Right::Read),
    ("DELETE", "/api/v1/jobs/{id}", Right::Submit),
    ("GET", "/api/v1/jobs/{id}/status", Right::Read),
    ("DELETE", "/api/v1/jobs/{id}/status", Right::Submit),
    ("POST", "/api/v1/jobs/{id}/cancel", Right::Submit),
    ("POST", "/api/v1/jobs/{id}/retry", Right::Submit),
    ("POST", "/api/v1/jobs/{id}/start", Right::Submit),
    ("GET", "/api/v1/jobs/{id}/events", Right::Read),
    ("GET", "/api/v1/jobs/{id}/items", Right::Read),
    ("GET", "/api/v1/jobs/{id}/log", Right::Read),
    ("GET", "/api/v1/jobs/{id}/attempts", Right::Read),
    ("GET", "/api/v1/jobs/{id}/artifacts", Right::Read),
    ("GET", "/api/v1/jobs/{id}/artifacts/{*name}", Right::Read),
    ("GET", "/openapi.json", Right::Token),
    ("GET", "/docs", Right::Token),
    ("GET", "/docs/errors/{code}", Right::Token),
    ("GET", "/metrics", Right::Read),
];

/// What every route shares.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) access: Access,
    /// Where the dashboard is found.
    pub(crate) place: Place,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) socket_events: Vec<Arc<dyn SocketEvents>>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    /// Who follows what.
    pub(crate) live: Live,
    pub(crate) traces: Option<Arc<dyn Traces>>,
    pub(crate) limits: Limits,
    pub(crate) filter_names: FilterNames,
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) on_demand: bool,
    pub(crate) started_at: Timestamp,
    /// Nothing new is taken: the server is about to stop.
    pub(crate) draining: AtomicBool,
    /// Why the server stops, once it does.
    pub(crate) stop: watch::Sender<Option<StopReason>>,
    /// Streams end and connections close.
    pub(crate) stopping: CancellationToken,
    /// Nobody finds the server any more: its doors close.
    pub(crate) closing: CancellationToken,
}

impl App {
    /// Has the server stop, for the first reason given.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.draining.store(true, Ordering::SeqCst);
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert(reason);
            first
        });
        self.stopping.cancel();
    }
}

/// Every route behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    let one = Router::new()
        .route("/", get(job::detail).delete(job::remove).post(bulk::run))
        .route("/status", get(job::detail).delete(job::cancel))
        .route("/cancel", post(job::cancel))
        .route("/retry", post(job::retry))
        .route("/start", post(job::start))
        .route("/events", get(events::one))
        .route("/items", get(parts::items))
        .route("/log", get(parts::log))
        .route("/attempts", get(parts::attempts))
        .route("/artifacts", get(artifacts::list))
        .route("/artifacts/{*name}", get(artifacts::content));
    let claimed = Router::new()
        .route("/report", post(workers::report))
        .route("/items", get(workers::items))
        .route("/artifacts", get(workers::files))
        .route(
            "/artifacts/{*name}",
            get(workers::download).put(workers::upload),
        );
    let schedule = Router::new()
        .route(
            "/",
            get(schedules::one)
                .put(schedules::put)
                .delete(schedules::remove),
        )
        .route("/pause", post(schedules::pause))
        .route("/resume", post(schedules::resume))
        .route("/run", post(schedules::run));
    let api = Router::new()
        .route("/server", get(serve::info))
        .route("/server/stop", post(serve::stop))
        .route("/kinds", get(serve::kinds))
        .route("/counts", get(serve::counts))
        .route("/failures", get(jobs::failures))
        .route("/statistics", get(statistics::statistics))
        .route("/dashboard/links", post(dashboard::link))
        .route(
            "/dashboard/sessions",
            post(dashboard::begin).delete(dashboard::end),
        )
        .route("/queues", get(queues::list))
        .route("/queues/{queue}/pause", post(queues::pause))
        .route("/queues/{queue}/resume", post(queues::resume))
        .route("/tokens", get(tokens::list).post(tokens::make))
        .route("/tokens/{token}", delete(tokens::revoke))
        .route("/workers", get(workers::list).post(workers::join))
        .route("/workers/{worker}", delete(workers::leave))
        .route("/workers/{worker}/claim", post(workers::claim))
        .route("/workers/{worker}/heartbeat", post(workers::heartbeat))
        .nest("/workers/{worker}/jobs/{claim}", claimed)
        .route("/schedules", get(schedules::list))
        .nest("/schedules/{name}", schedule)
        .route("/events", get(events::all))
        .route("/jobs", get(jobs::list).post(jobs::submit))
        .nest("/jobs/{id}", one);
    Router::new()
        .route("/", get(shell))
        .route("/assets/{*name}", get(asset))
        .route("/health/live", get(serve::live))
        .route("/health/ready", get(serve::ready))
        .nest("/api/v1", api)
        .route("/openapi.json", get(documents::document))
        .route("/docs", get(documents::page))
        .route("/docs/errors/{code}", get(documents::error_page))
        .route("/metrics", get(metrics::metrics))
        .merge(sockets::routes(&app))
        .fallback(async |uri: Uri| no_route(&uri))
        .layer(from_fn_with_state(Arc::clone(&app), through))
        .with_state(app)
}
