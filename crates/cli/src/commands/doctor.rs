//! `longhaul doctor`: looks for trouble, and says what to do about it.

use std::{fs, path::Path, process::ExitCode};

use anstyle::AnsiColor;
use longhaul::store::sqlite::SqliteStore;
use longhaul_types::exit;
use serde::Serialize;

use crate::{
    BUILD, VERSION, daemon,
    data_dir::{self, DataDir},
    exit::{Fail, Result},
    output, service,
    session::Session,
    settings::{Settings, Target},
    terminal::{self, bytes, escape},
};

/// A database that is larger is read whole only with `--full`.
const QUICK: u64 = 256 << 20;
/// Free bytes below which there is trouble ahead.
const LOW: u64 = 256 << 20;

/// Flags of `longhaul doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Read all of a large database too
    #[arg(long)]
    full: bool,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Advice,
    Trouble,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: &'static str,
    verdict: Verdict,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            message: message.into(),
            advice: None,
        }
    }

    fn advice(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Advice,
            advice: Some(advice.into()),
            ..Self::ok(name, message)
        }
    }

    fn trouble(name: &'static str, message: impl Into<String>, advice: Option<String>) -> Self {
        Self {
            verdict: Verdict::Trouble,
            advice,
            ..Self::ok(name, message)
        }
    }

    fn of(name: &'static str, fail: Fail) -> Self {
        Self::trouble(name, fail.message, fail.hint)
    }
}

/// Runs every check. Starts no server and changes nothing.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let checks = match settings.target()? {
        Target::Local(path) => local(args, &path).await,
        Target::Remote { url, .. } => remote(settings, &url).await,
    };
    let trouble = checks.iter().any(|check| check.verdict == Verdict::Trouble);
    if settings.json() {
        output::json(&serde_json::json!({ "ok": !trouble, "checks": checks }))?;
    } else {
        checks.iter().try_for_each(print)?;
    }
    Ok(ExitCode::from(if trouble {
        exit::FAILED
    } else {
        exit::DONE
    }))
}

fn print(check: &Check) -> Result {
    let out = terminal::stdout();
    let symbol = match check.verdict {
        Verdict::Ok => out.paint(AnsiColor::Green, "✓"),
        Verdict::Advice => out.paint(AnsiColor::Yellow, "·"),
        Verdict::Trouble => out.paint(AnsiColor::Red, "✗"),
    };
    output::line(&format!(
        "{symbol} {}: {}",
        check.name,
        escape(&check.message)
    ))?;
    match &check.advice {
        Some(advice) => output::line(&format!("    {}", escape(advice))),
        None => Ok(()),
    }
}

async fn local(args: &Args, path: &Path) -> Vec<Check> {
    let mut checks = vec![Check::ok("program", format!("longhaul {BUILD}"))];
    if !path.exists() {
        checks.push(Check::ok(
            "data folder",
            format!("{} is made by the first job", path.display()),
        ));
        checks.push(unit());
        return checks;
    }
    if let Err(fail) = data_dir::check(path) {
        checks.push(Check::of("data folder", fail));
        return checks;
    }
    let data = match DataDir::open(path) {
        Ok(data) => data,
        Err(fail) => {
            checks.push(Check::of("data folder", fail));
            return checks;
        }
    };
    checks.push(Check::ok(
        "data folder",
        format!("{}, closed to other users", data.path().display()),
    ));
    checks.push(file_system(data.path()));
    checks.push(disk(data.path()));
    checks.push(database(args, &data));
    checks.push(server(&data).await);
    checks.push(unit());
    checks
}

/// Locks and shared memory, which the database needs, do not work over a network.
fn file_system(path: &Path) -> Check {
    const NAME: &str = "file system";
    let kind = match rustix::fs::statfs(path) {
        Ok(found) => found.f_type,
        Err(error) => return Check::trouble(NAME, error.to_string(), None),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "magic numbers have 32 bits, in whatever type the platform keeps them"
    )]
    let network = match kind as u32 {
        0x6969 => Some("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
        0x0102_1997 => Some("9p"),
        _ => None,
    };
    match network {
        None => Check::ok(NAME, "local"),
        Some(network) => Check::trouble(
            NAME,
            format!("the data folder lies on {network}, where locks can not be relied on"),
            Some("Choose a folder on a local disk with LONGHAUL_DATA_DIR.".to_owned()),
        ),
    }
}

fn disk(path: &Path) -> Check {
    const NAME: &str = "disk space";
    let free = match rustix::fs::statvfs(path) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Check::trouble(NAME, error.to_string(), None),
    };
    let message = format!("{} free", bytes(free));
    if free >= LOW {
        return Check::ok(NAME, message);
    }
    Check::trouble(
        NAME,
        message,
        Some(
            "Make room: jobs fail to start, and running ones wait, when the disk is full."
                .to_owned(),
        ),
    )
}

fn database(args: &Args, data: &DataDir) -> Check {
    const NAME: &str = "database";
    let path = data.database();
    let size = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > 0 => metadata.len(),
        Ok(_) | Err(_) => return Check::ok(NAME, "none yet"),
    };
    let whole = args.full || size <= QUICK;
    let found = match SqliteStore::inspect(&path, whole) {
        Ok(found) => found,
        Err(error) => return Check::trouble(NAME, error.to_string(), None),
    };
    if let Some(fault) = found.faults.first() {
        return Check::trouble(
            NAME,
            format!("{} is damaged: {fault}", path.display()),
            Some("Stop the server, keep a copy of the folder, and restore a backup or run `sqlite3 jobs.db .recover`.".to_owned()),
        );
    }
    if found.schema > found.newest {
        return Check::trouble(
            NAME,
            format!(
                "its schema {} is newer than this program's {}",
                found.schema, found.newest
            ),
            Some("Use the newer program.".to_owned()),
        );
    }
    let message = format!("{}, schema {}, settings take", bytes(size), found.schema);
    if whole {
        Check::ok(NAME, format!("{message}, every page is sound"))
    } else {
        Check::advice(NAME, message, "To read every page: longhaul doctor --full")
    }
}

async fn server(data: &DataDir) -> Check {
    const NAME: &str = "server";
    match daemon::running(data).await {
        Ok(None) if SqliteStore::lock(data.database()).is_err() => Check::trouble(
            NAME,
            "something holds the database, but does not answer on the socket",
            Some(format!("Its log may say why: {}", data.log().display())),
        ),
        Ok(None) => Check::ok(NAME, "none runs; the next command starts one"),
        Ok(Some((_, Some(info)))) if info.build == BUILD => match info.counts {
            Some(counts) => Check::ok(
                NAME,
                format!(
                    "answers, process {}, {} jobs running, {} waiting, kinds: {}",
                    info.pid,
                    counts.running,
                    counts.pending,
                    info.kinds.join(", ")
                ),
            ),
            None => Check::trouble(
                NAME,
                format!(
                    "answers, process {}, but its database can not be reached",
                    info.pid
                ),
                Some(
                    "It goes on once the database is back; GET /health/ready says when.".to_owned(),
                ),
            ),
        },
        Ok(Some((_, Some(info)))) => Check::advice(
            NAME,
            format!(
                "runs build {}, this program is {BUILD} ({VERSION})",
                info.build
            ),
            "The next command replaces it; what runs goes on.",
        ),
        Ok(Some((_, None))) => Check::advice(
            NAME,
            "speaks another version",
            "The next command replaces it; what runs goes on.",
        ),
        Err(fail) => Check::of(NAME, fail),
    }
}

fn unit() -> Check {
    const NAME: &str = "service";
    if !service::is_installed() {
        return Check::advice(
            NAME,
            "not installed: after a restart of the machine jobs go on with the first command",
            "To have them go on by themselves: longhaul service install",
        );
    }
    if service::systemctl(&["is-system-running"]).is_none() {
        return Check::advice(
            NAME,
            "installed, but the user's systemd does not answer here",
            "In a session where it does: systemctl --user status longhaul",
        );
    }
    if !service::is_active() {
        return Check::trouble(
            NAME,
            "installed, but it does not run",
            Some(format!(
                "Start it: systemctl --user enable --now {}",
                service::UNIT
            )),
        );
    }
    match service::lingers() {
        Some(false) => Check::advice(
            NAME,
            "runs while you are logged in",
            "To start it at boot, and keep it after logout: loginctl enable-linger",
        ),
        Some(true) | None => Check::ok(NAME, "installed and running"),
    }
}

async fn remote(settings: &Settings, url: &str) -> Vec<Check> {
    let program = Check::ok("program", format!("longhaul {BUILD}"));
    let answer = async {
        let session = Session::open(settings).await?;
        Ok(session.client.server().await?)
    };
    let server = match answer.await {
        Ok(info) => Check::ok(
            "server",
            format!(
                "{url} answers, version {}, kinds: {}",
                info.version,
                info.kinds.join(", ")
            ),
        ),
        Err(fail) => Check::of("server", fail),
    };
    vec![program, server]
}
