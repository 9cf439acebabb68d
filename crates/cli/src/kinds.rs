//! Every kind of job that these programs run: one line a kind.
//!
//! Invariant: a kind whose args name a program, a path or an address is taken over the unix socket alone.

use longhaul::engine::Builder;
use longhaul_walrus::{cache::Cache, retrieve::Retrieve};

use crate::run_job::RunJob;

/// Retrievals that run at a time: each has several items, and each item several connections.
const RETRIEVALS: u32 = 4;

/// An engine with every kind, and with the results that it keeps.
pub fn register(builder: Builder, results: Cache) -> Builder {
    builder
        .register(RunJob)
        .register(Retrieve::default().cache(results))
        .queue(longhaul_walrus::retrieve::QUEUE, RETRIEVALS)
}

/// The kinds that are not taken over TCP.
pub const LOCAL: [&str; 2] = [kind::<RunJob>(), kind::<Retrieve>()];

const fn kind<H: longhaul::Handler>() -> &'static str {
    H::KIND
}
