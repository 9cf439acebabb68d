//! The audit: a line for each change that was asked for, by the target `longhaul::audit`.
//!
//! Invariants: every request that may change something gets one line, also when it was refused, panicked, or was given up by
//! its client; no line holds a token, args, or anything else of a body but ids.

use std::fmt::Display;

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use longhaul_types::ErrorCode;

use super::{
    Peer,
    caller::{Caller, Pass},
};

/// Most ids that a line names.
const IDS: usize = 20;

/// What a request changed, where its path does not say it. A route puts it into its answer's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Changed(String);

impl Changed {
    /// Says what was changed, in words that hold nothing of a body but ids and numbers.
    pub(crate) fn new(what: impl Display) -> Self {
        Self(what.to_string())
    }

    /// These jobs.
    pub(crate) fn jobs<'j>(ids: impl ExactSizeIterator<Item = &'j longhaul_types::JobId>) -> Self {
        let count = ids.len();
        let mut text = ids.take(IDS).map(ToString::to_string).collect::<Vec<_>>();
        if count > IDS {
            text.push(format!("and {} more", count - IDS));
        }
        Self(text.join(" "))
    }
}

/// A line that is written when its request has been answered, or never will be.
pub(super) struct Line {
    who: String,
    name: String,
    what: String,
    which: String,
    written: bool,
}

impl Line {
    /// The line of a request, if it may change something.
    pub(super) fn begin(
        caller: &Caller,
        method: &Method,
        template: &str,
        path: &str,
    ) -> Option<Self> {
        if method.is_safe() {
            return None;
        }
        let name = match &caller.pass {
            Pass::Token(live) => live.token.name.clone(),
            _ => String::new(),
        };
        Some(Self {
            who: caller.pass.to_string(),
            name,
            what: format!("{method} {template}"),
            which: names(template, path),
            written: false,
        })
    }

    /// Writes the line of a request that was answered.
    pub(super) fn end(mut self, response: &Response) {
        if let Some(Changed(what)) = response.extensions().get() {
            self.which.clone_from(what);
        }
        let code = response.extensions().get::<ErrorCode>();
        self.write(&result(response.status(), code.copied()));
    }

    fn write(&mut self, result: &str) {
        self.written = true;
        tracing::info!(
            target: "longhaul::audit",
            who = self.who,
            name = self.name,
            what = self.what,
            which = self.which,
            result,
            "audit"
        );
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.written {
            self.write("not answered: it may be done or not");
        }
    }
}

/// Writes that a stranger was refused.
pub(super) fn stranger(peer: Peer, method: &Method, code: ErrorCode) {
    let who = match peer {
        Peer::User(uid) => format!("uid:{uid}"),
        Peer::Address(address) => format!("address:{address}"),
    };
    let result = result(StatusCode::UNAUTHORIZED, Some(code));
    tracing::info!(
        target: "longhaul::audit",
        who,
        what = %method,
        result,
        "audit"
    );
}

fn result(status: StatusCode, code: Option<ErrorCode>) -> String {
    match code {
        Some(code) => format!("{} {code}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// What a path names: the parts that stand for `{…}` in its pattern, as they came, so without blanks and controls.
fn names(template: &str, path: &str) -> String {
    let mut parts = path.split('/');
    let mut named = Vec::new();
    for pattern in template.split('/') {
        let part = parts.next().unwrap_or_default();
        if pattern.starts_with('{') {
            named.push(part);
        }
    }
    let text: String = named.join(" ");
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_the_path_names() {
        let one = names("/api/v1/jobs/{id}/cancel", "/api/v1/jobs/a%20b/cancel");
        assert_eq!(one, "a%20b");
        assert_eq!(names("/api/v1/server/stop", "/api/v1/server/stop"), "");
    }

    #[test]
    fn a_line_of_many_jobs_stays_short() {
        let ids: Vec<longhaul_types::JobId> = (0..30)
            .map(|n| format!("job-{n}").parse().expect("an id"))
            .collect();
        let Changed(text) = Changed::jobs(ids.iter());
        assert!(text.ends_with("job-19 and 10 more"), "{text}");
        let Changed(text) = Changed::jobs(ids[..2].iter());
        assert_eq!(text, "job-0 job-1");
    }
}
