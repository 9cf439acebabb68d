//! `longhaul watch ID`: follows a job to its end.

use std::{process::ExitCode, time::Duration};

use longhaul_types::JobId;

use super::time_span;
use crate::{
    exit::Result,
    follow::{Show, show},
    session::Session,
    settings::Settings,
};

/// Flags of `longhaul watch`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The job
    id: JobId,
    /// Show the lines of its log too
    #[arg(long)]
    log: bool,
    /// Wait no longer than this; the job goes on
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    timeout: Option<Duration>,
}

/// Follows the job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let shown = Show {
        log: args.log,
        result: true,
    };
    show(&session, settings, &args.id, args.timeout, shown).await
}
