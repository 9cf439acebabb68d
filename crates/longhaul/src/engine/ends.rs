//! Ends of runs, written together.
//!
//! Invariant: an end that the store could not take is kept and tried again, until it is on disk or the claim is lost.

use std::{sync::Arc, time::Duration};

use longhaul_types::State;
use tokio::sync::mpsc;

use super::{Core, core::Told};
use crate::{
    context::{self, Held},
    store::{Write, Written},
};

/// Ends that wait to be written, and that are written in one go.
pub(crate) const BACKLOG: usize = 1024;
const BATCH: usize = 512;

/// An end to write.
pub(crate) struct Ending {
    pub(crate) held: Arc<Held>,
    pub(crate) write: Write,
}

/// Writes ends until all senders are gone.
pub(crate) async fn write_ends(core: Arc<Core>, mut ends: mpsc::Receiver<Ending>) {
    let mut batch = Vec::with_capacity(BATCH);
    while ends.recv_many(&mut batch, BATCH).await > 0 {
        gather(&mut ends, &mut batch).await;
        write_batch(&core, std::mem::take(&mut batch)).await;
    }
}

/// Takes the ends of runs that are about to stop along: short runs that began together share a commit.
async fn gather(ends: &mut mpsc::Receiver<Ending>, batch: &mut Vec<Ending>) {
    let mut before = 0;
    while batch.len() > before {
        before = batch.len();
        tokio::task::yield_now().await;
        while batch.len() < BATCH
            && let Ok(ending) = ends.try_recv()
        {
            batch.push(ending);
        }
    }
}

/// Runs that stopped within this time of each other end at one time: rows that change alike are changed in one go.
const TOGETHER: Duration = Duration::from_millis(10);

/// Writes ends, and returns when they are on disk.
pub(crate) async fn write_batch(core: &Arc<Core>, batch: Vec<Ending>) {
    let last = batch.iter().map(|ending| ending.write.now).max();
    let mut gates = Vec::with_capacity(batch.len());
    let mut helds = Vec::with_capacity(batch.len());
    let mut writes = Vec::with_capacity(batch.len());
    let mut told = Vec::with_capacity(batch.len());
    for Ending { held, mut write } in batch {
        gates.push(held.gate.clone().lock_owned().await);
        held.take(&mut write);
        write.now = last
            .filter(|last| last.since(write.now) <= TOGETHER)
            .unwrap_or(write.now);
        told.push(Told::of(&write));
        writes.push(write);
        helds.push(held);
    }
    let Some(written) = write_until_done(core, writes).await else {
        return;
    };
    drop(gates);
    for ((held, told), written) in helds.into_iter().zip(told).zip(written) {
        finish(core, &held, told, &written).await;
    }
}

/// Writes, and tries again as long as the store fails. None when the engine gives up: the jobs will be rescued.
async fn write_until_done(core: &Core, writes: Vec<Write>) -> Option<Vec<Written>> {
    let mut wait = Duration::from_millis(50);
    loop {
        match core.store.write(writes.clone()).await {
            Ok(written) => return Some(written),
            Err(error) => {
                tracing::error!(%error, ends = writes.len(), "ends not written; trying again");
                if core.stopping.is_cancelled() {
                    return None;
                }
            }
        }
        tokio::select! {
            () = core.clock.sleep(wait) => {}
            () = core.stopping.cancelled() => {}
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

async fn finish(core: &Arc<Core>, held: &Arc<Held>, told: Told, written: &Written) {
    core.forget(held);
    core.tell(held, told, written);
    if let Written::Done { state, .. } = written {
        if *state == State::Pending {
            // It waits for its backoff, or for a free slot here or elsewhere.
            core.wake.notify_one();
        }
        if state.is_ended() {
            if held.has_scratch() {
                context::remove_scratch(&core.scratch, held.job.seq).await;
            }
            core.ended(held, *state).await;
        }
    }
}
