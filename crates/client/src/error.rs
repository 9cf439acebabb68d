//! What can go wrong between a client and its server.

use longhaul_types::{ErrorCode, Problem};

/// What can go wrong between a client and its server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// No connection: nothing was asked, so nothing was done.
    #[error("the server at {at} can not be reached: {why}")]
    Unreachable {
        /// Its socket or address.
        at: String,
        /// Why.
        why: String,
    },
    /// The connection ended or the time was over before the answer came: whether it was done is not known.
    #[error("the server at {at} went away before its answer came: {why}")]
    Interrupted {
        /// Its socket or address.
        at: String,
        /// Why.
        why: String,
    },
    /// The answer is none that this API gives: something else answers there, or another version.
    #[error("{at} answered what no server of this version does: {what}")]
    Unexpected {
        /// Its socket or address.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// The client can not be made: the address or the token is malformed.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// The stable code, when the server said no.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// Whether no server is there that takes requests: none at all, or one that is about to stop. Nothing was done, so
    /// the request may be made again when a server is there.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.code == ErrorCode::Unavailable,
            _ => false,
        }
    }

    pub(crate) fn of(at: &str, error: &reqwest::Error) -> Self {
        let (at, why) = (at.to_owned(), chain(error));
        if error.is_connect() {
            Self::Unreachable { at, why }
        } else if error.is_builder() {
            Self::Setup(why)
        } else {
            Self::Interrupted { at, why }
        }
    }
}

/// What went wrong, down to its first cause, without the address: that stands beside it.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    cause.to_string()
}
