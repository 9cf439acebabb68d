//! The operations on schedules.

use longhaul_types::{
    ErrorCode,
    body::SubmitAnswer,
    schedule::{SchedulePage, ScheduleRequest, ScheduleView},
};
use utoipa::{
    ToSchema,
    openapi::{HttpMethod, Ref, Required, path::ParameterIn, request_body::RequestBodyBuilder},
};

use super::{Entry, answer, header, json, number, text_schema};

pub(super) fn schedules() -> Vec<Entry> {
    use HttpMethod::{Delete, Get, Post};
    let list = Entry::new(
        Get,
        "/api/v1/schedules",
        "schedules",
        "schedules",
        "List schedules, by name",
    )
    .query(
        "limit",
        number(1, Some(1000), Some(100)),
        "Schedules of a page.",
    )
    .query("cursor", text_schema(), "`nextCursor` of the page before.")
    .answers::<SchedulePage>("200", "A page.");
    let change = |method, part: &'static str, id, summary, text| {
        on(method, part, id, summary)
            .refused(&[ErrorCode::UnknownSchedule])
            .answers::<ScheduleView>("200", text)
    };
    vec![
        list,
        change(
            Get,
            "/api/v1/schedules/{name}",
            "schedule",
            "Read a schedule",
            "The schedule, with its next times.",
        ),
        put(),
        change(
            Delete,
            "/api/v1/schedules/{name}",
            "removeSchedule",
            "Remove a schedule",
            "The schedule as it was; the jobs that it submitted stay.",
        ),
        change(
            Post,
            "/api/v1/schedules/{name}/pause",
            "pauseSchedule",
            "Have a schedule submit nothing",
            "The schedule, paused.",
        ),
        change(
            Post,
            "/api/v1/schedules/{name}/resume",
            "resumeSchedule",
            "Have a schedule go on with its next time",
            "The schedule; what passed while it was paused was not missed.",
        ),
        run(),
    ]
}

fn on(method: HttpMethod, route: &'static str, id: &str, summary: &str) -> Entry {
    Entry::new(method, route, id, "schedules", summary)
        .parameter(
            ParameterIn::Path,
            "name",
            text_schema(),
            "The schedule's name.",
        )
        .refused(&[ErrorCode::BadRequest])
}

fn put() -> Entry {
    let mut entry = on(
        HttpMethod::Put,
        "/api/v1/schedules/{name}",
        "putSchedule",
        "Submit jobs by a schedule",
    )
    .describe(
        "In place of the caller's own schedule of this name: counts go on, and so does the next time where the times are \
         the same.",
    )
    .refused(&[
        ErrorCode::InvalidSchedule,
        ErrorCode::InvalidArgs,
        ErrorCode::RequestTimeout,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::UnknownKind,
    ]);
    entry.learn::<ScheduleRequest>();
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(
            "application/json",
            json(Ref::from_schema_name(ScheduleRequest::name())),
        );
    entry.operation = entry.operation.request_body(Some(body.build()));
    entry.answers::<ScheduleView>("200", "The schedule, with its next times.")
}

fn run() -> Entry {
    let mut entry = on(
        HttpMethod::Post,
        "/api/v1/schedules/{name}/run",
        "runSchedule",
        "Submit a job of a schedule now",
    )
    .describe("Also of a paused one; its next time stays. With the overlap `skip`, a job of it that lives is the answer.")
    .refused(&[
        ErrorCode::UnknownSchedule,
        ErrorCode::InvalidArgs,
        ErrorCode::QueueFull,
    ]);
    entry.learn::<SubmitAnswer>();
    let accepted = answer("Accepted, and never lost.")
        .header("Location", header("The job."))
        .content(
            "application/json",
            json(Ref::from_schema_name(SubmitAnswer::name())),
        );
    entry.responds("202", accepted)
}
