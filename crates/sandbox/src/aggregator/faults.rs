//! The ways the stand-in can be told to fail.
//!
//! Invariant: a rule is spent only on answers that it changes.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{name::BlobName, range::Span};
use crate::rules;

/// One way to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum Fault {
    /// 503 `BLOB_UNAVAILABLE`, with `Retry-After` in seconds if given.
    Unavailable {
        /// Seconds to name in `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// 429 in plain text, as an overloaded aggregator sheds load.
    TooManyRequests {
        /// Seconds to name in `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// This status (400 to 599) with the error body of its kind.
    Status {
        /// The status.
        code: u16,
    },
    /// 307 to this address.
    Redirect {
        /// Where to.
        location: String,
    },
    /// A range is answered with 200 and the whole blob.
    IgnoreRange,
    /// A range is answered with this many bytes less, and `Content-Range` says so.
    ShortRange {
        /// Bytes left out at the end.
        missing: u64,
    },
    /// The body has this many bytes less than the headers of the blob or range promise, and ends cleanly.
    ShortBody {
        /// Bytes left out at the end.
        missing: u64,
    },
    /// The body has this many bytes more than was asked for.
    LongBody {
        /// Zero bytes added at the end.
        extra: u64,
    },
    /// A range is answered from further on, and `Content-Range` says so.
    OtherStart {
        /// Bytes left out at the start.
        shift: u64,
    },
    /// A range is answered with this total in `Content-Range`.
    OtherTotal {
        /// Bytes of the blob to claim.
        total: u64,
    },
    /// The body comes without `Content-Length`, in chunks.
    NoLength,
    /// The byte at this offset of the blob is flipped in answers that contain it.
    WrongBytes {
        /// Offset in the blob.
        at: u64,
    },
    /// The connection closes after this many bytes of the body.
    Disconnect {
        /// Bytes to send before.
        after: u64,
    },
    /// Nothing more comes after this many bytes of the body, and the connection stays open.
    Stall {
        /// Bytes to send before.
        after: u64,
    },
    /// The body comes at this rate.
    Slow {
        /// Bytes a second, at least 1.
        bytes_per_second: u64,
    },
}

/// A fault, the blob it applies to and how many times.
pub type Rule = rules::Rule<BlobName, Fault>;

/// The rules in force. Of several refusals the first applies; faults of the body combine.
pub type Faults = rules::Faults<BlobName, Fault>;

impl Faults {
    /// Spends the first rule that refuses requests for this blob.
    pub(super) fn refusal(&self, blob: &str) -> Option<Fault> {
        self.spend_on(blob, 1, Fault::refuses).pop()
    }

    /// Spends all rules that change a body with these bytes of this blob.
    pub(super) fn of_body(&self, blob: &str, span: Option<Span>, ranged: bool) -> Vec<Fault> {
        self.spend_on(blob, usize::MAX, |fault| fault.changes(span, ranged))
    }

    /// Spends the first rule that makes the server ignore a range of this blob.
    pub(super) fn ignores_range(&self, blob: &str) -> bool {
        !self
            .spend_on(blob, 1, |fault| matches!(fault, Fault::IgnoreRange))
            .is_empty()
    }

    fn spend_on(&self, blob: &str, most: usize, applies: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        self.spend(most, |name| name.as_str() == blob, applies)
    }
}

impl Fault {
    /// What is wrong with a rule that came from outside.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Status { code }
                if !(400..600).contains(code) || StatusCode::from_u16(*code).is_err() =>
            {
                Err("code must be between 400 and 599")
            }
            Self::Slow {
                bytes_per_second: 0,
            } => Err("bytesPerSecond must be at least 1"),
            _ => Ok(()),
        }
    }

    fn refuses(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::TooManyRequests { .. }
                | Self::Status { .. }
                | Self::Redirect { .. }
        )
    }

    fn changes(&self, span: Option<Span>, ranged: bool) -> bool {
        match self {
            Self::ShortRange { .. } | Self::OtherStart { .. } | Self::OtherTotal { .. } => ranged,
            Self::WrongBytes { at } => {
                span.is_some_and(|span| (span.start..=span.end).contains(at))
            }
            Self::NoLength
            | Self::ShortBody { .. }
            | Self::LongBody { .. }
            | Self::Disconnect { .. }
            | Self::Stall { .. }
            | Self::Slow { .. } => true,
            Self::IgnoreRange
            | Self::Unavailable { .. }
            | Self::TooManyRequests { .. }
            | Self::Status { .. }
            | Self::Redirect { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";

    #[test]
    fn limited_rules_are_spent_on_what_they_change() {
        let faults = Faults::default();
        faults.set(vec![
            Rule::new(Fault::Unavailable { retry_after: None }).times(1),
            Rule::new(Fault::ShortRange { missing: 1 }).skip(1).times(1),
            Rule::new(Fault::WrongBytes { at: 5 })
                .times(1)
                .on(ID.parse().expect("an ID")),
            Rule::new(Fault::Slow {
                bytes_per_second: 7,
            }),
        ]);
        assert!(faults.refusal("other").is_some());
        assert!(faults.refusal("other").is_none());
        let span = |start, end| Some(Span { start, end });
        assert_eq!(faults.of_body(ID, span(0, 4), false).len(), 1);
        assert_eq!(faults.of_body("other", span(0, 9), true).len(), 1);
        assert_eq!(faults.of_body("other", span(0, 9), true).len(), 2);
        assert_eq!(faults.of_body(ID, span(0, 9), true).len(), 2);
        assert_eq!(faults.of_body(ID, span(0, 9), true).len(), 1);
        assert_eq!(faults.list().len(), 1);
    }

    #[test]
    fn rules_have_a_json_form() {
        let text =
            format!(r#"{{"on":"{ID}","times":2,"fault":{{"kind":"slow","bytesPerSecond":1000}}}}"#);
        let rule: Rule = serde_json::from_str(&text).expect("a rule");
        assert_eq!(serde_json::to_string(&rule).expect("text"), text);
        for bad in [
            r#"{"fault":{"kind":"slow"}}"#,
            r#"{"fault":{"kind":"ignoreRange"},"time":2}"#,
            r#"{"fault":{"kind":"disconnect","after":1,"before":2}}"#,
            r#"{"on":"../secret","fault":{"kind":"ignoreRange"}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(bad).is_err(), "{bad}");
        }
        assert!(Fault::Status { code: 200 }.check().is_err());
    }
}
