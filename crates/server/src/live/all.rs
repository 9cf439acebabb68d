//! Events of all jobs, for those who follow many.

use std::sync::Arc;

use longhaul::engine::{Events, Heard};
use longhaul_types::{Event, event::EventFilter};
use tokio::sync::broadcast::error::RecvError;

use super::{Live, Notice, Receiver, Sender};
use crate::{access::Caller, routes::App};

/// Follows all jobs that the caller may see, as far as a filter wants them.
#[derive(Debug)]
pub(crate) struct FollowAll {
    receiver: Receiver,
    owner: Option<String>,
    filter: EventFilter,
    missed: bool,
}

impl FollowAll {
    /// From now on. Who was here before has `missed` what came between.
    pub(crate) fn begin(
        app: &Arc<App>,
        caller: &Caller,
        filter: EventFilter,
        missed: bool,
    ) -> Self {
        Self {
            receiver: Live::join_all(app),
            owner: caller.sees().map(str::to_owned),
            filter,
            missed,
        }
    }

    /// The next message; none when the server stops. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) -> Option<Arc<Notice>> {
        loop {
            if std::mem::take(&mut self.missed) {
                return Some(Notice::missed());
            }
            match self.receiver.recv().await {
                Ok(notice) if notice.event().is_none_or(|event| self.wants(event)) => {
                    return Some(notice);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.missed = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let sees = |owner: &String| *owner == event.owner;
        self.owner.as_ref().is_none_or(sees) && self.filter.wants(event)
    }
}

/// Passes on what happens to any job, numbered, until nobody follows any more or the server stops.
pub(super) async fn pass_on(app: Arc<App>, mut events: Events, followers: Sender) {
    let mut number = 0;
    loop {
        let heard = tokio::select! {
            biased;
            () = app.stopping.cancelled() => break,
            () = followers.closed() => {
                if Live::leave_all(&app, false) {
                    return;
                }
                continue;
            }
            heard = events.next() => heard,
        };
        let notice = match heard {
            Some(Heard::Event(event)) => {
                number += 1;
                Notice::new(event, number)
            }
            Some(Heard::Missed) => Notice::missed(),
            None => break,
        };
        // They come and go: that nobody is there is seen above.
        let _ = followers.send(notice);
    }
    Live::leave_all(&app, true);
}
