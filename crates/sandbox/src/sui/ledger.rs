//! The ledger: checkpoints, the events in them, and objects.
//!
//! Invariant: checkpoints follow each other without gaps and there is always at least one; each holds one transaction of
//! the system and then those that emitted its events. What is kept is bounded: past the limits the oldest is pruned.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Address, hash::Hasher};
use tokio::sync::watch;

use super::{
    Error,
    cursor::Place,
    model::{Event, Object, Owner},
    value,
};

/// The most checkpoints kept; the oldest are pruned first.
pub const MAX_CHECKPOINTS: usize = 1_000_000;
/// The most events kept; the checkpoints of the oldest are pruned first.
pub const MAX_EVENTS: usize = 200_000;
/// The most versions of objects kept.
pub const MAX_OBJECTS: usize = 100_000;

/// The ledger, behind one lock that is never held while waiting.
#[derive(Debug)]
pub(super) struct Ledger {
    state: Mutex<State>,
    tip: watch::Sender<u64>,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    /// The sequence number of the first checkpoint kept.
    first: u64,
    /// Transactions before that checkpoint.
    pruned_transactions: u64,
    checkpoints: VecDeque<Checkpoint>,
    events: VecDeque<Emitted>,
    objects: BTreeMap<Address, Versions>,
    stored_objects: usize,
    /// Events kept at most.
    most_events: usize,
}

/// One checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checkpoint {
    /// Milliseconds since 1970.
    pub(super) timestamp_ms: u64,
    /// Transactions of the ledger up to the end of this checkpoint.
    pub(super) transactions: u64,
}

/// One event in its place.
#[derive(Clone, Debug)]
pub(super) struct Emitted {
    /// Where it is.
    pub(super) place: Place,
    /// The checkpoint.
    pub(super) checkpoint: u64,
    /// The account that sent the transaction.
    pub(super) sender: Address,
    /// What its type and the module called are, for filters.
    pub(super) names: Arc<Names>,
    /// All its fields.
    pub(super) message: Arc<proto::Event>,
}

/// The names of an event.
#[derive(Debug)]
pub(super) struct Names {
    /// The type, its address in full.
    pub(super) event_type: String,
    /// The package and module called, the address in full.
    pub(super) module: String,
}

#[derive(Debug, Default)]
struct Versions {
    live: Option<u64>,
    all: BTreeMap<u64, Arc<proto::Object>>,
}

impl Ledger {
    pub(super) fn new(first: u64, most_events: usize) -> Self {
        let state = State {
            first,
            pruned_transactions: first,
            checkpoints: VecDeque::from([Checkpoint {
                timestamp_ms: now_ms(),
                transactions: first + 1,
            }]),
            events: VecDeque::new(),
            objects: BTreeMap::new(),
            stored_objects: 0,
            most_events,
        };
        Self {
            state: Mutex::new(state),
            tip: watch::Sender::new(first),
        }
    }

    /// The sequence number of the latest checkpoint.
    pub(super) fn tip(&self) -> u64 {
        *self.tip.borrow()
    }

    /// Tells of each new tip.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }

    /// The lowest checkpoint kept.
    pub(super) fn lowest(&self) -> u64 {
        self.read(|state| state.first)
    }

    /// Reads one state of the ledger.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put_object(&self, object: Object) -> Result<u64, Error> {
        let Object {
            id,
            object_type,
            json,
            owner,
            version,
        } = object;
        let id = address(&id)?;
        let object_type = full_type(&object_type)?;
        let owner = self::owner(owner.as_ref())?;
        self.write(|state| {
            if state.stored_objects >= MAX_OBJECTS {
                return Err(Error::Full);
            }
            let versions = state.objects.entry(id).or_default();
            let last = versions.all.last_key_value().map_or(0, |(last, _)| *last);
            let version = version.unwrap_or(last + 1);
            let mut message = proto::Object::default();
            message.object_id = Some(id.to_string());
            message.version = Some(version);
            message.digest = Some(digest(
                "object",
                &[
                    id.as_ref(),
                    &version.to_be_bytes(),
                    json.to_string().as_bytes(),
                ],
            ));
            message.owner = Some(owner);
            message.object_type = Some(object_type);
            message.has_public_transfer = Some(true);
            message.previous_transaction = Some(digest(
                "transaction of object",
                &[id.as_ref(), &version.to_be_bytes()],
            ));
            message.storage_rebate = Some(0);
            message.json = Some(Box::new(value::from_json(&json)));
            if versions.all.insert(version, Arc::new(message)).is_none() {
                state.stored_objects += 1;
            }
            versions.live = Some(version);
            Ok(version)
        })
    }

    pub(super) fn delete_object(&self, id: &str) -> Result<bool, Error> {
        let id = address(id)?;
        Ok(self.write(|state| {
            let versions = state.objects.get_mut(&id);
            versions.is_some_and(|versions| versions.live.take().is_some())
        }))
    }

    /// Says whether an event could be emitted.
    pub(super) fn check(event: Event) -> Result<(), Error> {
        Checked::new(event).map(|_| ())
    }

    pub(super) fn emit(&self, events: impl IntoIterator<Item = Event>) -> Result<u64, Error> {
        let events = events
            .into_iter()
            .map(Checked::new)
            .collect::<Result<Vec<_>, _>>()?;
        let sequence_number = self.write(|state| {
            let first = state.end();
            let mut transaction = first;
            let mut index = 0;
            let sequence_number = state.tip() + 1;
            for (nth, event) in events.into_iter().enumerate() {
                if event.same_transaction && nth > 0 {
                    index += 1;
                } else {
                    transaction += 1;
                    index = 0;
                }
                let emitted =
                    event.emitted(sequence_number, transaction, transaction - first, index);
                state.events.push_back(emitted);
            }
            state.checkpoint(transaction + 1);
            state.keep_within_limits();
            sequence_number
        });
        self.announce();
        Ok(sequence_number)
    }

    pub(super) fn advance(&self, checkpoints: u64) -> u64 {
        let tip = self.write(|state| {
            for _ in 0..checkpoints {
                state.checkpoint(state.end() + 1);
                state.keep_within_limits();
            }
            state.tip()
        });
        self.announce();
        tip
    }

    pub(super) fn prune_below(&self, sequence_number: u64) {
        self.write(|state| {
            while state.first < sequence_number && state.checkpoints.len() > 1 {
                state.prune_first();
            }
        });
    }

    /// Tells the subscribers of the tip; of two at once the higher stays.
    fn announce(&self) {
        let tip = self.read(State::tip);
        self.tip.send_if_modified(|known| {
            let newer = tip > *known;
            *known = tip.max(*known);
            newer
        });
    }

    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// The lowest checkpoint kept.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Transactions of the checkpoints pruned.
    pub(super) fn pruned_transactions(&self) -> u64 {
        self.pruned_transactions
    }

    /// The latest checkpoint.
    pub(super) fn tip(&self) -> u64 {
        self.first + self.checkpoints.len() as u64 - 1
    }

    /// The latest checkpoint that is known to one who lags so many behind.
    pub(super) fn tip_behind(&self, checkpoints: u64) -> u64 {
        self.tip().saturating_sub(checkpoints).max(self.first)
    }

    /// A checkpoint that is kept.
    pub(super) fn checkpoint_at(&self, sequence_number: u64) -> Option<Checkpoint> {
        let index = usize::try_from(sequence_number.checked_sub(self.first)?).ok()?;
        self.checkpoints.get(index).copied()
    }

    /// Transactions before a checkpoint; of those pruned, less than of those kept.
    pub(super) fn transactions_before(&self, checkpoint: u64) -> u64 {
        if checkpoint < self.first {
            return 0;
        }
        match checkpoint
            .checked_sub(1)
            .and_then(|before| self.checkpoint_at(before))
        {
            Some(before) => before.transactions,
            None if checkpoint == self.first => self.pruned_transactions,
            None => self.end(),
        }
    }

    /// The checkpoint of a transaction that is kept.
    pub(super) fn checkpoint_of(&self, transaction: u64) -> u64 {
        let before = self
            .checkpoints
            .partition_point(|checkpoint| checkpoint.transactions <= transaction);
        self.first + before as u64
    }

    /// The events from this place on.
    pub(super) fn events_from(&self, place: Place) -> impl Iterator<Item = &Emitted> {
        let index = self.events.partition_point(|event| event.place < place);
        self.events.range(index..)
    }

    /// The events before this place, the last first.
    pub(super) fn events_before(&self, place: Place) -> impl Iterator<Item = &Emitted> {
        let index = self.events.partition_point(|event| event.place < place);
        self.events.range(..index).rev()
    }

    /// An object, as it is or at one version.
    pub(super) fn object(&self, id: Address, version: Option<u64>) -> Option<Arc<proto::Object>> {
        let versions = self.objects.get(&id)?;
        versions.all.get(&version.or(versions.live)?).cloned()
    }

    /// Transactions of the whole ledger.
    fn end(&self) -> u64 {
        self.checkpoints
            .back()
            .map_or(self.pruned_transactions, |last| last.transactions)
    }

    /// Ends a checkpoint. Time never goes back.
    fn checkpoint(&mut self, transactions: u64) {
        let before = self.checkpoints.back().map_or(0, |last| last.timestamp_ms);
        self.checkpoints.push_back(Checkpoint {
            timestamp_ms: now_ms().max(before),
            transactions,
        });
    }

    fn keep_within_limits(&mut self) {
        while self.checkpoints.len() > 1
            && (self.checkpoints.len() > MAX_CHECKPOINTS || self.events.len() > self.most_events)
        {
            self.prune_first();
        }
    }

    fn prune_first(&mut self) {
        if let Some(gone) = self.checkpoints.pop_front() {
            self.first += 1;
            self.pruned_transactions = gone.transactions;
            while self
                .events
                .front()
                .is_some_and(|event| event.checkpoint < self.first)
            {
                self.events.pop_front();
            }
        }
    }
}

/// An event whose ids and type are right.
struct Checked {
    sender: Address,
    names: Names,
    package: String,
    module: String,
    json: serde_json::Value,
    same_transaction: bool,
}

impl Checked {
    fn new(event: Event) -> Result<Self, Error> {
        let event_type = full_type(&event.event_type)?;
        let module_path = match &event.module {
            Some(module) => full_path(module, 2)?,
            None => full_path(&event_type, 2)?,
        };
        let (package, module) = module_path.split_once("::").unwrap_or((&module_path, ""));
        Ok(Self {
            sender: address(event.sender.as_deref().unwrap_or("0x0"))?,
            package: package.to_owned(),
            module: module.to_owned(),
            names: Names {
                event_type,
                module: module_path,
            },
            json: event.json,
            same_transaction: event.same_transaction,
        })
    }

    fn emitted(
        self,
        checkpoint: u64,
        transaction: u64,
        transaction_index: u64,
        index: u32,
    ) -> Emitted {
        let mut message = proto::Event::default();
        message.package_id = Some(self.package);
        message.module = Some(self.module);
        message.sender = Some(self.sender.to_string());
        message.event_type = Some(self.names.event_type.clone());
        message.json = Some(Box::new(value::from_json(&self.json)));
        message.checkpoint = Some(checkpoint);
        message.transaction_digest = Some(digest("transaction", &[&transaction.to_be_bytes()]));
        message.transaction_index = Some(transaction_index);
        message.event_index = Some(index);
        Emitted {
            place: Place::on(transaction, index),
            checkpoint,
            sender: self.sender,
            names: Arc::new(self.names),
            message: Arc::new(message),
        }
    }
}

/// A digest that stands for that of something of this kind; equal parts give equal digests.
pub(super) fn digest(kind: &str, parts: &[&[u8]]) -> String {
    let mut hasher = Hasher::new();
    hasher.update(kind);
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_base58()
}

/// A time as messages carry it.
pub(super) fn timestamp(milliseconds: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
    }
}

fn address(text: &str) -> Result<Address, Error> {
    text.parse().map_err(|_| Error::Address {
        text: text.to_owned(),
    })
}

/// A type with its address in full.
fn full_type(text: &str) -> Result<String, Error> {
    let name = text.split_once('<').map_or(text, |(name, _)| name);
    if name.split("::").count() != 3 {
        return Err(Error::Type {
            text: text.to_owned(),
        });
    }
    let (package, rest) = text.split_once("::").unwrap_or((text, ""));
    let names_are_good = name.split("::").skip(1).all(is_identifier);
    match package.parse::<Address>() {
        Ok(package) if names_are_good => Ok(format!("{package}::{rest}")),
        _ => Err(Error::Type {
            text: text.to_owned(),
        }),
    }
}

/// The first so many names of a path, its address in full.
fn full_path(text: &str, names: usize) -> Result<String, Error> {
    let error = || Error::Type {
        text: text.to_owned(),
    };
    let mut path = text.split("::");
    let package: Address = path
        .next()
        .and_then(|package| package.parse().ok())
        .ok_or_else(error)?;
    let rest: Vec<_> = path.take(names - 1).collect();
    if rest.len() != names - 1 || !rest.iter().all(|name| is_identifier(name)) {
        return Err(error());
    }
    Ok(format!("{package}::{}", rest.join("::")))
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn owner(owner: Option<&Owner>) -> Result<proto::Owner, Error> {
    use proto::owner::OwnerKind;
    let mut message = proto::Owner::default();
    let (kind, id, version) = match owner {
        None => (OwnerKind::Address, Some("0x0"), None),
        Some(Owner::Address(id)) => (OwnerKind::Address, Some(id.as_str()), None),
        Some(Owner::Object(id)) => (OwnerKind::Object, Some(id.as_str()), None),
        Some(Owner::Shared(version)) => (OwnerKind::Shared, None, Some(*version)),
        Some(Owner::Immutable) => (OwnerKind::Immutable, None, None),
    };
    message.kind = Some(kind as i32);
    message.address = id.map(address).transpose()?.map(|id| id.to_string());
    message.version = version;
    Ok(message)
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
