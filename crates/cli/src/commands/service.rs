//! `longhaul service`: has systemd start the server at login or boot.

use std::{env, fs, io::Write as _, process::ExitCode};

use longhaul_types::exit;
use serde::Serialize;

use crate::{
    daemon,
    data_dir::DataDir,
    exit::{Fail, Result},
    output,
    service::{self, UNIT, is_active, lingers, systemctl, unit, unit_path},
    settings::Settings,
};

/// Flags of `longhaul service`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Write the user's systemd unit, and start it now and at every login
    Install {
        /// Print the unit and do nothing
        #[arg(long)]
        print: bool,
        /// Write the unit and leave the rest to you
        #[arg(long, conflicts_with = "print")]
        no_start: bool,
    },
    /// Stop the service and remove its unit; jobs stay
    Uninstall,
    /// Say whether the service is installed and runs
    Status,
}

/// Does what the command line says.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    match args.action {
        Action::Install { print, no_start } => install(settings, print, no_start).await,
        Action::Uninstall => uninstall(),
        Action::Status => status(settings),
    }
}

async fn install(settings: &Settings, print: bool, no_start: bool) -> Result<ExitCode> {
    let data = DataDir::open(&settings.data_dir()?)?;
    let text = unit(&env::current_exe()?, data.path())?;
    if print {
        write!(std::io::stdout(), "{text}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = unit_path()?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Fail::io(folder.display(), &error))?;
    }
    fs::write(&path, text).map_err(|error| Fail::io(path.display(), &error))?;
    eprintln!("Wrote {}", path.display());
    if no_start {
        return Ok(ExitCode::SUCCESS);
    }
    if systemctl(&["daemon-reload"]).is_none() {
        return Err(Fail::failed("the user's systemd does not answer here, so the service is not started").hint(
            format!("In a session where it does: systemctl --user daemon-reload && systemctl --user enable --now {UNIT}"),
        ));
    }
    // A server that a command started holds the folder.
    if !is_active() {
        daemon::stop(&data).await?;
    }
    for action in [["enable", UNIT], ["restart", UNIT]] {
        let answer = systemctl(&action);
        if let Some(answer) = answer.filter(|answer| !answer.ok) {
            return Err(Fail::failed(answer.text)
                .hint(format!("What it says: journalctl --user -u {UNIT}")));
        }
    }
    eprintln!("The service runs, and starts at every login.");
    if lingers() == Some(false) {
        eprintln!("To start it at boot, and keep it after logout: loginctl enable-linger");
    }
    Ok(ExitCode::SUCCESS)
}

fn uninstall() -> Result<ExitCode> {
    let path = unit_path()?;
    if !path.exists() {
        return Err(Fail::not_found(format!(
            "{} does not exist",
            path.display()
        )));
    }
    let answered = systemctl(&["disable", "--now", UNIT]).is_some();
    fs::remove_file(&path).map_err(|error| Fail::io(path.display(), &error))?;
    if answered {
        systemctl(&["daemon-reload"]);
    }
    eprintln!("Removed {}; jobs stay.", path.display());
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    unit: String,
    installed: bool,
    active: bool,
    lingers: Option<bool>,
}

fn status(settings: &Settings) -> Result<ExitCode> {
    let status = Status {
        unit: unit_path()?.display().to_string(),
        installed: service::is_installed(),
        active: is_active(),
        lingers: lingers(),
    };
    if settings.json() {
        output::json(&status)?;
    } else {
        let yes = |truth| if truth { "yes" } else { "no" };
        let mut out = std::io::stdout();
        writeln!(out, "Unit:      {}", status.unit)?;
        writeln!(out, "Installed: {}", yes(status.installed))?;
        writeln!(out, "Active:    {}", yes(status.active))?;
        let lingers = status.lingers.map_or("unknown", yes);
        writeln!(out, "At boot:   {lingers}")?;
    }
    Ok(ExitCode::from(if status.active {
        exit::DONE
    } else {
        exit::FAILED
    }))
}
