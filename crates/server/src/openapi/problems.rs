//! Error answers: one reusable response for each set of codes that share a status.

use std::collections::BTreeMap;

use longhaul_types::{ErrorCode, Problem};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, Header, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::Type,
    },
};

/// The codes by status, each once, in the order of [`ErrorCode::ALL`].
pub(super) fn by_status(codes: &[ErrorCode]) -> BTreeMap<u16, Vec<ErrorCode>> {
    let mut by: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in ErrorCode::ALL.iter().filter(|code| codes.contains(code)) {
        by.entry(code.status()).or_default().push(*code);
    }
    by
}

/// Name of the response with these codes.
pub(super) fn name(codes: &[ErrorCode]) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    names.join(".")
}

/// The response with these codes, which share a status.
pub(super) fn response(codes: &[ErrorCode]) -> RefOr<Response> {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.meaning()))
        .collect();
    let names = codes.iter().map(|code| Value::from(code.as_str()));
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names));
    let narrowed = ObjectBuilder::new().property("code", code).required("code");
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(narrowed);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content("application/problem+json", content);
    for (name, text) in headers(codes) {
        response = response.header(*name, header(text));
    }
    response.into()
}

/// A header of text.
pub(super) fn header(text: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(text.to_owned());
    header
}

fn headers(codes: &[ErrorCode]) -> &'static [(&'static str, &'static str)] {
    match codes.first().map(|code| code.status()) {
        Some(401) => &[("WWW-Authenticate", "`Bearer`")],
        Some(416) => &[("Content-Range", "`bytes */SIZE`")],
        Some(429 | 503) => &[("Retry-After", "Seconds after which to try again.")],
        _ => &[],
    }
}
