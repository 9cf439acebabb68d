//! `longhaul man --dir DIR`: the manual pages of both programs, one a command.

use std::{fs, path::PathBuf, process::ExitCode};

use crate::{
    exit::{Fail, Result},
    output,
};

/// Flags of `longhaul man`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder for the pages, made when missing; like ~/.local/share/man/man1
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages of these programs.
pub fn run(args: &Args, programs: [clap::Command; 2]) -> Result<ExitCode> {
    let folder = args.dir.display();
    fs::create_dir_all(&args.dir).map_err(|error| Fail::io(&folder, &error))?;
    for program in programs {
        let name = program.get_name().to_owned();
        clap_mangen::generate_to(program, &args.dir).map_err(|error| Fail::io(&folder, &error))?;
        output::line(&format!("{}", args.dir.join(format!("{name}.1")).display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
