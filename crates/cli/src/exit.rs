//! How a command ends badly: one clear line, what to do about it, and an exit code that scripts can rely on.
//!
//! Invariant: every error of a command becomes a [`Fail`], and so has one of the codes of [`longhaul_types::exit`].

use std::{fmt, io, process::ExitCode};

use longhaul_types::{ErrorCode, State, body::JobView, exit};

use crate::terminal::escape;

/// Why a command ends with another code than 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail {
    /// One of [`longhaul_types::exit`].
    pub code: u8,
    /// What happened, in one line; empty when everything was said before.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a command's parts return.
pub type Result<T = ()> = std::result::Result<T, Fail>;

impl Fail {
    /// A failure with a code of [`longhaul_types::exit`].
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The command itself failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(exit::FAILED, message)
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Nothing of this name is there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(exit::NOT_FOUND, message)
    }

    /// The server can not be reached or started.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(exit::UNREACHABLE, message)
    }

    /// Ends with `code` and says nothing more.
    pub fn silent(code: u8) -> Self {
        Self::new(code, "")
    }

    /// A file or folder can not be used.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => exit::NOT_FOUND,
            _ => exit::FAILED,
        };
        Self::new(code, format!("{what}: {error}"))
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the message and the hint to standard error, and gives the exit code.
    pub fn report(&self, program: &str) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("{program}: {}", escape(&self.message));
        }
        if let Some(hint) = &self.hint {
            eprintln!("  {}", escape(hint));
        }
        ExitCode::from(self.code)
    }
}

impl From<io::Error> for Fail {
    /// Output that nobody reads any more (`| head`) ends the command quietly.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(exit::DONE);
        }
        Self::failed(error.to_string())
    }
}

/// The exit code for an error that the server answered with.
pub fn code_of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Unauthorised | ErrorCode::Forbidden => exit::NOT_AUTHORISED,
        ErrorCode::NotFound
        | ErrorCode::UnknownQueue
        | ErrorCode::UnknownSchedule
        | ErrorCode::UnknownToken => exit::NOT_FOUND,
        ErrorCode::BadRequest
        | ErrorCode::InvalidArgs
        | ErrorCode::InvalidSchedule
        | ErrorCode::UnknownKind => exit::USAGE,
        ErrorCode::Unavailable => exit::UNREACHABLE,
        _ => exit::FAILED,
    }
}

/// The exit code of a command that waited for `job` and saw its end.
pub fn code_of_end(job: &JobView) -> u8 {
    match job.state {
        State::Completed if job.items.failed > 0 => exit::PARTIAL,
        State::Pending | State::Running | State::Completed => exit::DONE,
        State::Failed => exit::FAILED,
        State::Cancelled => exit::CANCELLED,
    }
}
