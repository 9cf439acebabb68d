//! Connections: accepted within a bound, served with limits of time, closed in an orderly way.
//!
//! Invariant: who has connected gets an answer, also while the server stops: then, that it stops.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tower::ServiceExt;

use crate::{Door, Tls, access::Peer, routes::App, stall::Stall};

/// The wait after the system could not accept: it has no descriptors left, say.
const PATIENCE: Duration = Duration::from_millis(100);
/// The wait for connections that the system has let in when the doors close; none comes after.
const LAST_LOOK: Duration = Duration::from_millis(10);
/// Bytes of a request's head, and of a connection's buffer.
const HEAD: usize = 64 << 10;

/// The open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) tasks: TaskTracker,
    /// Connections that wait to write end at once.
    pub(crate) cut: CancellationToken,
    slots: Arc<Semaphore>,
    open: AtomicUsize,
    ever: AtomicU64,
}

impl Connections {
    pub(crate) fn new(at_most: usize) -> Self {
        Self {
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
            slots: Arc::new(Semaphore::new(at_most)),
            open: AtomicUsize::new(0),
            ever: AtomicU64::new(0),
        }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Connections that were ever opened.
    pub(crate) fn ever(&self) -> u64 {
        self.ever.load(Ordering::SeqCst)
    }

    fn serve(
        self: &Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        tls: Option<Tls>,
        slot: OwnedSemaphorePermit,
        router: &Router,
        app: &Arc<App>,
    ) {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.ever.fetch_add(1, Ordering::SeqCst);
        let held = Opened {
            connections: Arc::clone(self),
            _slot: slot,
            _task: self.tasks.token(),
        };
        let io = Stall::new(io, app.limits.stall, self.cut.clone(), held);
        let (router, app) = (router.clone(), Arc::clone(app));
        self.tasks.spawn(async move {
            let Some(tls) = tls else {
                return serve(io, peer, router, &app).await;
            };
            let handshake = tls.accept(io, app.limits.handshake);
            let shaken = tokio::select! {
                () = app.stopping.cancelled() => return,
                shaken = handshake => shaken,
            };
            match shaken {
                Ok(io) => serve(io, peer, router, &app).await,
                // Who speaks no TLS, or knows other certificates, is no fault.
                Err(error) => tracing::debug!(?peer, %error, "no TLS handshake"),
            }
        });
    }
}

/// What accepts connections.
pub(crate) trait Listener: Send + 'static {
    /// What a connection is.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and who is at its other end.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl Listener for TcpListener {
    type Io = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, Peer::Address(address.ip())))
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let me = rustix::process::geteuid().as_raw();
        let peer = stream.peer_cred()?.uid();
        check_peer(me, peer)?;
        Ok((stream, Peer::User(peer)))
    }
}

/// Lets this process's user and root in.
fn check_peer(me: u32, peer: u32) -> io::Result<()> {
    if peer == me || peer == 0 {
        return Ok(());
    }
    tracing::warn!(peer, "a connection of another user was refused");
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Accepts and serves connections until the doors close, and then those that have come before.
pub(crate) async fn accept<L: Listener>(
    listener: L,
    tls: Option<Tls>,
    router: Router,
    app: Arc<App>,
    connections: Arc<Connections>,
) {
    loop {
        let slot = tokio::select! {
            biased;
            () = app.closing.cancelled() => break,
            slot = Arc::clone(&connections.slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else {
            return;
        };
        let accepted = tokio::select! {
            biased;
            () = app.closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, peer)) => connections.serve(io, peer, tls.clone(), slot, &router, &app),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection; trying again");
                sleep(PATIENCE).await;
            }
        }
    }
    // The system has let these in: they waited for nothing but their turn.
    while let Ok(slot) = Arc::clone(&connections.slots).try_acquire_owned()
        && let Ok(Ok((io, peer))) = timeout(LAST_LOOK, listener.accept()).await
    {
        connections.serve(io, peer, tls.clone(), slot, &router, &app);
    }
}

/// Counts a connection until it is dropped, which is when its descriptor closes: a WebSocket outlives the task that
/// served its handshake.
struct Opened {
    connections: Arc<Connections>,
    _slot: OwnedSemaphorePermit,
    _task: TaskTrackerToken,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    app: &App,
) {
    let door: Door = peer.door();
    let late = app.stopping.is_cancelled();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(door);
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move {
            let response: Result<_, Infallible> = router.oneshot(request).await;
            response
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(app.limits.head_time)
            .max_buf_size(HEAD)
            .keep_alive(!late)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades()
    );
    let served = tokio::select! {
        biased;
        () = app.stopping.cancelled() => {
            // Closing at once would leave a request unanswered that is on its way on a new connection.
            if !late {
                connection.as_mut().graceful_shutdown();
            }
            match timeout(app.limits.grace, connection).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
        served = connection.as_mut() => served,
    };
    if let Err(error) = served {
        // Clients that go away are no fault.
        tracing::debug!(?door, %error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_is_refused() {
        assert!(check_peer(1000, 1000).is_ok());
        assert!(check_peer(1000, 0).is_ok());
        assert!(check_peer(1000, 1001).is_err());
        assert!(check_peer(0, 1000).is_err());
    }
}
