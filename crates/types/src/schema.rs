//! Schemas of the types that write themselves as text, or whose text a macro makes.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

use crate::{ErrorCode, JobId, Timestamp, id::MAX_ID};

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A stable code; each has a page in `docs/errors`."))
            .enum_values(Some(codes))
            .into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> Cow<'static, str> {
        "ErrorCode".into()
    }
}

impl PartialSchema for JobId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A job's id; not `.` or `..` alone."))
            .min_length(Some(1))
            .max_length(Some(MAX_ID))
            .pattern(Some("^[A-Za-z0-9_.:@~+=-]+$"))
            .into()
    }
}

impl ToSchema for JobId {
    fn name() -> Cow<'static, str> {
        "JobId".into()
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339; answers have UTC with milliseconds."))
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        "Timestamp".into()
    }
}
