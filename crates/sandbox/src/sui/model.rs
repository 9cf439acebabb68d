//! What can be put into the ledger.
//!
//! Invariant: these are plain descriptions; ids and types are checked when they enter the ledger, so that tests can also
//! be told what is wrong with them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The networks a node can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The main network.
    Mainnet,
    /// The test network.
    Testnet,
    /// The network of the newest code, wiped often.
    Devnet,
    /// A network on this machine.
    Local,
}

impl Network {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
            Self::Local => "local",
        }
    }

    /// The name that a node gives as `chain`; of a network that is none of the public ones, `unknown`.
    pub fn chain(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            // The node's own code knows only two networks by name.
            Self::Devnet | Self::Local => "unknown",
        }
    }

    /// The digest of the first checkpoint, which a node gives as `chain_id`. That of the two lasting networks is theirs.
    pub fn chain_id(self) -> String {
        match self {
            Self::Mainnet => "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S".to_owned(),
            Self::Testnet => "69WiPg3DAQiwdxfncX6wYQ2siKwAe6L9BZthQea3JNMD".to_owned(),
            Self::Devnet => super::ledger::digest("devnet", &[]),
            Self::Local => super::ledger::digest("local", &[]),
        }
    }
}

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network; there are mainnet, testnet, devnet and local")]
pub struct UnknownNetwork(String);

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mainnet" => Ok(Self::Mainnet),
            "testnet" => Ok(Self::Testnet),
            "devnet" => Ok(Self::Devnet),
            "local" => Ok(Self::Local),
            _ => Err(UnknownNetwork(text.to_owned())),
        }
    }
}

/// Who owns an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// An account.
    Address(String),
    /// Another object.
    Object(String),
    /// All, since this version.
    Shared(u64),
    /// None, for ever.
    Immutable,
}

/// An object and its contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The object ID, `0x` and up to 64 hexadecimal digits.
    pub id: String,
    /// The type, such as `0x…::todo_nft::TodoNFT`.
    #[serde(rename = "type")]
    pub object_type: String,
    /// The contents, as the node renders them: integers of 64 bits and more are texts.
    pub json: Value,
    /// The owner; the account `0x0` when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The version; one more than the object had when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Object {
    /// An object of this ID, type and contents.
    pub fn new(id: impl Into<String>, object_type: impl Into<String>, json: Value) -> Self {
        Self {
            id: id.into(),
            object_type: object_type.into(),
            json,
            owner: None,
            version: None,
        }
    }

    /// Owned by this.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// At this version.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

/// An event and its contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The type, such as `0x…::todo_nft::TodoNFTCreated`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The contents, as the node renders them: integers of 64 bits and more are texts.
    pub json: Value,
    /// The account that sent the transaction; `0x0` when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The package and module called, such as `0x…::todo_nft`; those of the type when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Emitted by the same transaction as the event before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_transaction: bool,
}

impl Event {
    /// An event of this type and contents.
    pub fn new(event_type: impl Into<String>, json: Value) -> Self {
        Self {
            event_type: event_type.into(),
            json,
            sender: None,
            module: None,
            same_transaction: false,
        }
    }

    /// From a transaction sent by this account.
    #[must_use]
    pub fn sender(mut self, address: impl Into<String>) -> Self {
        self.sender = Some(address.into());
        self
    }

    /// From a call of this package and module, such as `0x…::todo_nft`.
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.module = Some(module.into());
        self
    }

    /// From the same transaction as the event before it.
    #[must_use]
    pub fn same_transaction(mut self) -> Self {
        self.same_transaction = true;
        self
    }
}
