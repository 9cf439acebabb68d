//! A ledger from a file.
//!
//! Invariant: a file is read whole, and its events are checked, before any of it is in the ledger.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, Event, MAX_OBJECTS, Network, Node, Object, Options, ledger::Ledger};

/// Bytes of the largest file read.
pub const MAX_SEED: u64 = 64 * 1024 * 1024;

/// What a ledger begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// The network it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The first checkpoint that is not pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_checkpoint: Option<u64>,
    /// The objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
    /// The events, a checkpoint each but for those of the same transaction as the one before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

impl Seed {
    /// Reads a file of JSON.
    ///
    /// # Errors
    /// [`Error::Seed`].
    pub fn read(file: &Path) -> Result<Self, Error> {
        let error = |reason: String| Error::Seed {
            file: file.to_owned(),
            reason,
        };
        let bytes = std::fs::metadata(file)
            .map_err(|io| error(io.to_string()))?
            .len();
        if bytes > MAX_SEED {
            return Err(error(format!(
                "it has {bytes} bytes, and at most {MAX_SEED} are read"
            )));
        }
        let text = std::fs::read(file).map_err(|io| error(io.to_string()))?;
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&text).map_err(|json| error(json.to_string()))?;
        let seed: Self =
            serde_json::from_value(fields.into()).map_err(|json| error(json.to_string()))?;
        if seed.objects.len() > MAX_OBJECTS {
            return Err(error(format!("it has more than {MAX_OBJECTS} objects")));
        }
        Ok(seed)
    }
}

impl Options {
    /// Take network and first checkpoint from a seed that names them.
    #[must_use]
    pub fn seeded(mut self, seed: &Seed) -> Self {
        self.network = seed.network.unwrap_or(self.network);
        self.first_checkpoint = seed.first_checkpoint.unwrap_or(self.first_checkpoint);
        self
    }
}

impl Node {
    /// Takes the objects and events of a seed into the ledger.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Type`] and [`Error::Full`]; then some of it may be in the ledger.
    pub fn load(&self, seed: Seed) -> Result<(), Error> {
        for event in &seed.events {
            Ledger::check(event.clone())?;
        }
        for object in seed.objects {
            self.put_object(object)?;
        }
        let mut checkpoint = Vec::new();
        for event in seed.events {
            if !event.same_transaction && !checkpoint.is_empty() {
                self.emit(std::mem::take(&mut checkpoint))?;
            }
            checkpoint.push(event);
        }
        if !checkpoint.is_empty() {
            self.emit(checkpoint)?;
        }
        Ok(())
    }
}
