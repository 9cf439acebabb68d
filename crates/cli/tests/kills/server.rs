//! A server that is killed.

use std::{
    fs::OpenOptions,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use longhaul_client::Client;

use super::PATIENCE;

/// A server's process. It does not outlive the test.
pub(crate) struct Server(Child);

impl Server {
    /// Starts `longhaul serve` on the data folder under `folder`, and waits until it answers.
    pub(crate) async fn start(folder: &Path, client: &Client) -> Self {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("serve.log"))
            .expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_longhaul"))
            .arg("serve")
            .env_clear()
            .env("HOME", folder.join("home"))
            .env("LONGHAUL_DATA_DIR", folder.join("data"))
            .current_dir(folder.join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut server = Self(child);
        let end = Instant::now() + PATIENCE;
        while client.ready().await.is_err() {
            let ended = server.0.try_wait().expect("a status");
            let said = || std::fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            assert!(ended.is_none(), "the server ended: {}", said());
            assert!(
                Instant::now() < end,
                "the server does not answer: {}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server
    }

    /// Kills it by SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
