//! Every kind of job that these programs run: one line a kind.
//!
//! Invariant: a kind whose args name a program, a path or an address is taken over the unix socket alone.

use longhaul::engine::Builder;
use longhaul_server::{bulk::BulkJob, outgoing::Outgoing, webhook::Webhook};
use longhaul_walrus::{
    cache::Cache,
    fetch::Fetch,
    follow::{self, CatchUp, Monitor},
    retrieve::{self, Retrieve},
};

use crate::run_job::RunJob;

/// Retrievals that run at a time: each has several items, and each item several connections.
const RETRIEVALS: u32 = 4;
/// Monitors and syncs that run at a time: each has one connection and waits most of the time.
const FOLLOWERS: u32 = 16;

/// An engine with every kind, with the results that it keeps, and with the guard of its calls.
pub fn register(builder: Builder, results: Cache, outgoing: Outgoing) -> Builder {
    let retrieve = Retrieve::default().cache(results);
    builder
        .register(RunJob)
        .register(Fetch::sharing(&retrieve))
        .register(retrieve)
        .register(Monitor)
        .register(CatchUp)
        .register(Webhook::new(outgoing))
        .register(BulkJob)
        .queue(retrieve::QUEUE, RETRIEVALS)
        .queue(follow::QUEUE, FOLLOWERS)
}

/// The kinds that are not taken over TCP.
pub const LOCAL: [&str; 5] = [
    kind::<RunJob>(),
    kind::<Retrieve>(),
    kind::<Fetch>(),
    kind::<Monitor>(),
    kind::<CatchUp>(),
];

const fn kind<H: longhaul::Handler>() -> &'static str {
    H::KIND
}
