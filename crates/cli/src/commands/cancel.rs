//! `longhaul cancel ID…`, or all that a filter shows: asks for the end of jobs.

use std::process::ExitCode;

use longhaul_types::{JobId, State};

use super::bulk::{Selection, Verb};
use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `longhaul cancel`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(value_name = "ID", required_unless_present_any = ["all", "filter", "state", "kind", "queue", "labels"])]
    ids: Vec<JobId>,
    #[command(flatten)]
    selection: Selection,
}

/// Cancels each job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    if !args.selection.is_empty() {
        return args.selection.run(Verb::Cancel, &session, settings).await;
    }
    super::each(&args.ids, "longhaul", |id| {
        let client = session.client.clone();
        async move {
            let answer = client.cancel(&id).await?;
            if settings.json() {
                return output::json(&answer);
            }
            output::line(&match answer.state {
                State::Cancelled => format!("{id} cancelled"),
                _ => format!("{id} is being cancelled; its run is told to stop"),
            })
        }
    })
    .await
}
