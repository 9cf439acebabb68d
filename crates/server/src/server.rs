//! The server: bound, then started, then held by a handle.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use longhaul::Engine;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Options,
    access::Access,
    connection::{Connections, accept},
    dashboard::Place,
    folder::Socket,
    idle,
    live::Live,
    routes::{App, router},
    statistics,
};

/// Why a server has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Nobody needed it for as long as it was told to wait.
    Idle,
    /// Somebody asked for it over the API.
    Asked,
    /// Its own program asked for it.
    Told,
}

/// A server that listens and does not answer yet.
pub struct Server {
    app: Arc<App>,
    socket: Option<Socket>,
    tcp: Option<TcpListener>,
    /// Doors that are opened later.
    doors: mpsc::Receiver<TcpListener>,
    options: Options,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A server that answers. Dropping it does not stop it.
#[derive(Debug)]
pub struct Handle {
    stop: watch::Receiver<Option<StopReason>>,
    stopper: Stopper,
    socket: Option<PathBuf>,
    tcp: Option<SocketAddr>,
    connections: Arc<Connections>,
    task: JoinHandle<()>,
}

/// Stops a server from elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct Stopper(Arc<App>);

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}

impl Stopper {
    /// Has the server stop; [`Handle::wait`] ends when it has.
    pub fn stop(&self) {
        self.0.stop(StopReason::Told);
    }
}

impl Server {
    /// Opens the doors that `options` name. Connections wait until [`Self::start`].
    pub async fn bind(engine: Engine, options: Options) -> Result<Self, Error> {
        if options.socket.is_none() && options.tcp.is_none() {
            return Err(Error::NoDoor);
        }
        let tcp = match options.tcp {
            Some(address) => Some(bind_tcp(address, &options).await?),
            None => None,
        };
        let socket = options.socket.as_deref().map(Socket::bind).transpose()?;
        let listens = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let access = Access::new(&options, listens, Arc::clone(engine.store()));
        access.tokens.read().await?;
        let (opened, doors) = mpsc::channel(1);
        let app = Arc::new(App {
            engine,
            place: Place::new(listens, options.tls.is_some(), opened),
            access,
            admission: Arc::clone(&options.admission),
            socket_events: options.socket_events.clone(),
            clock: Arc::clone(&options.clock),
            metrics: options.metrics.clone(),
            live: Live::default(),
            traces: options.traces.clone(),
            limits: options.limits,
            filter_names: options.filter_names.clone(),
            version: options.version.clone(),
            build: options.build.clone(),
            on_demand: options.stop_when_idle.is_some(),
            started_at: options.clock.now(),
            draining: AtomicBool::new(false),
            stop: watch::Sender::new(None),
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
        });
        Ok(Self {
            app,
            socket,
            tcp,
            doors,
            options,
        })
    }

    /// Begins to answer.
    pub fn start(self) -> Handle {
        let connections = Arc::new(Connections::new(self.options.limits.connections));
        let tcp = self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let handle = (
            self.app.stop.subscribe(),
            Stopper(Arc::clone(&self.app)),
            self.options.socket.clone(),
            Arc::clone(&connections),
        );
        let task = tokio::spawn(self.run(connections));
        let (stop, stopper, socket, connections) = handle;
        Handle {
            stop,
            stopper,
            socket,
            tcp,
            connections,
            task,
        }
    }

    async fn run(self, connections: Arc<Connections>) {
        let Self {
            app,
            socket,
            tcp,
            mut doors,
            options,
        } = self;
        let router = router(Arc::clone(&app));
        let mut parts = Vec::new();
        let mut file = None;
        if let Some(socket) = socket {
            file = Some(socket.file);
            parts.push(tokio::spawn(accept(
                socket.listener,
                None,
                router.clone(),
                Arc::clone(&app),
                Arc::clone(&connections),
            )));
        }
        let open = |listener: TcpListener| {
            tokio::spawn(accept(
                listener,
                options.tls.clone(),
                router.clone(),
                Arc::clone(&app),
                Arc::clone(&connections),
            ))
        };
        parts.extend(tcp.map(open));
        if let Some(after) = options.stop_when_idle {
            let watch = idle::watch(Arc::clone(&app), Arc::clone(&connections), after);
            parts.push(tokio::spawn(watch));
        }
        let tending = Arc::clone(&app);
        let tend = async move { tending.access.tokens.tend(tending.stopping.clone()).await };
        parts.push(tokio::spawn(tend));
        parts.push(tokio::spawn(statistics::watch(Arc::clone(&app))));
        loop {
            tokio::select! {
                biased;
                () = app.stopping.cancelled() => break,
                Some(listener) = doors.recv() => parts.push(open(listener)),
            }
        }
        // First the name: who comes now finds no server, and not one that does not answer.
        drop(file);
        app.closing.cancel();
        for part in parts {
            if let Err(error) = part.await {
                tracing::error!(%error, "a part of the server ended wrongly");
            }
        }
        connections.tasks.close();
        // A request that is answered keeps to the grace by itself; what became a WebSocket is cut.
        let grace = options.limits.grace;
        if timeout(grace, connections.tasks.wait()).await.is_err() {
            connections.cut.cancel();
            if timeout(grace, connections.tasks.wait()).await.is_err() {
                tracing::warn!(open = connections.open(), "connections left behind");
            }
        }
    }
}

async fn bind_tcp(address: SocketAddr, options: &Options) -> Result<TcpListener, Error> {
    if options.access_open && !address.ip().is_loopback() {
        return Err(Error::OpenBeyondLoopback(address));
    }
    if options.token.is_none() && !options.access_open {
        return Err(Error::NoToken);
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

impl Handle {
    /// Where it listens as a unix socket.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Where it listens on TCP, with the port that the system chose.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.connections.open()
    }

    /// What stops it from elsewhere, a signal handler say.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Has it stop; [`Self::wait`] ends when it has.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Waits until it has stopped: the doors are closed, the streams ended, the connections gone. The engine still
    /// runs; its shutdown is the caller's.
    pub async fn wait(mut self) -> StopReason {
        let reason = self.stop.wait_for(Option::is_some).await;
        let reason = reason.ok().and_then(|reason| *reason);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the server ended wrongly");
        }
        reason.unwrap_or(StopReason::Told)
    }
}
