//! How a server is set up.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use longhaul::clock::{SharedClock, SystemClock};
use longhaul_types::FilterNames;

use crate::{AccessLimits, AdminToken, Admission, LocalOnly, Metrics, SocketEvents, Tls, Traces};

/// How a server is set up. The defaults suit one machine.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) tls: Option<Tls>,
    pub(crate) hosts: Vec<String>,
    pub(crate) token: Option<AdminToken>,
    pub(crate) access_open: bool,
    pub(crate) access_limits: AccessLimits,
    pub(crate) stop_when_idle: Option<Duration>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) socket_events: Vec<Arc<dyn SocketEvents>>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) traces: Option<Arc<dyn Traces>>,
    pub(crate) limits: Limits,
    pub(crate) filter_names: FilterNames,
}

/// Limits of what comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a request's body.
    pub(crate) body: usize,
    /// Time in which a body must have come.
    pub(crate) body_time: Duration,
    /// Time in which a request's head must have come; also how long a connection may stay unused.
    pub(crate) head_time: Duration,
    /// Time in which a TLS handshake must be made.
    pub(crate) handshake: Duration,
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections: usize,
    /// Time that connections have to end after a stop.
    pub(crate) grace: Duration,
    /// Time in which a peer must read something of what waits for it.
    pub(crate) stall: Duration,
    /// Between two comments on a quiet stream, and between two looks at the job of one.
    pub(crate) heartbeat: Duration,
}

impl Options {
    /// A server of this version and build; both are only told to clients. It needs [`Self::socket`] or [`Self::tcp`].
    pub fn new(version: impl Into<String>, build: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            build: build.into(),
            socket: None,
            tcp: None,
            tls: None,
            hosts: Vec::new(),
            token: None,
            access_open: false,
            access_limits: AccessLimits::default(),
            stop_when_idle: None,
            admission: Arc::new(LocalOnly::every_kind()),
            socket_events: Vec::new(),
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            filter_names: FilterNames::default(),
            traces: None,
            limits: Limits {
                body: 2 << 20,
                body_time: Duration::from_secs(30),
                head_time: Duration::from_secs(30),
                connections: 8192,
                handshake: Duration::from_secs(10),
                grace: Duration::from_secs(5),
                stall: Duration::from_mins(1),
                heartbeat: Duration::from_secs(15),
            },
        }
    }

    /// Listens on a unix socket here. Its folder is made private, and a dead socket is replaced: the caller holds the
    /// lock that says no other server lives.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Listens on this TCP address; port 0 lets the system choose. Needs [`Self::token`] or [`Self::access_open`].
    #[must_use]
    pub fn tcp(mut self, address: SocketAddr) -> Self {
        self.tcp = Some(address);
        self
    }

    /// Speaks TLS on that address, and nothing else.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Answers to this name too, as clients write it in `Host`: `jobs.example.org` or `10.0.0.7:4000`. The address that
    /// is listened on is known, and on loopback `localhost` as well.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Lets in over TCP who shows this token, as an administrator. Others are made over the API and kept in the store.
    #[must_use]
    pub fn token(mut self, token: AdminToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Lets everybody on this machine in over TCP, on a loopback address alone, and not what was forwarded.
    #[must_use]
    pub fn access_open(mut self, open: bool) -> Self {
        self.access_open = open;
        self
    }

    /// Limits of who comes in over TCP with a token that was made, and of who fails to show one.
    #[must_use]
    pub fn access_limits(mut self, limits: AccessLimits) -> Self {
        self.access_limits = limits;
        self
    }

    /// Stops this long after no pending or running job and no client remain.
    #[must_use]
    pub fn stop_when_idle(mut self, after: Option<Duration>) -> Self {
        self.stop_when_idle = after;
        self
    }

    /// Asks this what may come in by which door; unless said otherwise nothing is submitted over TCP.
    #[must_use]
    pub fn admission(mut self, admission: impl Admission) -> Self {
        self.admission = Arc::new(admission);
        self
    }

    /// Adds the Socket.IO events of a system; each call adds one more.
    #[must_use]
    pub fn socket_events(mut self, events: impl SocketEvents) -> Self {
        self.socket_events.push(Arc::new(events));
        self
    }

    /// Counts and measures into these metrics, a clone of which the engine has as its observer.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Takes `name` in filters of jobs, as a parameter and in `q`: jobs whose `label` has the value that is given. For
    /// systems whose users know a label by another name. A name that filters have anyway means what it always does.
    #[must_use]
    pub fn filter_name(mut self, name: impl Into<String>, label: impl Into<String>) -> Self {
        self.filter_names = self.filter_names.with(name, label);
        self
    }

    /// Tells these traces of requests; jobs then carry the `traceparent` of the one that submitted them.
    #[must_use]
    pub fn traces(mut self, traces: Arc<dyn Traces>) -> Self {
        self.traces = Some(traces);
        self
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Bytes that a request's body may have; 2 MiB unless said otherwise.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// Times in which a request's head and its body must have come; 30 s each unless said otherwise. The first is also
    /// how long a connection may stay unused.
    #[must_use]
    pub fn request_times(mut self, head: Duration, body: Duration) -> Self {
        self.limits.head_time = head;
        self.limits.body_time = body;
        self
    }

    /// Time in which a TLS handshake must be made; 10 s unless said otherwise.
    #[must_use]
    pub fn handshake_time(mut self, time: Duration) -> Self {
        self.limits.handshake = time;
        self
    }

    /// Time in which a client must read something of what waits for it; a minute unless said otherwise.
    #[must_use]
    pub fn stall_time(mut self, time: Duration) -> Self {
        self.limits.stall = time;
        self
    }

    /// Connections at a time; 8192 unless said otherwise.
    #[must_use]
    pub fn connections(mut self, at_most: usize) -> Self {
        self.limits.connections = at_most;
        self
    }

    /// Time between two comments on a quiet stream; 15 s unless said otherwise.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.limits.heartbeat = every;
        self
    }

    /// Time that connections have to end after a stop; 5 s unless said otherwise.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Self {
        self.limits.grace = time;
        self
    }
}
