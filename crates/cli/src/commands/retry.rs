//! `longhaul retry ID…`: gives jobs that ended another go. Finished items are kept.

use std::process::ExitCode;

use longhaul_types::JobId;

use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `longhaul retry`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
}

/// Retries each job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    super::each(&args.ids, "longhaul", |id| {
        let client = session.client.clone();
        async move {
            let job = client.retry(&id).await?;
            if settings.json() {
                return output::json(&job);
            }
            output::line(&format!("{id} runs again"))
        }
    })
    .await
}
