//! What the tests of Sui share: a stand-in of a node and of an aggregator, and an engine with every kind.

use std::{fs, path::PathBuf, time::Duration};

use longhaul::{
    Engine, JobHandle,
    model::Job,
    store::Filter,
    types::{JobError, JobId},
};
use longhaul_sandbox::{
    aggregator::Aggregator as Sandbox,
    sui::{Event, Network as Chain, Node, Object, Options},
};
use longhaul_walrus::{
    blob_id::{self, BlobId},
    fetch::{Delivery, Fetch, FetchArgs},
    follow::{CatchUp, Followed, Monitor, MonitorArgs, SyncArgs},
    retrieve::Retrieve,
    sui::Happening,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The package of the todos.
pub(crate) const PACKAGE: &str = "0xa11";
/// How long something that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// An engine, a node, an aggregator with blobs, and the folders of lists and files.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) node: Node,
    pub(crate) engine: Engine,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Options::new().network(Chain::Testnet)).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["blobs", "lists"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let sandbox = Sandbox::start(folder.path().join("blobs")).await;
        let node = options.start().await;
        Self {
            engine: engine(&folder).await,
            folder,
            sandbox: sandbox.expect("started"),
            node: node.expect("started"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores a todo of this title and answers with its blob ID.
    pub(crate) fn todo(&self, title: &str) -> BlobId {
        let todo = json!({"id": title, "title": title});
        self.blob(&serde_json::to_vec_pretty(&todo).expect("json"))
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> BlobId {
        let length = bytes.len() as u64;
        let id = blob_id::compute(&bytes.to_vec(), length, &blob_id::Options::default());
        let id = id.expect("an ID");
        self.sandbox.put(&id.to_string(), bytes).expect("stored");
        id
    }

    /// An object with these contents on the node.
    pub(crate) fn object(&self, id: &str, json: Value) {
        let kind = format!("{PACKAGE}::todo_nft::TodoNFT");
        self.node
            .put_object(Object::new(id, kind, json))
            .expect("stored");
    }

    pub(crate) fn delivery(&self) -> Delivery {
        Delivery {
            lists: self.path("lists"),
            aggregator: self.sandbox.url(),
            join: None,
            output: Some(self.path("out")),
            attempts: 2,
            cache_bytes: 0,
            full_speed: false,
        }
    }

    pub(crate) fn fetch(&self, source: &str) -> FetchArgs {
        FetchArgs {
            source: source.to_owned(),
            node: self.node.url(),
            network: None,
            seen: None,
            delivery: self.delivery(),
        }
    }

    pub(crate) fn followed(&self) -> Followed {
        Followed {
            node: self.node.url(),
            network: None,
            package: PACKAGE.parse().expect("an ID"),
            events: vec![Happening::NftCreated],
            fetch_timeout: 300.0,
            delivery: self.delivery(),
        }
    }

    pub(crate) fn monitor(&self) -> MonitorArgs {
        MonitorArgs {
            followed: self.followed(),
            auto_retrieve: true,
        }
    }

    pub(crate) fn sync(&self, from: u64) -> SyncArgs {
        SyncArgs {
            followed: self.followed(),
            from,
        }
    }

    /// A monitor that has begun to follow.
    pub(crate) async fn start_monitor(&self, args: MonitorArgs) -> JobHandle {
        let job = self.engine.submit(args).await.expect("submitted");
        until("it follows", async || {
            metadata(&job, "checkpoint").await.is_some()
        })
        .await;
        job
    }

    /// Stops the engine and starts it anew; the job goes on.
    pub(crate) async fn restart(
        mut self,
        job: JobHandle,
        meanwhile: impl FnOnce(&Self),
    ) -> (Self, JobHandle) {
        let id: JobId = job.id().clone();
        drop(job);
        self.engine.shutdown().await;
        meanwhile(&self);
        let Self {
            folder,
            sandbox,
            node,
            engine: old,
        } = self;
        // The file is locked until the last handle of the old engine is gone.
        drop(old);
        self = Self {
            engine: engine(&folder).await,
            folder,
            sandbox,
            node,
        };
        let job = self.engine.handle(None, &id).await.expect("there");
        (self, job)
    }

    /// The objects that fetch jobs were started for, one for each job, sorted.
    pub(crate) async fn fetches(&self) -> Vec<String> {
        let filter = Filter {
            kinds: vec!["walrus.fetch".to_owned()],
            ..Filter::default()
        };
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = self
                .engine
                .store()
                .jobs(&filter, before, 1000)
                .await
                .expect("read");
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            all.extend(page.iter().map(|job: &Job| job.labels["command"].clone()));
        }
        all.sort();
        all
    }

    /// Waits until there are so many fetch jobs, and sees that these are the ones, each once.
    pub(crate) async fn fetched(&self, objects: impl IntoIterator<Item = u64>) {
        let mut wanted: Vec<String> = objects
            .into_iter()
            .map(|n| format!("fetch {}", long(n)))
            .collect();
        wanted.sort();
        until("all fetches are started", async || {
            self.fetches().await.len() >= wanted.len()
        })
        .await;
        assert_eq!(self.fetches().await, wanted);
    }

    pub(crate) async fn log(&self, job: &JobHandle) -> Vec<String> {
        let log = self.engine.store().log(job.seq(), 0, 1000).await;
        log.expect("read")
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    /// How a fetch fails.
    pub(crate) async fn failure(&self, args: FetchArgs) -> JobError {
        let job = self.engine.submit(args).await.expect("submitted");
        let ended = job.wait().await.expect("ended");
        ended.error().expect("failed").clone()
    }
}

/// An engine with every kind.
pub(crate) async fn engine(folder: &TempDir) -> Engine {
    let retrieve = Retrieve::default();
    Engine::open(folder.path().join("jobs.db"))
        .register(Fetch::sharing(&retrieve))
        .register(Monitor)
        .register(CatchUp)
        .start()
        .await
        .expect("started")
}

/// Waits for a condition.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let met = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, met).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A number that a job shows.
pub(crate) async fn metadata(job: &JobHandle, name: &str) -> Option<u64> {
    let progress = job.job().await.expect("read").progress;
    progress.metadata.get(name).and_then(Value::as_u64)
}

/// An object's ID in full.
pub(crate) fn long(object: u64) -> String {
    format!("0x{object:064x}")
}

/// The events that these objects were made.
pub(crate) fn all_created(objects: impl IntoIterator<Item = u64>) -> Vec<Event> {
    objects.into_iter().map(|n| created(&long(n))).collect()
}

/// The event that an object was made.
pub(crate) fn created(object: &str) -> Event {
    Event::new(
        format!("{PACKAGE}::todo_nft::TodoNFTCreated"),
        json!({"todo_id": object, "title": "Buy milk", "owner": "0x1", "timestamp": "7"}),
    )
}
