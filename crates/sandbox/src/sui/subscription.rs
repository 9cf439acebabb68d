//! Events as they are emitted.
//!
//! Invariant: a subscription begins behind the latest checkpoint with a frame that says so, and then sends each event
//! after it once, in order; it is a place in the ledger and no queue, so that a slow reader costs nothing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use sui_rpc::{
    field::FieldMaskTree,
    merge::Merge as _,
    proto::sui::rpc::v2::{Event, SubscribeEventsRequest, SubscribeEventsResponse, Watermark},
};
use tokio::sync::watch;

use super::{
    Shared,
    cursor::{Cursor, Place},
    delivery::Frames,
    events::{BATCH, DEFAULT_MASK, watermark},
    filter::Filter,
    refusal::Refusal,
    service,
};

/// How long a stream is silent at most, as clients take silence for a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A subscription under way.
pub(super) struct Subscription {
    shared: Arc<Shared>,
    tip: watch::Receiver<u64>,
    mask: FieldMaskTree,
    filter: Option<Filter>,
    /// What comes next.
    place: Place,
    /// The checkpoint that was covered last.
    covered: u64,
    /// Whether the frame that says where it begins was sent.
    begun: bool,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        request: &SubscribeEventsRequest,
        behind: u64,
    ) -> Result<Self, Refusal> {
        let mask = service::mask::<Event>(request.read_mask.clone(), DEFAULT_MASK)?;
        let filter = request.filter.as_ref().map(Filter::new).transpose()?;
        let tip = shared.ledger.watch();
        let (covered, transactions) = shared.ledger.read(|state| {
            let tip = state.tip_behind(behind);
            (tip, state.transactions_before(tip + 1))
        });
        Ok(Self {
            shared,
            tip,
            mask,
            filter,
            place: Place::start_of(transactions),
            covered,
            begun: false,
        })
    }

    fn read(&mut self) -> VecDeque<SubscribeEventsResponse> {
        let shared = Arc::clone(&self.shared);
        shared.ledger.read(|state| {
            let mut frames = VecDeque::new();
            if self.place.transaction < state.pruned_transactions() {
                return frames;
            }
            let mut looked_at = 0;
            for event in state.events_from(self.place).take(BATCH) {
                looked_at += 1;
                let cursor = Cursor {
                    checkpoint: event.checkpoint,
                    place: event.place,
                };
                self.place = cursor.resume();
                self.covered = self.covered.max(event.checkpoint - 1);
                if self
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(event))
                {
                    let mut frame = SubscribeEventsResponse::default();
                    frame.event = Some(Event::merge_from(event.message.as_ref(), &self.mask));
                    frame.watermark = Some(watermark(cursor, Some(self.covered)));
                    frames.push_back(frame);
                }
            }
            if looked_at < BATCH {
                self.covered = state.tip();
                self.place = Place::start_of(state.transactions_before(self.covered + 1));
                frames.push_back(progress(self.watermark()));
            } else if frames.is_empty() {
                frames.push_back(progress(self.watermark()));
            }
            frames
        })
    }

    /// Where it is: behind an event that was looked at, or behind all of a checkpoint.
    fn watermark(&self) -> Watermark {
        let cursor = Cursor {
            checkpoint: self.covered + 1,
            place: self.place,
        };
        watermark(cursor, Some(self.covered))
    }
}

impl Frames for Subscription {
    type Frame = SubscribeEventsResponse;

    /// As soon as there are any; none when this fell so far behind that what comes next is pruned.
    async fn batch(&mut self) -> Result<VecDeque<SubscribeEventsResponse>, Refusal> {
        if !self.begun {
            self.begun = true;
            return Ok(VecDeque::from([progress(self.watermark())]));
        }
        let covered = self.covered;
        let news = tokio::time::timeout(HEARTBEAT, self.tip.wait_for(|tip| *tip > covered))
            .await
            .is_ok();
        Ok(if news {
            self.read()
        } else {
            VecDeque::from([progress(self.watermark())])
        })
    }
}

fn progress(watermark: Watermark) -> SubscribeEventsResponse {
    let mut frame = SubscribeEventsResponse::default();
    frame.watermark = Some(watermark);
    frame
}
