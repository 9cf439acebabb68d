//! `longhaul queues`: the queues, and the pause and resume of one.

use std::process::ExitCode;

use longhaul_types::{
    State,
    body::{QueuePage, QueueView},
};

use crate::{exit::Result, output, session::Session, settings::Settings, terminal::escape};

/// Flags of `longhaul queues`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Have nothing of a queue start until it is resumed; jobs that run go on
    Pause {
        /// The queue
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Have what waits in a queue start again
    Resume {
        /// The queue
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Lists the queues, or changes one.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let client = &session.client;
    let queue = match &args.action {
        None => {
            list(client.queues().await?, settings.json())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Action::Pause { name }) => client.pause_queue(name).await?,
        Some(Action::Resume { name }) => client.resume_queue(name).await?,
    };
    if settings.json() {
        output::json(&queue)?;
    } else {
        output::line(&changed(&queue))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(queues: Vec<QueueView>, json: bool) -> Result {
    if json {
        return output::json(&QueuePage { queues });
    }
    let heading = [
        "QUEUE",
        "",
        "AT A TIME",
        "PENDING",
        "RUNNING",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "WAITS SINCE",
    ];
    output::line(&output::table(&heading, queues.iter().map(row).collect()))
}

fn row(queue: &QueueView) -> Vec<String> {
    let paused = match queue.paused_at {
        Some(since) => format!("paused since {}", output::local_time(since)),
        None => String::new(),
    };
    let mut row = vec![queue.name.clone(), paused, queue.concurrency.to_string()];
    let counts = State::ALL.into_iter().map(|state| queue.counts.of(state));
    row.extend(counts.map(|count| count.to_string()));
    row.push(
        queue
            .waiting_since
            .map(output::local_time)
            .unwrap_or_default(),
    );
    row
}

/// What a queue does from now on.
fn changed(queue: &QueueView) -> String {
    let name = escape(&queue.name);
    let counts = queue.counts;
    if queue.paused {
        format!(
            "{name} paused: {} pending wait, {} running go on",
            counts.pending, counts.running
        )
    } else {
        format!("{name} resumed: {} pending", counts.pending)
    }
}
