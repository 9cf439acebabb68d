//! The program `waltodo`: todos fetched from Walrus in the background.
//!
//! Invariant: it resolves every setting and makes every path absolute before it submits a job; the server reads none.

mod cancel;
mod cleanup;
mod config;
mod fetch;
mod ids;
mod jobs;
mod monitor;
mod retrieve;
mod screen;
mod start;
mod status;
mod sync;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::{
    commands::{completions, serve},
    exit::Result,
    settings::{Global, Settings},
};

/// Todos from Walrus, fetched in the background and verified.
///
/// A retrieval goes on whatever happens to the terminal, the process or the machine. The server that runs it is started
/// by the first command that needs it.
#[derive(Clone, Debug, Parser)]
#[command(name = "waltodo", version, long_version = crate::BUILD)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 completed with failed items, 5 not found, 6 cancelled, \
    7 server unreachable, 8 waiting timed out, 130 detached"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Retrieve the blobs of a list, or one blob
    Retrieve(retrieve::Args),
    /// Fetch the blob that an object on Sui names, or one blob
    Fetch(fetch::Args),
    /// Follow the events of the todos' package, and fetch what they tell of
    Monitor(monitor::Args),
    /// Read the events from a checkpoint on, and fetch what they tell of
    Sync(sync::Args),
    /// List background jobs
    Jobs(jobs::Args),
    /// Say where a job stands
    Status(status::Args),
    /// Cancel a job; what it has retrieved stays
    Cancel(cancel::Args),
    /// Print what a shell needs to complete the command line
    Completions(completions::Args),
    /// Run the server here: what this program starts by itself
    #[command(hide = true)]
    Serve(serve::Args),
}

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads: nothing to say.
            let _ = error.print();
            return ExitCode::from(
                u8::try_from(error.exit_code()).unwrap_or(longhaul_types::exit::USAGE),
            );
        }
    };
    match dispatch(&cli) {
        Ok(code) => code,
        Err(fail) => fail.report("waltodo"),
    }
}

fn dispatch(cli: &Cli) -> Result<ExitCode> {
    if let Command::Completions(args) = &cli.command {
        return completions::run(args, Cli::command());
    }
    let settings = Settings::load(&cli.global)?;
    let settings = &settings;
    if let Command::Serve(args) = &cli.command {
        return serve::run(args, settings);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Retrieve(args) => retrieve::run(args, settings).await,
            Command::Fetch(args) => fetch::run(args, settings).await,
            Command::Monitor(args) => monitor::run(args, settings).await,
            Command::Sync(args) => sync::run(args, settings).await,
            Command::Jobs(args) => jobs::run(args, settings).await,
            Command::Status(args) => status::run(args, settings).await,
            Command::Cancel(args) => cancel::run(args, settings).await,
            Command::Completions(args) => completions::run(args, Cli::command()),
            Command::Serve(args) => serve::run(args, settings),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
