//! One job followed to its end, on the terminal or by a program.
//!
//! Invariant: following never touches the job. Ctrl-C, a lost terminal and a time limit leave it running, and a local
//! server that dies is started again, so that the job goes on.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul_client::{Client, Update};
use longhaul_types::{
    Event, EventKind, JobId, Level, LogLine, Progress, State, body::JobView, exit,
};
use serde::Serialize;

use crate::{
    exit::{Fail, Result, code_of_end},
    output,
    session::{Session, is_lost},
    settings::Settings,
    terminal::{self, Pace, escape, progress_line},
};

/// How long a local server may be away before it is started again.
const LOST: Duration = Duration::from_millis(200);
/// Starts in a row that bring nothing new.
const REVIVALS: usize = 5;
/// Log lines read at a time.
const LINES: usize = 500;

/// What is told while a job is followed.
pub trait Watcher {
    /// The job as it is: at first, after each gap, and at last when it has ended.
    fn job(&mut self, job: &JobView) -> Result;

    /// Something happened to it. Log lines come by [`Self::lines`].
    fn event(&mut self, event: &Event) -> Result;

    /// New lines of its log, each once and in order.
    fn lines(&mut self, lines: &[LogLine]) -> Result;

    /// Whether [`Self::lines`] is wanted, and after which line number.
    fn lines_after(&self) -> Option<u64> {
        None
    }

    /// The following ends: take away what is redrawn.
    fn finish(&mut self) {}
}

/// How the following ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// With the job.
    Ended(Box<JobView>),
    /// The job was removed in between.
    Removed,
    /// By Ctrl-C.
    Detached,
    /// By the time limit.
    TimedOut,
}

/// Follows `id` until it has ended, Ctrl-C, or `timeout`.
pub async fn follow(
    session: &Session,
    id: &JobId,
    timeout: Option<Duration>,
    watcher: &mut dyn Watcher,
) -> Result<Followed> {
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let limit = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let followed = tokio::select! {
        followed = to_the_end(session, id, watcher) => followed,
        _ = interrupt.recv() => Ok(Followed::Detached),
        () = limit => Ok(Followed::TimedOut),
    };
    watcher.finish();
    followed
}

async fn to_the_end(session: &Session, id: &JobId, watcher: &mut dyn Watcher) -> Result<Followed> {
    let mut follow = session.client.follow(id);
    if session.is_local() {
        follow = follow.patience(LOST);
    }
    let mut revivals = 0;
    let mut last = None;
    let mut revision = 0;
    let mut seen = watcher.lines_after();
    loop {
        let update = match follow.next().await {
            Ok(update) => update,
            Err(error) if is_lost(&error) && revivals < REVIVALS && session.revive().await? => {
                revivals += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        revivals = 0;
        match update {
            None => {
                return Ok(match last {
                    Some(job) => Followed::Ended(job),
                    None => Followed::Removed,
                });
            }
            Some(Update::Job(job)) => {
                if let Some(seen) = &mut seen {
                    catch_up(&session.client, id, seen, watcher).await?;
                }
                watcher.job(&job)?;
                revision = job.revision;
                last = job.state.is_ended().then_some(job);
            }
            Some(Update::Event(event)) => match (&event.event, &mut seen) {
                (EventKind::Log { lines }, Some(seen)) => {
                    let next = lines.first().map(|line| line.number);
                    if next.is_some_and(|next| next > *seen + 1) {
                        catch_up(&session.client, id, seen, watcher).await?;
                    }
                    tell(lines, seen, watcher)?;
                }
                (EventKind::Log { .. }, None) => {}
                // It happened before the job was read.
                (EventKind::State { .. } | EventKind::Progress { .. }, _)
                    if event.revision < revision => {}
                _ => watcher.event(&event)?,
            },
        }
    }
}

/// Reads the lines after `seen`.
async fn catch_up(
    client: &Client,
    id: &JobId,
    seen: &mut u64,
    watcher: &mut dyn Watcher,
) -> Result {
    loop {
        let page = match client.log(id, *seen, LINES).await {
            Ok(page) => page,
            // What follows finds out by itself, and then the lines are read again.
            Err(error) if is_lost(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        tell(&page.lines, seen, watcher)?;
        if page.next_after.is_none() {
            return Ok(());
        }
    }
}

fn tell(lines: &[LogLine], seen: &mut u64, watcher: &mut dyn Watcher) -> Result {
    let start = lines.partition_point(|line| line.number <= *seen);
    let lines = &lines[start..];
    if let Some(last) = lines.last() {
        *seen = last.number;
        watcher.lines(lines)?;
    }
    Ok(())
}

/// How a job is shown while it is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// The lines of its log too.
    pub log: bool,
    /// Its result on standard output when it has ended.
    pub result: bool,
}

/// Follows a job as the commands do, says how it ended, and gives the exit code.
pub async fn show(
    session: &Session,
    settings: &Settings,
    id: &JobId,
    timeout: Option<Duration>,
    show: Show,
) -> Result<ExitCode> {
    let job = if settings.json() {
        until_end(session, settings, id, timeout, &mut JsonLines::new()).await?
    } else {
        let job = until_end(
            session,
            settings,
            id,
            timeout,
            &mut OnTerminal::new(show.log),
        )
        .await?;
        say_end(&job, show.result)?;
        job
    };
    Ok(ExitCode::from(code_of_end(&job)))
}

/// The job once it has ended; an end of the following before that is an error, and says how to go on.
pub async fn until_end(
    session: &Session,
    settings: &Settings,
    id: &JobId,
    timeout: Option<Duration>,
    watcher: &mut dyn Watcher,
) -> Result<Box<JobView>> {
    let (what, code) = match follow(session, id, timeout, watcher).await? {
        Followed::Ended(job) => return Ok(job),
        Followed::Removed => return Err(Fail::not_found(format!("job {id} was removed"))),
        Followed::Detached => ("Detached", exit::DETACHED),
        Followed::TimedOut => ("Waited long enough", exit::TIMED_OUT),
    };
    eprintln!("{what}: the job goes on.");
    say_how_to_go_on(id, &settings.flags());
    Err(Fail::silent(code))
}

/// How to follow and how to cancel a job, on standard error.
pub fn say_how_to_go_on(id: &JobId, flags: &str) {
    eprintln!("  Follow it: longhaul watch {id}{flags}");
    eprintln!("  Cancel it: longhaul cancel {id}{flags}");
}

/// How the job ended: a line on standard error, and its result on standard output.
pub fn say_end(job: &JobView, result: bool) -> Result {
    let err = terminal::stderr();
    let took = match (job.started_at, job.completed_at) {
        (Some(start), Some(end)) => format!(" in {}", terminal::duration(end.since(start))),
        _ => String::new(),
    };
    let (color, what) = match job.state {
        State::Completed if job.items.failed > 0 => (
            AnsiColor::Yellow,
            format!(
                "completed{took}, but {} of {} items failed",
                job.items.failed, job.items.total
            ),
        ),
        State::Completed => (AnsiColor::Green, format!("completed{took}")),
        State::Cancelled => (AnsiColor::Yellow, "cancelled".to_owned()),
        State::Failed => {
            let why = job.error.as_deref().unwrap_or("no reason given");
            (AnsiColor::Red, format!("failed{took}: {}", escape(why)))
        }
        State::Pending | State::Running => (AnsiColor::Blue, job.state.to_string()),
    };
    let symbol = err.paint(color, output::symbol(job));
    eprintln!("{symbol} {} {what}", job.job_id);
    if let Some(value) = job.results.as_ref().filter(|_| result) {
        output::json(value)?;
    }
    Ok(())
}

/// Every event as a line of JSON; the job as `{"event":"job","job":{…}}`.
#[derive(Debug, Default)]
pub struct JsonLines(());

impl JsonLines {
    /// With the lines of the job's log.
    pub fn new() -> Self {
        Self::default()
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum JsonLine<'a> {
    Job { job: &'a JobView },
    Log { lines: &'a [LogLine] },
}

impl Watcher for JsonLines {
    fn job(&mut self, job: &JobView) -> Result {
        output::json(&JsonLine::Job { job })
    }

    fn event(&mut self, event: &Event) -> Result {
        output::json(event)
    }

    fn lines(&mut self, lines: &[LogLine]) -> Result {
        output::json(&JsonLine::Log { lines })
    }

    fn lines_after(&self) -> Option<u64> {
        Some(0)
    }
}

/// A bar on a terminal, else a line every 10 s or 5 %; both on standard error. Log lines as the program wrote them: on
/// standard output, and its warnings and errors on standard error.
#[derive(Debug)]
pub struct OnTerminal {
    log: bool,
    bar: Option<ProgressBar>,
    pace: Pace,
    state: Option<State>,
    color: bool,
}

impl OnTerminal {
    /// With the lines of the job's log, or without.
    pub fn new(log: bool) -> Self {
        let err = terminal::stderr();
        Self {
            log,
            bar: err.redraw.then(|| bar(err.color)),
            pace: Pace::default(),
            state: None,
            color: err.color,
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if progress.total.is_none() && progress.current == 0 && progress.current_task.is_none() {
            return;
        }
        let line = progress_line(progress);
        let Some(bar) = &self.bar else {
            if self.pace.is_due(progress, Instant::now()) {
                eprintln!("{line}");
            }
            return;
        };
        if let Some(total) = progress.total {
            bar.set_style(style("{bar:30} {msg}", self.color));
            bar.set_length(total);
            bar.set_position(progress.current);
        } else {
            bar.set_style(style("{spinner} {msg}", self.color));
        }
        bar.set_message(line);
    }

    fn says(&mut self, job_state: State, what: &str) {
        if self.state.replace(job_state) == Some(job_state) {
            return;
        }
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{what}"),
        }
    }
}

fn bar(color: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style("{spinner} {msg}", color));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str, color: bool) -> ProgressStyle {
    let template = if color {
        template.replace("{bar:30}", "{bar:30.cyan/dim}")
    } else {
        template.to_owned()
    };
    ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏░")
}

impl Watcher for OnTerminal {
    fn job(&mut self, job: &JobView) -> Result {
        if job.state.is_ended() {
            return Ok(());
        }
        self.says(job.state, &escape(&job.message));
        self.progress(&job.progress);
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result {
        match &event.event {
            EventKind::Progress { progress } => self.progress(progress),
            EventKind::State { state } if !state.is_ended() => {
                let what = match state {
                    State::Pending => "Job is waiting.",
                    _ => "Job is running.",
                };
                self.says(*state, what);
            }
            EventKind::CancelRequested => eprintln!("Job is being cancelled."),
            EventKind::State { .. }
            | EventKind::Log { .. }
            | EventKind::Items { .. }
            | EventKind::Removed => {}
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[LogLine]) -> Result {
        let print = || -> Result {
            let mut out = std::io::stdout().lock();
            for line in lines {
                let text = escape(&line.text);
                if line.level >= Level::Warn {
                    out.flush()?;
                    eprintln!("{text}");
                } else {
                    writeln!(out, "{text}")?;
                }
            }
            out.flush()?;
            Ok(())
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn lines_after(&self) -> Option<u64> {
        self.log.then_some(0)
    }

    fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
