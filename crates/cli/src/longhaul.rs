//! The program `longhaul`: its command line, and which command does what.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::{
    commands::{
        bench, cancel, completions, dashboard, demo, doctor, jobs, logs, man, migrate, queues,
        remove, retry, run, sandbox, schedules, secret, serve, service, start, status, submit,
        token, top, watch, workers,
    },
    exit::Result,
    settings::{Global, Settings},
};

/// Long operations in the background, never lost.
///
/// A job runs on, whatever happens to the terminal, the process or the machine. The commands start the server by
/// themselves.
#[derive(Clone, Debug, Parser)]
#[command(name = "longhaul", version, long_version = crate::BUILD)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 completed with failed items, 4 not authorised, \
    5 not found, 6 cancelled, 7 server unreachable, 8 waiting timed out, 130 detached"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Run any program as a job
    Run(run::Args),
    /// Start a job of any kind
    Submit(submit::Args),
    /// List jobs, newest first
    Jobs(jobs::Args),
    /// Say where a job stands
    Status(status::Args),
    /// Follow a job to its end; Ctrl-C leaves it running
    Watch(watch::Args),
    /// Print a job's log
    Logs(logs::Args),
    /// Ask for the end of jobs
    Cancel(cancel::Args),
    /// Give jobs that ended another go; finished items are kept
    Retry(retry::Args),
    /// Start jobs now that are held, scheduled, or wait for their next attempt
    Start(start::Args),
    /// Remove jobs that have ended
    Remove(remove::Args),
    /// List queues, and pause or resume one
    Queues(queues::Args),
    /// See jobs run, here in the terminal
    Top(top::Args),
    /// Open the page where jobs are watched, by a link that works once
    Dashboard(dashboard::Args),
    /// List schedules, which submit jobs by themselves
    Schedules,
    /// Set, show, pause, resume, run or remove a schedule
    Schedule(schedules::Args),
    /// Make, list and revoke tokens, which let others in over TCP
    Token(token::Args),
    /// List workers, here and elsewhere, with what they hold
    Workers(workers::Args),
    /// Set, list or remove secrets that jobs name in their args
    Secret(secret::Args),
    /// Run the server here, until it is told to stop
    Serve(serve::Args),
    /// Run jobs of a database that servers share, until it is told to stop
    Work(serve::WorkArgs),
    /// Move the jobs of this data folder to a PostgreSQL database
    Migrate(migrate::Args),
    /// Have systemd run the server, from login or boot on
    Service(service::Args),
    /// Look for trouble, and say what to do about it
    Doctor(doctor::Args),
    /// Measure how fast this machine runs jobs
    Bench(bench::Args),
    /// See a job go on after its server was killed in the middle
    Demo(demo::Args),
    /// Stand in for a Walrus aggregator, over a folder of blobs
    Sandbox(sandbox::Args),
    /// Print what a shell needs to complete the command line
    Completions(completions::Args),
    /// Write the manual pages of longhaul and waltodo
    Man(man::Args),
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
        Err(fail) => fail.report("longhaul"),
    }
}

fn dispatch(cli: &Cli) -> Result<ExitCode> {
    if let Command::Completions(args) = &cli.command {
        return completions::run(args, Cli::command());
    }
    if let Command::Man(args) = &cli.command {
        return man::run(args, [Cli::command(), crate::waltodo::command()]);
    }
    if let Command::Bench(args) = &cli.command {
        return bench::run(args);
    }
    let settings = Settings::load(&cli.global)?;
    let settings = &settings;
    match &cli.command {
        Command::Serve(args) => return serve::run(args, settings),
        Command::Work(args) => return serve::work(args, settings),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Run(args) => run::run(args, settings).await,
            Command::Submit(args) => submit::run(args, settings).await,
            Command::Jobs(args) => jobs::run(args, settings).await,
            Command::Status(args) => status::run(args, settings).await,
            Command::Watch(args) => watch::run(args, settings).await,
            Command::Logs(args) => logs::run(args, settings).await,
            Command::Cancel(args) => cancel::run(args, settings).await,
            Command::Retry(args) => retry::run(args, settings).await,
            Command::Start(args) => start::run(args, settings).await,
            Command::Remove(args) => remove::run(args, settings).await,
            Command::Queues(args) => queues::run(args, settings).await,
            Command::Top(args) => top::run(args, settings).await,
            Command::Dashboard(args) => dashboard::run(args, settings).await,
            Command::Schedules => schedules::list(settings).await,
            Command::Schedule(args) => schedules::run(args, settings).await,
            Command::Token(args) => token::run(args, settings).await,
            Command::Workers(args) => workers::run(args, settings).await,
            Command::Secret(args) => secret::run(args, settings),
            Command::Migrate(args) => migrate::run(args, settings).await,
            Command::Service(args) => service::run(args, settings).await,
            Command::Doctor(args) => doctor::run(args, settings).await,
            Command::Bench(args) => bench::run(args),
            Command::Demo(args) => demo::run(args).await,
            Command::Sandbox(args) => sandbox::run(args, settings).await,
            Command::Serve(args) => serve::run(args, settings),
            Command::Work(args) => serve::work(args, settings),
            Command::Completions(args) => completions::run(args, Cli::command()),
            Command::Man(args) => man::run(args, [Cli::command(), crate::waltodo::command()]),
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
