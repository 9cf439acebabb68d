//! A token: who may come in, as whom, and what for. The secret itself is nowhere, only its hash.

use std::{collections::BTreeSet, fmt};

use longhaul_types::{Scope, Timestamp};

/// A token as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is revoked by.
    pub id: String,
    /// What people know it by.
    pub name: String,
    /// Whose jobs it is for.
    pub owner: String,
    /// SHA-256 of the secret. The secret is 32 random bytes, which nobody finds by trying, so a slow hash would guard
    /// nothing more.
    pub hash: [u8; 32],
    /// What it allows; not empty.
    pub scopes: BTreeSet<Scope>,
    /// Kinds that it may submit and work on, `*` at the end for what follows; all when empty.
    pub kinds: Vec<String>,
    /// Queues that it may submit to and work on, likewise.
    pub queues: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, coarsely.
    pub used_at: Option<Timestamp>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("owner", &self.owner)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
