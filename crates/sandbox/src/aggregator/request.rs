//! A request to the aggregator, for its journal.

use serde::{Deserialize, Serialize};

use crate::journal::Sent;

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The blob asked for, as it stood in the path.
    pub blob: String,
    /// The `Range` header as it was sent, or the equivalent of a `byte-range` request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<String>,
    /// The status answered.
    pub status: u16,
    /// Bytes of the body handed to the connection so far.
    pub sent: u64,
}

impl Sent for Request {
    fn sent(&mut self) -> &mut u64 {
        &mut self.sent
    }
}
