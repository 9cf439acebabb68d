//! Live events for followers: SSE streams and Socket.IO clients alike.
//!
//! Invariants: a follower that does not read slows nobody and grows nothing: it loses events, is told `missed`, and
//! where it follows one job is then told where the job stands. What many followers share is done once: one task a job
//! listens to the engine and looks after the job, and an event is turned into text once.

mod all;
mod follow;
mod notice;
mod room;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use longhaul::{Job, model::Seq};
use tokio::sync::broadcast;

pub(crate) use all::FollowAll;
pub(crate) use follow::Follow;
pub(crate) use notice::Notice;

use crate::routes::App;

/// Messages about one job that its slowest follower may be behind.
const ROOM_BACKLOG: usize = 256;
/// Messages about all jobs that a follower may be behind.
const ALL_BACKLOG: usize = 4096;

type Sender = broadcast::Sender<Arc<Notice>>;
type Receiver = broadcast::Receiver<Arc<Notice>>;

/// Who follows what.
#[derive(Debug, Default)]
pub(crate) struct Live {
    rooms: Mutex<HashMap<Seq, Sender>>,
    all: Mutex<Option<Sender>>,
}

impl Live {
    /// What happens to a job from now on.
    fn join(app: &Arc<App>, job: &Job) -> Receiver {
        let mut rooms = app
            .live
            .rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = rooms.get(&job.seq) {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(ROOM_BACKLOG);
        rooms.insert(job.seq, sender.clone());
        // The engine is listened to from here on, so that the caller, who looks next, misses nothing.
        tokio::spawn(room::Room::new(app, job, sender).run());
        receiver
    }

    /// Closes a job's room, if nobody is in it any more or in any case. False when somebody has come.
    fn leave(app: &App, job: Seq, anyway: bool) -> bool {
        let mut rooms = app
            .live
            .rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let empty = rooms
            .get(&job)
            .is_none_or(|sender| sender.receiver_count() == 0);
        if empty || anyway {
            rooms.remove(&job);
        }
        empty || anyway
    }

    /// What happens to any job from now on.
    fn join_all(app: &Arc<App>) -> Receiver {
        let mut all = app.live.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*all {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(ALL_BACKLOG);
        *all = Some(sender.clone());
        tokio::spawn(all::pass_on(Arc::clone(app), app.engine.events(), sender));
        receiver
    }

    /// As [`Self::leave`], for all jobs.
    fn leave_all(app: &App, anyway: bool) -> bool {
        let mut all = app.live.all.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = all
            .as_ref()
            .is_none_or(|sender| sender.receiver_count() == 0);
        if empty || anyway {
            *all = None;
        }
        empty || anyway
    }
}
