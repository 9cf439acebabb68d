//! The names of blobs.
//!
//! Invariant: a [`BlobName`] is 43 characters of base64url, so it is a plain file name on every system.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of a blob ID.
const LENGTH: usize = 43;

/// The text of a well-formed blob ID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct BlobName(String);

/// The text is no blob ID.
#[derive(Debug, thiserror::Error)]
#[error("a blob ID is {LENGTH} characters of base64url without padding")]
pub struct InvalidName;

impl BlobName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for BlobName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        // 43 digits hold 258 bits: the last two must be zero, or two texts would name one blob.
        let canonical = text
            .bytes()
            .last()
            .is_some_and(|byte| b"AEIMQUYcgkosw048".contains(&byte));
        if text.len() == LENGTH && digits && canonical {
            Ok(Self(text))
        } else {
            Err(InvalidName)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blob_ids_are_names() {
        let id = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";
        assert_eq!(id.parse::<BlobName>().expect("an ID").as_str(), id);
        let bad = [
            String::new(),
            "..".to_owned(),
            "../".repeat(14) + "a",
            id.replace('_', "/"),
            id.replace('_', "."),
            id.replace('_', "\0"),
            id[..42].to_owned(),
            id.to_owned() + "A",
            id[..42].to_owned() + "5",
            "é".repeat(21) + "A",
        ];
        for text in bad {
            assert!(text.parse::<BlobName>().is_err(), "{text:?}");
        }
    }
}
