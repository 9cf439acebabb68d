//! `longhaul submit KIND [ARGS]`: starts a job of any kind.

use std::{process::ExitCode, time::Duration};

use longhaul_types::{
    JobId, Timestamp,
    body::{SecretName, SubmitRequest, WebhookRequest},
};
use serde_json::Value;

use super::{labels, pair, read_text, time_span};
use crate::{
    exit::{Fail, Result},
    follow::{Show, say_how_to_go_on, show},
    output,
    session::Session,
    settings::Settings,
};

/// Longest args that are read; the server's own limit is lower.
const MAX_ARGS: u64 = 16 << 20;

/// Flags of `longhaul submit`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Kind of job
    kind: String,
    /// Its args as JSON: text, @FILE, or - for standard input
    #[arg(value_name = "ARGS", default_value = "{}")]
    content: String,
    #[command(flatten)]
    job: JobArgs,
    /// Do not run before this span of time is over
    #[arg(long, value_name = "TIME", value_parser = time_span, group = "when")]
    delay: Option<Duration>,
    /// Do not run before this time, like 2026-11-22T10:30:00Z
    #[arg(long, value_name = "TIME", group = "when")]
    at: Option<Timestamp>,
    /// Wait until somebody starts it
    #[arg(long, group = "when")]
    held: bool,
    /// At most one living job of the kind has this key; a second submission gets the first
    #[arg(long, value_name = "KEY")]
    unique_key: Option<String>,
    /// Follow it to its end
    #[arg(long, conflicts_with = "held")]
    follow: bool,
}

/// What can be said of every new job.
#[derive(Clone, Debug, clap::Args)]
pub struct JobArgs {
    /// Its id; made when not given
    #[arg(long, value_name = "ID")]
    id: Option<JobId>,
    /// Its queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Higher runs first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i16>,
    /// A label to find it by
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Attempts in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: Option<u32>,
    /// Time one attempt may take
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    attempt_timeout: Option<Duration>,
    /// Time the whole job may take from its first start
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    timeout: Option<Duration>,
    /// Tell this address of its end, by a POST
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The secret that signs what is told (longhaul secret set NAME --kind longhaul.webhook)
    #[arg(long, value_name = "NAME", requires = "webhook")]
    webhook_secret: Option<String>,
}

impl JobArgs {
    /// A request for a job of `kind` with these args.
    pub(super) fn request(
        &self,
        kind: &str,
        args: Value,
        settings: &Settings,
    ) -> Result<SubmitRequest> {
        let queue = match &self.queue {
            Some(queue) => Some(queue.clone()),
            None => settings.text("LONGHAUL_QUEUE", &["queue"])?,
        };
        Ok(SubmitRequest {
            kind: kind.to_owned(),
            args,
            id: self.id.clone(),
            queue,
            priority: self.priority,
            labels: labels(&self.labels),
            max_attempts: self.max_attempts,
            attempt_timeout: self.attempt_timeout.map(|time| time.as_secs_f64()),
            timeout: self.timeout.map(|time| time.as_secs_f64()),
            webhook: self.webhook.clone().map(|url| WebhookRequest {
                url,
                events: Vec::new(),
                secret: self.webhook_secret.clone().map(|name| SecretName { name }),
            }),
            ..SubmitRequest::default()
        })
    }
}

/// Submits the job.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let mut request = args
        .job
        .request(&args.kind, read_args(&args.content)?, settings)?;
    request.run_at = args.at.or_else(|| Some(Timestamp::now() + args.delay?));
    request.held = args.held;
    request.unique_key.clone_from(&args.unique_key);
    let session = Session::open(settings).await?;
    submit(
        &session,
        settings,
        &request,
        args.follow.then_some(Show {
            log: false,
            result: true,
        }),
    )
    .await
}

/// Submits, says the id, and follows the job when it is to be shown.
pub(super) async fn submit(
    session: &Session,
    settings: &Settings,
    request: &SubmitRequest,
    shown: Option<Show>,
) -> Result<ExitCode> {
    let answer = session.submit(request).await?;
    if answer.status == "existing" {
        eprintln!("longhaul: {}", answer.message);
    }
    if let Some(shown) = shown {
        if !settings.json() {
            eprintln!("Job {}", answer.job_id);
        }
        return show(session, settings, &answer.job_id, None, shown).await;
    }
    if settings.json() {
        output::json(&answer)?;
    } else {
        output::line(answer.job_id.as_str())?;
        say_how_to_go_on(&answer.job_id, &settings.flags());
    }
    Ok(ExitCode::SUCCESS)
}

/// Args of a command line: JSON text, `@FILE`, or `-` for standard input.
pub(super) fn read_args(text: &str) -> Result<Value> {
    let (what, json) = match text.strip_prefix('@') {
        Some(path) => (path, read_text(path, MAX_ARGS)?),
        None if text == "-" => ("standard input", read_text("-", MAX_ARGS)?),
        None => ("the args", text.to_owned()),
    };
    serde_json::from_str(&json)
        .map_err(|error| Fail::usage(format!("{what}: this is no JSON: {error}")))
}
