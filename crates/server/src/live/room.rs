//! What all followers of one job share: one task that listens to the engine, looks after the job, and passes on.

use std::sync::Arc;

use longhaul::{
    Job,
    engine::{Events, Heard},
};
use longhaul_types::EventKind;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{Live, Notice, Sender};
use crate::routes::App;

/// The followers of one job.
pub(super) struct Room {
    app: Arc<App>,
    /// The job as it was read last.
    job: Job,
    followers: Sender,
    events: Events,
    changed: watch::Receiver<u64>,
    /// When to look after the job though nothing was heard.
    looks: Interval,
    /// The newest revision that was told.
    revision: u64,
    ended: bool,
}

impl Room {
    /// Listens to the engine from now on.
    pub(super) fn new(app: &Arc<App>, job: &Job, followers: Sender) -> Self {
        let heartbeat = app.limits.heartbeat;
        let mut looks = interval_at(Instant::now() + heartbeat, heartbeat);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            app: Arc::clone(app),
            events: app.engine.job_events(job.seq),
            changed: app.engine.store().changed(),
            job: job.clone(),
            followers,
            looks,
            revision: job.revision,
            ended: false,
        }
    }

    /// Passes on what happens to the job until it ends, nobody follows it any more, or the server stops.
    pub(super) async fn run(mut self) {
        while !self.ended {
            tokio::select! {
                biased;
                () = self.app.stopping.cancelled() => break,
                () = self.followers.closed() => {
                    if Live::leave(&self.app, self.job.seq, false) {
                        return;
                    }
                }
                heard = self.events.next() => match heard {
                    Some(Heard::Event(event)) => {
                        let revision = event.revision;
                        self.tell(Notice::new(event, revision));
                    }
                    Some(Heard::Missed) => {
                        self.tell(Notice::missed());
                        self.look(true).await;
                    }
                    None => break,
                },
                // Another process changes jobs without events of ours.
                changed = self.changed.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.look(false).await;
                }
                _ = self.looks.tick() => self.look(false).await,
            }
        }
        Live::leave(&self.app, self.job.seq, true);
    }

    /// Tells the followers, unless where the job stands was told later than it happened.
    fn tell(&mut self, notice: Arc<Notice>) {
        if notice.is_stale(self.revision) {
            return;
        }
        if let Some(event) = notice.event() {
            self.revision = self.revision.max(event.revision);
        }
        self.ended = notice.is_last();
        // They come and go: that nobody is there is seen in the loop.
        let _ = self.followers.send(notice);
    }

    /// Reads the job, and tells where it stands if that is news, or anyway.
    async fn look(&mut self, anyway: bool) {
        let store = self.app.engine.store();
        let now = self.app.clock.now();
        match store.job(Some(&self.job.owner), &self.job.id).await {
            Ok(Some(job)) => {
                if anyway || job.revision != self.revision {
                    Notice::standing(&job, now).for_each(|notice| self.tell(notice));
                }
                self.job = job;
            }
            Ok(None) => self.tell(Notice::about(&self.job, now, EventKind::Removed)),
            Err(error) => {
                tracing::warn!(job = %self.job.id, %error, "could not look after a job; trying again");
            }
        }
    }
}
