//! The one thread that writes: it takes what waits in a bounded channel, runs it in one transaction, commits once, and
//! then answers all.
//!
//! Invariant: no command is answered before the commit that holds it is synced, and a failed commit leaves nothing.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    error::{Fault, store_error},
    statements::Sql,
    tx::{Bounds, Tx},
};
use crate::store::Error;

/// Commands that may wait.
const QUEUE: usize = 1024;

/// Commands of one commit.
const GROUP: usize = 512;

/// How long a transaction goes on taking commands: a pile of large ones is not to hold up the answers of all.
const PATIENCE: Duration = Duration::from_millis(20);

/// What the writer is told.
enum Message {
    /// Run this in the next commit.
    Run(Box<dyn Command>),
    /// See whether another process has written.
    Look,
}

/// Something to do in a transaction, and somebody who waits for the answer.
trait Command: Send {
    /// Does it; an error is one of the database, and fails the whole commit.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error>;

    /// Answers: after the commit, or with why there was none.
    fn answer(self: Box<Self>, failed: Option<Error>);
}

struct Call<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Command for Call<F, T>
where
    F: for<'c> FnOnce(&mut Tx<'c>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        self.outcome = Some(match work(tx) {
            Ok(value) => Ok(value),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Sqlite(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        let outcome = match failed {
            Some(error) => Err(error),
            None => self
                .outcome
                .unwrap_or_else(|| Err(Error::Internal("a command was not run".to_owned()))),
        };
        // Whoever asked may have gone; the work is done all the same.
        let _ = self.reply.send(outcome);
    }
}

/// A handle of the writer's thread; the thread ends when it is dropped, after what waits.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    changed: watch::Receiver<u64>,
}

/// A way to ask the writer to look for other processes' commits.
#[derive(Clone, Debug)]
pub(super) struct Looker(mpsc::WeakSender<Message>);

impl Looker {
    /// Asks, unless the writer is busy (it looks at each commit anyway). False when the writer has ended.
    pub(super) fn look(&self) -> bool {
        match self.0.upgrade() {
            Some(sender) => {
                let _ = sender.try_send(Message::Look);
                true
            }
            None => false,
        }
    }
}

impl Writer {
    /// Starts the thread on a connection whose schema is up to date.
    pub(super) fn start(db: Connection, path: Arc<Path>, bounds: Bounds) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (notify, changed) = watch::channel(0);
        let thread = thread::Builder::new()
            .name("longhaul-writer".to_owned())
            .spawn(move || work(&db, &path, bounds, receiver, &notify))
            .map_err(|error| Error::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            changed,
        })
    }

    /// Runs `work` in the next commit and answers after it. What `work` wrote before it is refused is undone only if it
    /// ran inside [`Tx::alone`].
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&mut Tx<'c>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let closed = || Error::Unavailable("it is closed".to_owned());
        let (reply, answer) = oneshot::channel();
        let call = Call {
            work: Some(work),
            outcome: None,
            reply,
        };
        let sender = self.sender.as_ref().ok_or_else(closed)?;
        sender
            .send(Message::Run(Box::new(call)))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Rises when another process has committed.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// A way to make the writer look for other processes' commits.
    pub(super) fn looker(&self) -> Option<Looker> {
        self.sender
            .as_ref()
            .map(|sender| Looker(sender.downgrade()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn work(
    db: &Connection,
    path: &Arc<Path>,
    bounds: Bounds,
    mut receiver: mpsc::Receiver<Message>,
    notify: &watch::Sender<u64>,
) {
    let mut service = Service {
        db,
        tx: Tx::new(db, Arc::clone(path), bounds),
        path,
        version: None,
        notify,
    };
    let mut messages = Vec::with_capacity(GROUP);
    let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(GROUP);
    while receiver.blocking_recv_many(&mut messages, GROUP) > 0 {
        group.extend(messages.drain(..).filter_map(|message| match message {
            Message::Run(command) => Some(command),
            Message::Look => None,
        }));
        if group.is_empty() {
            service.look();
        }
        while !group.is_empty() {
            service.commit(&mut group);
        }
    }
}

struct Service<'c> {
    db: &'c Connection,
    tx: Tx<'c>,
    path: &'c Path,
    version: Option<i64>,
    notify: &'c watch::Sender<u64>,
}

impl Service<'_> {
    /// Runs the first commands, as many as patience allows, in one transaction, then answers them.
    fn commit(&mut self, group: &mut Vec<Box<dyn Command>>) {
        let mut ran = 0;
        let outcome = self.transaction(group, &mut ran);
        if let Err(error) = &outcome {
            tracing::error!(path = %self.path.display(), %error, "a commit failed");
            // Some errors have ended the transaction already.
            if !self.db.is_autocommit()
                && let Err(error) = self
                    .tx
                    .sql
                    .get(Sql::Rollback)
                    .and_then(|sql| sql.execute([]))
            {
                tracing::error!(path = %self.path.display(), %error, "a rollback failed");
            }
            self.tx.forget();
            // A transaction that can not begin fails whoever waits for it.
            ran = ran.max(1);
        }
        for command in group.drain(..ran) {
            command.answer(
                outcome
                    .as_ref()
                    .err()
                    .map(|error| store_error(error, self.path)),
            );
        }
    }

    fn transaction(
        &mut self,
        group: &mut [Box<dyn Command>],
        ran: &mut usize,
    ) -> Result<(), rusqlite::Error> {
        let began = Instant::now();
        self.tx.sql.get(Sql::Begin)?.execute([])?;
        self.notice()?;
        for command in group {
            *ran += 1;
            command.run(&mut self.tx)?;
            if began.elapsed() > PATIENCE {
                break;
            }
        }
        self.tx.finish()?;
        self.tx.sql.get(Sql::Commit)?.execute([])?;
        Ok(())
    }

    /// Looks for other processes' commits outside of a transaction.
    fn look(&mut self) {
        if let Err(error) = self.notice() {
            tracing::warn!(path = %self.path.display(), %error, "can not see whether the file has changed");
        }
    }

    /// Forgets what is remembered when another connection has committed since last time, and says so.
    fn notice(&mut self) -> Result<(), rusqlite::Error> {
        let version: i64 = self
            .tx
            .sql
            .get(Sql::DataVersion)?
            .query_row([], |row| row.get(0))?;
        if self.version.is_some_and(|known| known != version) {
            self.tx.forget();
            self.notify.send_modify(|count| *count += 1);
        }
        self.version = Some(version);
        Ok(())
    }
}
