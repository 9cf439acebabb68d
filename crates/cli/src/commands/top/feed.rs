//! What the server says, and what it is asked: tasks that read, follow and act, and tell the model.
//!
//! Invariant: lists are read when something changed, twice a second at most; a server that is away is tried again, and
//! what is shown is then read again.

use std::{sync::Arc, time::Duration};

use longhaul_client::{Client, Error, Heard, JobsQuery, Update};
use longhaul_types::{
    Event, EventKind, Item, ItemState, JobId, LogLine, State,
    body::{Artifact, AttemptView, JobPage},
    event::EventFilter,
    filter::{FilterNames, JobFilter},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

use super::model::{Effect, Verb};
use crate::session::Session;

/// Jobs that are read, of those that run and of all.
const JOBS: usize = 100;
/// Items that are read at a time.
pub(super) const ITEMS: usize = 500;
/// Lines of a log that are read.
const LINES: usize = 500;
/// Between two readings of the same thing.
const PAUSE: Duration = Duration::from_millis(500);
/// The first and the longest wait for a server that is away.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What the model is told.
#[derive(Debug)]
pub(super) enum News {
    /// Whether the server is heard; if not, why.
    Link(Result<(), String>),
    /// The jobs: those that run first, then the newest, each once.
    Jobs(Box<JobPage>),
    /// The jobs could not be read.
    NoJobs(String),
    /// Something happened to a job.
    Event(Box<Event>),
    /// The open job as it is, or what happened to it.
    Open(JobId, Update),
    /// What the open job left.
    Left(JobId, Vec<AttemptView>, Vec<Artifact>),
    /// The end of the open job's log.
    Log(JobId, Vec<LogLine>),
    /// Items of the open job, after this position; and whether there are more.
    Items(JobId, Option<u32>, Vec<Item>, bool),
    /// Something about the open job could not be read.
    Lost(JobId, String),
    /// What became of an action.
    Done(Result<String, String>),
}

/// The tasks of one run of the command.
#[derive(Debug)]
pub(super) struct Feed {
    session: Session,
    news: mpsc::Sender<News>,
    filter: watch::Sender<String>,
    reread: Arc<Notify>,
    open: Option<JoinHandle<()>>,
    items: Option<JoinHandle<()>>,
}

impl Feed {
    /// Reads the jobs under `filter`, and follows them.
    pub(super) fn start(session: Session, filter: &str, news: mpsc::Sender<News>) -> Self {
        let (filter, wanted) = watch::channel(filter.to_owned());
        let reread = Arc::new(Notify::new());
        reread.notify_one();
        tokio::spawn(read_jobs(
            session.client.clone(),
            wanted,
            reread.clone(),
            news.clone(),
        ));
        tokio::spawn(listen(session.clone(), reread.clone(), news.clone()));
        Self {
            session,
            news,
            filter,
            reread,
            open: None,
            items: None,
        }
    }

    /// Does what the model wants done.
    pub(super) fn does(&mut self, effect: Effect) {
        match effect {
            Effect::Read => self.reread.notify_one(),
            Effect::Filter(filter) => {
                self.filter.send_replace(filter);
                self.reread.notify_one();
            }
            Effect::Open(id) => {
                self.close();
                let task = follow(self.session.client.clone(), id, self.news.clone());
                self.open = Some(tokio::spawn(task));
            }
            Effect::Close => self.close(),
            Effect::Items(id, state, after) => {
                let task = read_items(
                    self.session.client.clone(),
                    id,
                    state,
                    after,
                    self.news.clone(),
                );
                if let Some(earlier) = self.items.replace(tokio::spawn(task)) {
                    earlier.abort();
                }
            }
            Effect::Act(verb, id) => {
                let (client, news) = (self.session.client.clone(), self.news.clone());
                tokio::spawn(async move {
                    let done = act(&client, verb, &id).await;
                    // Nobody listens: the command ends.
                    let _ = news
                        .send(News::Done(done.map_err(|error| error.to_string())))
                        .await;
                });
            }
            Effect::Quit => {}
        }
    }

    fn close(&mut self) {
        for task in [self.open.take(), self.items.take()].into_iter().flatten() {
            task.abort();
        }
    }
}

async fn act(client: &Client, verb: Verb, id: &JobId) -> Result<String, Error> {
    Ok(match verb {
        Verb::Cancel => match client.cancel(id).await?.state {
            State::Cancelled => format!("{id} cancelled"),
            _ => format!("{id} is being cancelled; its run is told to stop"),
        },
        Verb::Retry => {
            client.retry(id).await?;
            format!("{id} runs again")
        }
        Verb::Start => {
            client.start(id).await?;
            format!("{id} may run now")
        }
    })
}

/// Every event but log lines, which an open job brings itself. Ends when nobody listens.
async fn listen(session: Session, reread: Arc<Notify>, news: mpsc::Sender<News>) {
    let wanted = ["state", "progress", "items", "cancelRequested", "removed"];
    let filter = EventFilter {
        events: wanted.map(str::to_owned).to_vec(),
        ..EventFilter::default()
    };
    let mut wait = WAITS.0;
    loop {
        let why = match session.client.events(&filter).await {
            Err(error) => error.to_string(),
            Ok(mut events) => {
                wait = WAITS.0;
                if news.send(News::Link(Ok(()))).await.is_err() {
                    return;
                }
                reread.notify_one();
                loop {
                    match events.next().await {
                        Ok(Some(Heard::Event(event))) => {
                            if news.send(News::Event(event)).await.is_err() {
                                return;
                            }
                        }
                        Ok(Some(Heard::Missed)) => reread.notify_one(),
                        Ok(None) => break "the server ended the connection".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                }
            }
        };
        if news.send(News::Link(Err(why))).await.is_err() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
        // A local server is started again, so that the jobs go on; whether it was is seen next.
        let _ = session.revive().await;
    }
}

/// Reads the jobs whenever told to. Ends when nobody listens.
async fn read_jobs(
    client: Client,
    mut filter: watch::Receiver<String>,
    reread: Arc<Notify>,
    news: mpsc::Sender<News>,
) {
    loop {
        reread.notified().await;
        let wanted = filter.borrow_and_update().clone();
        let said = match jobs(&client, &wanted).await {
            Ok(page) => News::Jobs(Box::new(page)),
            Err(error) => News::NoJobs(error.to_string()),
        };
        // What was asked for meanwhile is read next, and shown then.
        if filter.has_changed().unwrap_or(false) {
            continue;
        }
        if news.send(said).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            changed = filter.changed() => if changed.is_err() { return },
        }
    }
}

/// Those that run, then the newest: unless the filter says which states are wanted.
async fn jobs(client: &Client, filter: &str) -> Result<JobPage, Error> {
    let query = |states: &[State]| JobsQuery {
        q: (!filter.is_empty()).then(|| filter.to_owned()),
        states: states.to_vec(),
        limit: Some(JOBS),
        ..JobsQuery::default()
    };
    let mut page = client.jobs(&query(&[])).await?;
    let names = FilterNames::default();
    let says_states = JobFilter::parse(filter, &names)
        .is_ok_and(|parsed| !parsed.states.is_empty() || !parsed.statuses.is_empty());
    if says_states || page.next_cursor.is_none() {
        let (mut all, others): (Vec<_>, Vec<_>) = page
            .jobs
            .into_iter()
            .partition(|job| job.state == State::Running);
        all.extend(others);
        page.jobs = all;
        return Ok(page);
    }
    let mut running = client.jobs(&query(&[State::Running])).await?.jobs;
    let known: std::collections::HashSet<JobId> =
        running.iter().map(|job| job.job_id.clone()).collect();
    let others = page.jobs.into_iter();
    running.extend(others.filter(|job| !known.contains(&job.job_id)));
    page.jobs = running;
    Ok(page)
}

/// Follows one job, with its log and what it left, until it has ended or nobody listens.
async fn follow(client: Client, id: JobId, news: mpsc::Sender<News>) {
    let mut follow = client.follow(&id);
    loop {
        let update = match follow.next().await {
            Ok(Some(update)) => update,
            Ok(None) => return,
            Err(error) => {
                let lost = News::Lost(id.clone(), error.to_string());
                let gone = matches!(&error, Error::Refused(_));
                if news.send(lost).await.is_err() || gone {
                    return;
                }
                sleep(WAITS.1).await;
                continue;
            }
        };
        let whole = matches!(update, Update::Job(_));
        let ends = matches!(&update, Update::Event(event) if matches!(event.event, EventKind::State { .. }));
        if news.send(News::Open(id.clone(), update)).await.is_err() {
            return;
        }
        // After a gap the end of the log is read again; each attempt leaves something.
        if whole && let Ok(page) = client.log_tail(&id, LINES).await {
            let _ = news.send(News::Log(id.clone(), page.lines)).await;
        }
        if whole || ends {
            let left = tokio::try_join!(client.attempts(&id), client.artifacts(&id));
            if let Ok((attempts, artifacts)) = left {
                let _ = news.send(News::Left(id.clone(), attempts, artifacts)).await;
            }
        }
    }
}

async fn read_items(
    client: Client,
    id: JobId,
    state: Option<ItemState>,
    after: Option<u32>,
    news: mpsc::Sender<News>,
) {
    let said = match client.items(&id, state, after, ITEMS).await {
        Ok(page) => {
            let more = page.next_after.is_some();
            News::Items(id, after, page.items, more)
        }
        Err(error) => News::Lost(id, error.to_string()),
    };
    // Nobody listens: the command ends.
    let _ = news.send(said).await;
}
