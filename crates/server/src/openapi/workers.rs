//! The operations of workers elsewhere.

use longhaul_types::{
    ErrorCode, ItemState,
    body::{Artifact, ArtifactPage, ItemPage},
    worker::{
        ClaimAnswer, ClaimRequest, HeartbeatAnswer, HeartbeatRequest, JoinAnswer, JoinRequest,
        ReportAnswer, ReportRequest, WorkerPage,
    },
};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, Required, path::ParameterIn, request_body::RequestBodyBuilder,
};

use super::operations::{Entry, answer, number, text_schema};

const TAG: &str = "workers";
/// A JSON body that does not fit.
const BODY: [ErrorCode; 4] = [
    ErrorCode::BadRequest,
    ErrorCode::RequestTimeout,
    ErrorCode::TooLarge,
    ErrorCode::UnsupportedMediaType,
];

/// Every operation of workers.
pub(super) fn workers() -> Vec<Entry> {
    let mut all = lives();
    all.extend(runs());
    all
}

fn lives() -> Vec<Entry> {
    use HttpMethod::{Delete, Get, Post};
    let on = |method, route, id, summary| {
        Entry::new(method, route, id, TAG, summary)
            .parameter(
                ParameterIn::Path,
                "worker",
                text_schema(),
                "The worker's id.",
            )
            .refused(&[ErrorCode::BadRequest, ErrorCode::UnknownWorker])
    };
    vec![
        Entry::new(
            Get,
            "/api/v1/workers",
            "workers",
            TAG,
            "Every worker that lives",
        )
        .describe("Needs the unix socket or an admin token.")
        .refused(&[ErrorCode::BadRequest])
        .answers::<WorkerPage>("200", "What they run, what they hold and how long."),
        Entry::new(
            Post,
            "/api/v1/workers",
            "joinWorker",
            TAG,
            "Join as a worker",
        )
        .describe(
            "docs/remote-workers.md is the protocol in a page. The kinds are known from then on.",
        )
        .takes::<JoinRequest>()
        .refused(&BODY)
        .answers::<JoinAnswer>("201", "The worker's id."),
        on(
            Delete,
            "/api/v1/workers/{worker}",
            "leaveWorker",
            "End a worker's life",
        )
        .responds(
            "204",
            answer("What it held is given back and spends no attempt."),
        ),
        on(
            Post,
            "/api/v1/workers/{worker}/claim",
            "claimJobs",
            "Take due jobs, or wait for some",
        )
        .takes::<ClaimRequest>()
        .refused(&BODY)
        .answers::<ClaimAnswer>("200", "The jobs; none when nothing came in time."),
        on(
            Post,
            "/api/v1/workers/{worker}/heartbeat",
            "heartbeat",
            "Keep the lease, and hear of cancels",
        )
        .takes::<HeartbeatRequest>()
        .refused(&BODY)
        .answers::<HeartbeatAnswer>("200", "What must stop, and what is lost."),
    ]
}

fn runs() -> Vec<Entry> {
    use HttpMethod::{Get, Post, Put};
    let on = |method, route, id, summary| {
        Entry::new(method, route, id, TAG, summary)
            .parameter(
                ParameterIn::Path,
                "worker",
                text_schema(),
                "The worker's id.",
            )
            .parameter(
                ParameterIn::Path,
                "claim",
                text_schema(),
                "The claim that came with the job.",
            )
            .refused(&[ErrorCode::BadRequest, ErrorCode::ClaimLost])
    };
    let named = |entry: Entry| {
        let text = "The file's name; it may have slashes.";
        entry.parameter(ParameterIn::Path, "name", text_schema(), text)
    };
    let file = || {
        answer("The file, as with the job's own artifacts.")
            .content("*/*", ContentBuilder::new().build())
    };
    let state = text_schema().enum_values(Some(ItemState::ALL.map(ItemState::as_str)));
    let upload = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("*/*", ContentBuilder::new().build());
    let put = on(
        Put,
        "/api/v1/workers/{worker}/jobs/{claim}/artifacts/{*name}",
        "putArtifact",
        "Store a file",
    )
    .body(upload);
    vec![
        on(
            Post,
            "/api/v1/workers/{worker}/jobs/{claim}/report",
            "report",
            "Say how a run goes, or how it ended",
        )
        .describe("Written whole or not at all, and on disk once answered.")
        .takes::<ReportRequest>()
        .refused(&BODY)
        .refused(&[
            ErrorCode::InvalidArgs,
            ErrorCode::IdTaken,
            ErrorCode::UnknownKind,
            ErrorCode::QueueFull,
        ])
        .answers::<ReportAnswer>("200", "The state now, and whether the run must stop."),
        on(
            Get,
            "/api/v1/workers/{worker}/jobs/{claim}/items",
            "claimedItems",
            "The items, by position",
        )
        .query("state", state, "Only items in this state.")
        .query(
            "after",
            number(0, None, None),
            "`nextAfter` of the page before.",
        )
        .query(
            "limit",
            number(1, Some(1000), Some(100)),
            "Items of a page.",
        )
        .answers::<ItemPage>("200", "A page of items."),
        on(
            Get,
            "/api/v1/workers/{worker}/jobs/{claim}/artifacts",
            "claimedArtifacts",
            "The files the job stored",
        )
        .answers::<ArtifactPage>("200", "The files, by name."),
        named(on(
            Get,
            "/api/v1/workers/{worker}/jobs/{claim}/artifacts/{*name}",
            "claimedArtifact",
            "Download a file",
        ))
        .header("Range", "`bytes=FIRST-LAST`: one range.")
        .refused(&[ErrorCode::NotFound, ErrorCode::RangeNotSatisfiable])
        .responds("200", file())
        .responds("206", file())
        .responds(
            "304",
            answer("The file still has the tag of If-None-Match."),
        ),
        named(put)
            .describe("The body, however long, with its media type. One of that name is replaced.")
            .refused(&[ErrorCode::RequestTimeout, ErrorCode::TooLarge])
            .answers::<Artifact>("201", "The file, on disk with its hash."),
    ]
}
