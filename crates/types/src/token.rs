//! Tokens: what one may do, and the bodies of `/api/v1/tokens`.
//!
//! Invariant: the secret of a token stands in one answer, that to its creation, and nowhere else.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Something that a token allows, in what belongs to its owner. None includes another, but `admin` includes all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read jobs and what belongs to them, and follow them.
    Read,
    /// Submit jobs, and cancel, retry, start and remove them.
    Submit,
    /// Run jobs, as a worker.
    Work,
    /// Everything, for every owner, and the server itself.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Work, Self::Admin];

    /// The scope as JSON and command lines say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Work => "work",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no scope: read, submit, work or admin")]
pub struct NoScope(String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| {
            let shown = text.chars().filter(|c| !c.is_control()).take(64);
            NoScope(shown.collect())
        })
    }
}

/// Whether a name is one of these: itself, or by its beginning (`walrus.*`).
pub fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| {
        pattern
            .strip_suffix('*')
            .map_or(pattern == name, |beginning| name.starts_with(beginning))
    })
}

/// `POST /api/v1/tokens`: make a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TokenRequest {
    /// What people know it by.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub name: String,
    /// Whose jobs it sees and changes; its name when missing. Jobs that came over the unix socket have an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it allows; at least one.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub scopes: Vec<Scope>,
    /// `submit` and `work` only for these kinds, `walrus.*` for every kind that begins so; for all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// `submit` and `work` only in these queues, with `*` as in kinds; in all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
    /// Seconds from now after which it is worth nothing; it lasts until it is revoked when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<f64>,
}

/// A token as lists show it: never its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// What it is revoked by.
    pub id: String,
    /// What people know it by.
    pub name: String,
    /// Whose jobs it sees and changes; an admin token sees all, and submits as this owner.
    pub owner: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// `submit` and `work` only for these kinds; for all when empty.
    pub kinds: Vec<String>,
    /// `submit` and `work` only in these queues; in all when empty.
    pub queues: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is worth nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last shown, to within some minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// Answer to the creation of a token, status 201.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenMade {
    /// The secret. It is told this once: only its hash is kept.
    pub token: String,
    /// What it is.
    #[serde(flatten)]
    pub view: TokenView,
}

/// Answer of `GET /api/v1/tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenPage {
    /// Every token that was not revoked, oldest first; expired ones are kept for a while.
    pub tokens: Vec<TokenView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            let json = serde_json::to_value(scope).expect("json");
            assert_eq!(json, scope.as_str());
        }
        let error = "write\n".parse::<Scope>().expect_err("no scope");
        assert_eq!(
            error.to_string(),
            "'write' is no scope: read, submit, work or admin"
        );
    }

    #[test]
    fn a_star_at_the_end_stands_for_what_follows() {
        let patterns = ["walrus.*".to_owned(), "exact".to_owned()];
        assert!(fits(&patterns, "walrus.retrieve"));
        assert!(fits(&patterns, "exact"));
        for name in ["walrus", "exactly", "x.walrus.retrieve", ""] {
            assert!(!fits(&patterns, name), "{name}");
        }
        assert!(fits(&["*".to_owned()], "anything"));
        assert!(!fits(&[], "anything"));
    }
}
