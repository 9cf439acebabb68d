//! `longhaul workers`: the workers that live, and what they hold.

use std::process::ExitCode;

use longhaul_types::worker::{WorkerPage, WorkerPlace, WorkerView};

use crate::{
    exit::Result,
    output::{self, local_time},
    session::Session,
    settings::Settings,
};

/// Kinds, queues or jobs that a row names.
const NAMED: usize = 3;

/// Flags of `longhaul workers`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Lists the workers.
pub async fn run(_: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let workers = session.client.workers().await?;
    if settings.json() {
        output::json(&WorkerPage { workers })?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading = [
        "WORKER",
        "WHERE",
        "SINCE",
        "LAST HEARTBEAT",
        "LEASE END",
        "KINDS",
        "QUEUES",
        "HOLDS",
        "JOBS",
    ];
    let rows = workers.iter().map(row).collect();
    output::line(&output::table(&heading, rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row(worker: &WorkerView) -> Vec<String> {
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), local_time);
    let place = match worker.place {
        WorkerPlace::Local => "local",
        WorkerPlace::Remote => "remote",
    };
    let queues = worker.queues.iter();
    vec![
        worker.name.clone(),
        place.to_owned(),
        time(worker.joined_at),
        time(worker.last_heartbeat),
        time(worker.lease_end),
        few(worker.kinds.iter().map(|kind| kind.name.clone())),
        few(queues.map(|(queue, slots)| format!("{queue}:{slots}"))),
        worker.holds.to_string(),
        few(worker.jobs.iter().map(ToString::to_string)),
    ]
}

/// The first of some names, and how many there are beside them.
fn few(names: impl ExactSizeIterator<Item = String>) -> String {
    let all = names.len();
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(" ");
    if all > NAMED {
        text.push_str(&format!(" +{}", all - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn many_names_are_shortened() {
        let names = |count: usize| few((0..count).map(|n| format!("n{n}")));
        assert_eq!(names(0), "");
        assert_eq!(names(3), "n0 n1 n2");
        assert_eq!(names(5), "n0 n1 n2 +2");
    }
}
