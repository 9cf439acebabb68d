//! `waltodo monitor`: a background job that follows the events of the todos' package and fetches what they tell of.

use std::process::ExitCode;

use longhaul_walrus::{
    follow::{Followed, MonitorArgs},
    sui::{Happening, ObjectId},
    words::Operation,
};

use super::{
    config,
    fetch::DeliveryFlags,
    start::{Start, StartFlags, timeout},
};
use crate::{exit::Result, settings::Settings};

/// The kind of job that this command submits.
const KIND: &str = <longhaul_walrus::follow::Monitor as longhaul::Handler>::KIND;

/// Flags of `waltodo monitor`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Which events: nft-created, nft-updated, nft-completed, nft-transferred
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_value = "nft-created", value_parser = config::happening)]
    events: Vec<Happening>,
    /// Fetch the blob of each event's object in the background; without it events are only logged
    #[arg(long)]
    auto_retrieve: bool,
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

/// What is followed, and how what it tells of is fetched, settled here and now.
pub(super) fn followed(
    events: &[Happening],
    package: Option<ObjectId>,
    delivery: &DeliveryFlags,
    settings: &Settings,
) -> Result<Followed> {
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    let (node, network) = delivery.node()?;
    Ok(Followed {
        node,
        network,
        package: config::package(package)?,
        events,
        fetch_timeout: timeout(None, settings)?,
        delivery: delivery.resolve(settings)?,
    })
}

/// The events as the command line has them.
pub(super) fn names(events: &[Happening]) -> String {
    let names: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
    names.join(",")
}

/// Submits the job, and follows it unless it is to run in the background alone.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let start = Start {
        kind: KIND,
        operation: Operation::Monitor,
        command: format!("monitor --events {}", names(&args.events)),
        flags: &args.start,
        timeout: args.timeout,
    };
    let job = MonitorArgs {
        followed: followed(&args.events, args.package, &args.delivery, settings)?,
        auto_retrieve: args.auto_retrieve,
    };
    start.run(&job, settings).await
}
