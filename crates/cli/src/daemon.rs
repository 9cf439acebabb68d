//! The local server: found, started in the background when none runs, replaced when it is of another build.
//!
//! Invariant: one command at a time starts or replaces a server, by a lock on a file that the operating system releases
//! with the command. Whether a server runs is asked on its socket, never of a PID file.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use longhaul::store::sqlite::SqliteStore;
use longhaul_client::{Client, Error};
use longhaul_types::{ErrorCode, body::ServerInfo};
use tokio::time::sleep;

use crate::{
    BUILD, VERSION,
    commands::serve::{MAX_LOG, command_line},
    data_dir::DataDir,
    exit::{Fail, Result},
    service,
};

/// A server is ready within this time, or the path of its log is printed.
const READY: Duration = Duration::from_secs(2);
/// A start that takes longer failed.
const LONGEST_START: Duration = Duration::from_secs(30);
/// A server that was asked to stop is gone after this time: the longest grace of a run, and its connections' own.
const LONGEST_STOP: Duration = Duration::from_secs(45);
/// How long another command may hold the lock of starts.
const LONGEST_WAIT: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Servers found, replaced or started before giving up.
const TRIES: usize = 4;
/// What a server in the background inherits of the environment: no setting of its own but its log's, and the keys to where
/// its files may lie.
const INHERITED: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HOME",
    "LANG",
    "LC_ALL",
    "LONGHAUL_LOG",
    "PATH",
    "TMPDIR",
    "TZ",
    "XDG_RUNTIME_DIR",
];

/// Who answers on the socket.
enum Found {
    /// A server of this build.
    Ours,
    /// A server of another build.
    Other(ServerInfo),
    /// A server whose answers are not understood: a much older one.
    Strange,
    /// One that is about to stop.
    Stopping,
    /// Nobody.
    Nobody,
}

/// A client of the server of `data`, which runs when this returns.
pub async fn connect(data: &DataDir) -> Result<Client> {
    let client = Client::unix(data.socket())?;
    if let Found::Ours = find(&client).await? {
        return Ok(client);
    }
    let mut lock = lock_starts(data).await?;
    for _ in 0..TRIES {
        match find(&client).await? {
            Found::Ours => return Ok(client),
            Found::Other(info) => {
                let is_service = !info.on_demand && service::is_active();
                replace(data, &client, &info).await?;
                if is_service {
                    // The service takes the lock itself.
                    drop(lock);
                    restart_service(&client).await?;
                    lock = lock_starts(data).await?;
                }
            }
            Found::Strange => {
                eprintln!("longhaul: replacing a server that speaks another version");
                stop_and_wait(data, &client).await?;
            }
            Found::Stopping => wait_until_free(data).await?,
            Found::Nobody => start(data, &client).await?,
        }
    }
    drop(lock);
    Err(Fail::unreachable("the server does not stay").hint(see_log(data)))
}

/// A client of the server of `data` if one answers now, whatever its build.
pub async fn running(data: &DataDir) -> Result<Option<(Client, Option<ServerInfo>)>> {
    let client = Client::unix(data.socket())?;
    match client.server().await {
        Ok(info) => Ok(Some((client, Some(info)))),
        Err(Error::Unexpected { .. } | Error::Refused(_)) => Ok(Some((client, None))),
        Err(Error::Unreachable { .. } | Error::Interrupted { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Stops the server of `data`, if one runs, and waits for its end. Jobs stay.
pub async fn stop(data: &DataDir) -> Result<bool> {
    let _lock = lock_starts(data).await?;
    let Some((client, _)) = running(data).await? else {
        return Ok(false);
    };
    stop_and_wait(data, &client).await?;
    Ok(true)
}

/// Makes room for a server that somebody starts on purpose: one that a command started gives way, any other stays. Holds
/// commands back from starting another until the answer is dropped.
pub async fn make_room(data: &DataDir) -> Result<File> {
    let lock = lock_starts(data).await?;
    match running(data).await? {
        None => Ok(lock),
        Some((client, Some(info))) if info.on_demand => {
            stop_and_wait(data, &client).await?;
            Ok(lock)
        }
        Some(_) => Err(Fail::failed(format!(
            "a server runs on {} already",
            data.path().display()
        ))
        .hint("Use that one, or stop it first; another folder (--data-dir) can have its own.")),
    }
}

async fn find(client: &Client) -> Result<Found> {
    match client.server().await {
        Ok(info) if info.build == BUILD => Ok(Found::Ours),
        Ok(info) => Ok(Found::Other(info)),
        Err(Error::Unreachable { .. }) => Ok(Found::Nobody),
        Err(Error::Interrupted { .. }) => Ok(Found::Stopping),
        Err(Error::Refused(problem)) if problem.code == ErrorCode::Unavailable => {
            Ok(Found::Stopping)
        }
        Err(Error::Unexpected { .. } | Error::Refused(_)) => Ok(Found::Strange),
        Err(error) => Err(error.into()),
    }
}

async fn lock_starts(data: &DataDir) -> Result<File> {
    let path = data.start_lock();
    let io = |error| Fail::io(path.display(), &error);
    let file = DataDir::private_file(&path).map_err(io)?;
    let end = Instant::now() + LONGEST_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(LOOK).await,
            Err(TryLockError::WouldBlock) => {
                return Err(Fail::unreachable(
                    "another command is starting the server, for too long",
                )
                .hint(see_log(data)));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

/// Has a server of another build give back what runs, and makes room for one of this build.
async fn replace(data: &DataDir, client: &Client, info: &ServerInfo) -> Result {
    if number(&info.version) > number(VERSION) {
        return Err(Fail::unreachable(format!(
            "the server is version {}, newer than this program ({VERSION})",
            info.version
        ))
        .hint("Use the newer program, or another folder (--data-dir)."));
    }
    eprintln!(
        "longhaul: replacing the server of build {} by build {BUILD}; what runs goes on",
        info.build
    );
    stop_and_wait(data, client).await
}

/// Has systemd start the service's server anew, which is of this build if the program was replaced where it lies.
async fn restart_service(client: &Client) -> Result {
    service::systemctl(&["restart", service::UNIT]);
    let end = Instant::now() + READY;
    while Instant::now() < end {
        match find(client).await? {
            Found::Ours => return Ok(()),
            Found::Other(_) => {
                return Err(
                    Fail::unreachable("the service runs another build of this program")
                        .hint("Have it run this one: longhaul service install"),
                );
            }
            Found::Strange | Found::Stopping | Found::Nobody => sleep(LOOK).await,
        }
    }
    Ok(())
}

/// The three numbers of a version.
fn number(version: &str) -> [u64; 3] {
    let mut numbers = [0; 3];
    let core = version.split(['-', '+']).next().unwrap_or_default();
    for (number, text) in numbers.iter_mut().zip(core.split('.')) {
        *number = text.parse().unwrap_or(0);
    }
    numbers
}

async fn stop_and_wait(data: &DataDir, client: &Client) -> Result {
    match client.stop_server().await {
        Ok(_) | Err(Error::Unreachable { .. } | Error::Interrupted { .. }) => {}
        // A server without that door, or one that stops already.
        Err(Error::Refused(_) | Error::Unexpected { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    wait_until_free(data).await
}

/// Waits until no server has the database.
async fn wait_until_free(data: &DataDir) -> Result {
    let end = Instant::now() + LONGEST_STOP;
    loop {
        // Free at once again: who starts a server waits a moment for the lock.
        if SqliteStore::lock(data.database()).is_ok() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(
                Fail::unreachable("the server that should stop does not").hint(see_log(data))
            );
        }
        sleep(LOOK).await;
    }
}

/// Starts a server and waits until it answers.
async fn start(data: &DataDir, client: &Client) -> Result {
    let first = !data.log().exists();
    let mut child = spawn(data)?;
    let begun = Instant::now();
    let mut told = false;
    loop {
        match find(client).await? {
            Found::Ours | Found::Other(_) => break,
            Found::Strange | Found::Stopping | Found::Nobody => {}
        }
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            // It may have met another server, which then answers.
            if !matches!(find(client).await?, Found::Nobody) {
                return Ok(());
            }
            let why = last_line(&data.log()).unwrap_or_else(|| status.to_string());
            return Err(
                Fail::unreachable(format!("the server could not start: {why}")).hint(see_log(data)),
            );
        }
        let spent = begun.elapsed();
        if spent >= LONGEST_START {
            return Err(Fail::unreachable("the server does not get ready").hint(see_log(data)));
        }
        if spent >= READY && !told {
            told = true;
            eprintln!("longhaul: the server is slow to start. {}", see_log(data));
        }
        sleep(LOOK).await;
    }
    if first && !service::is_installed() {
        eprintln!(
            "longhaul: started a server in the background; to have it at every login: longhaul service install"
        );
    }
    Ok(())
}

fn spawn(data: &DataDir) -> Result<Child> {
    let path = data.log();
    let io = |error| Fail::io(path.display(), &error);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
        fs::rename(&path, path.with_extension("log.1")).map_err(io)?;
    }
    let log = DataDir::private_file(&path).map_err(io)?;
    let program = env::current_exe()?;
    let [program, arguments @ ..] = command_line(&program, data.path());
    let kept = INHERITED
        .iter()
        .filter_map(|name| Some((name, env::var_os(name)?)));
    Command::new(&program)
        .args(arguments)
        .arg("--on-demand")
        .env_clear()
        .envs(kept)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(io)?)
        .stderr(log)
        .spawn()
        .map_err(|error| {
            Fail::unreachable(format!("{} can not be started: {error}", program.display()))
        })
}

fn see_log(data: &DataDir) -> String {
    format!("Its log: {}", data.log().display())
}

/// The last line of a log file that says something.
fn last_line(path: &Path) -> Option<String> {
    const TAIL: u64 = 4096;
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail).into_owned();
    let line = text
        .lines()
        .rev()
        .find(|line| line.starts_with("longhaul:"));
    let line = line.or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()))?;
    Some(line.trim_start_matches("longhaul:").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert!(number("0.10.0") > number("0.9.9+abc"));
        assert_eq!(number("1.2.3-rc1"), [1, 2, 3]);
        assert_eq!(number("strange"), [0, 0, 0]);
    }

    #[test]
    fn the_reason_is_found_in_the_log() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        fs::write(&path, "old\nlonghaul: disk full\n  Free some.\n\n").expect("write");
        assert_eq!(last_line(&path).as_deref(), Some("disk full"));
        fs::write(&path, "panicked\n").expect("write");
        assert_eq!(last_line(&path).as_deref(), Some("panicked"));
    }
}
