//! `waltodo retrieve SOURCE`: the blobs of a list, or one blob, fetched and verified by a background job.

use std::{path::PathBuf, process::ExitCode};

use longhaul_walrus::{
    lists::ListName, networks::Network, retrieve::RetrieveArgs, words::Operation,
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
const KIND: &str = <longhaul_walrus::retrieve::Retrieve as longhaul::Handler>::KIND;

/// Flags of `waltodo retrieve`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Name of a local list, or a blob ID
    #[arg(value_name = "LIST|BLOB_ID")]
    source: String,
    #[command(flatten)]
    start: StartFlags,
    /// Time the whole job may take [default: 300; env: WALTODO_BACKGROUND_TIMEOUT]
    #[arg(long, value_name = "SECONDS", value_parser = config::seconds)]
    timeout: Option<f64>,
    /// Have the retrieved todos join this local list, which is made when missing
    #[arg(long, value_name = "NAME")]
    list: Option<ListName>,
    /// mainnet, testnet, devnet or local [default: testnet]
    #[arg(long, value_name = "NETWORK", value_parser = config::network)]
    network: Option<Network>,
    /// Address of the aggregator [default: the network's public one; env: WALRUS_AGGREGATOR_URL]
    #[arg(long, value_name = "URL", value_parser = config::aggregator)]
    aggregator: Option<String>,
    /// Items retrieved at a time [default: 5; env: WALTODO_BACKGROUND_CHUNK_SIZE]
    #[arg(long, value_name = "N", value_parser = config::chunk_size)]
    chunk_size: Option<usize>,
    /// Attempts in total [default: 3; env: WALTODO_BACKGROUND_RETRY_ATTEMPTS]
    #[arg(long, value_name = "N", value_parser = config::attempts)]
    retry_attempts: Option<u32>,
    /// Megabytes of retrieved blobs that are kept for an hour for quick re-access; 0 for none [default: 1000; env: WALTODO_CACHE_SIZE]
    #[arg(long, value_name = "MB", value_parser = config::cache_size)]
    cache_size: Option<u64>,
    /// Give no way to other work on this machine [env: WALTODO_FULL_SPEED]
    #[arg(long)]
    full_speed: bool,
    /// Folder for the retrieved files; without one they are artifacts of the job
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Args {
    /// What the job needs to know, settled here and now.
    fn resolve(&self, settings: &Settings) -> Result<RetrieveArgs> {
        let lists = config::lists()?;
        path_text(&lists)?;
        Ok(RetrieveArgs {
            source: self.source.clone(),
            lists,
            aggregator: config::service(self.network, self.aggregator.as_deref())?,
            join: self.list.as_ref().map(ToString::to_string),
            output: output_folder(self.output.as_deref())?,
            chunk_size: config::number(
                self.chunk_size,
                settings,
                ("WALTODO_BACKGROUND_CHUNK_SIZE", "chunk_size"),
                config::chunk_size,
                5,
            )?,
            attempts: config::attempts_of(self.retry_attempts, settings)?,
            cache_bytes: config::cache_size_of(self.cache_size, settings)?,
            full_speed: config::full_speed_of(self.full_speed, settings)?,
        })
    }
}

/// Submits the job, and follows it unless it is to run in the background alone.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let start = Start {
        kind: KIND,
        operation: Operation::Retrieve,
        command: format!("retrieve {}", args.source),
        flags: &args.start,
        timeout: Some(timeout(args.timeout, settings)?),
    };
    start.run(&args.resolve(settings)?, settings).await
}
