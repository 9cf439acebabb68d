//! `longhaul secret`: the secrets that jobs name in their args. They stay on this machine: no server is asked.
//!
//! Invariant: a value comes from standard input alone, and is printed by nothing.

use std::{
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use longhaul_server::{SecretFile, SecretInfo};
use longhaul_types::Timestamp;

use crate::{
    data_dir::DataDir,
    exit::{Fail, Result},
    output,
    settings::{Settings, Target},
    terminal::escape,
};

/// Bytes that are read; a value has fewer.
const LONGEST: u64 = (64 << 10) + 3;

/// Flags of `longhaul secret`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Set a secret, with its value on standard input
    Set {
        /// The name under which args refer to it
        #[arg(value_name = "NAME")]
        name: String,
        /// A kind of jobs that may have it, as often as needed; `walrus.*` is every kind that begins so
        #[arg(long, value_name = "KIND", required = true)]
        kind: Vec<String>,
    },
    /// List secrets, without their values
    List,
    /// Remove a secret
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Sets, lists or removes secrets.
pub fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let Target::Local(folder) = settings.target()? else {
        return Err(Fail::usage(
            "secrets are kept on the server's own machine, and are not sent to it",
        )
        .hint("Run this there, without --url and LONGHAUL_URL."));
    };
    let file = SecretFile::new(DataDir::open(&folder)?.secrets());
    let fail = |error: longhaul_server::Error| match error {
        longhaul_server::Error::BadSecret(_) => Fail::usage(error.to_string()),
        error => Fail::failed(error.to_string()),
    };
    match &args.action {
        Action::Set { name, kind } => {
            let value = value()?;
            let set = file.set(name, &value, kind.clone(), Timestamp::now());
            set.map_err(fail)?;
            eprintln!("{} set for {}", escape(name), escape(&kind.join(", ")));
        }
        Action::List => list(&file.list().map_err(fail)?, settings.json())?,
        Action::Remove { name } => {
            if !file.remove(name).map_err(fail)? {
                return Err(Fail::not_found(format!("there is no secret '{name}'"))
                    .hint("See those there are: longhaul secret list"));
            }
            eprintln!("{} removed", escape(name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The value on standard input, without the end of its last line.
fn value() -> Result<String> {
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Fail::usage(
            "the value comes on standard input, where a terminal would show it",
        )
        .hint("As from a file: longhaul secret set NAME --kind KIND < FILE"));
    }
    let mut value = String::new();
    stdin
        .take(LONGEST)
        .read_to_string(&mut value)
        .map_err(|error| Fail::io("standard input", &error))?;
    let line = value.strip_suffix('\n').unwrap_or(&value);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn list(secrets: &[SecretInfo], json: bool) -> Result {
    if json {
        return output::json(&serde_json::json!({ "secrets": secrets }));
    }
    let row = |secret: &SecretInfo| {
        vec![
            secret.name.clone(),
            secret.kinds.join(", "),
            secret.set_at.to_string(),
        ]
    };
    let rows = secrets.iter().map(row).collect();
    output::line(&output::table(&["SECRET", "KINDS", "SET"], rows))
}
