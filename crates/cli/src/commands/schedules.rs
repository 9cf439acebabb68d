//! `longhaul schedules` lists schedules, `longhaul schedule` puts, shows, pauses, runs and removes one.

use std::{process::ExitCode, time::Duration};

use longhaul_types::{
    Timestamp,
    schedule::{Missed, Overlap, SchedulePage, ScheduleRequest, ScheduleView},
};

use super::{labels, pair, submit::read_args, time_span};
use crate::{
    exit::Result,
    follow::say_how_to_go_on,
    output::{self, local_time},
    session::Session,
    settings::Settings,
    terminal::escape,
};

/// Flags of `longhaul schedule`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Submit jobs by a schedule, in place of one of the same name
    Set(Box<Set>),
    /// Show a schedule with its next times
    Show(Named),
    /// Have a schedule submit nothing until it is resumed
    Pause(Named),
    /// Have a schedule go on with its next time
    Resume(Named),
    /// Submit a job of a schedule now
    Run(Named),
    /// Remove a schedule; the jobs it submitted stay
    Remove(Named),
}

#[derive(Clone, Debug, clap::Args)]
struct Named {
    /// The schedule
    #[arg(value_name = "NAME")]
    name: String,
}

/// Flags of `longhaul schedule set`.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("times").required(true))]
struct Set {
    /// The schedule
    #[arg(value_name = "NAME")]
    name: String,
    /// Cron expression: minute, hour, day, month, weekday; six fields have seconds first
    #[arg(long, value_name = "CRON", group = "times")]
    cron: Option<String>,
    /// Again and again after this time
    #[arg(long, value_name = "TIME", value_parser = time_span, group = "times")]
    every: Option<Duration>,
    /// Time zone of the cron expression, like Europe/Berlin; this machine's when not given
    #[arg(long, value_name = "ZONE", requires = "cron")]
    zone: Option<String>,
    /// No time before this, like 2026-11-22T10:30:00Z
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// No time after this
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,
    /// For times that were missed: skip, once (one job for all) or all (a job each)
    #[arg(long, value_name = "POLICY", default_value = "once")]
    missed: Missed,
    /// Make up for no missed time that is older than this
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    missed_window: Option<Duration>,
    /// With --missed all, so many jobs at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    missed_limit: Option<u32>,
    /// When the job before still lives: allow another, or skip it
    #[arg(long, value_name = "POLICY", default_value = "allow")]
    overlap: Overlap,
    /// Submit nothing until it is resumed
    #[arg(long)]
    paused: bool,
    /// Kind of the jobs
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// Their args as JSON: text, @FILE, or - for standard input
    #[arg(long, value_name = "ARGS", default_value = "{}")]
    args: String,
    /// Their queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Higher runs first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i16>,
    /// A label to find them by
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Attempts in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: Option<u32>,
    /// Time one attempt may take
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    attempt_timeout: Option<Duration>,
    /// Time a whole job may take from its first start
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    timeout: Option<Duration>,
}

impl Set {
    fn request(&self) -> Result<ScheduleRequest> {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        Ok(ScheduleRequest {
            cron: self.cron.clone(),
            zone: self.cron.as_ref().map(|_| self.zone()),
            every: seconds(self.every),
            start: self.start,
            end: self.end,
            missed: self.missed,
            missed_window: seconds(self.missed_window),
            missed_limit: self.missed_limit,
            overlap: self.overlap,
            paused: self.paused.then_some(true),
            kind: self.kind.clone(),
            args: read_args(&self.args)?,
            queue: self.queue.clone(),
            priority: self.priority,
            labels: labels(&self.labels),
            max_attempts: self.max_attempts,
            attempt_timeout: seconds(self.attempt_timeout),
            timeout: seconds(self.timeout),
        })
    }

    /// The zone is settled here: the server reads none from its own environment.
    fn zone(&self) -> String {
        let here = || {
            let zone = jiff::tz::TimeZone::system();
            zone.iana_name().unwrap_or("UTC").to_owned()
        };
        self.zone.clone().unwrap_or_else(here)
    }
}

/// Lists the schedules.
pub async fn list(settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let mut schedules = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = session.client.schedules(cursor.as_deref()).await?;
        schedules.extend(page.schedules);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if settings.json() {
        output::json(&SchedulePage {
            schedules,
            next_cursor: None,
        })?;
    } else if schedules.is_empty() {
        eprintln!("No schedules.");
    } else {
        let heading = [
            "SCHEDULE", "WHEN", "ZONE", "KIND", "NEXT", "LAST", "JOBS", "MISSED", "SKIPPED",
        ];
        output::line(&output::table(
            &heading,
            schedules.iter().map(row).collect(),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what is asked for one schedule.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let client = &session.client;
    let (schedule, done) = match &args.action {
        Action::Set(set) => {
            let put = client.put_schedule(&set.name, &set.request()?).await?;
            (put, "set")
        }
        Action::Show(named) => {
            let schedule = client.schedule(&named.name).await?;
            show(&schedule, settings)?;
            return Ok(ExitCode::SUCCESS);
        }
        Action::Run(named) => {
            let answer = client.run_schedule(&named.name).await?;
            if settings.json() {
                output::json(&answer)?;
            } else {
                output::line(answer.job_id.as_str())?;
                say_how_to_go_on(&answer.job_id, &settings.flags());
            }
            return Ok(ExitCode::SUCCESS);
        }
        Action::Pause(named) => (client.pause_schedule(&named.name).await?, "paused"),
        Action::Resume(named) => (client.resume_schedule(&named.name).await?, "resumed"),
        Action::Remove(named) => {
            let removed = client.remove_schedule(&named.name).await?;
            if settings.json() {
                output::json(&removed)?;
            } else {
                output::line(&format!("{} removed", escape(&removed.name)))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    if settings.json() {
        output::json(&schedule)?;
    } else {
        output::line(&changed(&schedule, done))?;
    }
    if !schedule.next_times.is_empty() {
        say_who_keeps_time(&session).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A server that a command started stays while a schedule waits, but nobody starts it after the next boot.
async fn say_who_keeps_time(session: &Session) -> Result {
    if session.is_local() && session.client.server().await?.on_demand {
        eprintln!(
            "longhaul: the server keeps running for its schedules; have it start with the machine too: longhaul service install"
        );
    }
    Ok(())
}

fn when(schedule: &ScheduleView) -> String {
    match (&schedule.schedule.cron, schedule.schedule.every) {
        (Some(cron), _) => cron.clone(),
        (None, Some(every)) => {
            let every = Duration::try_from_secs_f64(every).unwrap_or_default();
            format!("every {every:?}")
        }
        (None, None) => String::new(),
    }
}

fn next(schedule: &ScheduleView) -> String {
    match schedule.next_times.first() {
        _ if schedule.paused => "paused".to_owned(),
        Some(next) => local_time(*next),
        None => "over".to_owned(),
    }
}

fn row(schedule: &ScheduleView) -> Vec<String> {
    vec![
        schedule.name.clone(),
        when(schedule),
        schedule.schedule.zone.clone().unwrap_or_default(),
        schedule.schedule.kind.clone(),
        next(schedule),
        schedule.last_time.map(local_time).unwrap_or_default(),
        schedule.submitted.to_string(),
        schedule.missed.to_string(),
        schedule.skipped.to_string(),
    ]
}

/// What a schedule does from now on.
fn changed(schedule: &ScheduleView, done: &str) -> String {
    let name = escape(&schedule.name);
    let next = match next(schedule) {
        next if schedule.paused => next,
        next => format!("next {next}"),
    };
    if schedule.paused && done == "paused" {
        return format!("{name} paused");
    }
    format!("{name} {done}: {next}")
}

fn show(schedule: &ScheduleView, settings: &Settings) -> Result {
    if settings.json() {
        return output::json(schedule);
    }
    let asked = &schedule.schedule;
    let mut lines = vec![
        ("Schedule", schedule.name.clone()),
        ("When", when(schedule)),
    ];
    lines.extend(asked.zone.clone().map(|zone| ("Zone", zone)));
    lines.push(("Kind", asked.kind.clone()));
    lines.push(("Args", asked.args.to_string()));
    lines.push(("Missed", asked.missed.to_string()));
    lines.push(("Overlap", asked.overlap.to_string()));
    if schedule.next_times.is_empty() {
        lines.push(("Next", next(schedule)));
    }
    let times = schedule.next_times.iter();
    lines.extend(times.map(|time| ("Next", local_time(*time))));
    if let (Some(time), Some(job)) = (schedule.last_time, &schedule.last_job_id) {
        lines.push(("Last", format!("{} as job {job}", local_time(time))));
    }
    lines.push((
        "Counts",
        format!(
            "{} submitted, {} missed, {} skipped",
            schedule.submitted, schedule.missed, schedule.skipped
        ),
    ));
    lines.extend(schedule.error.clone().map(|error| ("Error", error)));
    for (what, text) in lines {
        output::line(&format!("{what:<9} {}", escape(&text)))?;
    }
    Ok(())
}
