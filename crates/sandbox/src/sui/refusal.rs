//! The errors of the real node, with its codes, words and details.

use prost::Message as _;
use sui_rpc::proto::{
    google::rpc::{BadRequest, Status as StatusMessage, bad_request::FieldViolation},
    sui::rpc::v2::ErrorReason,
};
use tonic::{Code, Status};

/// A refusal before it becomes the answer of a call or of one object of a batch.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    message: String,
    details: Vec<prost_types::Any>,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// A field that is wrong.
    pub(super) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::field(field.into(), description.into(), ErrorReason::FieldInvalid)
    }

    /// A field that is missing. The real node says no more than its name, in the details.
    pub(super) fn missing(field: impl Into<String>) -> Self {
        Self::field(field.into(), String::new(), ErrorReason::FieldMissing)
    }

    fn field(field: String, description: String, reason: ErrorReason) -> Self {
        let request = BadRequest {
            field_violations: vec![FieldViolation {
                field,
                description: description.clone(),
                reason: reason.as_str_name().to_owned(),
                ..FieldViolation::default()
            }],
        };
        Self {
            code: Code::InvalidArgument,
            message: description,
            details: prost_types::Any::from_msg(&request).into_iter().collect(),
        }
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn into_message(self) -> StatusMessage {
        let mut message = StatusMessage::default();
        message.code = self.code.into();
        message.message = self.message;
        message.details = self.details;
        message
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code;
        let message = refusal.into_message();
        let details = message.encode_to_vec().into();
        Self::with_details(code, message.message, details)
    }
}
