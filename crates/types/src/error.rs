//! Error codes, the errors a job keeps, and the problem documents that the API answers with.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Stable codes of errors that users meet. Each has a page in `docs/errors`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as JSON, logs and page names say it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the code means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim()),* }
            }

            /// HTTP status of an answer with this code.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }
    };
}

codes! {
    /// The request is malformed.
    BadRequest = "bad_request", 400;
    /// The schedule can not be kept: its times, its zone or its limits do not fit.
    InvalidSchedule = "invalid_schedule", 400;
    /// The args do not fit the kind.
    InvalidArgs = "invalid_args", 400;
    /// No token, or one that is not valid.
    Unauthorised = "unauthorised", 401;
    /// The token does not allow this.
    Forbidden = "forbidden", 403;
    /// No such job, or one of another owner.
    NotFound = "not_found", 404;
    /// No such queue.
    UnknownQueue = "unknown_queue", 404;
    /// No such token.
    UnknownToken = "unknown_token", 404;
    /// No such worker, or its lease has ended.
    UnknownWorker = "unknown_worker", 404;
    /// No such schedule, or one of another owner.
    UnknownSchedule = "unknown_schedule", 404;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The request came too slowly.
    RequestTimeout = "request_timeout", 408;
    /// A job with this id exists already.
    IdTaken = "id_taken", 409;
    /// The job's state does not allow this.
    IllegalTransition = "illegal_transition", 409;
    /// The worker does not hold this job any more.
    ClaimLost = "claim_lost", 409;
    /// A value is past its limit.
    TooLarge = "too_large", 413;
    /// The body is of a media type that is not taken here.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The range lies outside the file.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// No worker has ever declared this kind.
    UnknownKind = "unknown_kind", 422;
    /// There is no such secret, or not for jobs of this kind.
    UnknownSecret = "unknown_secret", 422;
    /// The job's target is an address that it may not reach.
    TargetRefused = "target_refused", 403;
    /// The queue holds as many jobs as it may.
    QueueFull = "queue_full", 429;
    /// Too many requests came in too short a time.
    RateLimited = "rate_limited", 429;
    /// The owner has as much as they may.
    OwnerLimit = "owner_limit", 429;
    /// A fault of ours.
    Internal = "internal", 500;
    /// The server stops, or its disk is full.
    Unavailable = "unavailable", 503;
    /// The job's own handler failed.
    HandlerFailed = "handler_failed", 500;
    /// The job's handler panicked.
    HandlerPanicked = "handler_panicked", 500;
    /// All items of the job failed.
    AllItemsFailed = "all_items_failed", 500;
    /// An attempt took longer than it may.
    AttemptTimeout = "attempt_timeout", 500;
    /// The job took longer than it may.
    Deadline = "deadline_exceeded", 500;
    /// The job's workers died too often.
    WorkerLost = "worker_lost", 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a job, an attempt or an item failed.
///
/// The code is text, as handlers have codes of their own (`blob_not_found`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobError {
    /// Stable code: one of [`ErrorCode`] or the handler's own.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
}

impl JobError {
    /// An error with a code of ours.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error answer: RFC 9457 problem document, media type `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Where the error is explained, relative to the documentation.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time and what to do.
    pub detail: String,
    /// Stable code.
    pub code: ErrorCode,
    /// Members that the documents expect (`error`, `success`) and that a system adds.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Value>))]
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem with `code` and the members every answer has.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut more = Map::new();
        more.insert("success".to_owned(), Value::Bool(false));
        more.insert("error".to_owned(), Value::String(detail.clone()));
        Self {
            kind: format!("/docs/errors/{code}"),
            title: code.as_str().replace('_', " "),
            status: code.status(),
            detail,
            code,
            more,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let pages: BTreeSet<String> = fs::read_dir(folder)
            .expect("the pages")
            .map(|page| page.expect("a page").path())
            .filter_map(|page| Some(page.file_stem()?.to_str()?.to_owned()))
            .filter(|page| page != "README")
            .collect();
        let codes = ErrorCode::ALL.iter().map(|code| code.as_str().to_owned());
        assert_eq!(pages, codes.collect());
    }

    #[test]
    fn the_list_of_pages_says_what_each_code_means() {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors/README.md");
        let list = fs::read_to_string(list).expect("the list");
        for code in ErrorCode::ALL {
            let row = format!(
                "| [{code}]({code}.md) | {} | {} |",
                code.status(),
                code.meaning()
            );
            assert!(list.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_problem_has_the_members_that_documents_expect() {
        let json =
            serde_json::to_value(Problem::new(ErrorCode::NotFound, "no job x")).expect("json");
        assert_eq!(json["status"], 404);
        assert_eq!(json["code"], "not_found");
        assert_eq!(json["error"], "no job x");
        assert_eq!(json["detail"], "no job x");
        assert_eq!(json["success"], false);
    }
}
