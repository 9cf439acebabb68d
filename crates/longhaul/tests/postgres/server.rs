//! A real PostgreSQL server for one test: in a folder of its own, on a socket in that folder, stopped by its own pid.
//!
//! Its files are a copy of those that `initdb` made once, for all tests of this checkout.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// PostgreSQL does not run as root: then it runs as nobody.
const NOBODY: u32 = 65_534;

/// A server that stops with its test.
pub(crate) struct Server {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts it, and waits until it takes connections.
    pub(crate) fn start() -> Self {
        Self::start_as(|_| ())
    }

    /// Starts it once its files are prepared, in the folder of its settings.
    pub(crate) fn start_as(prepare: impl FnOnce(&Path)) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        copy(&template(), &data).expect("the files of the server");
        prepare(&data);
        let place = folder.path().display();
        let url = format!("host={place} user=longhaul dbname=postgres");
        let process = begin(&folder);
        Self {
            process,
            url,
            folder,
        }
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&mut self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.process.wait();
    }

    /// Starts it again after a crash, on the same files.
    pub(crate) fn recover(&mut self) {
        self.process = begin(&self.folder);
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

fn begin(folder: &tempfile::TempDir) -> Child {
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut process = as_user(&program("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder.path())
        // It is thrown away: nothing needs to outlive the machine.
        .args(["-c", "fsync=off", "-c", "shared_buffers=16MB"])
        .args(["-c", "max_connections=30", "-c", "autovacuum=off"])
        .stdout(Stdio::null())
        .stderr(File::create(&log).expect("a log"))
        .spawn()
        .expect("a server");
    let until = Instant::now() + Duration::from_secs(30);
    let pid = process.id().to_string();
    let said = || fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    while !(said().lines().next() == Some(&pid) && said().contains("ready")) {
        let ended = process.try_wait().expect("its state");
        assert!(
            ended.is_none() && Instant::now() < until,
            "PostgreSQL does not start: {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
        thread::sleep(Duration::from_millis(10));
    }
    process
}

/// A folder that the server's user may use. Its path is short, as those of sockets must be.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .expect("a folder");
    give(folder.path()).expect("its owner");
    folder
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn give(path: &Path) -> io::Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir("/tmp")
        .env_clear()
        .env("LC_ALL", "C.UTF-8");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A program of the newest PostgreSQL of this machine.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is installed: script/setup does it")
}

/// The files of a new server, made by the first who asks.
fn template() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let made = place.join("postgres.template");
    let lock = File::create(place.join("postgres.lock")).expect("a lock");
    lock.lock().expect("the lock");
    if !made.exists() {
        let folder = folder();
        let data = folder.path().join("data");
        let output = as_user(&program("initdb"))
            .arg("-D")
            .arg(&data)
            .args([
                "-U",
                "longhaul",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .output()
            .expect("initdb");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Nobody else is to reach it; what comes later wins.
        let conf = data.join("postgresql.conf");
        let mut settings = fs::read_to_string(&conf).expect("its settings");
        settings.push_str("listen_addresses = ''\n");
        fs::write(&conf, settings).expect("its settings");
        let half = place.join("postgres.half");
        let _ = fs::remove_dir_all(&half);
        copy(&data, &half).expect("a copy");
        fs::rename(&half, &made).expect("a template");
    }
    made
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    give(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            give(&target)?;
        }
    }
    Ok(())
}
