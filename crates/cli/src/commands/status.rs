//! `longhaul status ID`: where a job stands.

use std::{io::Write as _, process::ExitCode};

use longhaul_types::{
    Item, ItemState, JobId, LogLine, State, Timestamp,
    body::{Artifact, AttemptView, JobView},
};
use serde::Serialize;

use super::{
    jobs::{state, took},
    logs::log_line,
};
use crate::{
    exit::Result,
    output::{self, local_time},
    session::Session,
    settings::Settings,
    terminal::{self, Stream, bytes, escape, progress_line},
};

/// Items and log lines that are shown.
const SHOWN: usize = 50;

/// Flags of `longhaul status`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The job
    id: JobId,
    /// Show its args, result, items, attempts, files and the end of its log too
    #[arg(long, short)]
    verbose: bool,
}

/// Everything about a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    job: JobView,
    items: Vec<Item>,
    attempts: Vec<AttemptView>,
    artifacts: Vec<Artifact>,
    log: Vec<LogLine>,
}

/// Prints where the job stands.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let client = Session::open(settings).await?.client;
    let job = client.job(&args.id).await?;
    if !args.verbose {
        if settings.json() {
            output::json(&job)?;
        } else {
            print_job(terminal::stdout(), &job)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let whole = Whole {
        items: client.items(&args.id, None, None, SHOWN).await?.items,
        attempts: client.attempts(&args.id).await?,
        artifacts: client.artifacts(&args.id).await?,
        log: client.log_tail(&args.id, SHOWN).await?.lines,
        job,
    };
    if settings.json() {
        output::json(&whole)?;
    } else {
        print_whole(terminal::stdout(), &whole)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_job(out: Stream, job: &JobView) -> Result {
    let mut to = std::io::stdout().lock();
    let mut field = |name: &str, value: &str| {
        writeln!(to, "{} {}", out.bold(&format!("{name:<10}")), escape(value))
    };
    field("Job", job.job_id.as_str())?;
    field("Kind", &job.kind)?;
    field("State", &state(job))?;
    field("Message", &job.message)?;
    if job.progress != longhaul_types::Progress::default() {
        field("Progress", &progress_line(&job.progress))?;
    }
    if job.items.total > 0 {
        let items = job.items;
        field(
            "Items",
            &format!(
                "{} of {} done, {} failed",
                items.completed, items.total, items.failed
            ),
        )?;
    }
    field(
        "Queue",
        &format!("{}, priority {}", job.queue, job.priority),
    )?;
    field(
        "Attempts",
        &format!("{} of {} failed", job.attempts, job.max_attempts),
    )?;
    for (name, value) in &job.labels {
        field("Label", &format!("{name}={value}"))?;
    }
    field("Created", &local_time(job.created_at))?;
    if let (State::Pending, Some(at)) = (job.state, job.run_at) {
        field("Runs at", &local_time(at))?;
    }
    if let Some(at) = job.started_at {
        field("Started", &local_time(at))?;
    }
    if let Some(at) = job.completed_at {
        field("Ended", &local_time(at))?;
    }
    if let Some(took) = took(job, Timestamp::now()) {
        field("Took", &took)?;
    }
    if let Some(error) = &job.error {
        let code = job.error_code.as_deref().unwrap_or_default();
        field("Error", &format!("{error} ({code})"))?;
    }
    Ok(())
}

fn print_whole(out: Stream, whole: &Whole) -> Result {
    print_job(out, &whole.job)?;
    let title = |text: &str| output::line(&format!("\n{}", out.bold(text)));
    for (name, value) in [("Args", &whole.job.args), ("Result", &whole.job.results)] {
        if let Some(value) = value {
            title(name)?;
            output::json(value)?;
        }
    }
    if !whole.items.is_empty() {
        title("Items")?;
        let rows = whole.items.iter().map(item_row).collect();
        output::line(&output::table(&["", "NAME", "ATTEMPTS", "ERROR"], rows))?;
        let more = (whole.job.items.total as usize).saturating_sub(whole.items.len());
        if more > 0 {
            output::line(&format!("and {more} more"))?;
        }
    }
    if !whole.attempts.is_empty() {
        title("Attempts")?;
        for attempt in &whole.attempts {
            let error = attempt.error.as_ref().map(|error| error.message.as_str());
            output::line(&format!(
                "{} {} after {}  {}",
                local_time(attempt.started_at),
                escape(&attempt.end),
                terminal::duration(attempt.ended_at.since(attempt.started_at)),
                escape(error.unwrap_or_default()),
            ))?;
        }
    }
    if !whole.artifacts.is_empty() {
        title("Files")?;
        for file in &whole.artifacts {
            output::line(&format!("{}  {}", escape(&file.name), bytes(file.size)))?;
        }
    }
    if !whole.log.is_empty() {
        title("Log")?;
        for line in &whole.log {
            output::line(&log_line(out, line))?;
        }
    }
    Ok(())
}

fn item_row(item: &Item) -> Vec<String> {
    let symbol = match item.state {
        ItemState::Pending => "·",
        ItemState::Running => "▶",
        ItemState::Completed => "✓",
        ItemState::Failed => "✗",
    };
    vec![
        symbol.to_owned(),
        item.name.clone(),
        item.attempts.to_string(),
        item.error
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    ]
}
