//! A job followed on the terminal, in the document's words.
//!
//! Invariant: on a terminal one line is redrawn in place; elsewhere each line is plain and never printed twice in a row.

use std::{cell::RefCell, process::ExitCode, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul_types::{
    Event, EventKind, ItemState, JobId, LogLine, State, Timestamp, body::JobView, exit,
};
use longhaul_walrus::words;

use crate::{
    exit::{Fail, Result, code_of_end},
    follow::{Followed, JsonLines, Watcher, follow},
    output,
    session::Session,
    settings::Settings,
    terminal,
};

/// Failed items that are listed at the end.
const LISTED: usize = 100;
/// How the document's texts about a retry begin: worth a line at once.
const RETRYING: &str = "Retrying";

/// Follows a job to its end, prints how it ended, and gives the exit code.
pub(super) async fn watch(
    session: &Session,
    settings: &Settings,
    id: &JobId,
    interval: Duration,
    timeout: Option<Duration>,
) -> Result<ExitCode> {
    let screen = Screen::new();
    let followed = if settings.json() {
        follow(session, id, timeout, &mut JsonLines::new()).await?
    } else {
        let mut told = Told(&screen);
        let ticks = async {
            loop {
                tokio::time::sleep(interval).await;
                if let Err(fail) = screen.draw() {
                    return fail;
                }
            }
        };
        tokio::select! {
            followed = follow(session, id, timeout, &mut told) => followed?,
            fail = ticks => return Err(fail),
        }
    };
    match followed {
        Followed::Ended(job) => {
            if !settings.json() {
                print_end(session, &screen, &job).await?;
            }
            Ok(ExitCode::from(code_of_end(&job)))
        }
        Followed::Removed => Err(Fail::not_found(format!("job {id} was removed"))),
        Followed::Detached => {
            eprintln!("{}", words::detached(id.as_str()));
            Err(Fail::silent(exit::DETACHED))
        }
        Followed::TimedOut => {
            eprintln!("Waited long enough. {}", words::detached(id.as_str()));
            Err(Fail::silent(exit::TIMED_OUT))
        }
    }
}

/// The block at the end: the last line of progress, how it ended, the items that failed, and where to look.
async fn print_end(session: &Session, screen: &Screen, job: &JobView) -> Result {
    // The progress of a job that ended long ago is not kept.
    if job.state == State::Completed && job.progress.current_task.is_some() {
        screen.last(&words::progress(job))?;
    }
    output::line(&words::ended(job, Timestamp::now()))?;
    let id = &job.job_id;
    if job.items.failed > 0 && job.items.total > 1 {
        let failed = session
            .client
            .items(id, Some(ItemState::Failed), None, LISTED)
            .await?;
        output::line(&format!(
            "\n{}",
            words::failed_items(&failed.items).trim_end()
        ))?;
        let more = (job.items.failed as usize).saturating_sub(failed.items.len());
        if more > 0 {
            output::line(&format!("and {more} more"))?;
        }
    }
    if job.state == State::Failed || job.items.failed > 0 {
        output::line(&format!("\n{}", words::failed_hint(id.as_str())))?;
    }
    Ok(())
}

/// What is shown of the job, drawn when something tells so and every interval.
struct Screen {
    bar: Option<ProgressBar>,
    shown: RefCell<Shown>,
}

#[derive(Default)]
struct Shown {
    job: Option<JobView>,
    line: String,
}

impl Screen {
    fn new() -> Self {
        let bar = terminal::stdout().redraw.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(
                ProgressStyle::with_template("{wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self {
            bar,
            shown: RefCell::default(),
        }
    }

    /// Takes note of a change; what must be seen is drawn at once.
    fn change(&self, change: impl FnOnce(&mut Option<JobView>)) -> Result {
        let now = {
            let mut shown = self.shown.borrow_mut();
            let first = shown.job.is_none();
            let before = task(shown.job.as_ref());
            change(&mut shown.job);
            let after = task(shown.job.as_ref());
            (first && self.bar.is_some())
                || (before != after && after.is_some_and(|task| task.starts_with(RETRYING)))
        };
        if now { self.draw() } else { Ok(()) }
    }

    /// Prints a line that stays, unless it stands there already.
    fn last(&self, line: &str) -> Result {
        if self.bar.is_none() && self.shown.borrow().line == line {
            return Ok(());
        }
        output::line(line)
    }

    /// Draws where the job stands, if it changed.
    fn draw(&self) -> Result {
        let mut shown = self.shown.borrow_mut();
        let line = match &shown.job {
            Some(job) if !job.state.is_ended() => words::progress(job),
            _ => return Ok(()),
        };
        if line == shown.line {
            return Ok(());
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(line.clone());
                bar.tick();
            }
            None => output::line(&line)?,
        }
        shown.line = line;
        Ok(())
    }
}

fn task(job: Option<&JobView>) -> Option<String> {
    job?.progress.current_task.clone()
}

/// The screen as what follows a job tells it.
struct Told<'a>(&'a Screen);

impl Watcher for Told<'_> {
    fn job(&mut self, job: &JobView) -> Result {
        self.0.change(|shown| *shown = Some(job.clone()))
    }

    fn event(&mut self, event: &Event) -> Result {
        self.0.change(|shown| {
            let Some(job) = shown else { return };
            match &event.event {
                EventKind::Progress { progress } => job.progress = progress.clone(),
                EventKind::State { state } => job.state = *state,
                EventKind::Items { counts, .. } => job.items = *counts,
                EventKind::CancelRequested | EventKind::Log { .. } | EventKind::Removed => {}
            }
        })
    }

    fn lines(&mut self, _: &[LogLine]) -> Result {
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }
}
