//! The calls a node answers.
//!
//! Invariant: a request is checked whole before anything is answered, and what the read mask does not name is not sent.

use std::sync::Arc;

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
use tonic::{Code, Response, Status, codegen::BoxStream};

use super::{
    Shared,
    events::List,
    handling::Handling,
    ledger::{State, digest, timestamp},
    refusal::Refusal,
    request::{Call, Request},
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
        request: tonic::Request<GetServiceInfoRequest>,
    ) -> Result<Response<GetServiceInfoResponse>, Status> {
        let handling = self.handle(Request::new(Call::GetServiceInfo), &request)?;
        let info = self.info(handling.behind());
        handling.answer(Ok(info)).await
    }

    async fn get_object(
        &self,
        request: tonic::Request<GetObjectRequest>,
    ) -> Result<Response<GetObjectResponse>, Status> {
        let mut call = Request::new(Call::GetObject);
        call.ids.extend(request.get_ref().object_id.clone());
        let handling = self.handle(call, &request)?;
        let answer = self.object(&request.into_inner());
        handling.answer(answer).await
    }

    async fn batch_get_objects(
        &self,
        request: tonic::Request<BatchGetObjectsRequest>,
    ) -> Result<Response<BatchGetObjectsResponse>, Status> {
        let mut call = Request::new(Call::BatchGetObjects);
        let ids = request.get_ref().requests.iter().take(MAX_BATCH);
        call.ids = ids.filter_map(|wanted| wanted.object_id.clone()).collect();
        let handling = self.handle(call, &request)?;
        let answer = self.objects(request.into_inner());
        handling.answer(answer).await
    }

    async fn get_checkpoint(
        &self,
        request: tonic::Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let mut call = Request::new(Call::GetCheckpoint);
        if let Some(CheckpointId::SequenceNumber(number)) = request.get_ref().checkpoint_id {
            call.start_checkpoint = Some(number);
        }
        let handling = self.handle(call, &request)?;
        let answer = self.checkpoint(request.into_inner());
        handling.answer(answer).await
    }

    async fn list_events(
        &self,
        request: tonic::Request<ListEventsRequest>,
    ) -> Result<Response<BoxStream<ListEventsResponse>>, Status> {
        let mut call = Request::new(Call::ListEvents);
        let message = request.get_ref();
        call.start_checkpoint = message.start_checkpoint;
        call.end_checkpoint = message.end_checkpoint;
        let options = message.options.as_ref();
        call.resumed =
            options.is_some_and(|options| options.after.is_some() || options.before.is_some());
        let handling = self.handle(call, &request)?;
        let list = List::new(Arc::clone(&self.0), request.get_ref(), handling.behind());
        handling.stream(list)
    }
}

#[tonic::async_trait]
impl SubscriptionService for Service {
    async fn subscribe_events(
        &self,
        request: tonic::Request<SubscribeEventsRequest>,
    ) -> Result<Response<BoxStream<SubscribeEventsResponse>>, Status> {
        let handling = self.handle(Request::new(Call::SubscribeEvents), &request)?;
        let subscription =
            Subscription::new(Arc::clone(&self.0), request.get_ref(), handling.behind());
        handling.stream(subscription)
    }
}

impl Service {
    fn handle<T>(&self, call: Request, request: &tonic::Request<T>) -> Result<Handling, Status> {
        Handling::new(&self.0, call, request)
    }

    fn info(&self, behind: u64) -> GetServiceInfoResponse {
        let network = self.0.network;
        let mut info = GetServiceInfoResponse::default();
        info.chain_id = Some(network.chain_id());
        info.chain = Some(network.chain().to_owned());
        info.epoch = Some(0);
        info.server = Some(SERVER.to_owned());
        self.0.ledger.read(|state| {
            let tip = state.tip_behind(behind);
            info.checkpoint_height = Some(tip);
            info.timestamp = state
                .checkpoint_at(tip)
                .map(|tip| timestamp(tip.timestamp_ms));
            info.lowest_available_checkpoint = Some(state.first());
            info.lowest_available_checkpoint_objects = Some(state.first());
        });
        info
    }

    fn object(&self, request: &GetObjectRequest) -> Result<GetObjectResponse, Refusal> {
        let mask = mask::<Object>(request.read_mask.clone(), OBJECT_MASK)?;
        let wanted = wanted(request, 0)?;
        let mut answer = GetObjectResponse::default();
        answer.object = Some(self.0.ledger.read(|state| object(state, wanted, &mask))?);
        Ok(answer)
    }

    fn objects(&self, request: BatchGetObjectsRequest) -> Result<BatchGetObjectsResponse, Refusal> {
        let mask = mask::<Object>(request.read_mask, OBJECT_MASK)?;
        if request.requests.len() > MAX_BATCH {
            let description = format!("number of batch requests exceed limit of {MAX_BATCH}");
            return Err(Refusal::invalid("requests", description));
        }
        let wanted = request
            .requests
            .iter()
            .enumerate()
            .map(|(nth, request)| wanted(request, nth));
        let all_wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        let mut answer = BatchGetObjectsResponse::default();
        answer.objects = self.0.ledger.read(|state| {
            let found = all_wanted
                .into_iter()
                .map(|wanted| object(state, wanted, &mask));
            found.map(result).collect()
        });
        Ok(answer)
    }

    fn checkpoint(&self, request: GetCheckpointRequest) -> Result<GetCheckpointResponse, Refusal> {
        let mask = mask::<Checkpoint>(request.read_mask, CHECKPOINT_MASK)?;
        let asked = request.checkpoint_id.as_ref();
        let mut answer = GetCheckpointResponse::default();
        answer.checkpoint = Some(
            self.0
                .ledger
                .read(|state| checkpoint(state, asked, &mask))?,
        );
        Ok(answer)
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
