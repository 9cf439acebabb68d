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
    insert::{self, Outcome},
    statements::Sql,
    tx::{Bounds, Tx},
};
use crate::store::{Error, Insert, Inserted};

/// Commands that may wait.
const QUEUE: usize = 1024;

/// Commands of one commit.
const GROUP: usize = 512;

/// Commands that are waited for before the first of them are run: enough to share a statement, few enough that rows are
/// written while the others come.
const SHARE: usize = 8;

/// How long a commit waits for the next of those whom the one before it answered, and for all of them.
const GAP: Duration = Duration::from_micros(50);
const LINGER: Duration = Duration::from_micros(400);

/// How long a transaction goes on taking commands: a pile of large ones is not to hold up the answers of all.
const PATIENCE: Duration = Duration::from_millis(20);

/// What the writer is told.
enum Message {
    /// Run this in the next commit.
    Run(Box<dyn Command>),
    /// See whether another process has written.
    Look,
}

impl Message {
    fn command(self) -> Option<Box<dyn Command>> {
        match self {
            Self::Run(command) => Some(command),
            Self::Look => None,
        }
    }
}

/// Something to do in a transaction, and somebody who waits for the answer.
trait Command: Send {
    /// Does it; an error is one of the database, and fails the whole commit.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error>;

    /// Answers: after the commit, or with why there was none.
    fn answer(self: Box<Self>, failed: Option<Error>);

    /// The job, when this is nothing but the insert of one without keys: those that meet are inserted together.
    fn single(&self) -> Option<&Insert> {
        None
    }

    /// What became of that job.
    fn settle(&mut self, _outcome: Result<Outcome, Error>) {}
}

/// What a submission is answered with. The jobs go back with it: who made them frees them on a thread of theirs, not on
/// the one that all wait for.
type Submitted = Result<(Vec<Outcome>, Vec<Insert>), Error>;

/// A submission.
struct Submission {
    jobs: Vec<Insert>,
    outcome: Option<Result<Vec<Outcome>, Error>>,
    reply: oneshot::Sender<Submitted>,
}

impl Command for Submission {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error> {
        self.outcome = Some(local(insert::insert_all(tx, &self.jobs))?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        let Self {
            jobs,
            outcome,
            reply: waiting,
        } = *self;
        let outcome = outcome.map(|outcome| outcome.map(|outcomes| (outcomes, jobs)));
        reply(waiting, outcome, failed);
    }

    fn single(&self) -> Option<&Insert> {
        match &self.jobs[..] {
            [job] if !insert::has_key(job) => Some(job),
            _ => None,
        }
    }

    fn settle(&mut self, outcome: Result<Outcome, Error>) {
        self.outcome = Some(outcome.map(|outcome| vec![outcome]));
    }
}

/// What a command ends with when it alone may have failed; an error of the database stays one.
fn local<T>(outcome: Result<T, Fault>) -> Result<Result<T, Error>, rusqlite::Error> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Refused(error)) => Ok(Err(error)),
        Err(Fault::Sqlite(error)) => Err(error),
    }
}

/// Answers whoever waits. They may have gone; the work is done all the same.
fn reply<T>(
    reply: oneshot::Sender<Result<T, Error>>,
    outcome: Option<Result<T, Error>>,
    failed: Option<Error>,
) {
    let not_run = || Err(Error::Internal("a command was not run".to_owned()));
    let outcome = match failed {
        Some(error) => Err(error),
        None => outcome.unwrap_or_else(not_run),
    };
    let _ = reply.send(outcome);
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
        self.outcome = Some(local(work(tx))?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        reply(self.reply, self.outcome, failed);
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
        let (reply, answer) = oneshot::channel();
        let call = Call {
            work: Some(work),
            outcome: None,
            reply,
        };
        self.send(Box::new(call), answer).await
    }

    /// Inserts all jobs or none in the next commit, and answers after it.
    pub(super) async fn insert(&self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error> {
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            jobs,
            outcome: None,
            reply,
        };
        let (outcomes, jobs) = self.send(Box::new(submission), answer).await?;
        let each = outcomes.into_iter().zip(jobs);
        Ok(each.map(|(outcome, job)| outcome.of(job.id)).collect())
    }

    async fn send<T>(
        &self,
        command: Box<dyn Command>,
        answer: oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        let closed = || Error::Unavailable("it is closed".to_owned());
        let sender = self.sender.as_ref().ok_or_else(closed)?;
        sender
            .send(Message::Run(command))
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
    receiver: mpsc::Receiver<Message>,
    notify: &watch::Sender<u64>,
) {
    let mut service = Service {
        db,
        tx: Tx::new(db, Arc::clone(path), bounds),
        path,
        version: None,
        notify,
    };
    let mut inbox = Inbox {
        receiver,
        messages: Vec::with_capacity(GROUP),
    };
    let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(GROUP);
    let mut expected = 0;
    loop {
        inbox.linger(&mut group, expected.min(SHARE));
        if group.is_empty() && !inbox.wait(&mut group) {
            return;
        }
        expected = if group.is_empty() {
            service.look();
            0
        } else {
            service.commit(&mut group, &mut inbox, expected)
        };
    }
}

/// Where commands come in. Who asks for a look gets it with the next transaction.
struct Inbox {
    receiver: mpsc::Receiver<Message>,
    messages: Vec<Message>,
}

impl Inbox {
    /// Waits for what comes next; false when nobody is left who could send.
    fn wait(&mut self, group: &mut Vec<Box<dyn Command>>) -> bool {
        let came = self.receiver.blocking_recv_many(&mut self.messages, GROUP);
        group.extend(self.messages.drain(..).filter_map(Message::command));
        came > 0
    }

    /// Takes what waits, and waits a moment for those who were just answered to come back, until `wanted` of them are
    /// here, so that they share one sync with those who waited meanwhile. Says whether any came.
    fn linger(&mut self, group: &mut Vec<Box<dyn Command>>, wanted: usize) -> bool {
        let before = group.len();
        let enough = GROUP.min(before + wanted);
        let began = Instant::now();
        let mut latest = began;
        loop {
            if let Ok(message) = self.receiver.try_recv() {
                group.extend(message.command());
                latest = Instant::now();
                if group.len() >= GROUP {
                    break;
                }
            } else if group.len() < enough && latest.elapsed() < GAP && began.elapsed() < LINGER {
                thread::yield_now();
            } else {
                break;
            }
        }
        group.len() > before
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
    /// Runs commands, those of the group and those `expected` that come meanwhile, as many as patience allows, in one
    /// transaction, then answers them. Returns how many commands the next commit can expect: those that came meanwhile, and the next one of everybody who is answered
    /// about a single submission, as they often come back.
    fn commit(
        &mut self,
        group: &mut Vec<Box<dyn Command>>,
        inbox: &mut Inbox,
        expected: usize,
    ) -> usize {
        let mut ran = 0;
        let outcome = self.transaction(group, inbox, expected, &mut ran);
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
        let mut expected = inbox.receiver.len() + group.len() - ran;
        for command in group.drain(..ran) {
            expected += usize::from(command.single().is_some());
            command.answer(
                outcome
                    .as_ref()
                    .err()
                    .map(|error| store_error(error, self.path)),
            );
        }
        expected
    }

    /// The rows of those who came are written while the others are on their way.
    fn transaction(
        &mut self,
        group: &mut Vec<Box<dyn Command>>,
        inbox: &mut Inbox,
        expected: usize,
        ran: &mut usize,
    ) -> Result<(), rusqlite::Error> {
        let began = Instant::now();
        self.tx.sql.get(Sql::Begin)?.execute([])?;
        self.notice()?;
        loop {
            while *ran < group.len() && began.elapsed() < PATIENCE {
                self.run_alike(&mut group[*ran..], ran)?;
            }
            let wanted = expected.saturating_sub(*ran).min(SHARE);
            if *ran < group.len() || !inbox.linger(group, wanted) {
                break;
            }
        }
        self.tx.finish()?;
        self.tx.sql.get(Sql::Commit)?.execute([])?;
        Ok(())
    }

    /// Runs the first command, and with it those that insert a job each as it does.
    fn run_alike(
        &mut self,
        commands: &mut [Box<dyn Command>],
        ran: &mut usize,
    ) -> Result<(), rusqlite::Error> {
        let singles = commands
            .iter()
            .take_while(|command| command.single().is_some());
        let alike = singles.count().max(1);
        let some = &mut commands[..alike];
        *ran += alike;
        if let [command] = some {
            return command.run(&mut self.tx);
        }
        let jobs: Vec<&Insert> = some.iter().filter_map(|command| command.single()).collect();
        let outcomes = insert::insert_each(&mut self.tx, &jobs)?;
        for (command, outcome) in some.iter_mut().zip(outcomes) {
            command.settle(outcome);
        }
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
