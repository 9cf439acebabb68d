//! `waltodo jobs`: the background jobs, oldest first, so that the newest stand next to the prompt; and their clean-up.

use std::process::ExitCode;

use longhaul_client::JobsQuery;
use longhaul_types::{State, Timestamp, body::JobPage};
use longhaul_walrus::words::{self, Heading};

use super::cleanup;
use crate::{exit::Result, output, session::Session, settings::Settings};

/// Jobs of one page of the API.
pub(super) const PAGE: usize = 100;
/// The kinds of the jobs that this program starts.
pub(super) const KINDS: &str = "walrus.*";

/// Flags of `waltodo jobs`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Only those that wait or run
    #[arg(long, group = "which")]
    active: bool,
    /// Only those that completed
    #[arg(long, group = "which")]
    completed: bool,
    /// Only those that failed
    #[arg(long, group = "which")]
    failed: bool,
    /// Remove those that ended long enough ago, with all they left
    #[arg(long, group = "which", conflicts_with = "limit")]
    cleanup: bool,
    /// With --cleanup: how long ago, parts of a day and 0 too [default: 7]
    #[arg(long, value_name = "DAYS", requires = "cleanup", value_parser = cleanup::days, allow_negative_numbers = true)]
    max_age: Option<f64>,
    /// The newest so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl Args {
    fn which(&self) -> (Heading, Vec<State>) {
        match (self.active, self.completed, self.failed) {
            (true, ..) => (Heading::Active, vec![State::Pending, State::Running]),
            (_, true, _) => (Heading::Completed, vec![State::Completed]),
            (_, _, true) => (Heading::Failed, vec![State::Failed]),
            _ => (Heading::All, Vec::new()),
        }
    }
}

/// Lists the jobs, or removes old ones.
pub(super) async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    if args.cleanup {
        return cleanup::run(args.max_age.unwrap_or(cleanup::DAYS), settings).await;
    }
    let session = Session::open(settings).await?;
    let (heading, states) = args.which();
    let page = read(&session, states, args.limit as usize).await?;
    if settings.json() {
        output::json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&words::list(heading, &page.jobs, Timestamp::now()))?;
    if page.next_cursor.is_some() {
        eprintln!("There are more: --limit {}", args.limit.saturating_mul(2));
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest jobs up to the limit, from as many pages as that takes.
async fn read(session: &Session, states: Vec<State>, limit: usize) -> Result<JobPage> {
    let mut query = JobsQuery {
        states,
        kinds: vec![KINDS.to_owned()],
        limit: Some(limit.min(PAGE)),
        ..JobsQuery::default()
    };
    let mut all = session.client.jobs(&query).await?;
    while all.next_cursor.is_some() && all.jobs.len() < limit {
        query.cursor.clone_from(&all.next_cursor);
        query.limit = Some((limit - all.jobs.len()).min(PAGE));
        let page = session.client.jobs(&query).await?;
        all.jobs.extend(page.jobs);
        all.next_cursor = page.next_cursor;
    }
    all.jobs.reverse();
    all.limit = limit as u64;
    Ok(all)
}
