//! `waltodo cancel ID`: ends a job; what it has retrieved stays.

use std::process::ExitCode;

use longhaul_types::JobId;
use longhaul_walrus::words;

use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `waltodo cancel`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    id: JobId,
}

/// Cancels the job. Once this is acknowledged it ends as cancelled, whatever its run does.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let answer = session.client.cancel(&args.id).await?;
    if settings.json() {
        output::json(&answer)?;
    } else {
        output::line(&words::cancelled(args.id.as_str()))?;
    }
    Ok(ExitCode::SUCCESS)
}
