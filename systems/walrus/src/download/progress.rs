//! How many bytes of a blob are here.
//!
//! Invariant: the number never falls: bytes that come a second time are counted once.

use std::sync::{Mutex, PoisonError};

use super::{Observer, Pieces};

/// Counts bytes and tells the observer.
pub(super) struct Meter<'a, O> {
    observer: &'a O,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: Option<u64>,
    done: u64,
    /// Bytes that came of each piece.
    pieces: Vec<u64>,
}

impl<'a, O: Observer> Meter<'a, O> {
    pub(super) fn new(observer: &'a O) -> Self {
        Self {
            observer,
            state: Mutex::default(),
        }
    }

    /// Begins with the pieces that are done.
    pub(super) fn begin(&self, pieces: &Pieces) {
        self.update(|state| {
            let length = |index| {
                let range = pieces.range(index);
                range.end - range.start
            };
            state.pieces = (0..pieces.count())
                .map(|index| {
                    if pieces.is_done(index) {
                        length(index)
                    } else {
                        0
                    }
                })
                .collect();
            state.total = Some(pieces.total());
            state.done = pieces.done_bytes();
            true
        });
    }

    /// Of this piece, its first `bytes` are here.
    pub(super) fn piece(&self, index: u64, bytes: u64) {
        self.update(|state| {
            let Some(piece) = usize::try_from(index)
                .ok()
                .and_then(|index| state.pieces.get_mut(index))
            else {
                return false;
            };
            let more = bytes.saturating_sub(*piece);
            *piece += more;
            state.done += more;
            more > 0
        });
    }

    /// Of a blob of unknown length, its first `bytes` are here.
    pub(super) fn bytes(&self, bytes: u64) {
        self.update(|state| {
            let more = bytes > state.done;
            state.done = state.done.max(bytes);
            more
        });
    }

    fn update(&self, change: impl FnOnce(&mut State) -> bool) {
        let (changed, done, total) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (change(&mut state), state.done, state.total)
        };
        if changed {
            self.observer.progress(done, total);
        }
    }
}
