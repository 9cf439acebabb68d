//! One follower of one job.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use longhaul::Job;
use longhaul_types::{EventKind, JobId};
use tokio::{sync::broadcast::error::RecvError, time::sleep};

use super::{Live, Notice, Receiver};
use crate::{access::Caller, answer::Refusal, routes::App, routes::find};

/// The wait after the store could not say where a job stands.
const PATIENCE: Duration = Duration::from_secs(1);

/// Follows a job: first where it stands, then what happens to it until it ends.
pub(crate) struct Follow {
    app: Arc<App>,
    job: Job,
    receiver: Receiver,
    /// Messages to send before anything else: a handful at most.
    ready: VecDeque<Arc<Notice>>,
    /// The newest revision that was sent.
    revision: u64,
    /// Something was missed: where the job stands is to be read and sent.
    behind: bool,
    ended: bool,
}

impl Follow {
    /// Begins to follow a job that the caller may see.
    pub(crate) async fn begin(
        app: &Arc<App>,
        caller: &Caller,
        id: &JobId,
    ) -> Result<Self, Refusal> {
        let job = find(app, caller, id).await?;
        // Listen first, then look: nothing falls between.
        let receiver = Live::join(app, &job);
        let job = find(app, caller, id).await?;
        let mut follow = Self {
            app: Arc::clone(app),
            receiver,
            ready: VecDeque::new(),
            revision: job.revision,
            behind: false,
            ended: job.state().is_ended(),
            job,
        };
        follow.show();
        Ok(follow)
    }

    /// The job as it was when last read.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Whether the job has ended; what says so may still be to come.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Leaves out where the job stands: the follower has been told.
    pub(crate) fn skip_standing(&mut self) {
        self.ready.clear();
    }

    /// The next message; none after the job's end and when the server stops. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) -> Option<Arc<Notice>> {
        loop {
            if let Some(notice) = self.ready.pop_front() {
                return Some(notice);
            }
            if self.ended {
                return None;
            }
            if self.behind {
                self.look().await;
                continue;
            }
            match self.receiver.recv().await {
                Ok(notice) if notice.is_stale(self.revision) => {}
                Ok(notice) => {
                    if let Some(event) = notice.event() {
                        self.revision = self.revision.max(event.revision);
                    }
                    self.ended = notice.is_last();
                    return Some(notice);
                }
                Err(RecvError::Lagged(_)) => {
                    self.ready.push_back(Notice::missed());
                    self.behind = true;
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads where the job stands, to be sent.
    async fn look(&mut self) {
        let store = self.app.engine.store();
        match store.job(Some(&self.job.owner), &self.job.id).await {
            Ok(Some(job)) => {
                self.revision = self.revision.max(job.revision);
                self.ended = job.state().is_ended();
                self.job = job;
                self.show();
            }
            Ok(None) => {
                let now = self.app.clock.now();
                let removed = Notice::about(&self.job, now, EventKind::Removed);
                self.ready.push_back(removed);
                self.ended = true;
            }
            Err(error) => {
                tracing::warn!(job = %self.job.id, %error, "could not look after a job; trying again");
                sleep(PATIENCE).await;
                return;
            }
        }
        self.behind = false;
    }

    fn show(&mut self) {
        let now = self.app.clock.now();
        self.ready.extend(Notice::standing(&self.job, now));
    }
}
