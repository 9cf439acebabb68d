//! The OpenAPI document of the native API, and the page that shows it.
//!
//! Invariant: every operation of [`ROUTES`](crate::ROUTES) is described with every status and code that it answers with.
//! Tests compare the document with the routes, with `docs/openapi.json` and with what a server really says.

mod errors;
mod operations;
mod page;
mod problems;
mod workers;

use std::{collections::BTreeMap, sync::LazyLock};

use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Schema,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};

use operations::operations;

/// Name of the security scheme.
const BEARER: &str = "bearer";
/// What the operations are about, in the order that the page has.
const TAGS: [(&str, &str); 10] = [
    ("jobs", "Submit jobs, find them, steer them."),
    (
        "parts",
        "What belongs to a job: items, log, attempts, artifacts.",
    ),
    ("events", "Live events, as server-sent events."),
    ("queues", "See, pause and resume queues."),
    ("schedules", "Have jobs submitted by themselves."),
    ("tokens", "Make, list and revoke tokens."),
    (
        "workers",
        "Workers elsewhere, in any language: docs/remote-workers.md.",
    ),
    ("server", "The server itself."),
    ("dashboard", "The page for people, and who may see it."),
    ("documents", "This document."),
];
const DESCRIPTION: &str = "Runs long operations in the background and never loses one. Submit a job, get its id at once, \
     follow it, cancel it, get its result. docs/api.md is the first half-hour.\n\nOver the unix socket no token is needed. \
     Over TCP every request shows one, unless access was opened for this machine. Every error is a problem document \
     (RFC 9457) with a stable `code`; a path that is not there is `not_found`, a method that is not taken \
     `method_not_allowed`. A query parameter that is not described is refused.";

/// The document as JSON text, for people and programs.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(|| {
    let mut text = document().to_pretty_json()?;
    text.push('\n');
    Ok(text)
});

/// The page that shows the document, and the policy it is to be shown under.
static PAGE: LazyLock<Result<page::Page, serde_json::Error>> =
    LazyLock::new(|| Ok(page::render(&serde_json::to_value(document())?)));

/// The document as JSON text.
pub(crate) fn text() -> Result<&'static str, &'static serde_json::Error> {
    DOCUMENT.as_ref().map(String::as_str)
}

/// The page, and its content security policy.
pub(crate) fn page() -> Result<(&'static str, &'static str), &'static serde_json::Error> {
    let page = PAGE.as_ref()?;
    Ok((&page.html, &page.policy))
}

/// The page of an error code, and its content security policy.
pub(crate) fn error_page(code: &str) -> Option<(String, String)> {
    errors::render(code).map(|page| (page.html, page.policy))
}

fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut responses = BTreeMap::new();
    for entry in operations() {
        let (method, path) = (entry.method.clone(), entry.path());
        schemas.extend(entry.schemas.iter().cloned());
        responses.extend(entry.problems());
        paths.add_path_operation(path, vec![method], entry.build());
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token over TCP, from its private file."))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(responses)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build();
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Longhaul")
        .version("1")
        .description(Some(DESCRIPTION))
        .license(Some(license.build()));
    let tags =
        TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .tags(Some(tags))
        .security(Some([
            SecurityRequirement::new(BEARER, [""; 0]),
            SecurityRequirement::default(),
        ]))
        .build()
}
