//! `longhaul sandbox`: stand-ins of a Walrus aggregator over a folder of blobs, and of a Sui full node.

use std::{num::NonZeroU32, path::PathBuf, process::ExitCode};

use longhaul_sandbox::{
    aggregator::{self, Aggregator, Fault, Options, Rule},
    sui::{self, Network, Node, Seed, todo_nft},
};
use longhaul_types::exit;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    exit::{Fail, Result},
    output,
    settings::Settings,
};

/// Flags of `longhaul sandbox`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of the blobs, each file named by its blob ID
    #[arg(long, value_name = "DIR")]
    blobs: PathBuf,
    /// Port on 127.0.0.1; 0 lets the system choose
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Bytes a second of each answer
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Start a Sui full node too, on this port of 127.0.0.1; 0 lets the system choose
    #[arg(long, value_name = "N")]
    sui_port: Option<u16>,
    /// JSON file with the objects and events of the node
    #[arg(long, value_name = "FILE", requires = "sui_port")]
    sui_objects: Option<PathBuf>,
    /// Network the node says it belongs to: mainnet, testnet, devnet or local
    #[arg(long, value_name = "NAME", requires = "sui_port")]
    sui_network: Option<Network>,
    /// Events the node emits by itself: those of the file again and again, else new todos
    #[arg(long, value_name = "N", requires = "sui_port")]
    sui_events_per_second: Option<NonZeroU32>,
}

/// Serves until it is told to stop. The addresses are its first lines.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let started = Options::new(&args.blobs).port(args.port).start().await;
    let mut sandbox = started.map_err(|error| fail(&error))?;
    if let Some(bytes_per_second) = args.rate {
        sandbox
            .faults()
            .add(Rule::new(Fault::Slow { bytes_per_second }));
    }
    let mut node = start_node(args).await?;
    announce(args, settings, &sandbox, node.as_ref())?;
    let node_ended = async {
        match &mut node {
            Some(node) => node.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = sandbox.ended() => return Err(Fail::failed("the sandbox ended")),
        () = node_ended => return Err(Fail::failed("the Sui node of the sandbox ended")),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if let Some(node) = node {
        node.stop().await;
    }
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The node, with what it was told to hold and emit; none unless it was asked for.
async fn start_node(args: &Args) -> Result<Option<Node>> {
    let Some(port) = args.sui_port else {
        return Ok(None);
    };
    let seed = match &args.sui_objects {
        Some(file) => Seed::read(file).map_err(|error| fail_of_node(&error))?,
        None => Seed::default(),
    };
    let mut options = sui::Options::new().port(port).seeded(&seed);
    if let Some(network) = args.sui_network {
        options = options.network(network);
    }
    let node = options
        .start()
        .await
        .map_err(|error| fail_of_node(&error))?;
    let events = seed.events.clone();
    node.load(seed).map_err(|error| fail_of_node(&error))?;
    if let Some(per_second) = args.sui_events_per_second {
        let emitting = node.emit_continually(per_second, move |number| {
            let turn = number.checked_rem(events.len() as u64);
            let turn = turn.and_then(|turn| usize::try_from(turn).ok());
            match turn.and_then(|turn| events.get(turn)) {
                Some(event) => event.clone(),
                None => todo_nft::nth_created(todo_nft::PACKAGE, number),
            }
        });
        emitting.map_err(|error| fail_of_node(&error))?;
    }
    Ok(Some(node))
}

fn announce(args: &Args, settings: &Settings, sandbox: &Aggregator, node: Option<&Node>) -> Result {
    if settings.json() {
        let mut addresses = json!({ "url": sandbox.url() });
        if let Some(node) = node {
            addresses["suiUrl"] = node.url().into();
        }
        return output::json(&addresses);
    }
    output::line(&sandbox.url())?;
    if let Some(node) = node {
        output::line(&node.url())?;
    }
    eprintln!(
        "Serving the blobs of {} until Ctrl-C.\n  Try it: waltodo retrieve BLOB_ID --aggregator {}",
        args.blobs.display(),
        sandbox.url()
    );
    if let Some(node) = node {
        let network = node.network().name();
        let url = node.url();
        eprintln!("A Sui full node of the {network} network:\n  SUI_RPC_URL={url}");
        if args.sui_events_per_second.is_some() && args.sui_objects.is_none() {
            eprintln!("  It creates todos of the package {}", todo_nft::PACKAGE);
        }
    }
    Ok(())
}

/// What the sandbox could not do.
pub(super) fn fail(error: &aggregator::Error) -> Fail {
    let code = match error {
        aggregator::Error::Folder { .. } => exit::NOT_FOUND,
        _ => exit::FAILED,
    };
    Fail::new(code, error.to_string())
}

/// What the node could not do; a file that is wrong is for the caller to put right.
fn fail_of_node(error: &sui::Error) -> Fail {
    let code = match error {
        sui::Error::Listen { .. } => exit::FAILED,
        _ => exit::USAGE,
    };
    Fail::new(code, error.to_string())
}
