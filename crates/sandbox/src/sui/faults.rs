//! The ways the node can be told to fail.
//!
//! Invariant: a rule is spent only on answers that it changes.

use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use super::request::Call;
use crate::rules;

/// The most bytes that [`Fault::Oversized`] adds.
pub const MAX_OVERSIZE: u64 = 64 * 1024 * 1024;

/// One way to fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum Fault {
    /// `UNAVAILABLE`.
    Unavailable,
    /// `RESOURCE_EXHAUSTED`, as a node that sheds load.
    ResourceExhausted,
    /// This status.
    Status {
        /// The number of the code, 1 to 16.
        code: i32,
        /// What it says.
        message: String,
    },
    /// The connection is cut after this many events of a stream, with all that runs on it; of other calls at once.
    Disconnect {
        /// Events to send before.
        after: u64,
    },
    /// A stream ends after this many events, without a status that says why.
    End {
        /// Events to send before.
        after: u64,
    },
    /// Nothing more comes after this many events of a stream, of other calls nothing at all; the connection stays open.
    Stall {
        /// Events to send before.
        after: u64,
    },
    /// After this many events a stream sends the last of them again, once, and goes on.
    Replay {
        /// Events to send before.
        after: u64,
        /// How many of them to send again.
        events: u64,
    },
    /// Every message comes this much later.
    Slow {
        /// Milliseconds before each message.
        milliseconds: u64,
    },
    /// The node knows only the checkpoints up to this many below the latest; what it streams catches up from there.
    Behind {
        /// Checkpoints it does not know.
        checkpoints: u64,
    },
    /// The contents of objects and events are this instead.
    Contents {
        /// The contents.
        json: serde_json::Value,
    },
    /// The contents of each object and event have a field more, a text of this many bytes.
    Oversized {
        /// Bytes of the text, at most [`MAX_OVERSIZE`].
        bytes: u64,
    },
}

/// A fault, the call it applies to and how many times.
pub type Rule = rules::Rule<Call, Fault>;

/// The rules in force. Of several refusals the first applies; other faults combine.
pub type Faults = rules::Faults<Call, Fault>;

impl Faults {
    /// Spends the first rule that refuses this call.
    pub(super) fn refusal(&self, call: Call) -> Option<Status> {
        let refuses = |fault: &Fault| fault.refusal().is_some();
        self.spend(1, |only| *only == call, refuses)
            .first()
            .and_then(Fault::refusal)
    }

    /// Spends all rules that change the answer of this call.
    pub(super) fn of_answer(&self, call: Call) -> Vec<Fault> {
        self.spend(
            usize::MAX,
            |only| *only == call,
            |fault| fault.changes(call),
        )
    }
}

impl Fault {
    fn refusal(&self) -> Option<Status> {
        match self {
            Self::Unavailable => Some(Status::unavailable("the node is not available")),
            Self::ResourceExhausted => Some(Status::resource_exhausted("too many requests")),
            Self::Status { code, message } => Some(match Code::from_i32(*code) {
                Code::Ok => Status::unknown(message),
                code => Status::new(code, message),
            }),
            _ => None,
        }
    }

    fn changes(&self, call: Call) -> bool {
        let is_stream = matches!(call, Call::ListEvents | Call::SubscribeEvents);
        match self {
            Self::Unavailable | Self::ResourceExhausted | Self::Status { .. } => false,
            Self::End { .. } | Self::Replay { .. } => is_stream,
            Self::Behind { .. } => is_stream || call == Call::GetServiceInfo,
            Self::Contents { .. } | Self::Oversized { .. } => {
                !matches!(call, Call::GetServiceInfo | Call::GetCheckpoint)
            }
            Self::Disconnect { .. } | Self::Stall { .. } | Self::Slow { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limited_rules_are_spent_on_what_they_change() {
        let faults = Faults::default();
        faults.set(vec![
            Rule::new(Fault::Unavailable).times(1).on(Call::GetObject),
            Rule::new(Fault::Behind { checkpoints: 1 }).skip(1).times(1),
            Rule::new(Fault::Slow { milliseconds: 1 }),
        ]);
        assert!(faults.refusal(Call::ListEvents).is_none());
        assert!(faults.refusal(Call::GetObject).is_some());
        assert!(faults.refusal(Call::GetObject).is_none());
        let changes = [
            Call::GetObject,
            Call::ListEvents,
            Call::ListEvents,
            Call::ListEvents,
        ]
        .map(|call| faults.of_answer(call).len());
        assert_eq!(changes, [1, 1, 2, 1]);
        assert_eq!(faults.list().len(), 1);
    }

    #[test]
    fn rules_have_a_json_form() {
        let text = r#"{"on":"getObject","times":2,"fault":{"kind":"slow","milliseconds":1000}}"#;
        let rule: Rule = serde_json::from_str(text).expect("a rule");
        assert_eq!(serde_json::to_string(&rule).expect("text"), text);
        for bad in [
            r#"{"fault":{"kind":"slow"}}"#,
            r#"{"fault":{"kind":"unavailable"},"time":2}"#,
            r#"{"on":"dropTables","fault":{"kind":"unavailable"}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(bad).is_err(), "{bad}");
        }
    }
}
