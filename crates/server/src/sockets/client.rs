//! One Socket.IO client: what it asks for, and what it is sent.
//!
//! Invariants: the client is one task, which does what it is asked in order and sends what it follows. A few messages
//! wait for the client; when they are as many as may be, what it follows is let go, and once some have been taken it is
//! told `missed` and where each job that it follows stands. So a client that reads slowly is behind by a bounded number of
//! bounded messages; one that reads nothing answers no ping, and is disconnected.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    future::{AbortHandle, Abortable},
    stream::{self, SelectAll},
};
use longhaul_types::{
    ErrorCode, EventKind, JobId,
    event::{EventFilter, MISSED},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, SocketRef, TryData},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Guest;
use crate::{
    access::Caller,
    answer::Refusal,
    live::{Follow, FollowAll, Notice},
    routes::App,
    view,
};

/// Requests of a client that wait for the ones before.
const REQUESTS: usize = 16;
/// Jobs that a client may follow one by one.
const FOLLOWS: usize = 100;
/// Bytes of an event: of a larger one, many log lines at once, the client is told that it missed it.
const EVENT: usize = 64 << 10;
/// The time in which a client that is behind gets nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// What a client asks for, from the moment it is let in.
pub(super) struct Asks {
    requests: Mutex<Option<mpsc::Receiver<Asked>>>,
    gone: CancellationToken,
}

/// Hears a client that is let in. It may ask as soon as it is told so, which the protocol's library does before it calls
/// [`serve`]: what came before somebody listened would be lost without an answer.
pub(super) fn hear(app: &App, socket: &SocketRef, caller: &Caller) {
    let gone = CancellationToken::new();
    let (sender, requests) = mpsc::channel(REQUESTS);
    listen(socket, &sender, &gone);
    let guest = Guest::of(caller);
    for system in &app.socket_events {
        system.connected(socket, &guest);
    }
    let requests = Mutex::new(Some(requests));
    socket.extensions.insert(Arc::new(Asks { requests, gone }));
}

/// Serves a client that was let in, until it goes, its rights end or the server stops.
pub(super) fn serve(app: &Arc<App>, socket: &SocketRef) {
    let caller = socket.extensions.get::<Caller>();
    let asks = socket.extensions.get::<Arc<Asks>>();
    let (Some(caller), Some(asks)) = (caller, asks) else {
        // Only a namespace without a check could lack them.
        let _ = socket.clone().disconnect();
        return;
    };
    let requests = asks.requests.lock();
    let Some(requests) = requests.unwrap_or_else(PoisonError::into_inner).take() else {
        return;
    };
    socket.join(Guest::of(&caller).room());
    let open = app.metrics.open_stream();
    let client = Client {
        app: Arc::clone(app),
        caller: caller.clone(),
        socket: socket.clone(),
        requests,
        sources: SelectAll::new(),
        follows: BTreeMap::new(),
        all: None,
    };
    let (app, socket) = (Arc::clone(app), socket.clone());
    tokio::spawn(async move {
        let _open = open;
        tokio::select! {
            biased;
            () = asks.gone.cancelled() => {}
            // The connection closes, by which clients know to come again.
            () = app.stopping.cancelled() => {}
            () = caller.ended() => turn_away(&socket).await,
            () = client.run() => {}
        }
    });
}

/// Disconnects a client that is let in no more. One that takes nothing answers no ping either, and closes so.
async fn turn_away(socket: &SocketRef) {
    while let Err(SocketError::InternalChannelFull) = socket.clone().disconnect() {
        sleep(PAUSE).await;
    }
}

/// What a client asks for.
enum Request {
    Follow(JobId),
    Unfollow(JobId),
    /// Boxed, as room for many requests is kept for each client.
    FollowAll(Box<EventFilter>),
    UnfollowAll,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfJob {
    job_id: JobId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAll {
    #[serde(default)]
    filter: EventFilter,
}

type Asked = (Request, AckSender);

/// Takes what the client asks for; what comes faster than it is done is refused.
fn listen(socket: &SocketRef, sender: &mpsc::Sender<Asked>, gone: &CancellationToken) {
    let of_job = |name: &'static str, request: fn(JobId) -> Request| {
        let sender = sender.clone();
        let ask = async move |TryData(body): TryData<OfJob>, ack: AckSender| {
            pass(&sender, body.map(|body| request(body.job_id)), ack);
        };
        socket.on(name, ask);
    };
    of_job("job:follow", Request::Follow);
    of_job("job:unfollow", Request::Unfollow);
    let of_all = sender.clone();
    let ask = async move |TryData(body): TryData<OfAll>, ack: AckSender| {
        let request = body.map(|body| Request::FollowAll(Box::new(body.filter)));
        pass(&of_all, request, ack);
    };
    socket.on("jobs:follow", ask);
    let sender = sender.clone();
    let ask = async move |ack: AckSender| {
        pass(&sender, Ok::<_, Infallible>(Request::UnfollowAll), ack);
    };
    socket.on("jobs:unfollow", ask);
    let gone = gone.clone();
    socket.on_disconnect(async move || gone.cancel());
}

fn pass<E: std::fmt::Display>(
    sender: &mpsc::Sender<Asked>,
    request: Result<Request, E>,
    ack: AckSender,
) {
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            let refusal = Refusal::bad(format!("the request does not fit: {error}"));
            return answer(ack, refusal.problem());
        }
    };
    if let Err(error) = sender.try_send((request, ack)) {
        let (_, ack) = error.into_inner();
        let busy = "too many requests at once; wait for the answers to those before";
        answer(ack, Refusal::new(ErrorCode::Unavailable, busy).problem());
    }
}

/// Answers a request. A client that takes nothing gets no answer.
fn answer(ack: AckSender, body: &impl Serialize) {
    if let Err(error) = ack.send(body) {
        tracing::debug!(%error, "a client took no answer");
    }
}

/// What comes from what is followed.
enum Heard {
    Notice(Arc<Notice>),
    /// Nothing more of this job comes.
    Ended(JobId),
}

type Source = Pin<Box<dyn Stream<Item = Heard> + Send>>;

/// A client, as its task has it.
struct Client {
    app: Arc<App>,
    caller: Caller,
    socket: SocketRef,
    requests: mpsc::Receiver<Asked>,
    sources: SelectAll<Source>,
    /// The jobs that it follows, and how to end that.
    follows: BTreeMap<JobId, AbortHandle>,
    /// The filter of all jobs that it follows, and how to end that.
    all: Option<(EventFilter, AbortHandle)>,
}

impl Client {
    async fn run(mut self) {
        loop {
            let sent = tokio::select! {
                biased;
                request = self.requests.recv() => {
                    let Some((request, ack)) = request else { return };
                    self.handle(request, ack).await;
                    Ok(())
                }
                Some(heard) = self.sources.next() => self.pass(heard),
            };
            match sent {
                Ok(()) => {}
                Err(SocketError::InternalChannelFull) => {
                    if self.catch_up().await.is_err() {
                        return;
                    }
                }
                Err(SocketError::Closed) => return,
            }
        }
    }

    async fn handle(&mut self, request: Request, ack: AckSender) {
        match request {
            Request::Follow(id) => match self.follow(&id).await {
                Ok(mut follow) => {
                    follow.skip_standing();
                    let view = view::job(follow.job().clone(), self.app.clock.now());
                    self.add(id, follow);
                    answer(ack, &view);
                }
                Err(refusal) => answer(ack, refusal.problem()),
            },
            Request::Unfollow(id) => {
                self.forget(&id);
                answer(ack, &json!({"success": true}));
            }
            Request::FollowAll(filter) => match filter.check() {
                Ok(()) => {
                    self.follow_all(*filter);
                    answer(ack, &json!({"success": true}));
                }
                Err(error) => answer(ack, Refusal::bad(error.to_string()).problem()),
            },
            Request::UnfollowAll => {
                if let Some((_, abort)) = self.all.take() {
                    abort.abort();
                }
                answer(ack, &json!({"success": true}));
            }
        }
    }

    async fn follow(&mut self, id: &JobId) -> Result<Follow, Refusal> {
        if self.follows.len() >= FOLLOWS && !self.follows.contains_key(id) {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("a client may follow {FOLLOWS} jobs one by one; use jobs:follow for more"),
            ));
        }
        Follow::begin(&self.app, &self.caller, id).await
    }

    fn add(&mut self, id: JobId, follow: Follow) {
        self.forget(&id);
        let name = id.clone();
        let heard = stream::unfold(Some(follow), move |follow| {
            let id = name.clone();
            async move {
                let mut follow = follow?;
                match follow.next().await {
                    Some(notice) => Some((Heard::Notice(notice), Some(follow))),
                    None => Some((Heard::Ended(id), None)),
                }
            }
        });
        let abort = self.listen_to(heard);
        self.follows.insert(id, abort);
    }

    fn forget(&mut self, id: &JobId) {
        if let Some(abort) = self.follows.remove(id) {
            abort.abort();
        }
    }

    fn follow_all(&mut self, filter: EventFilter) {
        if let Some((_, abort)) = self.all.take() {
            abort.abort();
        }
        let follow = FollowAll::begin(&self.app, &self.caller, filter.clone(), false);
        let heard = stream::unfold(follow, async |mut follow| {
            let notice = follow.next().await?;
            Some((Heard::Notice(notice), follow))
        });
        let abort = self.listen_to(heard);
        self.all = Some((filter, abort));
    }

    fn listen_to(&mut self, heard: impl Stream<Item = Heard> + Send + 'static) -> AbortHandle {
        let (abort, registration) = AbortHandle::new_pair();
        let heard = Abortable::new(heard, registration);
        self.sources.push(Box::pin(heard));
        abort
    }

    /// Sends on what was heard.
    fn pass(&mut self, heard: Heard) -> Result<(), SocketError> {
        match heard {
            Heard::Notice(notice) => emit(&self.socket, &notice),
            Heard::Ended(id) => {
                self.follows.remove(&id);
                Ok(())
            }
        }
    }

    /// Lets go of what is followed until the client has taken some of what waits for it; then tells it that it missed
    /// some, and where the jobs that it follows stand.
    async fn catch_up(&mut self) -> Result<(), SocketError> {
        self.sources.clear();
        let followed = std::mem::take(&mut self.follows);
        loop {
            sleep(PAUSE).await;
            match emit(&self.socket, &Notice::missed()) {
                Err(SocketError::InternalChannelFull) => {}
                Err(SocketError::Closed) => return Err(SocketError::Closed),
                Ok(()) => break,
            }
        }
        if let Some((filter, _)) = self.all.take() {
            self.follow_all(filter);
        }
        for id in followed.into_keys() {
            match self.follow(&id).await {
                Ok(follow) => self.add(id, follow),
                Err(refusal) => tracing::debug!(job = %id, ?refusal, "not followed any more"),
            }
        }
        Ok(())
    }
}

/// Hands a message to the connection, unless as many wait as may.
fn emit(socket: &SocketRef, notice: &Notice) -> Result<(), SocketError> {
    let body = notice.body();
    let sent = match notice.event() {
        Some(event) if body.get().len() <= EVENT => socket.emit(name(&event.event), body),
        _ => socket.emit(MISSED, &json!({})),
    };
    sent.or_else(|error| match error {
        SendError::Socket(error) => Err(error),
        SendError::Serialize(error) => {
            tracing::error!(%error, "an event could not be sent");
            Ok(())
        }
    })
}

fn name(event: &EventKind) -> &'static str {
    match event {
        EventKind::State { .. } => "job:state",
        EventKind::Progress { .. } => "job:progress",
        EventKind::Log { .. } => "job:log",
        EventKind::Items { .. } => "job:items",
        EventKind::CancelRequested => "job:cancelRequested",
        EventKind::Removed => "job:removed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_sse_after_a_prefix() {
        let state = longhaul_types::State::Running;
        for event in [
            EventKind::State { state },
            EventKind::Progress {
                progress: longhaul_types::Progress::default(),
            },
            EventKind::Log { lines: Vec::new() },
            EventKind::Items {
                items: Vec::new(),
                changed: 0,
                counts: longhaul_types::ItemCounts::default(),
            },
            EventKind::CancelRequested,
            EventKind::Removed,
        ] {
            assert_eq!(name(&event), format!("job:{}", event.name()));
        }
    }
}
