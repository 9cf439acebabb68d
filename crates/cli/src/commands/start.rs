//! `longhaul start ID…`: starts jobs now that are held, scheduled, or wait for their next attempt.

use std::process::ExitCode;

use longhaul_types::JobId;

use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `longhaul start`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
}

/// Starts each job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    super::each(&args.ids, "longhaul", |id| {
        let client = session.client.clone();
        async move {
            let job = client.start(&id).await?;
            if settings.json() {
                return output::json(&job);
            }
            output::line(&format!("{id} started"))
        }
    })
    .await
}
