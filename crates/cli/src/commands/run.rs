//! `longhaul run -- COMMAND…`: runs any program as a job.
//!
//! Invariant: what the program gets is resolved here, where the user is: its path, its folder, its environment. The
//! server adds nothing of its own.

use std::{
    collections::BTreeMap,
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::submit::{JobArgs, submit};
use crate::{
    exit::{Fail, Result},
    follow::Show,
    run_job::{self, Pattern, RunArgs},
    session::Session,
    settings::{Settings, path_text},
};

/// What a program gets of the caller's environment unless more is asked for.
const MINIMUM: [&str; 12] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Flags of `longhaul run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Come back at once; the id of the job is printed
    #[arg(long, short)]
    background: bool,
    /// A name to find the job by: its label `name`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Find progress in the output: a regular expression with one number (percent) or two (current, total)
    #[arg(long, value_name = "REGEX")]
    progress_pattern: Option<String>,
    /// Give the program this variable of yours, or one with this value. Values are kept with the job: no secrets
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    variables: Vec<String>,
    /// Run in this folder instead of this one
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    #[command(flatten)]
    job: JobArgs,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Submits the program, and follows it unless it stays in the background.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let resolved = resolve(args)?;
    let args_json =
        serde_json::to_value(&resolved).map_err(|error| Fail::usage(error.to_string()))?;
    let mut request = args.job.request(run_job::KIND, args_json, settings)?;
    if let Some(name) = &args.name {
        request.labels.insert("name".to_owned(), name.clone());
    }
    let session = Session::open(settings).await?;
    if !session.is_local() {
        return Err(
            Fail::usage("programs run on this machine alone, not on a server elsewhere")
                .hint("Leave --url and LONGHAUL_URL away."),
        );
    }
    let shown = Show {
        log: true,
        result: false,
    };
    submit(
        &session,
        settings,
        &request,
        (!args.background).then_some(shown),
    )
    .await
}

fn resolve(args: &Args) -> Result<RunArgs> {
    let folder = match &args.cwd {
        Some(folder) => std::path::absolute(folder)?,
        None => env::current_dir()?,
    };
    if !folder.is_dir() {
        return Err(Fail::not_found(format!(
            "{} is no folder",
            folder.display()
        )));
    }
    if let Some(pattern) = &args.progress_pattern {
        Pattern::new(pattern)
            .map_err(|error| Fail::usage(format!("--progress-pattern: {error}")))?;
    }
    let environment = environment(&args.variables)?;
    let mut command = args.command.clone();
    let path = environment.get("PATH").map_or("", String::as_str);
    command[0] = path_text(&find_program(&command[0], path, &folder)?)?;
    Ok(RunArgs {
        command,
        folder,
        environment,
        progress_pattern: args.progress_pattern.clone(),
    })
}

fn environment(wanted: &[String]) -> Result<BTreeMap<String, String>> {
    let mut environment = BTreeMap::new();
    for name in MINIMUM {
        if let Ok(value) = env::var(name) {
            environment.insert(name.to_owned(), value);
        }
    }
    for variable in wanted {
        let (name, value) = match variable.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match env::var(variable) {
                Ok(value) => (variable.as_str(), value),
                Err(env::VarError::NotPresent) => {
                    return Err(Fail::usage(format!("--env {variable}: it is not set here")));
                }
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(Fail::usage(format!("--env {variable}: it is not UTF-8")));
                }
            },
        };
        environment.insert(name.to_owned(), value);
    }
    Ok(environment)
}

/// The absolute path of a program, found as a shell finds it.
fn find_program(name: &str, path: &str, folder: &Path) -> Result<PathBuf> {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let program = folder.join(name);
        return if is_program(&program) {
            Ok(program)
        } else if program.exists() {
            Err(Fail::usage(format!("{name} is no program")))
        } else {
            Err(Fail::not_found(format!("{name} does not exist")))
        };
    }
    env::split_paths(path)
        .map(|entry| folder.join(entry).join(name))
        .find(|program| is_program(program))
        .ok_or_else(|| Fail::not_found(format!("there is no program '{name}' on the PATH")))
}
