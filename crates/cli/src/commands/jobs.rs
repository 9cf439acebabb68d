//! `longhaul jobs`: the jobs, newest first.

use std::process::ExitCode;

use longhaul_client::JobsQuery;
use longhaul_types::{
    State, Timestamp,
    body::{JobPage, JobView, TotalIs, WaitingFor},
};

use super::{labels, pair, words};
use crate::{exit::Result, output, session::Session, settings::Settings, terminal};

/// Jobs of one page of the API.
const PAGE: usize = 100;

/// Flags of `longhaul jobs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which jobs, in words: state:failed kind:walrus.* label.NAME:VALUE created:>2026-01-31 ended:<1h, or text that stands
    /// in an id, a label or an error; double quotes around what has spaces
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Only in this state: pending, running, completed, failed or cancelled; may be repeated
    #[arg(long, short, value_name = "STATE")]
    state: Vec<State>,
    /// Only of this kind, or walrus.* for all that begin so; may be repeated
    #[arg(long, short, value_name = "KIND")]
    kind: Vec<String>,
    /// Only in this queue; may be repeated
    #[arg(long, value_name = "NAME")]
    queue: Vec<String>,
    /// Only with this label; may be repeated
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists the jobs.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let page = read(args, &session).await?;
    if settings.json() {
        output::json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.jobs.is_empty() {
        eprintln!("No jobs.");
    } else {
        let now = Timestamp::now();
        let rows = page.jobs.iter().map(|job| row(job, now)).collect();
        let heading = [
            "", "ID", "KIND", "STATE", "PROGRESS", "CREATED", "TOOK", "LABELS",
        ];
        output::line(&output::table(&heading, rows))?;
    }
    eprintln!("{}", terminal::stderr().dim(&summary(&page)));
    if page.next_cursor.is_some() {
        eprintln!("There are more: --limit {}", args.limit.saturating_mul(2));
    }
    Ok(ExitCode::SUCCESS)
}

/// Up to the limit, from as many pages as that takes.
async fn read(args: &Args, session: &Session) -> Result<JobPage> {
    let mut query = JobsQuery {
        q: words(&args.filter),
        states: args.state.clone(),
        kinds: args.kind.clone(),
        queues: args.queue.clone(),
        labels: labels(&args.labels),
        ..JobsQuery::default()
    };
    let limit = args.limit as usize;
    let mut all: Option<JobPage> = None;
    loop {
        let known = all.as_ref().map_or(0, |page| page.jobs.len());
        query.limit = Some((limit - known).min(PAGE));
        let page = session.client.jobs(&query).await?;
        query.cursor.clone_from(&page.next_cursor);
        if let (Some(cut), true) = (page.cut, all.is_none()) {
            eprintln!(
                "Nothing leads to these jobs directly: looking through all older than {}; Ctrl-C ends that.",
                output::local_time(cut.back_to)
            );
        }
        let all = match &mut all {
            None => all.insert(page),
            Some(all) => {
                all.jobs.extend(page.jobs);
                all.next_cursor = page.next_cursor;
                all.cut = page.cut;
                all
            }
        };
        if all.next_cursor.is_none() || all.jobs.len() >= limit {
            all.limit = u64::from(args.limit);
            return Ok(std::mem::take(all));
        }
    }
}

fn row(job: &JobView, now: Timestamp) -> Vec<String> {
    let labels: Vec<String> = job
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    vec![
        output::symbol(job).to_owned(),
        job.job_id.to_string(),
        job.kind.clone(),
        state(job),
        progress(job),
        output::local_time(job.created_at),
        took(job, now).unwrap_or_default(),
        labels.join(" "),
    ]
}

/// The state, with what matters beside it.
pub(super) fn state(job: &JobView) -> String {
    match (job.state, job.reason) {
        (State::Running, _) if job.cancel_requested => "running (being cancelled)".to_owned(),
        (State::Pending, _) if job.waiting_for == Some(WaitingFor::Resume) => {
            "pending (queue paused)".to_owned()
        }
        (State::Pending, Some(reason)) => format!("pending ({reason})"),
        (State::Completed, _) if job.items.failed > 0 => "completed (with warnings)".to_owned(),
        (state, _) => state.to_string(),
    }
}

fn progress(job: &JobView) -> String {
    let items = job.items;
    let mut parts = Vec::new();
    if let Some(percentage) = job.progress.percentage {
        parts.push(format!("{percentage} %"));
    }
    if items.total > 0 {
        parts.push(format!("{}/{}", items.completed, items.total));
    }
    parts.join(" ")
}

/// How long the job has been under way, or took.
pub(super) fn took(job: &JobView, now: Timestamp) -> Option<String> {
    let end = job.completed_at.unwrap_or(now);
    Some(terminal::duration(end.since(job.started_at?)))
}

/// How many jobs the filter shows, and how all those of its kinds and queues stand.
fn summary(page: &JobPage) -> String {
    let total = match page.total_is {
        TotalIs::Exact => page.total.to_string(),
        TotalIs::AtLeast => format!("at least {}", page.total),
    };
    let parts: Vec<String> = State::ALL
        .into_iter()
        .filter(|state| page.counts.of(*state) > 0)
        .map(|state| format!("{} {state}", page.counts.of(state)))
        .collect();
    if parts.is_empty() {
        return format!("{total} found");
    }
    format!("{total} found; {}", parts.join(", "))
}
