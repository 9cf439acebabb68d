//! What the commands that start a job share: one is submitted, said in the document's words, and followed if it is to be.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use longhaul_types::{JobId, Labels, Timestamp, body::SubmitRequest};
use longhaul_walrus::words::{self, Operation};
use serde::Serialize;

use super::{config, ids::new_id, screen::watch};
use crate::{
    exit::{Fail, Result},
    output,
    session::Session,
    settings::{Settings, path_text},
};

/// Flags of every command that starts a job.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StartFlags {
    /// Run in the background and return at once
    #[arg(long, short)]
    background: bool,
    /// With --background: wait for the end and show progress
    #[arg(long, short)]
    wait: bool,
    /// The job's id; made when not given
    #[arg(long, value_name = "ID")]
    job_id: Option<JobId>,
    /// Between two lines of progress [default: 5; env: WALTODO_BACKGROUND_PROGRESS_INTERVAL]
    #[arg(long, value_name = "SECONDS", value_parser = config::seconds)]
    progress_interval: Option<f64>,
}

/// A job to start.
pub(super) struct Start<'a> {
    /// Its kind.
    pub(super) kind: &'static str,
    /// What the document calls it.
    pub(super) operation: Operation,
    /// The command, as lists of jobs show it.
    pub(super) command: String,
    /// Its id, and whether and how it is followed.
    pub(super) flags: &'a StartFlags,
    /// Seconds that the whole job may take.
    pub(super) timeout: Option<f64>,
}

impl Start<'_> {
    /// Submits the job, and follows it unless it is to run in the background alone.
    pub(super) async fn run(self, args: &impl Serialize, settings: &Settings) -> Result<ExitCode> {
        let args = serde_json::to_value(args).map_err(|error| Fail::usage(error.to_string()))?;
        let interval = interval(self.flags.progress_interval, settings)?;
        let waits = self.flags.wait || !self.flags.background;
        let id = match &self.flags.job_id {
            Some(id) => id.clone(),
            None => new_id(Timestamp::now())?,
        };
        let request = SubmitRequest {
            kind: self.kind.to_owned(),
            args,
            id: Some(id.clone()),
            labels: Labels::from([(words::COMMAND.to_owned(), self.command)]),
            timeout: self.timeout,
            ..SubmitRequest::default()
        };
        let session = Session::open(settings).await?;
        let answer = session.submit(&request).await?;
        if !settings.json() {
            let operation = self.operation;
            output::line(&words::starting(operation, id.as_str(), self.timeout))?;
            output::line(&if waits {
                words::waiting(operation)
            } else {
                words::started(operation, id.as_str())
            })?;
        } else if !waits {
            output::json(&answer)?;
        }
        if waits {
            return watch(&session, settings, &id, interval, None).await;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The time between two lines of progress.
pub(super) fn interval(flag: Option<f64>, settings: &Settings) -> Result<Duration> {
    let names = ("WALTODO_BACKGROUND_PROGRESS_INTERVAL", "progress_interval");
    let seconds = config::number(flag, settings, names, config::seconds, 5.0)?;
    Ok(Duration::from_secs_f64(seconds))
}

/// The seconds that a whole job may take.
pub(super) fn timeout(flag: Option<f64>, settings: &Settings) -> Result<f64> {
    let names = ("WALTODO_BACKGROUND_TIMEOUT", "timeout");
    config::number(flag, settings, names, config::seconds, 300.0)
}

/// The folder for files, absolute.
pub(super) fn output_folder(folder: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    path_text(folder)?;
    std::path::absolute(folder)
        .map(Some)
        .map_err(|error| Fail::io(folder.display(), &error))
}
