//! A call of the node, for its journal and for the rules of its faults.

use serde::{Deserialize, Serialize};

use crate::journal::Sent;

/// The calls a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Call {
    /// `LedgerService.GetServiceInfo`
    GetServiceInfo,
    /// `LedgerService.GetObject`
    GetObject,
    /// `LedgerService.BatchGetObjects`
    BatchGetObjects,
    /// `LedgerService.GetCheckpoint`
    GetCheckpoint,
    /// `LedgerService.ListEvents`
    ListEvents,
    /// `SubscriptionService.SubscribeEvents`
    SubscribeEvents,
}

/// One call and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The call.
    pub call: Call,
    /// The object IDs asked for, as they stood in the request.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ids: Vec<String>,
    /// The first checkpoint asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_checkpoint: Option<u64>,
    /// The checkpoint asked for, or the one to end before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_checkpoint: Option<u64>,
    /// Whether it was to go on after a cursor.
    pub resumed: bool,
    /// The code answered, such as `OK` or `NOT_FOUND`; of a stream, the one it began with.
    pub code: String,
    /// Objects or events handed to the connection so far.
    pub sent: u64,
}

impl Request {
    pub(super) fn new(call: Call) -> Self {
        Self {
            call,
            ids: Vec::new(),
            start_checkpoint: None,
            end_checkpoint: None,
            resumed: false,
            code: String::new(),
            sent: 0,
        }
    }
}

impl Sent for Request {
    fn sent(&mut self) -> &mut u64 {
        &mut self.sent
    }
}

/// The name of a code, as gRPC spells it.
pub(super) fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
