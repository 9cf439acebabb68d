//! `waltodo fetch SOURCE`: the blob that an object on Sui names, or one blob, fetched and verified by a background job.

use std::{path::PathBuf, process::ExitCode};

use longhaul_walrus::{
    fetch::{Delivery, FetchArgs},
    lists::ListName,
    networks::Network,
    words::Operation,
};

use super::{
    config,
    start::{Start, StartFlags, output_folder, timeout},
};
use crate::{
    exit::Result,
    settings::{Settings, path_text},
};

/// The kind of job that this command submits.
const KIND: &str = <longhaul_walrus::fetch::Fetch as longhaul::Handler>::KIND;

/// Flags of `waltodo fetch`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// ID of an object on Sui (0x...) that names a blob, or a blob ID
    #[arg(value_name = "OBJECT_ID|BLOB_ID", value_parser = source)]
    source: String,
    #[command(flatten)]
    start: StartFlags,
    /// Time the whole job may take [default: 300; env: WALTODO_BACKGROUND_TIMEOUT]
    #[arg(long, value_name = "SECONDS", value_parser = config::seconds)]
    timeout: Option<f64>,
    #[command(flatten)]
    delivery: DeliveryFlags,
}

/// Flags that say from where and to where blobs go: those of `fetch`, `monitor` and `sync`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeliveryFlags {
    /// Have the fetched todos join this local list, which is made when missing
    #[arg(long, value_name = "NAME")]
    list: Option<ListName>,
    /// mainnet, testnet, devnet or local [default: testnet]
    #[arg(long, value_name = "NETWORK", value_parser = config::network)]
    network: Option<Network>,
    /// Address of the Sui node [default: the network's public one; env: SUI_RPC_URL]
    #[arg(long, value_name = "URL", value_parser = config::node)]
    rpc_url: Option<String>,
    /// Address of the aggregator [default: the network's public one; env: WALRUS_AGGREGATOR_URL]
    #[arg(long, value_name = "URL", value_parser = config::aggregator)]
    aggregator: Option<String>,
    /// Attempts in total [default: 3; env: WALTODO_BACKGROUND_RETRY_ATTEMPTS]
    #[arg(long, value_name = "N", value_parser = config::attempts)]
    retry_attempts: Option<u32>,
    /// Folder for the fetched files; without one they are artifacts of the job
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Megabytes of retrieved blobs that are kept for an hour for quick re-access; 0 for none [default: 1000; env: WALTODO_CACHE_SIZE]
    #[arg(long, value_name = "MB", value_parser = config::cache_size)]
    cache_size: Option<u64>,
    /// Give no way to other work on this machine [env: WALTODO_FULL_SPEED]
    #[arg(long)]
    full_speed: bool,
}

impl DeliveryFlags {
    /// The Sui node, and the network that it must be of.
    pub(super) fn node(&self) -> Result<(String, Option<Network>)> {
        config::sui_node(self.network, self.rpc_url.as_deref())
    }

    /// How blobs are fetched and where they go, settled here and now.
    pub(super) fn resolve(&self, settings: &Settings) -> Result<Delivery> {
        let lists = config::lists()?;
        path_text(&lists)?;
        Ok(Delivery {
            lists,
            aggregator: config::service(self.network, self.aggregator.as_deref())?,
            join: self.list.as_ref().map(ToString::to_string),
            output: output_folder(self.output.as_deref())?,
            attempts: config::attempts_of(self.retry_attempts, settings)?,
            cache_bytes: config::cache_size_of(self.cache_size, settings)?,
            full_speed: config::full_speed_of(self.full_speed, settings)?,
        })
    }
}

/// An object ID is checked here, before a job is started for it.
fn source(text: &str) -> std::result::Result<String, String> {
    if text.starts_with("0x") {
        config::object_id(text)?;
    }
    Ok(text.to_owned())
}

/// Submits the job, and follows it unless it is to run in the background alone.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let start = Start {
        kind: KIND,
        operation: Operation::Fetch,
        command: format!("fetch {}", args.source),
        flags: &args.start,
        timeout: Some(timeout(args.timeout, settings)?),
    };
    let (node, network) = args.delivery.node()?;
    let job = FetchArgs {
        source: args.source.clone(),
        node,
        network,
        seen: None,
        delivery: args.delivery.resolve(settings)?,
    };
    start.run(&job, settings).await
}
