//! A Sui full node over a ledger in memory, spoken to by gRPC as the real one is.
//!
//! It is made of the servers that `sui-rpc` generates from the node's own definitions, so that the real client works
//! against it unchanged. Like Sui it makes a checkpoint four times a second whether or not anything happened, unless it
//! is told to be [`quiet`](Options::quiet).
//! Invariant: every answer comes from one state of the ledger; what a stream has sent it never sends again, and nothing
//! is kept for a client that reads slowly but its place in the ledger.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use longhaul_sandbox::sui::{Event, Network, Object, Options};
//!
//! let node = Options::new().network(Network::Testnet).start().await?;
//! node.put_object(Object::new("0x7e", "0xa11::todo_nft::TodoNFT", serde_json::json!({"title": "Buy milk"})))?;
//! node.emit([Event::new("0xa11::todo_nft::TodoNFTCreated", serde_json::json!({"todo_id": "0x7e"}))])?;
//! // … ask node.url() …
//! node.stop().await;
//! # Ok(()) }
//! ```

mod connection;
mod cursor;
mod delivery;
mod events;
mod faults;
mod filter;
mod handling;
mod interval;
mod ledger;
mod model;
mod refusal;
mod request;
mod seed;
mod service;
mod subscription;
pub mod todo_nft;
mod traffic;
mod value;

use std::{io, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use sui_rpc::proto::sui::rpc::v2::{
    ledger_service_server::LedgerServiceServer,
    subscription_service_server::SubscriptionServiceServer,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use self::{connection::Connection, ledger::Ledger, service::Service};
pub use self::{
    faults::{Fault, Faults, MAX_OVERSIZE, Rule},
    ledger::{MAX_CHECKPOINTS, MAX_EVENTS, MAX_OBJECTS},
    model::{Event, Network, Object, Owner, UnknownNetwork},
    request::{Call, Request},
    seed::{MAX_SEED, Seed},
};
use crate::{
    journal::Journal,
    running::{Running, listen},
};
pub use crate::{journal::MAX_REQUESTS, rules::MAX_RULES};

/// How often Sui makes a checkpoint.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(250);

/// Why the stand-in could not start or take something into its ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address could not be listened on.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An object ID or address is not `0x` and up to 64 hexadecimal digits.
    #[error("{text:?} is no Sui object ID or address, which is 0x and up to 64 hexadecimal digits")]
    Address {
        /// What was given.
        text: String,
    },
    /// A type is not `address::module::Name`.
    #[error("{text:?} is no Move type, which is address::module::Name")]
    Type {
        /// What was given.
        text: String,
    },
    /// A file of objects and events could not be read.
    #[error("could not take objects and events from {}: {reason}", file.display())]
    Seed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger holds as many objects as it may.
    #[error(
        "the sandbox holds {MAX_OBJECTS} versions of objects already, which is the most it keeps"
    )]
    Full,
}

/// How to start a [`Node`].
#[derive(Clone, Debug)]
pub struct Options {
    port: u16,
    network: Network,
    first_checkpoint: u64,
    most_events: usize,
    checkpoint_interval: Option<Duration>,
    limits: Limits,
}

/// How much one request for a list may cost.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Items of a list when the request names no limit.
    default_items: u32,
    /// Items of a list at most.
    most_items: u32,
    /// Transactions looked at for one list.
    scan: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// A node of a local network on a port of the system's choice, at its first checkpoint.
    pub fn new() -> Self {
        Self {
            port: 0,
            network: Network::Local,
            first_checkpoint: 0,
            most_events: MAX_EVENTS,
            checkpoint_interval: Some(CHECKPOINT_INTERVAL),
            limits: Limits {
                default_items: 100,
                most_items: 1000,
                scan: 100_000,
            },
        }
    }

    /// Listen on this port of 127.0.0.1; 0 lets the system choose.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The network to say it belongs to.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Start at this checkpoint, as a node that has pruned all before it.
    #[must_use]
    pub fn first_checkpoint(mut self, sequence_number: u64) -> Self {
        self.first_checkpoint = sequence_number;
        self
    }

    /// Make an empty checkpoint this often; [`CHECKPOINT_INTERVAL`] if not said.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.checkpoint_interval = Some(interval.max(Duration::from_millis(1)));
        self
    }

    /// Make no checkpoint but those asked for, so that a test can count them. The real client, resumed at the very tip
    /// of such a node, sees the next checkpoint only after a growing delay.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.checkpoint_interval = None;
        self
    }

    /// Keep at most this many events, and no more than [`MAX_EVENTS`]; the checkpoints of the oldest are pruned.
    #[must_use]
    pub fn keep_events(mut self, events: NonZeroU32) -> Self {
        self.most_events = MAX_EVENTS.min(events.get() as usize);
        self
    }

    /// Answer at most this many items of a list at once, however many are asked for.
    #[must_use]
    pub fn list_limit(mut self, items: NonZeroU32) -> Self {
        self.limits.most_items = items.get();
        self.limits.default_items = self.limits.default_items.min(items.get());
        self
    }

    /// Look at no more than this many transactions for one request of a list, then say how far it came.
    #[must_use]
    pub fn scan_limit(mut self, transactions: NonZeroU32) -> Self {
        self.limits.scan = u64::from(transactions.get());
        self
    }

    /// Starts the node on the current runtime.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn start(self) -> Result<Node, Error> {
        let (listener, address) = listen(self.port)
            .await
            .map_err(|(address, source)| Error::Listen { address, source })?;
        let shared = Arc::new(Shared {
            ledger: Ledger::new(self.first_checkpoint, self.most_events),
            network: self.network,
            limits: self.limits,
            faults: Faults::default(),
            journal: Journal::default(),
            stop: CancellationToken::new(),
        });
        let stop = shared.stop.clone();
        let running = Running::start(address, stop, serve(listener, Arc::clone(&shared)));
        if let Some(interval) = self.checkpoint_interval {
            tokio::spawn(keep_time(Arc::clone(&shared), interval));
        }
        Ok(Node { shared, running })
    }
}

/// A running stand-in. Dropping it cuts its streams and stops it.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    running: Running,
}

impl Node {
    /// The address for `sui_rpc::Client::new`, such as `http://127.0.0.1:40123`, without a slash at its end.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// The address listened on.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// The network it says it belongs to.
    pub fn network(&self) -> Network {
        self.shared.network
    }

    /// Stores an object and returns its version: the one it was given, else one more than it had.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Type`] and [`Error::Full`].
    pub fn put_object(&self, object: Object) -> Result<u64, Error> {
        self.shared.ledger.put_object(object)
    }

    /// Deletes an object, so that only its older versions can still be asked for. Says whether there was one.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn delete_object(&self, id: &str) -> Result<bool, Error> {
        self.shared.ledger.delete_object(id)
    }

    /// Makes a checkpoint with these events and returns its sequence number. Each is emitted by a transaction of its own
    /// unless it is [`Event::same_transaction`].
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Type`]; then nothing was emitted.
    pub fn emit(&self, events: impl IntoIterator<Item = Event>) -> Result<u64, Error> {
        self.shared.ledger.emit(events)
    }

    /// Emits so many events a second until the node stops: those that this makes of 0, 1, 2 and so on.
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Type`] of the first event.
    pub fn emit_continually(
        &self,
        per_second: NonZeroU32,
        event: impl Fn(u64) -> Event + Send + 'static,
    ) -> Result<(), Error> {
        traffic::start(Arc::clone(&self.shared), per_second, event)
    }

    /// Makes this many checkpoints in which nothing happened and returns the sequence number of the last.
    pub fn advance(&self, checkpoints: u64) -> u64 {
        self.shared.ledger.advance(checkpoints)
    }

    /// Forgets all checkpoints below this one, as full nodes do. The tip stays.
    pub fn prune_below(&self, sequence_number: u64) {
        self.shared.ledger.prune_below(sequence_number);
    }

    /// The sequence number of the latest checkpoint.
    pub fn tip(&self) -> u64 {
        self.shared.ledger.tip()
    }

    /// The lowest checkpoint that is not pruned.
    pub fn lowest_available_checkpoint(&self) -> u64 {
        self.shared.ledger.lowest()
    }

    /// The faults to answer with, empty at first.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The calls so far, in the order their answers began; at most the last [`MAX_REQUESTS`].
    pub fn requests(&self) -> Vec<Request> {
        self.shared.journal.list()
    }

    /// Forgets the calls so far.
    pub fn clear_requests(&self) {
        self.shared.journal.clear();
    }

    /// Stops listening, cuts the streams under way and returns when all connections are closed.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Waits until the node ends, which it does only when it is stopped or dropped.
    pub async fn ended(&mut self) {
        self.running.ended().await;
    }
}

/// What the services share.
#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    network: Network,
    limits: Limits,
    faults: Faults,
    journal: Journal<Request>,
    stop: CancellationToken,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let service = Service(shared);
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .map(|accepted| accepted.map(Connection::new));
    let served = tonic::transport::Server::builder()
        .add_service(LedgerServiceServer::new(service.clone()))
        .add_service(SubscriptionServiceServer::new(service))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await;
    debug_assert!(
        served.is_ok(),
        "an accepted listener does not fail to serve"
    );
}

/// Makes empty checkpoints until the node stops.
async fn keep_time(shared: Arc<Shared>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    while shared
        .stop
        .run_until_cancelled(ticks.tick())
        .await
        .is_some()
    {
        shared.ledger.advance(1);
    }
}
