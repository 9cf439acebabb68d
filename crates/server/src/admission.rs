//! What a job may be told from where. The server knows no system, so it asks.

use std::{collections::BTreeSet, fmt};

use longhaul_types::{ErrorCode, Problem, body::SubmitRequest};

use crate::Door;

/// Says whether a submission may come in by this door.
///
/// A path or a service address in args is accepted over the unix socket alone; only the kind's own system knows where
/// its args hold one.
pub trait Admission: Send + Sync + 'static {
    /// Lets the submission in, or says why not.
    fn admit(&self, door: Door, request: &SubmitRequest) -> Result<(), Box<Problem>>;
}

impl fmt::Debug for dyn Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

/// Takes every kind over the unix socket, and over TCP all but some.
#[derive(Clone, Debug)]
pub struct LocalOnly {
    kinds: Option<BTreeSet<String>>,
}

impl LocalOnly {
    /// No kind at all over TCP: what a server does that is told nothing else.
    pub fn every_kind() -> Self {
        Self { kinds: None }
    }

    /// These kinds not over TCP.
    pub fn kinds(kinds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            kinds: Some(kinds.into_iter().map(Into::into).collect()),
        }
    }
}

impl Admission for LocalOnly {
    fn admit(&self, door: Door, request: &SubmitRequest) -> Result<(), Box<Problem>> {
        let local = match &self.kinds {
            None => true,
            Some(kinds) => kinds.contains(&request.kind),
        };
        if door == Door::Unix || !local {
            return Ok(());
        }
        Err(Box::new(Problem::new(
            ErrorCode::Forbidden,
            format!(
                "jobs of kind '{}' are started over the server's unix socket alone",
                request.kind
            ),
        )))
    }
}

/// Takes every kind by every door: for servers whose kinds take no path and no address.
#[derive(Clone, Copy, Debug)]
pub struct Everywhere;

impl Admission for Everywhere {
    fn admit(&self, _: Door, _: &SubmitRequest) -> Result<(), Box<Problem>> {
        Ok(())
    }
}
