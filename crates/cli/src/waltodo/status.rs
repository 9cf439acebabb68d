//! `waltodo status ID`: where a job stands, with the end of its log.

use std::{process::ExitCode, time::Duration};

use longhaul_types::{Item, ItemState, JobId, LogLine, Timestamp, body::JobView};
use longhaul_walrus::words::{self, Operation};
use serde::Serialize;

use super::{config, screen::watch, start::interval};
use crate::{
    exit::Result,
    output::{self, local_time},
    session::Session,
    settings::Settings,
};

/// Lines of the log that are shown.
const RECENT: usize = 10;
/// Lines of the log, and failed items, that are shown with `--verbose`.
const VERBOSE: usize = 200;

/// Flags of `waltodo status`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    id: JobId,
    /// Show more of its log, and the items that failed
    #[arg(long, short)]
    verbose: bool,
    /// Wait for its end and show progress
    #[arg(long, short, conflicts_with = "verbose")]
    wait: bool,
    /// With --wait: wait no longer than this; the job goes on
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = config::seconds)]
    timeout: Option<f64>,
    /// Between two lines of progress [default: 5; env: WALTODO_BACKGROUND_PROGRESS_INTERVAL]
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = config::seconds)]
    progress_interval: Option<f64>,
}

/// Everything that is shown of a job.
#[derive(Serialize)]
struct Whole {
    job: JobView,
    failed: Vec<Item>,
    log: Vec<LogLine>,
}

/// Prints where the job stands, or follows it to its end.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let interval = interval(args.progress_interval, settings)?;
    let session = Session::open(settings).await?;
    let job = session.client.job(&args.id).await?;
    if args.wait {
        if !settings.json() && !job.state.is_ended() {
            output::line(&words::waiting(Operation::of(&job)))?;
        }
        let timeout = args.timeout.map(Duration::from_secs_f64);
        return watch(&session, settings, &args.id, interval, timeout).await;
    }
    let lines = if args.verbose { VERBOSE } else { RECENT };
    let log = session.client.log_tail(&args.id, lines).await?.lines;
    let failed = if args.verbose && job.items.failed > 0 {
        let page = session
            .client
            .items(&args.id, Some(ItemState::Failed), None, VERBOSE.min(100));
        page.await?.items
    } else {
        Vec::new()
    };
    let whole = Whole { job, failed, log };
    if settings.json() {
        output::json(&whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    output::line(&words::status(&whole.job, &whole.log, now, local_time))?;
    if !whole.failed.is_empty() {
        let items = words::failed_items(&whole.failed);
        output::line(&format!("\nFailed Items:\n{}", items.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}
