//! Progress, item beginnings and log lines: gathered in memory, written together a few times a second at most. What comes
//! after a pause is written at once, so that who follows the job hears of it at once.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{Core, core::Told};
use crate::store::Write;

/// Time between two writes, in which reports are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// Time in which reports are gathered after a pause: what a handler says in one breath goes together.
const BREATH: Duration = Duration::from_millis(1);
/// Jobs written in one go.
const BATCH: usize = 512;

/// Writes what is dirty until the engine stops.
pub(crate) async fn flush(core: Arc<Core>) {
    let mut last = None;
    loop {
        tokio::select! {
            () = core.flush.notified() => {}
            () = core.closed.cancelled() => return,
        }
        let since = |last| core.clock.now().since(last);
        let wait = last.map_or(BREATH, |last| GATHER.saturating_sub(since(last)));
        tokio::select! {
            () = core.clock.sleep(wait.max(BREATH)) => {}
            () = core.closed.cancelled() => {}
        }
        write_dirty(&core).await;
        last = Some(core.clock.now());
    }
}

async fn write_dirty(core: &Core) {
    let dirty = std::mem::take(&mut *core.dirty.lock().unwrap_or_else(PoisonError::into_inner));
    for batch in dirty.chunks(BATCH) {
        let mut gates = Vec::new();
        let mut writes = Vec::new();
        let mut helds = Vec::new();
        for held in batch {
            // A run that is writing just now takes its own reports along.
            let Ok(gate) = held.gate.clone().try_lock_owned() else {
                core.mark_dirty(held);
                continue;
            };
            let mut write = Write::new(held.claim, core.clock.now());
            held.take(&mut write);
            if write.progress.is_some() || !write.log.is_empty() || !write.items.is_empty() {
                gates.push(gate);
                writes.push(write);
                helds.push(held);
            }
        }
        if writes.is_empty() {
            continue;
        }
        match core.store.write(writes.clone()).await {
            Ok(written) => {
                for ((held, write), written) in helds.into_iter().zip(&writes).zip(&written) {
                    core.tell(held, Told::of(write), written);
                }
            }
            Err(error) => {
                tracing::warn!(%error, jobs = writes.len(), "reports not written; trying again");
                for (held, write) in helds.into_iter().zip(writes) {
                    held.put_back(write);
                    core.mark_dirty(held);
                }
            }
        }
    }
}
