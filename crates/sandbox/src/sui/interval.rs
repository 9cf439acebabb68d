//! Which part of the ledger a list covers, and why it ends where it ends.
//!
//! Invariant: the bounds of a request meet as the real node has them meet, down to the reason of the end and the cursor
//! that goes with it, since the real client relies on both.

use sui_rpc::proto::sui::rpc::v2::{Ordering, QueryEndReason, QueryOptions};
use tonic::Code;

use super::{
    Limits,
    cursor::{Cursor, Place, Side},
    ledger::State,
    refusal::Refusal,
};

/// The options of a list, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    pub(super) items: usize,
    pub(super) ascending: bool,
    /// Checkpoints at the tip that are not known yet.
    behind: u64,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

/// A part of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// Where it begins.
    pub(super) low: Place,
    /// Where it ends.
    pub(super) high: Place,
    /// The checkpoint that reading begins in.
    pub(super) entry: u64,
    /// Where reading has come when all is read.
    pub(super) end: Cursor,
    /// Why it ends there.
    pub(super) reason: QueryEndReason,
}

impl Query {
    pub(super) fn new(
        options: Option<&QueryOptions>,
        limits: Limits,
        behind: u64,
    ) -> Result<Self, Refusal> {
        let items = options
            .and_then(|options| options.limit)
            .unwrap_or(limits.default_items)
            .clamp(1, limits.most_items);
        let ordering = options
            .and_then(|options| options.ordering)
            .unwrap_or_default();
        let ascending = match Ordering::try_from(ordering) {
            Ok(Ordering::Ascending) => true,
            Ok(Ordering::Descending) => false,
            _ => return Err(Refusal::invalid("options.ordering", "invalid ordering")),
        };
        let cursor = |field: &str, token: Option<&bytes::Bytes>| {
            token
                .map(|token| {
                    Cursor::decode(token).ok_or_else(|| Refusal::invalid(field, "invalid cursor"))
                })
                .transpose()
        };
        Ok(Self {
            items: items as usize,
            ascending,
            behind,
            after: cursor(
                "options.after",
                options.and_then(|options| options.after.as_ref()),
            )?,
            before: cursor(
                "options.before",
                options.and_then(|options| options.before.as_ref()),
            )?,
        })
    }
}

impl Interval {
    /// The part that lies within the checkpoints and cursors asked for.
    pub(super) fn new(
        state: &State,
        start: Option<u64>,
        end: Option<u64>,
        query: &Query,
    ) -> Result<Self, Refusal> {
        if end.is_some_and(|end| end < start.unwrap_or(0)) {
            return Err(Refusal::invalid(
                "end_checkpoint",
                "end_checkpoint must be greater than or equal to start_checkpoint",
            ));
        }
        let interval = match Checkpoints::new(state, start, end, query) {
            Checkpoints::Empty { at, reason } => {
                return Ok(Self::empty(
                    boundary(at, Place::start_of(state.transactions_before(at))),
                    reason,
                ));
            }
            Checkpoints::Range { start, end, reason } => {
                Self::of_checkpoints(state, start, end, reason, query)
            }
        };
        let interval = interval.within_cursors(query);
        if interval.is_empty() {
            return Ok(interval);
        }
        let explicit = start.is_some() || query.after.is_some();
        interval.above_floor(state, explicit, query.ascending)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.low >= self.high
    }

    fn empty(end: Cursor, reason: QueryEndReason) -> Self {
        Self {
            low: end.place,
            high: end.place,
            entry: end.checkpoint,
            end,
            reason,
        }
    }

    fn of_checkpoints(
        state: &State,
        start: u64,
        end: u64,
        reason: QueryEndReason,
        query: &Query,
    ) -> Self {
        let low = Place::start_of(state.transactions_before(start));
        let high = Place::start_of(state.transactions_before(end));
        let (entry, end) = if query.ascending {
            (start, boundary(end, high))
        } else {
            (end - 1, boundary(start, low))
        };
        Self {
            low,
            high,
            entry,
            end,
            reason,
        }
    }

    fn within_cursors(mut self, query: &Query) -> Self {
        if let Some(after) = query.after {
            if query.ascending {
                self.entry = self.entry.max(after.checkpoint);
            }
            if after.resume() >= self.low {
                self.low = after.resume();
                let at = boundary(after.checkpoint, after.stop());
                if self.is_empty() {
                    // Read upwards, an event that was sent stays excluded.
                    let at = if query.ascending { after } else { at };
                    self = Self::empty(at, QueryEndReason::CursorBound);
                } else if !query.ascending {
                    self.end = at;
                    self.reason = QueryEndReason::CursorBound;
                }
            }
        }
        if let Some(before) = query.before {
            if !query.ascending {
                self.entry = self.entry.min(before.checkpoint);
            }
            if before.stop() <= self.high {
                self.high = before.stop();
                let at = boundary(before.checkpoint, before.stop());
                if self.is_empty() {
                    self = Self::empty(at, QueryEndReason::CursorBound);
                } else if query.ascending {
                    self.end = at;
                    self.reason = QueryEndReason::CursorBound;
                }
            }
        }
        self
    }

    /// Leaves out what is pruned, or refuses when that was asked for by name.
    fn above_floor(
        mut self,
        state: &State,
        explicit: bool,
        ascending: bool,
    ) -> Result<Self, Refusal> {
        let floor = state.pruned_transactions();
        if self.low.transaction >= floor {
            return Ok(self);
        }
        if explicit {
            return Err(pruned(state));
        }
        self.low = Place::start_of(floor);
        if self.is_empty() {
            return Ok(Self::empty(self.end, self.reason));
        }
        if ascending {
            self.entry = self.entry.max(state.first());
        } else {
            self.end = boundary(state.first(), self.low);
        }
        Ok(self)
    }
}

/// What the checkpoints alone say, cursors being taken for the checkpoints they lie in.
enum Checkpoints {
    Empty {
        at: u64,
        reason: QueryEndReason,
    },
    Range {
        start: u64,
        end: u64,
        reason: QueryEndReason,
    },
}

impl Checkpoints {
    fn new(state: &State, start: Option<u64>, end: Option<u64>, query: &Query) -> Self {
        let tip_end = state.tip_behind(query.behind) + 1;
        let mut high_reason = match end {
            Some(end) if end <= tip_end => QueryEndReason::CheckpointBound,
            _ => QueryEndReason::LedgerTip,
        };
        let mut low_reason = QueryEndReason::CheckpointBound;
        let mut start = start.unwrap_or(0);
        let mut end = end.unwrap_or(tip_end).min(tip_end);
        let mut by_cursor = false;
        if let Some(after) = query.after.filter(|after| after.checkpoint >= start) {
            start = after.checkpoint;
            by_cursor = true;
            low_reason = QueryEndReason::CursorBound;
        }
        if let Some(before) = query.before {
            let upper = before
                .checkpoint
                .saturating_add(u64::from(before.is_item()));
            if upper <= end {
                end = upper;
                by_cursor = true;
                high_reason = QueryEndReason::CursorBound;
            }
        }
        let (edge, reason) = if query.ascending {
            (end, high_reason)
        } else {
            (start, low_reason)
        };
        if start >= tip_end {
            Self::Empty {
                at: tip_end,
                reason: QueryEndReason::LedgerTip,
            }
        } else if start >= end {
            let reason = if by_cursor {
                QueryEndReason::CursorBound
            } else {
                reason
            };
            Self::Empty { at: edge, reason }
        } else {
            Self::Range { start, end, reason }
        }
    }
}

/// What was asked for is gone for ever.
pub(super) fn pruned(state: &State) -> Refusal {
    Refusal::new(
        Code::OutOfRange,
        format!(
            "requested data below earliest available; lowest available tx_seq is {}",
            state.pruned_transactions()
        ),
    )
}

/// A cursor that lies before what comes next.
pub(super) fn boundary(checkpoint: u64, place: Place) -> Cursor {
    Cursor {
        checkpoint,
        place: Place {
            side: Side::Before,
            ..place
        },
    }
}
