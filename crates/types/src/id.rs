//! Job ids and labels: text from outside that is checked once, where it comes in.
//!
//! An id never becomes a path: it is plain ASCII without separators, and `.` and `..` are refused all the same.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest job id, in bytes.
pub const MAX_ID: usize = 128;

/// Labels of a job: names to values, both short text.
pub type Labels = BTreeMap<String, String>;

/// A job's id: 1 to 128 characters of `A-Z a-z 0-9 - _ . : @ ~ + =`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// The text can not be a job id.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is no job id: 1 to 128 letters, digits or - _ . : @ ~ + = are allowed, and not . or .. alone"
)]
pub struct Error(String);

impl JobId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for JobId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@~+=".contains(&byte);
        if text.is_empty()
            || text.len() > MAX_ID
            || text == "."
            || text == ".."
            || !text.bytes().all(allowed)
        {
            return Err(Error(text.chars().take(MAX_ID).collect()));
        }
        Ok(Self(text))
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_path_and_no_query() {
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "ä",
            "a?b",
            "a#b",
            "a%2f",
            &"x".repeat(129),
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text:?} must be refused");
        }
        for text in [
            "job_1703123456_abc123",
            "node-sync:kaspad",
            "a.b@c",
            &"x".repeat(128),
        ] {
            assert!(text.parse::<JobId>().is_ok(), "{text:?} must be taken");
        }
    }
}
