//! Other processes' commits: the writer looks for them at each of its own, and this thread makes it look while it idles.
//!
//! Invariant: the thread ends with the store, at once.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::writer::Looker;
use crate::store::Error;

/// How often an idle store looks.
const EVERY: Duration = Duration::from_millis(250);

/// The thread that makes an idle writer look; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts looking.
    pub(super) fn start(looker: Looker) -> Result<Self, Error> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name("longhaul-watch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) && looker.look()
                {
                }
            })
            .map_err(|error| Error::Unavailable(format!("no thread to watch the file: {error}")))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}
