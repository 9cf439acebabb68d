//! Calls that meet share a transaction: while one commits, those that come wait, and go together in the next.
//!
//! Invariant: a call is answered after the commit that holds it; one that is refused is so alone.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{mpsc, oneshot};

use super::{Role, Shared, insert, write};
use crate::store::{Error, Insert, Inserted, Write, Written};

/// Calls that may wait.
const QUEUE: usize = 1024;
/// Calls of one transaction.
const GROUP: usize = 512;

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
    start(move |jobs: Vec<&Insert>| {
        let shared = Arc::clone(&shared);
        async move { transact!(shared, Role::Insert, |tx| insert::insert_many(tx, &jobs)) }.boxed()
    })
}

/// What runs report.
pub(super) fn writes(shared: Arc<Shared>) -> Batch<Write, Written> {
    start(move |writes: Vec<&Write>| {
        let shared = Arc::clone(&shared);
        async move { transact!(shared, Role::Write, |tx| write::write_all(tx, &writes)) }.boxed()
    })
}

/// Runs what is handed in until nobody is left who could hand anything in.
fn start<I, O, F>(run: F) -> Batch<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
    F: for<'i> Fn(Vec<&'i I>) -> BoxFuture<'i, Result<Vec<O>, Error>> + Send + Sync + 'static,
{
    let (sender, mut calls) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some(group) = next(&mut calls).await {
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
    });
    Batch(sender)
}

/// The calls that wait; none when nobody is left who could hand one in.
async fn next<I, O>(calls: &mut mpsc::Receiver<Call<I, O>>) -> Option<Vec<Call<I, O>>> {
    let mut group = Vec::new();
    let came = calls.recv_many(&mut group, GROUP).await;
    (came > 0).then_some(group)
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
