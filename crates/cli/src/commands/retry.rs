//! `longhaul retry ID…`, or all that a filter shows: gives jobs that ended another go. Finished items are kept.

use std::process::ExitCode;

use longhaul_types::JobId;

use super::bulk::{Selection, Verb};
use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `longhaul retry`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(value_name = "ID", required_unless_present_any = ["all", "filter", "state", "kind", "queue", "labels"])]
    ids: Vec<JobId>,
    #[command(flatten)]
    selection: Selection,
}

/// Retries each job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    if !args.selection.is_empty() {
        return args.selection.run(Verb::Retry, &session, settings).await;
    }
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
