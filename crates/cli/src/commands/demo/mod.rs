//! `longhaul demo`: a list of blobs fetched by a background job whose server is killed on the way.
//!
//! Invariants: it succeeds only when every file has its blob's ID and nothing that was finished before the kill was asked
//! for again; it leaves nothing behind but what `--keep` asks for.

mod evidence;
mod stage;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use longhaul_client::Client;
use longhaul_types::{JobId, State, exit};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use self::{evidence::Evidence, stage::Stage};
use crate::{
    daemon,
    exit::{Fail, Result},
    output,
};

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at how far the job is.
const LOOK: Duration = Duration::from_millis(50);
/// What was whole for this long before the kill was on disk: a piece is synced and noted as soon as it is whole.
const SETTLED: Duration = Duration::from_millis(1200);
/// Pieces of unfinished blobs that must be there before the kill.
const PIECES: usize = 4;
/// Finished items that must be there before the kill.
const ITEMS: u32 = 2;

/// Flags of `longhaul demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Leave the folder with its jobs, lists and files
    #[arg(long)]
    keep: bool,
    /// Blobs to retrieve
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(6..=64))]
    blobs: u32,
}

/// Runs the demonstration, and cleans up whatever becomes of it.
pub async fn run(args: &Args) -> Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("longhaul-demo-")
        .tempdir()?;
    let stage = Stage::new(folder.path(), args.blobs).await?;
    let told = tokio::select! {
        told = play(&stage) => told,
        _ = tokio::signal::ctrl_c() => Err(Fail::new(exit::DETACHED, "interrupted")),
    };
    let stopped = daemon::stop(&stage.data).await;
    stage.sandbox.stop().await;
    if args.keep {
        let path = folder.keep();
        output::line(&format!("Kept: {}", path.display()))?;
    } else {
        folder.close()?;
    }
    told?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

async fn play(stage: &Stage) -> Result {
    let begun = Instant::now();
    say(&format!(
        "A list of {} todos, {} in all, on an aggregator of this machine: {}",
        stage.blobs.len(),
        longhaul_walrus::words::size(stage.blobs.iter().map(|blob| blob.bytes).sum()),
        stage.sandbox.url()
    ))?;
    let folder = stage.output.display().to_string();
    let started = stage
        .waltodo(&["retrieve", stage::LIST, "--background", "--output", &folder])
        .await?;
    let id = job_id(&started)?;
    let client = Client::unix(stage.data.socket())?;
    let evidence = wait_for_the_middle(stage, &client, &id).await?;
    stage.waltodo(&["jobs", "--active"]).await?;
    let pid = kill_server(&client).await?;
    say(&format!(
        "Killed the server (process {pid}) with SIGKILL in the middle of the work: {} blobs and {} pieces of others had come whole.",
        evidence.items(),
        evidence.pieces()
    ))?;
    let before = stage.sandbox.requests().len();
    stage.follow(&["status", id.as_str(), "--wait"]).await?;
    let requests = stage.sandbox.requests();
    let again = evidence.asked_again(requests.get(before..).unwrap_or_default());
    if !again.is_empty() {
        return Err(Fail::failed(format!(
            "fetched again although it was finished: {}",
            again.join(", ")
        )));
    }
    verify(stage).await?;
    say(&format!(
        "A new server went on where the killed one stopped: {} requests were not made twice, none of the {} finished pieces was fetched again.",
        evidence.saved_requests(),
        evidence.saved_requests()
    ))?;
    say(&format!(
        "Verified once more: all {} files have the bytes of their blob IDs. {:.1}s in all.",
        stage.blobs.len(),
        begun.elapsed().as_secs_f64()
    ))
}

fn say(text: &str) -> Result {
    output::line(&format!("\n▸ {text}"))
}

fn job_id(printed: &str) -> Result<JobId> {
    printed
        .lines()
        .find_map(|line| line.strip_prefix("Job ID: "))
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Fail::failed("waltodo printed no job id"))
}

/// Waits until some items and some pieces of others are done, and a while longer, so that they are known to be on disk.
async fn wait_for_the_middle(stage: &Stage, client: &Client, id: &JobId) -> Result<Evidence> {
    let end = Instant::now() + PATIENCE;
    let mut evidence = None;
    loop {
        let job = client.job(id).await?;
        if job.state.is_ended() || Instant::now() >= end {
            return Err(Fail::failed(format!(
                "the job was not caught in the middle: {} after {} of {} items: {}",
                job.state,
                job.items.completed,
                job.items.total,
                job.error.unwrap_or_default()
            )));
        }
        let seen = Evidence::of(&stage.sandbox.requests(), &stage.blobs);
        match evidence.take() {
            None if job.state == State::Running
                && job.items.completed >= ITEMS
                && seen.pieces() >= PIECES =>
            {
                evidence = Some((Instant::now(), job.items.completed, seen));
            }
            Some((since, items, seen)) if since.elapsed() >= SETTLED => {
                debug_assert!(items <= job.items.completed);
                return Ok(seen);
            }
            waiting => evidence = waiting,
        }
        sleep(LOOK).await;
    }
}

/// Kills the server the hard way; its process is gone when this returns.
async fn kill_server(client: &Client) -> Result<u32> {
    let pid = client.server().await?.pid;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(process) = process.filter(|process| !process.is_init()) else {
        return Err(Fail::failed(format!("{pid} is no process of a server")));
    };
    kill_process(process, Signal::KILL)
        .map_err(|error| Fail::failed(format!("the server could not be killed: {error}")))?;
    let end = Instant::now() + PATIENCE;
    while client.server().await.is_ok() {
        if Instant::now() >= end {
            return Err(Fail::failed("the server did not die"));
        }
        sleep(LOOK).await;
    }
    Ok(pid)
}

/// Computes every file's ID anew.
async fn verify(stage: &Stage) -> Result {
    for blob in &stage.blobs {
        let path = stage.output.join(blob.id.to_string());
        let bytes = fs::read(&path).map_err(|error| Fail::io(path.display(), &error))?;
        let id = stage::id_of(bytes).await?;
        if id != blob.id {
            return Err(Fail::failed(format!("{} has wrong bytes", path.display())));
        }
    }
    let files = fs::read_dir(&stage.output)?.count();
    if files != stage.blobs.len() {
        return Err(Fail::failed(format!(
            "{files} files instead of {}",
            stage.blobs.len()
        )));
    }
    Ok(())
}
