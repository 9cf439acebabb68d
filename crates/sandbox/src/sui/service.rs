//! The calls a node answers.
//!
//! Invariant: a request is checked whole before anything is answered, and what the read mask does not name is not sent.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};

use futures_util::{StreamExt as _, stream};
use sui_rpc::{
    field::{FieldMask, FieldMaskTree, FieldMaskUtil as _, MessageFields},
    merge::Merge as _,
    proto::sui::rpc::v2::{
        BatchGetObjectsRequest, BatchGetObjectsResponse, Checkpoint, CheckpointSummary,
        GetCheckpointRequest, GetCheckpointResponse, GetObjectRequest, GetObjectResponse,
        GetObjectResult, GetServiceInfoRequest, GetServiceInfoResponse, ListEventsRequest,
        ListEventsResponse, Object, SubscribeEventsRequest, SubscribeEventsResponse,
        get_checkpoint_request::CheckpointId, get_object_result,
        ledger_service_server::LedgerService, subscription_service_server::SubscriptionService,
    },
};
use sui_sdk_types::Address;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

use super::{
    Shared,
    events::List,
    ledger::{State, digest, timestamp},
    refusal::Refusal,
    subscription::Subscription,
};

/// The fields of an object that are sent when a request names none.
const OBJECT_MASK: &str = "object_id,version,digest";
/// The fields of a checkpoint that are sent when a request names none.
const CHECKPOINT_MASK: &str = "sequence_number,digest";
/// The most objects of a batch.
const MAX_BATCH: usize = 1000;
/// What it says it is.
const SERVER: &str = concat!("sui-node/longhaul-sandbox-", env!("CARGO_PKG_VERSION"));

/// The services of a node.
#[derive(Clone, Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl LedgerService for Service {
    async fn get_service_info(
        &self,
        _request: Request<GetServiceInfoRequest>,
    ) -> Result<Response<GetServiceInfoResponse>, Status> {
        let network = self.0.network;
        let mut info = GetServiceInfoResponse::default();
        info.chain_id = Some(network.chain_id());
        info.chain = Some(network.chain().to_owned());
        info.epoch = Some(0);
        info.server = Some(SERVER.to_owned());
        self.0.ledger.read(|state| {
            let tip = state.tip();
            info.checkpoint_height = Some(tip);
            info.timestamp = state
                .checkpoint_at(tip)
                .map(|tip| timestamp(tip.timestamp_ms));
            info.lowest_available_checkpoint = Some(state.first());
            info.lowest_available_checkpoint_objects = Some(state.first());
        });
        Ok(Response::new(info))
    }

    async fn get_object(
        &self,
        request: Request<GetObjectRequest>,
    ) -> Result<Response<GetObjectResponse>, Status> {
        let request = request.into_inner();
        let mask = mask::<Object>(request.read_mask.clone(), OBJECT_MASK)?;
        let wanted = wanted(&request, 0)?;
        let mut answer = GetObjectResponse::default();
        answer.object = Some(self.0.ledger.read(|state| object(state, wanted, &mask))?);
        Ok(Response::new(answer))
    }

    async fn batch_get_objects(
        &self,
        request: Request<BatchGetObjectsRequest>,
    ) -> Result<Response<BatchGetObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = mask::<Object>(request.read_mask, OBJECT_MASK)?;
        if request.requests.len() > MAX_BATCH {
            let description = format!("number of batch requests exceed limit of {MAX_BATCH}");
            return Err(Refusal::invalid("requests", description).into());
        }
        let all_wanted = request
            .requests
            .iter()
            .enumerate()
            .map(|(nth, request)| wanted(request, nth))
            .collect::<Result<Vec<_>, _>>()?;
        let mut answer = BatchGetObjectsResponse::default();
        answer.objects = self.0.ledger.read(|state| {
            let found = all_wanted
                .into_iter()
                .map(|wanted| object(state, wanted, &mask));
            found.map(result).collect()
        });
        Ok(Response::new(answer))
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let request = request.into_inner();
        let mask = mask::<Checkpoint>(request.read_mask, CHECKPOINT_MASK)?;
        let mut answer = GetCheckpointResponse::default();
        answer.checkpoint = Some(
            self.0
                .ledger
                .read(|state| checkpoint(state, request.checkpoint_id.as_ref(), &mask))?,
        );
        Ok(Response::new(answer))
    }

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<BoxStream<ListEventsResponse>>, Status> {
        let list = List::new(Arc::clone(&self.0), &request.into_inner())?;
        let next = |mut list: List| async move { (list.batch().map_err(Status::from), list) };
        Ok(Response::new(self.frames(list, next)))
    }
}

#[tonic::async_trait]
impl SubscriptionService for Service {
    async fn subscribe_events(
        &self,
        request: Request<SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<SubscribeEventsResponse>>, Status> {
        let subscription = Subscription::new(Arc::clone(&self.0), &request.into_inner())?;
        let next = |mut subscription: Subscription| async move {
            (Ok(subscription.batch().await), subscription)
        };
        Ok(Response::new(self.frames(subscription, next)))
    }
}

impl Service {
    /// The frames of a reader, batch by batch, until it has none left or the node stops.
    fn frames<R, F, T>(&self, reader: R, next: impl Fn(R) -> F + Send + 'static) -> BoxStream<T>
    where
        R: Send + 'static,
        F: Future<Output = (Result<VecDeque<T>, Status>, R)> + Send,
        T: Send + 'static,
    {
        let stop = self.0.stop.clone();
        let batches = stream::unfold(Some((reader, next)), move |reading| {
            let stop = stop.clone();
            async move {
                let (reader, next) = reading?;
                let Some((batch, reader)) = stop.run_until_cancelled(next(reader)).await else {
                    return Some((vec![Err(Status::unavailable("the node is stopping"))], None));
                };
                match batch {
                    Ok(frames) if frames.is_empty() => None,
                    Ok(frames) => {
                        let frames = frames.into_iter().map(Ok).collect();
                        Some((frames, Some((reader, next))))
                    }
                    Err(status) => Some((vec![Err(status)], None)),
                }
            }
        });
        Box::pin(batches.flat_map(stream::iter)) as Pin<Box<_>>
    }
}

/// The fields asked for, each of which the message must have.
pub(super) fn mask<M: MessageFields>(
    asked: Option<FieldMask>,
    default: &str,
) -> Result<FieldMaskTree, Refusal> {
    let mask = asked.unwrap_or_else(|| FieldMask::from_str(default));
    mask.validate::<M>()
        .map_err(|path| Refusal::invalid("read_mask", format!("invalid read_mask path: {path}")))?;
    Ok(FieldMaskTree::from(mask))
}

/// An object asked for: its ID and version.
type Wanted = (Address, Option<u64>);

fn wanted(request: &GetObjectRequest, nth: usize) -> Result<Wanted, Refusal> {
    let field = format!("requests[{nth}].object_id");
    let Some(text) = &request.object_id else {
        return Err(Refusal::missing(field));
    };
    let id = text
        .parse()
        .map_err(|error| Refusal::invalid(field, format!("invalid object_id: {error}")))?;
    Ok((id, request.version))
}

fn object(state: &State, (id, version): Wanted, mask: &FieldMaskTree) -> Result<Object, Refusal> {
    match state.object(id, version) {
        Some(object) => Ok(Object::merge_from(object.as_ref(), mask)),
        None => {
            let version =
                version.map_or_else(String::new, |version| format!(" with version {version}"));
            Err(Refusal::new(
                Code::NotFound,
                format!("Object {id}{version} not found"),
            ))
        }
    }
}

fn result(found: Result<Object, Refusal>) -> GetObjectResult {
    let mut result = GetObjectResult::default();
    result.result = Some(match found {
        Ok(object) => get_object_result::Result::Object(object),
        Err(refusal) => get_object_result::Result::Error(refusal.into_message()),
    });
    result
}

fn checkpoint(
    state: &State,
    asked: Option<&CheckpointId>,
    mask: &FieldMaskTree,
) -> Result<Checkpoint, Refusal> {
    let not_found =
        |name: String| Refusal::new(Code::NotFound, format!("Checkpoint {name} not found"));
    let sequence_number = match asked {
        None => state.tip(),
        Some(CheckpointId::SequenceNumber(sequence_number)) => *sequence_number,
        Some(CheckpointId::Digest(text)) => {
            let kept = state.first()..=state.tip();
            kept.rev()
                .find(|sequence_number| checkpoint_digest(*sequence_number) == *text)
                .ok_or_else(|| not_found(text.clone()))?
        }
        Some(_) => return Err(Refusal::invalid("checkpoint_id", "unknown checkpoint_id")),
    };
    let found = state
        .checkpoint_at(sequence_number)
        .ok_or_else(|| not_found(sequence_number.to_string()))?;
    let digest = checkpoint_digest(sequence_number);
    let mut summary = CheckpointSummary::default();
    summary.digest = Some(digest.clone());
    summary.epoch = Some(0);
    summary.sequence_number = Some(sequence_number);
    summary.total_network_transactions = Some(found.transactions);
    summary.previous_digest = sequence_number.checked_sub(1).map(checkpoint_digest);
    summary.timestamp = Some(timestamp(found.timestamp_ms));
    let mut message = Checkpoint::default();
    message.sequence_number = Some(sequence_number);
    message.digest = Some(digest);
    message.summary = Some(summary);
    Ok(Checkpoint::merge_from(&message, mask))
}

fn checkpoint_digest(sequence_number: u64) -> String {
    digest("checkpoint", &[&sequence_number.to_be_bytes()])
}
