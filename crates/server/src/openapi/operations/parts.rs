//! The parts of a job: items, log, attempts, files.

use longhaul_types::{
    ErrorCode, ItemState,
    body::{ArtifactPage, AttemptPage, ItemPage, LogPage},
};
use utoipa::openapi::{ContentBuilder, HttpMethod, path::ParameterIn};

use super::{Entry, answer, number, text_schema};
use crate::openapi::problems::header;

pub(super) fn parts() -> Vec<Entry> {
    let on = |route, id, summary| Entry::on_job(HttpMethod::Get, route, id, "parts", summary);
    let page = |entry: Entry, what: &str| {
        entry
            .query(
                "after",
                number(0, None, None),
                "`nextAfter` of the page before.",
            )
            .query("limit", number(1, Some(1000), Some(100)), what)
    };
    let state = text_schema().enum_values(Some(ItemState::ALL.map(ItemState::as_str)));
    let items = on("/api/v1/jobs/{id}/items", "items", "The items, by position").query(
        "state",
        state,
        "Only items in this state.",
    );
    let log = on("/api/v1/jobs/{id}/log", "log", "The log, by number").query(
        "tail",
        number(1, Some(1000), None),
        "Only this many last lines; not with `after`.",
    );
    vec![
        page(items, "Items of a page.").answers::<ItemPage>("200", "A page of items."),
        page(log, "Lines of a page.").answers::<LogPage>("200", "A page of lines."),
        on(
            "/api/v1/jobs/{id}/attempts",
            "attempts",
            "The attempts that did not complete the job",
        )
        .answers::<AttemptPage>("200", "The attempts, oldest first."),
        on(
            "/api/v1/jobs/{id}/artifacts",
            "artifacts",
            "The files the job stored",
        )
        .answers::<ArtifactPage>("200", "The files, by name."),
    ]
}

pub(super) fn artifact() -> Entry {
    let route = "/api/v1/jobs/{id}/artifacts/{*name}";
    let content = || ContentBuilder::new().build();
    let file = |text: &str| {
        answer(text)
            .header("ETag", header("The SHA-256 of the whole file."))
            .header("Accept-Ranges", header("`bytes`"))
            .header(
                "Content-Disposition",
                header("An attachment with the last part of the name."),
            )
            .content("*/*", content())
    };
    Entry::on_job(
        HttpMethod::Get,
        route,
        "artifact",
        "parts",
        "Download a file",
    )
    .describe("Never shown as part of this site: an attachment, unsniffed, under a sandbox.")
    .parameter(
        ParameterIn::Path,
        "name",
        text_schema(),
        "The file's name; it may have slashes.",
    )
    .header(
        "Range",
        "`bytes=FIRST-LAST`: one range; several get the whole file.",
    )
    .header(
        "If-Range",
        "Only a range of the file with this tag; else the whole file.",
    )
    .header("If-None-Match", "Nothing when the file still has this tag.")
    .refused(&[ErrorCode::RangeNotSatisfiable])
    .responds("200", file("The whole file, with its own media type."))
    .responds(
        "206",
        file("The range.").header("Content-Range", header("`bytes FIRST-LAST/SIZE`")),
    )
    .responds("304", answer("The file still has that tag."))
}
