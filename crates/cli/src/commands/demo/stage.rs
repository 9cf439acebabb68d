//! What the demonstration needs: blobs with true IDs, a list of them, an aggregator, and `waltodo` beside this program.
//!
//! Invariant: the programs see the demonstration's own folders and nothing of the user's jobs, lists and settings.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use longhaul_sandbox::aggregator::{Aggregator, Fault, Rule};
use longhaul_walrus::blob_id::{self, BlobId};
use serde_json::json;
use tokio::process::Command;

use crate::{
    commands::sandbox,
    data_dir::DataDir,
    exit::{Fail, Result},
    output,
};

/// Name of the list.
pub(super) const LIST: &str = "demo-todos";
/// Bytes a second of each answer: slow enough that the kill comes in the middle.
const RATE: u64 = 500_000;
const MIB: usize = 1 << 20;
/// The todos, and about how long each is.
const TODOS: [(&str, usize); 8] = [
    ("Buy groceries", 600),
    ("Scan the archive", 8 * MIB),
    ("Walk the dog", 2_000),
    ("Edit the film", 4 * MIB),
    ("Pay bills", MIB),
    ("Sort the photographs", 2 * MIB),
    ("Schedule meeting", 20_000),
    ("Record the song", 2 * MIB),
];

/// A blob on the aggregator.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) id: BlobId,
    pub(super) bytes: u64,
}

/// The stage, in one folder.
pub(super) struct Stage {
    pub(super) data: DataDir,
    pub(super) output: PathBuf,
    pub(super) sandbox: Aggregator,
    pub(super) blobs: Vec<Blob>,
    lists: PathBuf,
    home: PathBuf,
    program: PathBuf,
}

impl Stage {
    /// Sets everything up in `folder`.
    pub(super) async fn new(folder: &Path, count: u32) -> Result<Self> {
        let program = env::current_exe()?.with_file_name("waltodo");
        if !program.is_file() {
            return Err(Fail::failed(format!("{} is missing", program.display()))
                .hint("Build it beside this program: cargo build --package longhaul-cli"));
        }
        let data = DataDir::open(&folder.join("data"))?;
        let [files, lists, home] = ["blobs", "lists", "home"].map(|name| folder.join(name));
        for path in [&files, &lists, &home] {
            fs::create_dir(path)?;
        }
        let started = Aggregator::start(&files).await;
        let sandbox = started.map_err(|error| sandbox::fail(&error))?;
        let mut stage = Self {
            data,
            output: folder.join("output"),
            sandbox,
            blobs: Vec::new(),
            lists,
            home,
            program,
        };
        stage.fill(count).await?;
        Ok(stage)
    }

    /// Makes the blobs and the list of them.
    async fn fill(&mut self, count: u32) -> Result {
        let mut todos = Vec::new();
        for (number, (title, size)) in (1..=count).zip(TODOS.into_iter().cycle()) {
            let title = format!("{title} ({number})");
            let todo = content(number, &title, size)?;
            let bytes = todo.len() as u64;
            let id = id_of(todo.clone()).await?;
            let stored = self.sandbox.put(&id.to_string(), &todo);
            stored.map_err(|error| sandbox::fail(&error))?;
            todos.push(
                json!({ "id": number.to_string(), "title": title, "walrusBlobId": id.to_string() }),
            );
            self.blobs.push(Blob { id, bytes });
        }
        let list =
            json!({ "id": LIST, "name": LIST, "owner": "demo", "version": 1, "todos": todos });
        fs::write(
            self.lists.join(format!("{LIST}.json")),
            format!("{list:#}\n"),
        )?;
        self.sandbox.faults().add(Rule::new(Fault::Slow {
            bytes_per_second: RATE,
        }));
        Ok(())
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        output::line(&format!("\n$ waltodo {}", args.join(" ")))?;
        let mut command = Command::new(&self.program);
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["LONGHAUL_", "WALTODO_", "WALRUS_", "TODO_", "XDG_"]
                .iter()
                .any(|prefix| name_text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .args(args)
            .env("HOME", &self.home)
            .env("LONGHAUL_DATA_DIR", self.data.path())
            .env("TODO_DATA_PATH", &self.lists)
            .env("WALRUS_AGGREGATOR_URL", self.sandbox.url())
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Runs `waltodo`, and shows and answers what it printed.
    pub(super) async fn waltodo(&self, args: &[&str]) -> Result<String> {
        let done = self
            .command(args)?
            .stderr(Stdio::inherit())
            .output()
            .await?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        output::line(text.trim_end())?;
        if done.status.success() {
            return Ok(text);
        }
        Err(Fail::failed(format!(
            "waltodo {}: {}",
            args[0], done.status
        )))
    }

    /// Runs `waltodo` on this program's own terminal.
    pub(super) async fn follow(&self, args: &[&str]) -> Result {
        let status = self.command(args)?.status().await?;
        if status.success() {
            return Ok(());
        }
        Err(Fail::failed(format!("waltodo {}: {status}", args[0])))
    }
}

/// A todo of about `size` bytes, unlike any other.
fn content(number: u32, title: &str, size: usize) -> Result<Vec<u8>> {
    let mut description = String::with_capacity(size + 64);
    let mut line: u64 = 0;
    while description.len() < size {
        // Every line differs, so that pieces in the wrong place would show.
        description.push_str(&format!("{number}.{line:08}: {title}. "));
        line += 1;
    }
    let todo = json!({
        "id": number.to_string(),
        "title": title,
        "description": description,
        "completed": false,
        "priority": "medium",
        "tags": ["demo"],
        "private": false,
    });
    serde_json::to_vec_pretty(&todo).map_err(|error| Fail::failed(error.to_string()))
}

/// The blob ID of these bytes.
pub(super) async fn id_of(bytes: Vec<u8>) -> Result<BlobId> {
    let computed = tokio::task::spawn_blocking(move || {
        blob_id::compute(&bytes, bytes.len() as u64, &blob_id::Options::default())
    });
    computed
        .await
        .map_err(|error| Fail::failed(error.to_string()))?
        .map_err(|error| Fail::failed(error.to_string()))
}
