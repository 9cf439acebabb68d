//! Removes what is older than its retention, and files that no job refers to.

use std::{collections::HashSet, path::Path, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use longhaul_types::Timestamp;

use super::{Core, Error};
use crate::{
    context::{remove_scratch, scratch_job_of},
    model::{Retention, Seq},
    store::{Due, Sweep},
};

/// Between two sweeps.
const INTERVAL: Duration = Duration::from_mins(1);
/// Jobs, or files, looked at together.
const BATCH: usize = 500;
/// A file younger than this may belong to a run that has not written its row yet.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

/// Sweeps until the engine stops.
pub(crate) async fn sweep(core: Arc<Core>) {
    let mut orphans_at = core.clock.now();
    loop {
        if let Err(error) = sweep_once(&core).await {
            tracing::warn!(%error, "sweep not finished; trying again");
        }
        let now = core.clock.now();
        if now >= orphans_at {
            orphans_at = now + ORPHAN_AGE;
            if let Err(error) = sweep_orphans(&core, now).await {
                tracing::warn!(%error, "orphans not swept; trying again tomorrow");
            }
        }
        tokio::select! {
            () = core.clock.sleep(INTERVAL) => {}
            () = core.stopping.cancelled() => return,
        }
    }
}

/// Removes everything whose time is over now.
pub(crate) async fn sweep_once(core: &Core) -> Result<(), Error> {
    loop {
        let now = core.clock.now();
        let due = core.store.sweepable(now, BATCH).await?;
        let full = due.len() == BATCH;
        let sweeps = due.iter().map(|due| plan(core, due, now)).collect();
        let locations = core.store.sweep(sweeps).await?;
        core.artifacts.remove(&locations).await;
        if !full || core.stopping.is_cancelled() {
            return Ok(());
        }
    }
}

fn plan(core: &Core, due: &Due, now: Timestamp) -> Sweep {
    let kind = core.kinds.get(&due.kind);
    let retention = kind.map_or_else(Retention::default, |kind| kind.retention);
    let age = now.since(due.ended_at);
    Sweep {
        seq: due.seq,
        row: age >= retention.row(due.state),
        log: age >= retention.log,
        result: age >= retention.result,
        progress: age >= retention.progress,
        next: retention
            .next_after(due.state, age)
            .map(|after| due.ended_at + after),
    }
}

/// Removes files that no row refers to, and scratch folders of jobs that are gone or have ended.
async fn sweep_orphans(core: &Core, now: Timestamp) -> Result<(), Error> {
    let old = core.artifacts.older_than(now - ORPHAN_AGE);
    let mut pages = std::pin::pin!(old.try_chunks(BATCH));
    while let Some(page) = pages.try_next().await.map_err(|error| error.1)? {
        let orphans = core.store.orphans(page).await?;
        core.artifacts.remove(&orphans).await;
    }
    sweep_scratch(core).await
}

async fn sweep_scratch(core: &Core) -> Result<(), Error> {
    for job in scratch_folders(&core.scratch) {
        let living = match core.store.detail(job).await? {
            Some(detail) => !detail.job.state().is_ended(),
            None => false,
        };
        if !living {
            remove_scratch(&core.scratch, job).await;
        }
    }
    Ok(())
}

fn scratch_folders(root: &Path) -> HashSet<Seq> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return HashSet::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| scratch_job_of(entry.file_name().to_str()?))
        .collect()
}
