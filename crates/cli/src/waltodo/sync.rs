//! `waltodo sync`: a background job that reads the events of the todos' package from a checkpoint on, and fetches what
//! they tell of.

use std::process::ExitCode;

use longhaul_walrus::{
    follow::SyncArgs,
    sui::{Happening, ObjectId},
    words::Operation,
};

use super::{
    config,
    fetch::DeliveryFlags,
    monitor::followed,
    start::{Start, StartFlags},
};
use crate::{exit::Result, settings::Settings};

/// The kind of job that this command submits.
const KIND: &str = <longhaul_walrus::follow::CatchUp as longhaul::Handler>::KIND;

/// Flags of `waltodo sync`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The checkpoint to begin with: its sequence number
    #[arg(long, value_name = "N")]
    from_block: u64,
    /// Which events: nft-created, nft-updated, nft-completed, nft-transferred
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_value = "nft-created", value_parser = config::happening)]
    events: Vec<Happening>,
    #[command(flatten)]
    start: StartFlags,
    /// Time the whole job may take [default: none]
    #[arg(long, value_name = "SECONDS", value_parser = config::seconds)]
    timeout: Option<f64>,
    /// The todos' package [env: TODO_PACKAGE_ID]
    #[arg(long, value_name = "ID", value_parser = config::object_id)]
    package: Option<ObjectId>,
    #[command(flatten)]
    delivery: DeliveryFlags,
}

/// Submits the job, and follows it unless it is to run in the background alone.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let start = Start {
        kind: KIND,
        operation: Operation::Sync,
        command: format!("sync --from-block {}", args.from_block),
        flags: &args.start,
        timeout: args.timeout,
    };
    let job = SyncArgs {
        followed: followed(&args.events, args.package, &args.delivery, settings)?,
        from: args.from_block,
    };
    start.run(&job, settings).await
}
