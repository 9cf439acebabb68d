//! `longhaul cancel` and `longhaul retry` of all jobs that a filter shows.
//!
//! Invariant: nothing is done before the jobs were counted and somebody agreed, on the terminal or by `--yes`. It is done by a
//! job of its own: Ctrl-C leaves that running.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
};

use longhaul_client::Client;
use longhaul_server::bulk::BulkResult;
use longhaul_types::{
    JobId, State,
    body::{BulkAnswer, BulkRequest},
    exit,
};

use serde::Serialize;

use super::{labels, pair};
use crate::{
    exit::{Fail, Result, code_of_end},
    follow::{OnTerminal, say_end, say_how_to_go_on, until_end},
    output,
    session::Session,
    settings::Settings,
};

/// Which jobs, when they are not named.
#[derive(Clone, Debug, clap::Args)]
pub struct Selection {
    /// All jobs that this makes sense for
    #[arg(long, conflicts_with_all = ["ids", "filter", "state", "kind", "queue", "labels"])]
    all: bool,
    /// All jobs that these words show, as longhaul jobs takes them: 'kind:walrus.* ended:<1h'
    #[arg(long, short, value_name = "FILTER", conflicts_with = "ids")]
    filter: Option<String>,
    /// All jobs in this state; may be repeated
    #[arg(long, short, value_name = "STATE", conflicts_with = "ids")]
    state: Vec<State>,
    /// All jobs of this kind, or walrus.* for all that begin so; may be repeated
    #[arg(long, short, value_name = "KIND", conflicts_with = "ids")]
    kind: Vec<String>,
    /// All jobs in this queue; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    queue: Vec<String>,
    /// All jobs with this label; may be repeated
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "ids")]
    labels: Vec<(String, String)>,
    /// Only say how many jobs that is
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    /// Do not wait: print the id of the job that does it
    #[arg(long, short, conflicts_with_all = ["ids", "dry_run"])]
    background: bool,
    /// Do not ask
    #[arg(long, short, conflicts_with = "ids")]
    yes: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Ask for the end.
    Cancel,
    /// Give another go.
    Retry,
}

impl Verb {
    fn text(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }

    fn past(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled or being cancelled",
            Self::Retry => "run again",
        }
    }
}

impl Selection {
    /// Whether nothing is selected, so that jobs must be named.
    pub fn is_empty(&self) -> bool {
        !self.all
            && self.filter.is_none()
            && self.state.is_empty()
            && self.kind.is_empty()
            && self.queue.is_empty()
            && self.labels.is_empty()
    }

    /// Does it to all that are selected, once agreed, by a job of its own.
    pub async fn run(
        &self,
        verb: Verb,
        session: &Session,
        settings: &Settings,
    ) -> Result<ExitCode> {
        let client = &session.client;
        let mut request = BulkRequest {
            all: self.all,
            dry_run: true,
            q: self.filter.clone().unwrap_or_default(),
            states: self.state.clone(),
            kinds: self.kind.clone(),
            queues: self.queue.clone(),
            labels: labels(&self.labels),
            ..BulkRequest::default()
        };
        let counted = count(verb, client, &request).await?;
        if self.dry_run || counted.matched == 0 {
            if settings.json() {
                output::json(&counted)?;
            } else {
                let matched = jobs(counted.matched);
                output::line(&format!("{matched} to {}", verb.text()))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes {
            agree(verb, counted.matched)?;
        }
        request.dry_run = false;
        let accepted = match verb {
            Verb::Cancel => client.cancel_in_background(&request).await?,
            Verb::Retry => client.retry_in_background(&request).await?,
        };
        let id = &accepted.job_id;
        if !self.background {
            return verb.follow(session, settings, id).await;
        }
        if settings.json() {
            output::json(&accepted)?;
        } else {
            output::line(id.as_str())?;
            say_how_to_go_on(id, &settings.flags());
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Verb {
    /// Follows the job that does it, and says what it came to.
    async fn follow(self, session: &Session, settings: &Settings, id: &JobId) -> Result<ExitCode> {
        let watcher = &mut OnTerminal::new(false);
        let job = until_end(session, settings, id, None, watcher).await?;
        let results = job.results.clone().map(serde_json::from_value);
        let Some(Ok::<BulkResult, _>(done)) = results else {
            say_end(&job, false)?;
            return Ok(ExitCode::from(code_of_end(&job)));
        };
        if settings.json() {
            output::json(&Summary { job_id: id, done })?;
            return Ok(ExitCode::SUCCESS);
        }
        output::line(&format!("{} {}", jobs(done.done), self.past()))?;
        if done.skipped > 0 {
            eprintln!(
                "{} left as they are: longhaul logs {id}{} names them",
                jobs(done.skipped),
                settings.flags()
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What it came to, and which job has done it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    job_id: &'a JobId,
    #[serde(flatten)]
    done: BulkResult,
}

/// How many jobs that is now, counted in steps.
async fn count(verb: Verb, client: &Client, request: &BulkRequest) -> Result<BulkAnswer> {
    let mut request = request.clone();
    let mut sum = BulkAnswer {
        success: true,
        ..BulkAnswer::default()
    };
    loop {
        let step = match verb {
            Verb::Cancel => client.cancel_many(&request).await?,
            Verb::Retry => client.retry_many(&request).await?,
        };
        sum.matched += step.matched;
        if step.next_cursor.is_none() {
            return Ok(sum);
        }
        request.cursor = step.next_cursor;
    }
}

fn agree(verb: Verb, count: u64) -> Result {
    let what = format!("{} {}", verb.text(), jobs(count));
    if !io::stdin().is_terminal() {
        let fail = Fail::usage(format!("to {what}, somebody must agree"));
        return Err(fail.hint("Say --yes, or look first with --dry-run."));
    }
    eprint!("Really {what}? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Fail::new(exit::FAILED, "nothing was done"))
}

fn jobs(count: u64) -> String {
    match count {
        1 => "1 job".to_owned(),
        _ => format!("{count} jobs"),
    }
}
