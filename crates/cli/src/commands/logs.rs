//! `longhaul logs ID`: the lines of a job's log, and those to come.

use std::{io::Write as _, process::ExitCode};

use anstyle::AnsiColor;
use longhaul_client::Client;
use longhaul_types::{Event, JobId, Level, LogLine, body::JobView, exit};

use crate::{
    exit::{Fail, Result},
    follow::{Followed, Watcher, follow, say_how_to_go_on},
    output::{self, local_time},
    session::Session,
    settings::Settings,
    terminal::{self, Stream, escape},
};

/// Lines read at a time.
const PAGE: usize = 1000;

/// Flags of `longhaul logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The job
    id: JobId,
    /// Go on with new lines until the job has ended
    #[arg(long, short)]
    follow: bool,
    /// Begin with the last N lines
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    tail: Option<u16>,
}

/// Prints the log.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let mut printer = Printer {
        out: terminal::stdout(),
        json: settings.json(),
        last: 0,
    };
    if let Some(tail) = args.tail {
        print_tail(&session.client, &args.id, tail, &mut printer).await?;
    }
    if !args.follow {
        if args.tail.is_none() {
            print_all(&session.client, &args.id, &mut printer).await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match follow(&session, &args.id, None, &mut printer).await? {
        Followed::Ended(_) => Ok(ExitCode::SUCCESS),
        Followed::Removed => Err(Fail::not_found(format!("job {} was removed", args.id))),
        Followed::Detached | Followed::TimedOut => {
            eprintln!("Detached: the job goes on.");
            say_how_to_go_on(&args.id, &settings.flags());
            Err(Fail::silent(exit::DETACHED))
        }
    }
}

async fn print_tail(client: &Client, id: &JobId, tail: u16, printer: &mut Printer) -> Result {
    let page = client.log_tail(id, usize::from(tail.max(1))).await?;
    // With none wanted, the last line still says where to go on.
    let start = if tail == 0 { page.lines.len() } else { 0 };
    printer.lines(&page.lines[start..])?;
    printer.last = page.lines.last().map_or(0, |line| line.number);
    Ok(())
}

async fn print_all(client: &Client, id: &JobId, printer: &mut Printer) -> Result {
    let mut after = 0;
    loop {
        let page = client.log(id, after, PAGE).await?;
        printer.lines(&page.lines)?;
        match page.next_after {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}

struct Printer {
    out: Stream,
    json: bool,
    last: u64,
}

impl Watcher for Printer {
    fn job(&mut self, _: &JobView) -> Result {
        Ok(())
    }

    fn event(&mut self, _: &Event) -> Result {
        Ok(())
    }

    fn lines(&mut self, lines: &[LogLine]) -> Result {
        for line in lines {
            if self.json {
                output::json(line)?;
            } else {
                output::line(&log_line(self.out, line))?;
            }
        }
        std::io::stdout().flush()?;
        Ok(())
    }

    fn lines_after(&self) -> Option<u64> {
        Some(self.last)
    }
}

/// A log line as people read it.
pub(super) fn log_line(out: Stream, line: &LogLine) -> String {
    let time = local_time(line.time);
    let clock = time.split(' ').next_back().unwrap_or_default();
    let text = escape(&line.text);
    let text = match line.level {
        Level::Error => out.paint(AnsiColor::Red, &text),
        Level::Warn => out.paint(AnsiColor::Yellow, &text),
        Level::Info => text.into_owned(),
        Level::Debug => out.dim(&text),
    };
    format!("{} {text}", out.dim(&format!("[{clock}]")))
}
