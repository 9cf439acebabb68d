//! `longhaul bench`: how fast this machine runs jobs, as ratios to a bare loop of SQLite in the same run.
//!
//! Figures are medians; floor and engine take turns, so that a machine that is busy with other things is busy for both.

mod floor;
mod http;
mod jobs;
mod monitors;
mod postgres;
mod process;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use crate::exit::{Fail, Result};
use report::Report;

/// Arguments of `longhaul bench`.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Runs of each figure; the median is shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    samples: u32,
    /// Measure again beside this many finished jobs
    #[arg(long, value_name = "JOBS", default_value_t = 0)]
    finished: u32,
    /// Keep this many monitors that look every 10 s, for 30 s
    #[arg(long, value_name = "JOBS", default_value_t = 0)]
    monitors: u32,
    /// Measure submission over HTTP beside the library's own, with the server in a process of its own, and nothing else
    #[arg(long, conflicts_with_all = ["finished", "monitors"])]
    http: bool,
    /// Be that server
    #[arg(long, hide = true, value_name = "FOLDER")]
    http_server: Option<PathBuf>,
    /// Measure on the PostgreSQL database that LONGHAUL_DATABASE_URL names instead, which is to be used for nothing else
    #[arg(long, conflicts_with_all = ["monitors", "http"])]
    postgres: bool,
    /// Be one of the processes that submit to it
    #[arg(long, hide = true)]
    postgres_submitter: bool,
    /// Folder for the databases; what counts is its file system
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if let Some(folder) = &args.http_server {
        let served = runtime.block_on(http::serve(folder));
        return served
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| Fail::failed(format!("{error:#}")));
    }
    if args.postgres_submitter {
        let submitted = runtime.block_on(async { postgres::submit(&database()?).await });
        return submitted
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| Fail::failed(format!("{error:#}")));
    }
    let report = runtime
        .block_on(measure(args))
        .map_err(|error| Fail::failed(format!("the measurement failed: {error:#}")))?;
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(ExitCode::SUCCESS)
}

/// The address of the database that is measured on.
fn database() -> anyhow::Result<String> {
    std::env::var("LONGHAUL_DATABASE_URL").context(
        "LONGHAUL_DATABASE_URL names no database; create an empty one, and give its address",
    )
}

async fn measure(args: &Args) -> anyhow::Result<Report> {
    let folder = match &args.dir {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let mut report = Report::new(floor::sync_time(folder.path())?);
    if args.http {
        http::measure(folder.path(), args.samples, &mut report).await?;
        return Ok(report);
    }
    let mut beside = Report::new(report.sync);
    let (few, many) = if args.postgres {
        let url = database()?;
        let few = postgres::measure(&url, args.samples, 0, &mut report).await?;
        let many = match args.finished {
            0 => Vec::new(),
            more => postgres::measure(&url, args.samples, more, &mut beside).await?,
        };
        (few, many)
    } else {
        let few = jobs::measure(folder.path(), args.samples, 0, &mut report).await?;
        let many = match args.finished {
            0 => Vec::new(),
            more => jobs::measure(folder.path(), args.samples, more, &mut beside).await?,
        };
        (few, many)
    };
    report.compare(args.finished, &few, &many);
    if args.monitors > 0 {
        monitors::measure(folder.path(), args.monitors, &mut report).await?;
    }
    Ok(report)
}
