//! Lists of events: a part of the ledger read in either direction, in frames that each say how far reading has come.
//!
//! Invariant: a list holds no more than one batch of frames at a time, and reads on only when that is sent.

use std::{collections::VecDeque, sync::Arc};

use sui_rpc::{
    field::FieldMaskTree,
    merge::Merge as _,
    proto::sui::rpc::v2::{
        Event, ListEventsRequest, ListEventsResponse, QueryEnd, QueryEndReason, Watermark,
    },
};

use super::{
    Shared,
    cursor::{Cursor, Place},
    delivery::Frames,
    filter::Filter,
    interval::{self, Interval, Query},
    ledger::{Emitted, State},
    refusal::Refusal,
    service,
};

/// The most frames held for one stream.
pub(super) const BATCH: usize = 128;
/// The fields of an event that are sent when a request names none.
pub(super) const DEFAULT_MASK: &str = "event_type";

/// A list under way.
pub(super) struct List {
    shared: Arc<Shared>,
    mask: FieldMaskTree,
    filter: Option<Filter>,
    query: Query,
    interval: Interval,
    /// Transactions that may still be looked at.
    scan: u64,
    sent: usize,
    covered: Option<u64>,
    empty: bool,
    ended: bool,
}

impl List {
    pub(super) fn new(
        shared: Arc<Shared>,
        request: &ListEventsRequest,
        behind: u64,
    ) -> Result<Self, Refusal> {
        let mask = service::mask::<Event>(request.read_mask.clone(), DEFAULT_MASK)?;
        let filter = request.filter.as_ref().map(Filter::new).transpose()?;
        let query = Query::new(request.options.as_ref(), shared.limits, behind)?;
        let interval = shared.ledger.read(|state| {
            Interval::new(
                state,
                request.start_checkpoint,
                request.end_checkpoint,
                &query,
            )
        })?;
        Ok(Self {
            scan: shared.limits.scan,
            shared,
            mask,
            filter,
            query,
            empty: interval.is_empty(),
            interval,
            sent: 0,
            covered: None,
            ended: false,
        })
    }

    /// The next frames; none when the list has ended.
    fn read(&mut self) -> Result<VecDeque<ListEventsResponse>, Refusal> {
        let mut frames = VecDeque::new();
        if self.ended {
            return Ok(frames);
        }
        let shared = Arc::clone(&self.shared);
        shared.ledger.read(|state| {
            if !self.interval.is_empty()
                && self.interval.low.transaction < state.pruned_transactions()
            {
                return Err(interval::pruned(state));
            }
            let events: Vec<&Emitted> = if self.query.ascending {
                let within = |event: &&Emitted| event.place < self.interval.high;
                state
                    .events_from(self.interval.low)
                    .take_while(within)
                    .take(BATCH)
                    .collect()
            } else {
                let within = |event: &&Emitted| event.place >= self.interval.low;
                state
                    .events_before(self.interval.high)
                    .take_while(within)
                    .take(BATCH)
                    .collect()
            };
            let is_last = events.len() < BATCH;
            for event in events {
                if !self.may_look_at(event.place) {
                    frames.push_back(self.scan_limit(state));
                    return Ok(());
                }
                self.pass(event.place);
                if self
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(event))
                {
                    frames.push_back(self.item(event));
                    if self.ended {
                        return Ok(());
                    }
                }
            }
            if is_last {
                frames.push_back(self.rest(state));
            }
            Ok(())
        })?;
        Ok(frames)
    }

    /// Whether the limit of transactions lets it look as far as this.
    fn may_look_at(&self, place: Place) -> bool {
        if self.query.ascending {
            place.transaction - self.interval.low.transaction < self.scan
        } else {
            self.interval
                .high
                .transaction
                .saturating_sub(place.transaction)
                <= self.scan
        }
    }

    /// Leaves behind what was looked at.
    fn pass(&mut self, place: Place) {
        let at = Cursor {
            checkpoint: 0,
            place,
        };
        if self.query.ascending {
            self.scan -= place.transaction - self.interval.low.transaction;
            self.interval.low = at.resume();
        } else {
            self.scan -= self
                .interval
                .high
                .transaction
                .saturating_sub(place.transaction);
            self.interval.high = at.stop();
        }
    }

    fn item(&mut self, event: &Emitted) -> ListEventsResponse {
        self.cover_before(event.checkpoint);
        self.sent += 1;
        let mut frame = ListEventsResponse::default();
        frame.event = Some(Event::merge_from(event.message.as_ref(), &self.mask));
        let cursor = Cursor {
            checkpoint: event.checkpoint,
            place: event.place,
        };
        frame.watermark = Some(watermark(cursor, self.covered));
        if self.sent == self.query.items {
            self.ended = true;
            frame.end = Some(end(QueryEndReason::ItemLimit));
        }
        frame
    }

    /// The frame after the last event: all is read, or as much as may be.
    fn rest(&mut self, state: &State) -> ListEventsResponse {
        let left = self
            .interval
            .high
            .transaction
            .saturating_sub(self.interval.low.transaction);
        if left > self.scan {
            return self.scan_limit(state);
        }
        self.ended = true;
        let Interval {
            end: at, reason, ..
        } = self.interval;
        let covered = match reason {
            QueryEndReason::CursorBound => self.covered,
            _ if self.empty => None,
            _ if self.query.ascending => at.checkpoint.checked_sub(1),
            _ => Some(at.checkpoint),
        };
        last(at, covered, reason)
    }

    fn scan_limit(&mut self, state: &State) -> ListEventsResponse {
        self.ended = true;
        let (checkpoint, place) = if self.query.ascending {
            let transaction = self.interval.low.transaction + self.scan;
            let checkpoint = state.checkpoint_of(transaction.saturating_sub(1));
            self.cover_before(checkpoint);
            (checkpoint, Place::start_of(transaction))
        } else {
            let transaction = self.interval.high.transaction.saturating_sub(self.scan);
            let checkpoint = state.checkpoint_of(transaction);
            self.cover_before(checkpoint);
            (checkpoint + 1, Place::start_of(transaction))
        };
        last(
            interval::boundary(checkpoint, place),
            self.covered,
            QueryEndReason::ScanLimit,
        )
    }

    /// A checkpoint that reading is within proves those before it covered, but not those before the first.
    fn cover_before(&mut self, checkpoint: u64) {
        let entry = self.interval.entry;
        if self.query.ascending {
            let before = checkpoint.checked_sub(1).filter(|before| *before >= entry);
            self.covered = self.covered.max(before);
        } else {
            let before = checkpoint.checked_add(1).filter(|before| *before <= entry);
            self.covered = match (self.covered, before) {
                (Some(covered), Some(before)) => Some(covered.min(before)),
                (covered, before) => covered.or(before),
            };
        }
    }
}

impl Frames for List {
    type Frame = ListEventsResponse;

    async fn batch(&mut self) -> Result<VecDeque<ListEventsResponse>, Refusal> {
        self.read()
    }
}

/// How far reading has come.
pub(super) fn watermark(cursor: Cursor, covered: Option<u64>) -> Watermark {
    let mut watermark = Watermark::default();
    watermark.cursor = Some(cursor.encode());
    watermark.checkpoint = covered;
    watermark
}

fn last(cursor: Cursor, covered: Option<u64>, reason: QueryEndReason) -> ListEventsResponse {
    let mut frame = ListEventsResponse::default();
    frame.watermark = Some(watermark(cursor, covered));
    frame.end = Some(end(reason));
    frame
}

fn end(reason: QueryEndReason) -> QueryEnd {
    let mut end = QueryEnd::default();
    end.reason = Some(reason as i32);
    end
}
