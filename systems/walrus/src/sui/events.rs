//! The events of a package: what happened to which object, and where in the ledger.
//!
//! Invariant: a frame is handled before its cursor is stored, so that a crash between repeats an event and never loses one.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use sui_rpc::{
    client::{
        Delivery, EventStreamRequest, EventStreamStart, LedgerStreamConfig, LedgerStreamEvent,
        ListConfig, ListEvent,
    },
    field::{FieldMask, FieldMaskUtil as _},
    proto::sui::rpc::v2::{
        self as proto, EventFilter, EventTerm, ListEventsRequest, QueryOptions, filter::event,
    },
};
use tonic::Status;

use super::{
    Node, ObjectId,
    error::{Error, bounded},
    object::{fields, text_of},
};

/// What is read of an event; the first three are what makes a stream resumable.
const READ: [&str; 6] = [
    "checkpoint",
    "transaction_index",
    "event_index",
    "event_type",
    "package_id",
    "json",
];

/// Something that happens to a todo's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// It was made.
    NftCreated,
    /// It was changed.
    NftUpdated,
    /// Its todo was completed.
    NftCompleted,
    /// It has another owner.
    NftTransferred,
}

/// The text names no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no event: choose from nft-created, nft-updated, nft-completed and nft-transferred"
)]
pub struct UnknownEvent(String);

impl Happening {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NftCreated,
        Self::NftUpdated,
        Self::NftCompleted,
        Self::NftTransferred,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NftCreated => "nft-created",
            Self::NftUpdated => "nft-updated",
            Self::NftCompleted => "nft-completed",
            Self::NftTransferred => "nft-transferred",
        }
    }

    /// The name of the event's Move struct.
    fn structure(self) -> &'static str {
        match self {
            Self::NftCreated => "TodoNFTCreated",
            Self::NftUpdated => "TodoNFTUpdated",
            Self::NftCompleted => "TodoNFTCompleted",
            Self::NftTransferred => "TodoNFTTransferred",
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Happening {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL
            .into_iter()
            .find(|happening| happening.as_str() == text)
            .ok_or_else(|| UnknownEvent(text.chars().take(64).collect()))
    }
}

/// An event's place in the ledger: places rise in the order of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Sequence number of the checkpoint.
    pub checkpoint: u64,
    /// The transaction within the checkpoint.
    pub transaction: u64,
    /// The event within the transaction.
    pub event: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.checkpoint, self.transaction, self.event)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub happening: Happening,
    /// To which object.
    pub object: ObjectId,
    /// Its title, where the event tells it.
    pub title: Option<String>,
    /// Where.
    pub place: Place,
}

/// A step of a stream: an event, or news of how far the node has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The event of the package, if this is one of a todo; or what is wrong with it.
    pub event: Option<Result<Event, String>>,
    /// Where to go on from, once the event is handled.
    pub cursor: Bytes,
    /// Every event up to and including this checkpoint was given.
    pub covered: Option<u64>,
}

/// Where a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Tip,
    /// With this checkpoint.
    Checkpoint(u64),
    /// Behind this cursor.
    After(Bytes),
}

/// How a stream learns of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// The node tells.
    Subscription,
    /// The node is asked every second.
    Polling,
}

/// A failure after which the stream tries again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Failures in a row, from 1.
    pub failures: u32,
    /// What the node said.
    pub error: Error,
}

impl Node {
    /// The events of a package without end. A break of the connection is bridged, events missed meanwhile are read again,
    /// and `trouble` is told of it; an error ends the stream.
    pub fn follow(
        &self,
        package: ObjectId,
        start: Start,
        following: Following,
        trouble: impl Fn(Trouble) + Send + Sync + 'static,
    ) -> impl Stream<Item = Result<Frame, Error>> + Send + 'static {
        let start = match start {
            Start::Tip => EventStreamStart::Tip,
            Start::Checkpoint(checkpoint) => EventStreamStart::Checkpoint(checkpoint),
            Start::After(cursor) => EventStreamStart::Resume(cursor),
        };
        let delivery = match following {
            Following::Subscription => Delivery::Subscribe,
            Following::Polling => Delivery::Poll,
        };
        let request = EventStreamRequest::new()
            .with_read_mask(FieldMask::from_paths(READ))
            .with_filter(filter(package))
            .with_start(start)
            .with_delivery(delivery);
        let (node, told) = (self.clone(), self.clone());
        let config = LedgerStreamConfig::default().with_observer(move |event| match event {
            LedgerStreamEvent::RetryScheduled {
                status,
                consecutive_failures,
                ..
            } => trouble(told.trouble(consecutive_failures, &status)),
            LedgerStreamEvent::SubscriptionStreamInterrupted { status, .. } => {
                tracing::debug!(%status, "the subscription broke");
            }
            _ => {}
        });
        self.client
            .stream_events_with_config(request, config)
            .map(move |frame| {
                let frame = frame.map_err(|status| node.error(&status))?;
                Ok(Frame {
                    event: frame.event.and_then(|event| read(&event, package)),
                    cursor: frame.cursor,
                    covered: frame.covered_checkpoint,
                })
            })
    }

    /// The events of a package from one checkpoint to another, both included, or behind a cursor within them.
    pub fn range(
        &self,
        package: ObjectId,
        (from, to): (u64, u64),
        after: Option<Bytes>,
        trouble: impl Fn(Trouble) + Send + Sync + 'static,
    ) -> impl Stream<Item = Result<Frame, Error>> + Send + 'static {
        let mut request = ListEventsRequest::default();
        request.read_mask = Some(FieldMask::from_paths(READ));
        request.filter = Some(filter(package));
        request.start_checkpoint = Some(from);
        request.end_checkpoint = Some(to.saturating_add(1));
        let mut options = QueryOptions::default();
        options.after = after;
        request.options = Some(options);
        let (node, told) = (self.clone(), self.clone());
        let config = ListConfig::default().with_observer(move |event| {
            if let ListEvent::RetryScheduled {
                status,
                consecutive_failures,
                ..
            } = event
            {
                trouble(told.trouble(consecutive_failures, &status));
            }
        });
        self.client
            .list_events_with_config(request, config)
            .map(move |page| {
                let page = page.map_err(|status| node.error(&status))?;
                let watermark = page.watermark.unwrap_or_default();
                Ok(Frame {
                    event: page.event.and_then(|event| read(&event, package)),
                    cursor: watermark.cursor.unwrap_or_default(),
                    covered: watermark.checkpoint,
                })
            })
    }

    fn trouble(&self, failures: u32, status: &Status) -> Trouble {
        Trouble {
            failures,
            error: self.error(status),
        }
    }
}

/// What a package emits: its types, also when a newer version of it emits them, and what this version emits.
fn filter(package: ObjectId) -> EventFilter {
    EventFilter::any([
        EventTerm::all([event::event_type(package.to_string())]),
        EventTerm::all([event::emit_module(package.to_string())]),
    ])
}

/// The event, if it is one of a todo of `package`; or what is wrong with it.
fn read(event: &proto::Event, package: ObjectId) -> Option<Result<Event, String>> {
    let kind = event.event_type.as_deref().unwrap_or_default();
    let kind = kind.split('<').next().unwrap_or_default();
    let (module, name) = kind.rsplit_once("::")?;
    let happening = Happening::ALL
        .into_iter()
        .find(|happening| happening.structure() == name)?;
    // A node that ignores the filter must not have us fetch what others emit.
    let of_package = |text: &str| text.parse() == Ok(package);
    let own = module.split("::").next().is_some_and(of_package)
        || event.package_id.as_deref().is_some_and(of_package);
    if !own {
        return None;
    }
    let (Some(checkpoint), Some(transaction), Some(index)) =
        (event.checkpoint, event.transaction_index, event.event_index)
    else {
        return Some(Err(format!(
            "an event {happening} has no place in the ledger"
        )));
    };
    let place = Place {
        checkpoint,
        transaction,
        event: index,
    };
    let fields = fields(event.json.as_deref().cloned());
    let Some(id) = text_of(&fields, "todo_id") else {
        return Some(Err(format!(
            "the event {happening} at {place} has no todo_id"
        )));
    };
    Some(match id.parse() {
        Ok(object) => Ok(Event {
            happening,
            object,
            title: text_of(&fields, "title").map(bounded),
            place,
        }),
        Err(error) => Err(format!("the event {happening} at {place}: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use prost_types::{Struct, Value, value::Kind};

    use super::*;

    fn event(kind: &str, fields: &[(&str, &str)]) -> proto::Event {
        let mut event = proto::Event::default();
        event.event_type = Some(kind.to_owned());
        event.checkpoint = Some(5);
        event.transaction_index = Some(1);
        event.event_index = Some(2);
        let fields = fields.iter().map(|(name, text)| {
            let kind = Kind::StringValue((*text).to_owned());
            ((*name).to_owned(), Value { kind: Some(kind) })
        });
        event.json = Some(Box::new(Value {
            kind: Some(Kind::StructValue(Struct {
                fields: fields.collect(),
            })),
        }));
        event
    }

    #[test]
    fn the_events_of_a_todo_are_read_and_others_are_not() {
        let package: ObjectId = "0x9".parse().expect("an ID");
        let made = event(
            "0x9::todo_nft::TodoNFTCreated",
            &[("todo_id", "0x7"), ("title", "Buy milk")],
        );
        let read_event = read(&made, package).expect("one").expect("good");
        assert_eq!(read_event.happening, Happening::NftCreated);
        assert_eq!(read_event.object, "0x7".parse().expect("an ID"));
        assert_eq!(read_event.title.as_deref(), Some("Buy milk"));
        assert_eq!(read_event.place.to_string(), "5.1.2");
        assert_eq!(read(&made, "0x8".parse().expect("an ID")), None);
        let mut newer = event(
            "0x8::todo_nft::TodoNFTUpdated<0x2::a::B>",
            &[("todo_id", "0x7")],
        );
        newer.package_id = Some("0x9".to_owned());
        let changed = read(&newer, package).expect("one").expect("good");
        assert_eq!(changed.happening, Happening::NftUpdated);
        let other = event("0x9::todo_nft::Other", &[("todo_id", "0x7")]);
        assert_eq!(read(&other, package), None);
        for bad in [
            event("0x9::todo_nft::TodoNFTCreated", &[]),
            event("0x9::todo_nft::TodoNFTCreated", &[("todo_id", "7")]),
        ] {
            let why = read(&bad, package).expect("one").expect_err("bad");
            assert!(why.contains("nft-created at 5.1.2"), "{why}");
        }
    }

    #[test]
    fn names_are_those_of_the_document() {
        for happening in Happening::ALL {
            assert_eq!(happening.to_string().parse(), Ok(happening));
            let json = serde_json::to_string(&happening).expect("text");
            assert_eq!(json, format!("\"{happening}\""));
        }
        let error = "nft-burned".parse::<Happening>().expect_err("unknown");
        assert!(error.to_string().contains("choose from nft-created"));
    }
}
