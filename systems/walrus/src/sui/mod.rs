//! The client of a Sui full node's gRPC: objects, what a node is, and the events of a package.
//!
//! Invariant: every call has an end, every message a largest size; an answer is checked before it is believed.

pub(crate) mod attempts;
mod error;
mod events;
mod object;

use std::time::Duration;

use reqwest::Url;
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil as _},
    proto::sui::rpc::v2::{GetObjectRequest, GetServiceInfoRequest},
};
use tonic::{Code, Status};

use self::error::bounded;
pub use self::{
    error::Error,
    events::{Event, Following, Frame, Happening, Place, Start, Trouble, UnknownEvent},
    object::{InvalidId, Object, ObjectId},
};
use crate::networks::Network;

/// Bytes of the largest message: an object has 250 KB at most, and a few times that as JSON.
const MAX_MESSAGE: usize = 4 << 20;
/// The longest wait for an answer to begin, and for more of one that has begun.
const ANSWER: Duration = Duration::from_secs(15);
const MORE: Duration = Duration::from_secs(30);

/// A client of one node. Clones share its connection.
#[derive(Clone)]
pub struct Node {
    client: Client,
    address: String,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What a node says of itself and its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The chain's identifier, which no other chain has.
    pub chain_id: String,
    /// The chain's name; `unknown` for all but the public ones.
    pub chain: String,
    /// Sequence number of the newest checkpoint.
    pub tip: u64,
    /// The oldest checkpoint that the node still has.
    pub lowest: u64,
}

impl Node {
    /// A client of the node at `address`. It connects with its first call; to be made where tokio runs.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(address: &str) -> Result<Self, Error> {
        let bad = |reason: String| Error::Address {
            address: bounded(address),
            reason,
        };
        check(address).map_err(|reason| bad(reason.to_owned()))?;
        // The process may have chosen its own provider before, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(address)
            .map_err(|status| bad(bounded(status.message())))?
            .with_max_decoding_message_size(MAX_MESSAGE);
        let node = Self {
            client,
            address: address.to_owned(),
        };
        Ok(node.patience(ANSWER, MORE))
    }

    /// Waits this long for an answer to begin, and for more of one that has begun: 15 and 30 s unless said otherwise. A
    /// stream that is quiet for longer is asked for anew.
    #[must_use]
    pub fn patience(mut self, answer: Duration, more: Duration) -> Self {
        self.client = self
            .client
            .with_response_headers_timeout(answer)
            .with_body_idle_timeout(more);
        self
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and the others of a call.
    pub async fn service(&self) -> Result<Service, Error> {
        let answer = self
            .client
            .clone()
            .ledger_client()
            .get_service_info(GetServiceInfoRequest::default())
            .await
            .map_err(|status| self.error(&status))?
            .into_inner();
        let wrong = |reason: &str| Error::Answer {
            address: self.address.clone(),
            reason: reason.to_owned(),
        };
        Ok(Service {
            chain_id: answer
                .chain_id
                .filter(|id| (1..=128).contains(&id.len()))
                .ok_or_else(|| wrong("it tells no chain"))?,
            chain: bounded(answer.chain.as_deref().unwrap_or("unknown")),
            tip: answer
                .checkpoint_height
                .ok_or_else(|| wrong("it tells no newest checkpoint"))?,
            lowest: answer.lowest_available_checkpoint.unwrap_or(0),
        })
    }

    /// What the node says of itself, if it is one of `network`.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`], and those of [`Self::service`].
    pub async fn service_of(&self, network: Option<Network>) -> Result<Service, Error> {
        let service = self.service().await?;
        match network {
            Some(wanted) if !is_of(wanted, &service.chain) => Err(Error::OtherNetwork {
                address: self.address.clone(),
                wanted,
                got: service.chain,
            }),
            _ => Ok(service),
        }
    }

    /// The newest version of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] and those of a call.
    pub async fn object(&self, id: ObjectId) -> Result<Object, Error> {
        let mut request = GetObjectRequest::default();
        request.object_id = Some(id.to_string());
        request.read_mask = Some(FieldMask::from_paths(["object_id", "object_type", "json"]));
        let answer = self
            .client
            .clone()
            .ledger_client()
            .get_object(request)
            .await;
        let object = match answer {
            Err(status) if status.code() == Code::NotFound => return Err(Error::NotFound(id)),
            answer => answer
                .map_err(|status| self.error(&status))?
                .into_inner()
                .object
                .ok_or(Error::NotFound(id))?,
        };
        if object.object_id.as_deref().map(str::parse) != Some(Ok(id)) {
            return Err(Error::Answer {
                address: self.address.clone(),
                reason: format!("it was asked for {id} and told of another object"),
            });
        }
        let kind = object.object_type.as_deref().unwrap_or("unknown");
        Ok(Object::new(id, kind, object.json.map(|json| *json)))
    }

    /// What a status of this node means.
    fn error(&self, status: &Status) -> Error {
        Error::of(status, &self.address, MAX_MESSAGE)
    }
}

/// Whether a node whose chain has this name may be one of `network`. Only the public chains have names.
fn is_of(network: Network, chain: &str) -> bool {
    let public = |name: &str| {
        [Network::Mainnet, Network::Testnet]
            .iter()
            .any(|n| n.as_str() == name)
    };
    match network {
        Network::Mainnet | Network::Testnet => chain == network.as_str(),
        Network::Devnet => !public(chain),
        Network::Local => true,
    }
}

/// Sees that the text is the base address of a server.
pub fn check(address: &str) -> Result<(), &'static str> {
    let url = Url::parse(address).map_err(|_| "it is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it begins with neither http:// nor https://");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries a name or password");
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err("it has more than a host and a port");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_checked() {
        for good in [
            "http://127.0.0.1:9000",
            "https://fullnode.testnet.sui.io:443",
            "https://fullnode.mainnet.sui.io/",
        ] {
            Node::new(good).expect(good);
        }
        for (bad, why) in [
            ("", "no address"),
            ("127.0.0.1:9000", "no address"),
            ("ftp://x", "neither http://"),
            ("http://a:b@x", "name or password"),
            ("http://x/rpc?key=1", "more than a host"),
        ] {
            let error = Node::new(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn networks_have_their_chains() {
        assert!(is_of(Network::Testnet, "testnet") && !is_of(Network::Testnet, "mainnet"));
        assert!(!is_of(Network::Mainnet, "unknown"));
        assert!(is_of(Network::Devnet, "unknown") && !is_of(Network::Devnet, "testnet"));
        assert!(is_of(Network::Local, "unknown"));
    }
}
