//! `longhaul sandbox`: a stand-in of a Walrus aggregator over a folder of blobs.

use std::{path::PathBuf, process::ExitCode};

use longhaul_sandbox::aggregator::{self, Fault, Options, Rule};
use longhaul_types::exit;
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
}

/// Serves until it is told to stop. The address is its first line.
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
    if settings.json() {
        output::json(&serde_json::json!({ "url": sandbox.url() }))?;
    } else {
        output::line(&sandbox.url())?;
        eprintln!(
            "Serving the blobs of {} until Ctrl-C.\n  Try it: waltodo retrieve BLOB_ID --aggregator {}",
            args.blobs.display(),
            sandbox.url()
        );
    }
    tokio::select! {
        () = sandbox.ended() => return Err(Fail::failed("the sandbox ended")),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// What the sandbox could not do.
pub(super) fn fail(error: &aggregator::Error) -> Fail {
    let code = match error {
        aggregator::Error::Folder { .. } => exit::NOT_FOUND,
        _ => exit::FAILED,
    };
    Fail::new(code, error.to_string())
}
