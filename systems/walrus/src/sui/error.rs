//! What can go wrong with a Sui node and what is read from it, and whether trying again may help.
//!
//! Invariant: every error is either final or may be retried; texts from the node are bounded.

use tonic::{Code, Status};

use super::ObjectId;
use crate::networks::Network;

/// Characters of a node's text that are kept.
const MAX_TEXT: usize = 300;

/// Why something could not be read from a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can not be used.
    #[error(
        "'{address}' is not the address of a Sui node, like https://fullnode.testnet.sui.io: {reason}"
    )]
    Address {
        /// The address given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node knows no such object.
    #[error(
        "there is no object {0} on this network: it was never there, or it was deleted or wrapped; \
        check the ID and --network"
    )]
    NotFound(ObjectId),
    /// The object is code.
    #[error("{0} is a package, not an object with data: give the ID of a todo's object")]
    Package(ObjectId),
    /// The object names no blob.
    #[error(
        "the object {object} of type {kind} names no blob: it has neither walrus_blob_id nor image_url"
    )]
    NoBlob {
        /// The object.
        object: ObjectId,
        /// Its type.
        kind: String,
    },
    /// What the object has in the place of a blob is none.
    #[error(
        "the object {object} names no blob: its {field} is '{text}', which is neither a blob ID nor an address that \
        ends in one"
    )]
    BadBlob {
        /// The object.
        object: ObjectId,
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// The node is of another network.
    #[error(
        "the node at {address} is of the network '{got}', not of {wanted}: set SUI_RPC_URL to a node of {wanted}, or give \
        --network"
    )]
    OtherNetwork {
        /// The node.
        address: String,
        /// The network that was asked for.
        wanted: Network,
        /// What the node says.
        got: String,
    },
    /// The node is behind what was seen of the chain before.
    #[error(
        "the node at {address} is behind: it is at checkpoint {tip}, and {wanted} was seen before"
    )]
    Behind {
        /// The node.
        address: String,
        /// Its newest checkpoint.
        tip: u64,
        /// The one that is needed.
        wanted: u64,
    },
    /// The node refuses, and will again.
    #[error("the node at {address} refused: {reason}")]
    Refused {
        /// The node.
        address: String,
        /// Code and message.
        reason: String,
    },
    /// The node takes the resume cursor for none of its own.
    #[error("the node at {address} does not take the request: {reason}")]
    Invalid {
        /// The node.
        address: String,
        /// Its message.
        reason: String,
    },
    /// The node does not offer what was asked for.
    #[error(
        "the node at {address} does not offer this: {reason}; it needs a Sui full node with gRPC"
    )]
    NotOffered {
        /// The node.
        address: String,
        /// Its message.
        reason: String,
    },
    /// The answer is larger than anything that is taken.
    #[error("the node at {address} sent more than the {limit} bytes that one message may have")]
    TooLarge {
        /// The node.
        address: String,
        /// Most bytes taken.
        limit: usize,
    },
    /// The node can not be reached, is overloaded or fails for now.
    #[error(
        "the Sui node at {address} could not be reached: {reason}; check SUI_RPC_URL and --network"
    )]
    Unavailable {
        /// The node.
        address: String,
        /// Code and message.
        reason: String,
    },
    /// The answer is none of a Sui node, or contradicts what it said before.
    #[error("the node at {address} answered wrongly: {reason}")]
    Answer {
        /// The node.
        address: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// Whether trying again may help.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Answer { .. } | Self::Behind { .. }
        )
    }

    /// A stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad_node",
            Self::NotFound(_) => "object_not_found",
            Self::Package(_) => "wrong_type",
            Self::NoBlob { .. } | Self::BadBlob { .. } => "no_blob",
            Self::OtherNetwork { .. } => "wrong_network",
            Self::Behind { .. } => "node_behind",
            Self::Refused { .. } | Self::Invalid { .. } | Self::NotOffered { .. } => "node_refused",
            Self::TooLarge { .. } => "too_large",
            Self::Unavailable { .. } => "node_unreachable",
            Self::Answer { .. } => "node_answer",
        }
    }

    /// What a status of the node at `address` means.
    pub(super) fn of(status: &Status, address: &str, limit: usize) -> Self {
        let address = address.to_owned();
        let reason = reason(status);
        let local = std::error::Error::source(status).is_some();
        match status.code() {
            // The limit of this side is told in the same code as a range that the node does not have.
            Code::OutOfRange if status.message().contains("message length too large") => {
                Self::TooLarge { address, limit }
            }
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid { address, reason },
            Code::Unimplemented => Self::NotOffered { address, reason },
            Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition => Self::Refused { address, reason },
            Code::DataLoss => Self::Answer { address, reason },
            Code::Internal if !local => Self::Answer { address, reason },
            _ => Self::Unavailable { address, reason },
        }
    }
}

/// Code, message and the innermost cause, in bounded text.
fn reason(status: &Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    let mut source = std::error::Error::source(status);
    let mut innermost = None;
    while let Some(cause) = source {
        innermost = Some(cause.to_string());
        source = cause.source();
    }
    if let Some(cause) = innermost
        && !text.contains(&cause)
    {
        text = format!("{text}: {cause}");
    }
    bounded(&text)
}

/// The beginning of a text from outside.
pub(super) fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_final_or_not() {
        let of = |status: Status| Error::of(&status, "http://node", 1024);
        for status in [
            Status::unavailable("away"),
            Status::deadline_exceeded("slow"),
            Status::resource_exhausted("busy"),
            Status::aborted("x"),
            Status::unknown("x"),
            Status::data_loss("x"),
            Status::internal("x"),
        ] {
            let error = of(status.clone());
            assert!(error.may_pass(), "{status:?}: {error:?}");
        }
        for status in [
            Status::invalid_argument("x"),
            Status::not_found("x"),
            Status::permission_denied("x"),
            Status::unimplemented("x"),
            Status::out_of_range("Error, decoded message length too large: found 9 bytes"),
        ] {
            let error = of(status.clone());
            assert!(!error.may_pass(), "{status:?}: {error:?}");
        }
        let long = of(Status::unavailable("x".repeat(100_000))).to_string();
        assert!(long.len() < 1000, "{}", long.len());
    }
}
