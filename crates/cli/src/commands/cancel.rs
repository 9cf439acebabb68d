//! `longhaul cancel ID…`: asks for the end of jobs.

use std::process::ExitCode;

use longhaul_types::{JobId, State};

use crate::{exit::Result, output, session::Session, settings::Settings};

/// Flags of `longhaul cancel`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
}

/// Cancels each job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
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
