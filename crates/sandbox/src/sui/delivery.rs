//! Streams, frame by frame, and what can go wrong with them.
//!
//! Invariant: a stream holds one batch of frames at most, and asks for the next only when the last of it is taken.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use prost_types::Value;
use sui_rpc::proto::sui::rpc::v2::{Event, ListEventsResponse, SubscribeEventsResponse, Watermark};
use tonic::{Status, codegen::BoxStream};

use super::{
    events::BATCH,
    faults::Fault,
    handling::{Handling, change, stopping},
    refusal::Refusal,
};

/// What a stream is made from.
pub(super) trait Frames: Send + 'static {
    /// What is sent.
    type Frame: Frame;

    /// The next frames; none at the end.
    fn batch(&mut self) -> impl Future<Output = Result<VecDeque<Self::Frame>, Refusal>> + Send;
}

/// One message of a stream.
pub(super) trait Frame: Clone + Send + 'static {
    /// Its event.
    fn event(&mut self) -> Option<&mut Event>;

    /// How far the stream has come with it.
    fn watermark(&mut self) -> Option<&mut Watermark>;
}

/// A stream under way.
pub(super) struct Delivery<R: Frames> {
    handling: Handling,
    reader: R,
    waiting: VecDeque<R::Frame>,
    /// The last events sent, as many as a fault may want again.
    past: VecDeque<R::Frame>,
    covered: Option<u64>,
    events: u64,
    sent: Arc<AtomicU64>,
    ended: bool,
}

/// What a fault has to do with the next frame.
enum Turn {
    Go,
    Wait,
    Cut,
    End,
}

impl<R: Frames> Delivery<R> {
    pub(super) fn new(handling: Handling, reader: R, sent: Arc<AtomicU64>) -> Self {
        Self {
            handling,
            reader,
            waiting: VecDeque::new(),
            past: VecDeque::new(),
            covered: None,
            events: 0,
            sent,
            ended: false,
        }
    }

    /// The frames until the last one, a fault, or the node's stop.
    pub(super) fn stream(self) -> BoxStream<R::Frame> {
        Box::pin(stream::unfold(self, |mut delivery| async move {
            if delivery.ended {
                return None;
            }
            let stop = delivery.handling.shared.stop.clone();
            let frame = match stop.run_until_cancelled(delivery.next()).await {
                Some(frame) => frame?,
                None => Err(stopping()),
            };
            delivery.ended = frame.is_err();
            Some((frame, delivery))
        }))
    }

    async fn next(&mut self) -> Option<Result<R::Frame, Status>> {
        match self.turn() {
            Turn::Go => {}
            Turn::End => return None,
            Turn::Wait => std::future::pending::<()>().await,
            Turn::Cut => {
                // What was taken before goes to the connection only once this stream has nothing at hand.
                tokio::task::yield_now().await;
                if let Some(cut) = &self.handling.cut {
                    cut.cut();
                }
                std::future::pending::<()>().await;
            }
        }
        if self.waiting.is_empty() {
            match self.reader.batch().await {
                Ok(frames) => self.waiting = frames,
                Err(refusal) => return Some(Err(refusal.into())),
            }
        }
        let mut frame = self.waiting.pop_front()?;
        for fault in &self.handling.faults {
            if let Fault::Slow { milliseconds } = fault {
                tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            }
        }
        self.note(&mut frame);
        Some(Ok(frame))
    }

    /// What is to be done before the next frame. A replay puts its frames in front of those that wait.
    fn turn(&mut self) -> Turn {
        let events = self.events;
        let due = |after: u64| events >= after;
        let mut turn = Turn::Go;
        let mut again = 0;
        self.handling.faults.retain(|fault| match fault {
            Fault::Disconnect { after } if due(*after) => {
                turn = Turn::Cut;
                true
            }
            Fault::End { after } if due(*after) => {
                turn = Turn::End;
                true
            }
            Fault::Stall { after } if due(*after) => {
                turn = Turn::Wait;
                true
            }
            Fault::Replay { after, events } if due(*after) => {
                again = usize::try_from(*events).unwrap_or(usize::MAX);
                false
            }
            _ => true,
        });
        for frame in self.past.iter().rev().take(again) {
            let mut frame = frame.clone();
            if let Some(watermark) = frame.watermark() {
                watermark.checkpoint = self.covered;
            }
            self.waiting.push_front(frame);
        }
        turn
    }

    /// Counts a frame that is sent, keeps it for a replay, and changes its contents.
    fn note(&mut self, frame: &mut R::Frame) {
        self.covered = frame.watermark().and_then(|watermark| watermark.checkpoint);
        if frame.event().is_none() {
            return;
        }
        self.events += 1;
        self.sent.store(self.events, Ordering::Relaxed);
        let faults = &self.handling.faults;
        if faults
            .iter()
            .any(|fault| matches!(fault, Fault::Replay { .. }))
        {
            if self.past.len() == BATCH {
                self.past.pop_front();
            }
            self.past.push_back(frame.clone());
        }
        if let Some(contents) = frame.event().and_then(contents) {
            change(contents, faults);
        }
    }
}

fn contents(event: &mut Event) -> Option<&mut Value> {
    event.json.as_deref_mut()
}

impl Frame for ListEventsResponse {
    fn event(&mut self) -> Option<&mut Event> {
        self.event.as_mut()
    }

    fn watermark(&mut self) -> Option<&mut Watermark> {
        self.watermark.as_mut()
    }
}

impl Frame for SubscribeEventsResponse {
    fn event(&mut self) -> Option<&mut Event> {
        self.event.as_mut()
    }

    fn watermark(&mut self) -> Option<&mut Watermark> {
        self.watermark.as_mut()
    }
}
