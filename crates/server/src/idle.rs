//! The end of a server that nobody needs.
//!
//! Invariant: it stops only when, with nothing new being taken, no connection is open, no job is pending or running, and
//! no schedule waits for its next time; a held or far-scheduled job is pending, so it keeps the server.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{StopReason, connection::Connections, routes::App};

/// Looks in the time that must pass: the stop comes at most this fraction late.
const LOOKS: u32 = 12;

/// Stops the server once nobody has needed it for `after`.
pub(crate) async fn watch(app: Arc<App>, connections: Arc<Connections>, after: Duration) {
    let interval = (after / LOOKS).clamp(Duration::from_millis(1), Duration::from_secs(5));
    let mut since = app.clock.now();
    let mut seen = connections.ever();
    loop {
        tokio::select! {
            () = app.clock.sleep(interval) => {}
            () = app.stopping.cancelled() => return,
        }
        let now = app.clock.now();
        if connections.ever() != seen || !is_idle(&app, &connections).await {
            seen = connections.ever();
            since = now;
            continue;
        }
        if now.since(since) < after {
            continue;
        }
        // From here on nothing is taken: what came before is seen by the last look.
        app.draining.store(true, Ordering::SeqCst);
        if connections.ever() == seen && is_idle(&app, &connections).await {
            app.stop(StopReason::Idle);
            return;
        }
        app.draining.store(false, Ordering::SeqCst);
    }
}

async fn is_idle(app: &App, connections: &Connections) -> bool {
    if connections.open() > 0 {
        return false;
    }
    match has_work(app).await {
        Ok(has_work) => !has_work,
        Err(error) => {
            tracing::warn!(%error, "could not see whether there is work");
            false
        }
    }
}

async fn has_work(app: &App) -> Result<bool, longhaul::engine::Error> {
    let counts = app.engine.counts(None).await?;
    Ok(counts.pending > 0 || counts.running > 0 || app.engine.next_scheduled().await?.is_some())
}
