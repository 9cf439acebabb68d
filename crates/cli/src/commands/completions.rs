//! `longhaul completions SHELL`: what a shell needs to complete the command line.

use std::{io, process::ExitCode};

use clap_complete::Shell;

use crate::exit::Result;

/// Flags of `longhaul completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script for `command`.
pub fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}
