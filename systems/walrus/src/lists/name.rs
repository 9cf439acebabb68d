//! The names of lists.
//!
//! Invariant: a [`ListName`] with `.json` behind it is one plain file name, not hidden, on every system.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bytes of the longest name: with an ending it is a file name everywhere.
const MAX_LENGTH: usize = 200;

/// The name of a local list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListName(String);

/// The text can not be a list's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this can not be the name of a list: {0}")]
pub struct InvalidName(&'static str);

impl ListName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ListName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for ListName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        if text.trim().is_empty() {
            return Err(InvalidName("it is empty"));
        }
        if text.len() > MAX_LENGTH {
            return Err(InvalidName("it is longer than 200 bytes"));
        }
        if text.starts_with('.') {
            return Err(InvalidName("it begins with a dot"));
        }
        if text.contains(['/', '\\', ':']) {
            return Err(InvalidName("it has a character that separates paths"));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidName("it has a control character"));
        }
        Ok(Self(text))
    }
}

impl From<ListName> for String {
    fn from(name: ListName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_file_names() {
        for good in [
            "mylist",
            "production-todos",
            "a b",
            "a.b",
            "a..b",
            "Список",
            &"x".repeat(200),
        ] {
            assert_eq!(good.parse::<ListName>().expect("a name").as_str(), good);
        }
        for bad in [
            "",
            " ",
            ".",
            "..",
            ".hidden",
            "../up",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "c:",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            &"x".repeat(201),
        ] {
            assert!(bad.parse::<ListName>().is_err(), "{bad:?}");
            let json = serde_json::to_string(bad).expect("text");
            assert!(serde_json::from_str::<ListName>(&json).is_err(), "{bad:?}");
        }
    }
}
