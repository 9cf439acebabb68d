//! What every call has in common: it may be refused or changed by a fault, is written down, and carries the headers of a
//! node.
//!
//! Invariant: a call is in the journal before its answer begins.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prost_types::Value;
use sui_rpc::{
    headers,
    proto::sui::rpc::v2::{
        BatchGetObjectsResponse, GetCheckpointResponse, GetObjectResponse, GetServiceInfoResponse,
        get_object_result,
    },
};
use tonic::{Code, Response, Status, codegen::BoxStream, metadata::MetadataMap};

use super::{
    Shared,
    connection::Cut,
    delivery::{Delivery, Frames},
    faults::Fault,
    refusal::Refusal,
    request::{Request, code_name},
    value,
};

/// A call under way.
pub(super) struct Handling {
    pub(super) shared: Arc<Shared>,
    request: Request,
    pub(super) faults: Vec<Fault>,
    pub(super) cut: Option<Cut>,
}

/// A message and the contents in it.
pub(super) trait Message {
    /// The contents that are sent.
    fn contents(&mut self) -> Vec<&mut Value> {
        Vec::new()
    }
}

impl Handling {
    /// Takes a call in, unless it is refused.
    pub(super) fn new<T>(
        shared: &Arc<Shared>,
        mut request: Request,
        incoming: &tonic::Request<T>,
    ) -> Result<Self, Status> {
        if let Some(status) = shared.faults.refusal(request.call) {
            code_name(status.code()).clone_into(&mut request.code);
            shared.journal.add(request);
            return Err(status);
        }
        Ok(Self {
            faults: shared.faults.of_answer(request.call),
            cut: incoming.extensions().get().cloned(),
            shared: Arc::clone(shared),
            request,
        })
    }

    /// Checkpoints at the tip that this call is not to know of.
    pub(super) fn behind(&self) -> u64 {
        let behind = self.faults.iter().map(|fault| match fault {
            Fault::Behind { checkpoints } => *checkpoints,
            _ => 0,
        });
        behind.sum()
    }

    /// Answers with one message.
    pub(super) async fn answer<T: Message>(
        mut self,
        result: Result<T, Refusal>,
    ) -> Result<Response<T>, Status> {
        let sent = self.write_down(result.as_ref().err());
        for fault in &self.faults {
            match fault {
                Fault::Slow { milliseconds } => {
                    tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
                }
                Fault::Disconnect { .. } | Fault::Stall { .. } => {
                    if let (Fault::Disconnect { .. }, Some(cut)) = (fault, &self.cut) {
                        cut.cut();
                    }
                    self.shared.stop.cancelled().await;
                    return Err(stopping());
                }
                _ => {}
            }
        }
        let mut message = result?;
        let mut contents = message.contents();
        sent.store(contents.len() as u64, Ordering::Relaxed);
        for value in &mut contents {
            change(value, &self.faults);
        }
        let mut response = Response::new(message);
        self.add_headers(response.metadata_mut());
        Ok(response)
    }

    /// Answers with the frames of a reader.
    pub(super) fn stream<R: Frames>(
        mut self,
        result: Result<R, Refusal>,
    ) -> Result<Response<BoxStream<R::Frame>>, Status> {
        let sent = self.write_down(result.as_ref().err());
        let reader = result?;
        let mut headers = MetadataMap::new();
        self.add_headers(&mut headers);
        let mut response = Response::new(Delivery::new(self, reader, sent).stream());
        *response.metadata_mut() = headers;
        Ok(response)
    }

    fn write_down(&mut self, refusal: Option<&Refusal>) -> Arc<AtomicU64> {
        let code = refusal.map_or(Code::Ok, Refusal::code);
        code_name(code).clone_into(&mut self.request.code);
        self.shared.journal.add(self.request.clone())
    }

    fn add_headers(&self, metadata: &mut MetadataMap) {
        let network = self.shared.network;
        let behind = self.behind();
        let (height, lowest, timestamp_ms) = self.shared.ledger.read(|state| {
            let tip = state.tip_behind(behind);
            let timestamp = state.checkpoint_at(tip).map_or(0, |tip| tip.timestamp_ms);
            (tip, state.first(), timestamp)
        });
        let texts = [
            (headers::X_SUI_CHAIN_ID, network.chain_id()),
            (headers::X_SUI_CHAIN, network.chain().to_owned()),
            (headers::X_SUI_EPOCH, "0".to_owned()),
            (headers::X_SUI_CHECKPOINT_HEIGHT, height.to_string()),
            (
                headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT,
                lowest.to_string(),
            ),
            (
                headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT_OBJECTS,
                lowest.to_string(),
            ),
            (headers::X_SUI_TIMESTAMP_MS, timestamp_ms.to_string()),
        ];
        for (name, text) in texts {
            if let Ok(text) = text.parse() {
                metadata.insert(name, text);
            }
        }
    }
}

/// Changes contents as the faults say.
pub(super) fn change(contents: &mut Value, faults: &[Fault]) {
    for fault in faults {
        match fault {
            Fault::Contents { json } => *contents = value::from_json(json),
            Fault::Oversized { bytes } => value::pad(contents, *bytes),
            _ => {}
        }
    }
}

/// What a call hears that is under way when the node stops.
pub(super) fn stopping() -> Status {
    Status::unavailable("the node is stopping")
}

impl Message for GetServiceInfoResponse {}

impl Message for GetCheckpointResponse {}

impl Message for GetObjectResponse {
    fn contents(&mut self) -> Vec<&mut Value> {
        let object = self.object.as_mut();
        let json = object.and_then(|object| object.json.as_deref_mut());
        json.into_iter().collect()
    }
}

impl Message for BatchGetObjectsResponse {
    fn contents(&mut self) -> Vec<&mut Value> {
        let json = self
            .objects
            .iter_mut()
            .filter_map(|result| match &mut result.result {
                Some(get_object_result::Result::Object(object)) => object.json.as_deref_mut(),
                _ => None,
            });
        json.collect()
    }
}
