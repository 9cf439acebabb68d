//! News between the processes of a database: NOTIFY tells, LISTEN hears, and a slow look behind finds what neither did.
//!
//! Invariants: news are told after the commit of what they are about, outside its transaction, as those who tell commit one
//! after another; many changes make one piece of news. Nothing depends on news but how soon another process looks.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_postgres::{AsyncMessage, Error as Postgres};

use super::{Shared, open::Address};

/// Says that a job may be due.
const DUE: &str = "longhaul_due";
/// Says that anything else changed.
const CHANGED: &str = "longhaul_changed";

/// Between two pieces of news of jobs that may be due, told or heard.
const DUE_GAP: Duration = Duration::from_millis(5);
/// Between two pieces of other news.
const CHANGED_GAP: Duration = Duration::from_millis(100);
/// How often a process looks by itself where it hears news.
const LOOK_BEHIND: Duration = Duration::from_secs(5);
/// How often a process looks that hears none: behind some poolers LISTEN is in vain.
const LOOK: Duration = Duration::from_secs(1);
/// The wait after the connection that listens was lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// What this process has to tell.
#[derive(Debug)]
pub(super) struct News {
    me: String,
    due: Notify,
    changed: Notify,
}

impl News {
    pub(super) fn new() -> Self {
        Self {
            me: format!("{:016x}", fastrand::u64(..)),
            due: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// A job may be due that was not.
    pub(super) fn due(&self) {
        self.due.notify_one();
    }

    /// Something changed that others may follow.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }
}

/// What this process heard. Its tasks end with it.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) due: watch::Receiver<u64>,
    pub(super) changed: watch::Receiver<u64>,
    _tasks: JoinSet<()>,
}

/// What was heard and not yet said here.
#[derive(Debug, Default)]
struct Heard {
    due: Notify,
    changed: Notify,
    /// Whether news come at all.
    hears: AtomicBool,
}

impl Heard {
    /// Anything may have happened.
    fn all(&self) {
        self.due.notify_one();
        self.changed.notify_one();
    }
}

/// Tells and hears news.
pub(super) fn start(shared: &Arc<Shared>, address: Address) -> Ear {
    let heard = Arc::new(Heard::default());
    let (due, due_seen) = watch::channel(0);
    let (changed, changed_seen) = watch::channel(0);
    let mut tasks = JoinSet::new();
    tasks.spawn(tell(Arc::clone(shared), DUE, DUE_GAP));
    tasks.spawn(tell(Arc::clone(shared), CHANGED, CHANGED_GAP));
    tasks.spawn(pass(Arc::clone(&heard), |heard| &heard.due, due, DUE_GAP));
    tasks.spawn(pass(
        Arc::clone(&heard),
        |heard| &heard.changed,
        changed,
        CHANGED_GAP,
    ));
    tasks.spawn(look(Arc::clone(&heard)));
    tasks.spawn(listen(Arc::clone(shared), address, heard));
    Ear {
        due: due_seen,
        changed: changed_seen,
        _tasks: tasks,
    }
}

/// Tells the others what there is to tell. What can not be told is found by their look behind.
async fn tell(shared: Arc<Shared>, channel: &'static str, gap: Duration) {
    loop {
        match channel {
            DUE => shared.news.due.notified().await,
            _ => shared.news.changed.notified().await,
        }
        if let Err(error) = shared
            .rows(sql!("tell"), &[&channel, &shared.news.me])
            .await
        {
            tracing::debug!(%error, channel, "news could not be told");
        }
        sleep(gap).await;
    }
}

/// Says here what was heard.
async fn pass(
    heard: Arc<Heard>,
    of: impl Fn(&Heard) -> &Notify,
    to: watch::Sender<u64>,
    gap: Duration,
) {
    loop {
        of(&heard).notified().await;
        to.send_modify(|count| *count += 1);
        sleep(gap).await;
    }
}

/// Looks by itself, whatever is heard.
async fn look(heard: Arc<Heard>) {
    let mut waited = Duration::ZERO;
    loop {
        sleep(LOOK).await;
        waited += LOOK;
        if waited >= LOOK_BEHIND || !heard.hears.load(Ordering::Relaxed) {
            waited = Duration::ZERO;
            heard.all();
        }
    }
}

/// Listens, on a connection of its own that is made again when it is lost.
async fn listen(shared: Arc<Shared>, address: Address, heard: Arc<Heard>) {
    loop {
        if let Err(error) = listen_once(&shared, &address, &heard).await {
            tracing::debug!(%error, "the connection that listens was lost");
        }
        heard.hears.store(false, Ordering::Relaxed);
        sleep(PATIENCE).await;
    }
}

async fn listen_once(shared: &Shared, address: &Address, heard: &Heard) -> Result<(), Postgres> {
    let (client, mut connection) = address.config.connect(address.tls.clone()).await?;
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    let asks = async {
        client
            .batch_execute(&format!("LISTEN {DUE}; LISTEN {CHANGED}"))
            .await?;
        // What happened before it listened; and news of its own, to know that they come.
        heard.all();
        shared.news.changed();
        future::pending::<Result<(), Postgres>>().await
    };
    let listens = async {
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(news) = message? {
                heard.hears.store(true, Ordering::Relaxed);
                match news.channel() {
                    _ if news.payload() == shared.news.me => {}
                    DUE => heard.due.notify_one(),
                    _ => heard.changed.notify_one(),
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        done = asks => done,
        done = listens => done,
    }
}
