//! The Walrus blob ID (encoding RS2): what a blob's bytes must hash to.
//!
//! Invariant: [`compute`] gives the ID that every Walrus node would give the same bytes, or an error; it never gives an ID
//! for bytes that it could not read in full.

mod compute;
mod control;
mod extension;
mod geometry;
mod lanes;
mod merkle;
mod plan;
mod source;

use std::{fmt, io, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::{
    compute::{Options, compute},
    geometry::Shards,
    source::ReadAt,
};

/// Characters of a blob ID's text.
pub const TEXT_LENGTH: usize = 43;

/// The ID of a blob: 32 bytes, written as 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

/// Why a text is no blob ID, or why a blob's ID could not be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text has another length than a blob ID.
    #[error("a blob ID has {TEXT_LENGTH} characters, this text has {0}")]
    TextLength(usize),
    /// The text has a character outside base64url, or is not the canonical text of its bytes.
    #[error("a blob ID is base64url without padding, in its canonical form: {0}")]
    TextEncoding(#[from] base64::DecodeSliceError),
    /// The blob is larger than its number of shards can hold.
    #[error("a blob of {length} bytes is too large: {} shards hold at most {max}", shards.get())]
    TooLarge {
        /// Bytes of the blob.
        length: u64,
        /// Shards of the network.
        shards: Shards,
        /// Bytes of the largest blob these shards hold.
        max: u64,
    },
    /// The erasure code does not support this number of shards.
    #[error("{} shards are not supported by the erasure code: {reason}", shards.get())]
    UnsupportedShards {
        /// Shards asked for.
        shards: Shards,
        /// What the erasure code said.
        reason: reed_solomon_simd::Error,
    },
    /// The blob's bytes could not be read.
    #[error("could not read the blob: {0}")]
    Read(#[source] io::Error),
    /// The temporary file could not be made, written or read.
    #[error("could not use the temporary file for the blob's extension: {0}")]
    Scratch(#[source] io::Error),
    /// The caller asked to stop.
    #[error("stopped before the blob ID was known")]
    Cancelled,
}

impl BlobId {
    /// The ID with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The ID's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = Error;

    /// # Errors
    /// [`Error::TextLength`] and [`Error::TextEncoding`].
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() != TEXT_LENGTH {
            return Err(Error::TextLength(text.chars().count()));
        }
        let mut bytes = [0; 32];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";

    #[test]
    fn text_and_bytes_are_one_to_one() {
        let id: BlobId = TEXT.parse().expect("a blob ID");
        assert_eq!(id.as_bytes()[..4], [0xdc, 0x63, 0xd0, 0x2f]);
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(BlobId::from_bytes(*id.as_bytes()), id);
        assert_eq!(format!("{id:?}"), format!("BlobId({TEXT})"));
        assert_eq!(
            serde_json::to_string(&id).expect("text"),
            format!("\"{TEXT}\"")
        );
        assert_eq!(
            serde_json::from_str::<BlobId>(&format!("\"{TEXT}\"")).expect("a blob ID"),
            id
        );
    }

    #[test]
    fn other_texts_are_refused() {
        assert!(matches!("".parse::<BlobId>(), Err(Error::TextLength(0))));
        assert!(matches!(
            "QmXyz123".parse::<BlobId>(),
            Err(Error::TextLength(8))
        ));
        assert!(matches!(
            format!("{TEXT}=").parse::<BlobId>(),
            Err(Error::TextLength(44))
        ));
        // Standard base64's characters, a foreign one, and bits beyond the 32 bytes ('5' and '4' differ only in those).
        for bad in [
            TEXT.replace('_', "/"),
            TEXT.replace('-', "+"),
            TEXT.replace('G', " "),
            format!("{}5", &TEXT[..42]),
        ] {
            assert!(
                matches!(bad.parse::<BlobId>(), Err(Error::TextEncoding(_))),
                "{bad}"
            );
        }
        assert!(matches!(
            "é".repeat(22)[..42].parse::<BlobId>(),
            Err(Error::TextLength(21))
        ));
        assert!(serde_json::from_str::<BlobId>("\"QmXyz123\"").is_err());
        assert!(serde_json::from_str::<BlobId>("7").is_err());
    }
}
