//! The networks of Walrus and where each is reached by default.
//!
//! Invariant: a network without a public aggregator has no made-up default; its error says what to set.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A network of Walrus and Sui.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The production network.
    Mainnet,
    /// The public test network.
    #[default]
    Testnet,
    /// The developers' network, which has no public aggregator.
    Devnet,
    /// A network on this machine.
    Local,
}

/// Why a network is not known or can not be reached without a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is no network's.
    #[error("'{0}' is not a network: choose mainnet, testnet, devnet or local")]
    Unknown(String),
    /// The network has no public aggregator.
    #[error(
        "{0} has no public Walrus aggregator: set WALRUS_AGGREGATOR_URL to the address of yours"
    )]
    NoAggregator(Network),
}

impl Network {
    /// All networks.
    pub const ALL: [Self; 4] = [Self::Mainnet, Self::Testnet, Self::Devnet, Self::Local];

    /// The name, as it is written in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
            Self::Local => "local",
        }
    }

    /// The base address of the network's public aggregator.
    ///
    /// # Errors
    /// [`Error::NoAggregator`].
    pub fn aggregator(self) -> Result<&'static str, Error> {
        match self {
            Self::Mainnet => Ok("https://aggregator.walrus-mainnet.walrus.space"),
            Self::Testnet => Ok("https://aggregator.walrus-testnet.walrus.space"),
            Self::Devnet | Self::Local => Err(Error::NoAggregator(self)),
        }
    }

    /// The address of the network's public Sui node; on this machine that of a node with its own settings.
    pub fn sui_node(self) -> &'static str {
        match self {
            Self::Mainnet => "https://fullnode.mainnet.sui.io",
            Self::Testnet => "https://fullnode.testnet.sui.io",
            Self::Devnet => "https://fullnode.devnet.sui.io",
            Self::Local => "http://127.0.0.1:9000",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|network| network.as_str() == text)
            .ok_or_else(|| Error::Unknown(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_defaults() {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse(), Ok(network));
            let json = serde_json::to_string(&network).expect("text");
            assert_eq!(json, format!("\"{network}\""));
        }
        assert!("Mainnet".parse::<Network>().is_err());
        let testnet = Network::Testnet.aggregator().expect("a default");
        assert_eq!(testnet, "https://aggregator.walrus-testnet.walrus.space");
        let error = Network::Devnet.aggregator().expect_err("no default");
        assert!(error.to_string().contains("WALRUS_AGGREGATOR_URL"));
    }
}
