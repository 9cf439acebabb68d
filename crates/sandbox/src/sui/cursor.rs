//! Places in the ledger and the tokens that carry them.
//!
//! Invariant: places are ordered as the ledger is; a token decodes only to the place it was made from.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The first byte of a token, changed whenever its form changes.
const FORM: u8 = 0xe1;
/// Bytes of a token.
const LENGTH: usize = 1 + 8 + 8 + 4 + 1;

/// A place between, before or on events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The transaction, counted over the whole ledger.
    pub(super) transaction: u64,
    /// The event within the transaction.
    pub(super) event: u32,
    /// Where exactly.
    pub(super) side: Side,
}

/// Where a place lies about its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Before the event.
    Before,
    /// On the event.
    On,
    /// After the event.
    After,
}

impl Place {
    /// Before the first event of a transaction.
    pub(super) fn start_of(transaction: u64) -> Self {
        Self {
            transaction,
            event: 0,
            side: Side::Before,
        }
    }

    /// On an event.
    pub(super) fn on(transaction: u64, event: u32) -> Self {
        Self {
            transaction,
            event,
            side: Side::On,
        }
    }
}

/// A place a client can come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The checkpoint of the place.
    pub(super) checkpoint: u64,
    /// The place: on the event that was sent last, or before what comes next.
    pub(super) place: Place,
}

impl Cursor {
    /// Whether it names an event, which it excludes, rather than a boundary.
    pub(super) fn is_item(self) -> bool {
        self.place.side != Side::Before
    }

    /// The place from which reading goes on after it.
    pub(super) fn resume(self) -> Place {
        let side = if self.is_item() {
            Side::After
        } else {
            Side::Before
        };
        Place { side, ..self.place }
    }

    /// The place at which reading up to it ends.
    pub(super) fn stop(self) -> Place {
        Place {
            side: Side::Before,
            ..self.place
        }
    }

    pub(super) fn encode(self) -> Bytes {
        let mut token = BytesMut::with_capacity(LENGTH);
        token.put_u8(FORM);
        token.put_u64(self.checkpoint);
        token.put_u64(self.place.transaction);
        token.put_u32(self.place.event);
        token.put_u8(u8::from(self.is_item()));
        token.freeze()
    }

    pub(super) fn decode(token: &[u8]) -> Option<Self> {
        let (&FORM, rest) = token.split_first()? else {
            return None;
        };
        let (checkpoint, rest) = rest.split_first_chunk()?;
        let (transaction, rest) = rest.split_first_chunk()?;
        let (event, rest) = rest.split_first_chunk()?;
        let side = match rest {
            [0] => Side::Before,
            [1] => Side::On,
            _ => return None,
        };
        Some(Self {
            checkpoint: u64::from_be_bytes(*checkpoint),
            place: Place {
                transaction: u64::from_be_bytes(*transaction),
                event: u32::from_be_bytes(*event),
                side,
            },
        })
    }
}
