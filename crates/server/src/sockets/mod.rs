//! Live events by Socket.IO, beside SSE: the same events under the same names, `job:` before them.
//!
//! Invariants: a client is let in by the rules of every door. Host and Origin are looked at with each request, the token
//! comes in the `Authorization` header or as `auth.token` with the connection to the namespace, never in the URL. Until a
//! client has connected it can do nothing, and does not stay. What a client is behind is bounded, as [`client`] says.

mod client;
mod system;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use longhaul_types::ErrorCode;
use serde_json::Value;
use socketioxide::{
    ParserConfig, SocketIo,
    extract::{SocketRef, TryData},
    handler::ConnectHandler,
};
use tokio::sync::Semaphore;
use tower::Service;

pub use system::{Guest, SocketEvents, rooms_that_see};

use crate::{
    Right,
    access::{Caller, Peer, missing},
    answer::Refusal,
    routes::App,
};

/// Where clients connect.
pub(crate) const PATH: &str = "/socket.io/";

/// Time that a client has from the handshake to the connection with its token.
const CONNECT: Duration = Duration::from_secs(10);
/// Time in which a client must answer a ping.
const PING: Duration = Duration::from_secs(20);
/// Messages that wait for one client.
const PACKETS: usize = 16;
/// Bytes of a message from a client.
const MESSAGE: usize = 64 << 10;
/// Bytes that are read at once.
const READ: usize = 1 << 10;

/// Who a handshake comes from, as far as it says; the token may come later.
#[derive(Clone)]
pub(crate) struct Visitor(pub(crate) Result<Caller, Refusal>);

/// The door for Socket.IO. It closes when the server stops.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let (service, io) = SocketIo::builder()
        .req_path(PATH)
        .ping_interval(app.limits.heartbeat)
        .ping_timeout(PING)
        .connect_timeout(CONNECT)
        .max_buffer_size(PACKETS)
        .max_payload(MESSAGE as u64)
        .ws_max_message_size(MESSAGE)
        .ws_max_frame_size(MESSAGE)
        .ws_read_buffer_size(READ)
        .with_parser(ParserConfig::common().max_incoming_binaries(0))
        .build_svc();
    let connected = {
        let app = Arc::clone(app);
        async move |socket: SocketRef| client::serve(&app, &socket)
    };
    let admitted = {
        let app = Arc::clone(app);
        async move |socket: SocketRef, TryData(auth): TryData<Value>| {
            // Without a payload there is nothing to read: that is no error.
            admit(&app, &socket, auth.ok().as_ref()).map_err(Told)
        }
    };
    io.ns("/", connected.with(admitted));
    for system in &app.socket_events {
        system.opened(&io);
    }
    let stopping = app.stopping.clone();
    tokio::spawn(async move {
        stopping.cancelled().await;
        io.close().await;
    });
    // A session without an open connection, between two polls, counts too.
    let sessions = Arc::new(Semaphore::new(app.limits.connections));
    let door = move |request| enter(service.clone(), Arc::clone(&sessions), request);
    Router::new().route(PATH, any(door))
}

/// Hands a request to the protocol; one that begins a session only while there is room.
async fn enter<S, B>(mut service: S, sessions: Arc<Semaphore>, mut request: Request) -> Response
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    B: HttpBody<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let query = request.uri().query().unwrap_or_default();
    if !query.split('&').any(|pair| pair.starts_with("sid=")) {
        let Ok(session) = sessions.try_acquire_owned() else {
            return Refusal::new(
                ErrorCode::Unavailable,
                "as many clients are connected as may be; try again later",
            )
            .into_response();
        };
        // The session keeps the head of the request that began it, and this with it.
        request.extensions_mut().insert(Arc::new(session));
    }
    match service.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Lets a client in, or says why not.
fn admit(app: &App, socket: &SocketRef, auth: Option<&Value>) -> Result<(), Refusal> {
    let shown = auth.and_then(|auth| auth.get("token"));
    let caller = match shown {
        Some(Value::String(token)) => {
            let peer = socket.req_parts().extensions.get::<Peer>().copied();
            app.access.admit_token(peer, token.as_bytes())?
        }
        Some(Value::Null) | None => {
            let visitor = socket.req_parts().extensions.get::<Visitor>().cloned();
            let visitor = visitor.map(|Visitor(visitor)| visitor);
            // Only a request outside the guard could lack it.
            visitor.unwrap_or_else(|| {
                Err(Refusal::new(ErrorCode::Unauthorised, "nobody was let in"))
            })?
        }
        Some(_) => return Err(Refusal::bad("auth.token must be text")),
    };
    if !caller.has(Right::Read) {
        return Err(missing(Right::Read));
    }
    caller.count_request()?;
    // Counted for as long as the socket lives.
    socket.extensions.insert(Arc::new(caller.open_stream()?));
    client::hear(app, socket, &caller);
    socket.extensions.insert(caller);
    Ok(())
}

/// A refusal as the client's `connect_error` has it: the code, then what to do.
struct Told(Refusal);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let problem = self.0.problem();
        write!(f, "{}: {}", problem.code, problem.detail)
    }
}
