//! Calls that meet share a transaction: while one commits, those that come wait, and go together in the next.
//!
//! Invariant: a call is answered after the commit that holds it; one that is refused is so alone.

use std::{collections::HashMap, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Role, Shared, insert, write};
use crate::store::{Error, Insert, Inserted, Write, Written};

/// Calls that may wait.
const QUEUE: usize = 1024;
/// Calls of one transaction.
const GROUP: usize = 512;
/// Transactions of one sort at a time: while one waits for the disk, another is worked on.
const LANES: i16 = 2;
/// From so many inputs on a group leaves room for another lane. Smaller ones cost more each than what they would gain: those
/// who call meanwhile make the next one larger.
const LARGE: usize = 200;

/// A call that waits for its answer.
struct Call<I, O> {
    input: Vec<I>,
    reply: oneshot::Sender<Result<Vec<O>, Error>>,
}

/// Where calls of one sort are handed in.
#[derive(Debug)]
pub(super) struct Batch<I, O>(mpsc::Sender<Call<I, O>>);

impl<I: Send, O: Send> Batch<I, O> {
    /// Hands in a call, and waits for its answer.
    pub(super) async fn call(&self, input: Vec<I>) -> Result<Vec<O>, Error> {
        let closed = || Error::Unavailable("it is closed".to_owned());
        let (reply, answer) = oneshot::channel();
        let call = Call { input, reply };
        self.0.send(call).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Submissions.
pub(super) fn inserts(shared: Arc<Shared>) -> Batch<Insert, Inserted> {
    start(move |lane, jobs: Vec<&Insert>| {
        let shared = Arc::clone(&shared);
        async move {
            if let Some(inserted) = shared.insert_plain(&jobs, lane).await? {
                return Ok(inserted);
            }
            transact!(shared, Role::Insert, lane, |tx| insert::insert_many(
                tx, &jobs
            ))
        }
        .boxed()
    })
}

/// What runs report.
pub(super) fn writes(shared: Arc<Shared>) -> Batch<Write, Written> {
    start(move |lane, writes: Vec<&Write>| {
        let shared = Arc::clone(&shared);
        async move {
            let mut done = match shared.complete_plain(&writes, lane).await {
                Ok(done) => done,
                Err(error @ Error::Unavailable(_)) => return Err(error),
                // Nothing was written: each is written by itself, and fails so if it must.
                Err(_) => HashMap::new(),
            };
            let left: Vec<&Write> = writes
                .iter()
                .enumerate()
                .filter(|(place, _)| !done.contains_key(place))
                .map(|(_, write)| *write)
                .collect();
            let mut rest = Vec::new();
            if !left.is_empty() {
                rest = transact!(shared, Role::Write, lane, |tx| write::write_all(tx, &left))?;
            }
            let mut rest = rest.into_iter();
            let each = (0..writes.len()).map(|place| done.remove(&place).or_else(|| rest.next()));
            Ok(each.flatten().collect())
        }
        .boxed()
    })
}

/// Runs what is handed in until nobody is left who could hand anything in.
fn start<I, O, F>(run: F) -> Batch<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
    F: for<'i> Fn(i16, Vec<&'i I>) -> BoxFuture<'i, Result<Vec<O>, Error>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let (sender, calls) = mpsc::channel(QUEUE);
    let calls = Arc::new(Mutex::new(calls));
    for lane in 0..LANES {
        let (calls, run) = (Arc::clone(&calls), run.clone());
        tokio::spawn(async move {
            loop {
                let mut waiting = calls.lock().await;
                let group = next(&mut waiting).await;
                if group.is_empty() {
                    return;
                }
                let inputs: usize = group.iter().map(|call| call.input.len()).sum();
                let alone = (inputs < LARGE).then_some(waiting);
                work(group, |inputs| run(lane, inputs)).await;
                drop(alone);
            }
        });
    }
    Batch(sender)
}

/// The calls that wait, with those that follow in the same breath, as callers who were answered together call again
/// together; none when nobody is left who could hand one in.
async fn next<I, O>(calls: &mut mpsc::Receiver<Call<I, O>>) -> Vec<Call<I, O>> {
    let mut group = Vec::new();
    calls.recv_many(&mut group, GROUP).await;
    let mut before = 0;
    while group.len() > before && group.len() < GROUP {
        before = group.len();
        tokio::task::yield_now().await;
        while group.len() < GROUP
            && let Ok(call) = calls.try_recv()
        {
            group.push(call);
        }
    }
    group
}

/// Does what a group of calls asks for, and answers them.
async fn work<I, O, F>(group: Vec<Call<I, O>>, run: F)
where
    F: for<'i> Fn(Vec<&'i I>) -> BoxFuture<'i, Result<Vec<O>, Error>>,
{
    let all = run(inputs(&group)).await;
    match all {
        // A database that is away is so for each of them.
        Err(Error::Unavailable(_)) => answer(group, all),
        Err(_) if group.len() > 1 => {
            for call in group {
                let done = run(call.input.iter().collect()).await;
                let _ = call.reply.send(done);
            }
        }
        all => answer(group, all),
    }
}

/// Gives each call its part of the answers. Who has gone is not told; the work is done all the same.
fn answer<I, O>(group: Vec<Call<I, O>>, all: Result<Vec<O>, Error>) {
    match all {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for call in group {
                let own = answers.by_ref().take(call.input.len()).collect();
                let _ = call.reply.send(Ok(own));
            }
        }
        Err(error) => {
            for call in group {
                let _ = call.reply.send(Err(error.clone()));
            }
        }
    }
}

fn inputs<I, O>(group: &[Call<I, O>]) -> Vec<&I> {
    group.iter().flat_map(|call| &call.input).collect()
}
