//! The list of jobs, and its filters.

use longhaul_types::{State, body::JobPage, filter::MAX_FILTER};
use utoipa::openapi::HttpMethod;

use super::{Entry, number, text_schema};

const PERIODS: [(&str, &str); 4] = [
    (
        "createdAfter",
        "Only jobs submitted at this time or later: a date, a time, or how long ago: `2026-01-31`, `2026-01-31T10:30:00Z`, `1h`.",
    ),
    ("createdBefore", "Only jobs submitted earlier than that."),
    ("endedAfter", "Only jobs that ended at this time or later."),
    ("endedBefore", "Only jobs that ended earlier than that."),
];

pub(super) fn list() -> Entry {
    let statuses = ["pending", "processing", "completed", "failed", "cancelled"];
    let states = State::ALL.map(State::as_str);
    let mut entry = Entry::new(
        HttpMethod::Get,
        "/api/v1/jobs",
        "jobs",
        "jobs",
        "List jobs, newest first",
    )
    .describe(
        "The work for one answer is bounded. Where no index leads to what the filter shows (text, ends in a period), the \
         search may be given up before the page is full: then the answer has `cut`, and `nextCursor` goes on with it.",
    )
    .query(
        "q",
        text_schema().max_length(Some(MAX_FILTER)),
        "A filter in words, behind which the other parameters stand: `state:failed,cancelled kind:walrus.* queue:default \
         label.service:x created:>2026-01-31 ended:<1h some text`. Text that has spaces, colons or commas stands in double \
         quotes.",
    )
    .any_of(
        "status",
        text_schema().enum_values(Some(statuses)),
        "Any of these statuses.",
    )
    .any_of(
        "state",
        text_schema().enum_values(Some(states)),
        "Any of these states.",
    )
    .any_of(
        "kind",
        text_schema(),
        "Any of these kinds; `walrus.*` is every kind that begins so.",
    )
    .any_of("queue", text_schema(), "Any of these queues.")
    .any_of("error", text_schema(), "Failed with any of these error codes.")
    .any_of(
        "text",
        text_schema(),
        "All of these texts, each somewhere in the id, a label's value or the error. A whole id finds that job alone.",
    );
    for (name, text) in PERIODS {
        entry = entry.query(name, text_schema(), text);
    }
    entry
        .query("limit", number(1, Some(100), Some(50)), "Jobs of a page.")
        .query(
            "page",
            number(1, None, None),
            "The page by number, up to the job 10000.",
        )
        .query(
            "cursor",
            number(0, None, None),
            "`nextCursor` of the page before; not with `page`.",
        )
        .labels()
        .answers::<JobPage>("200", "A page; its jobs have neither args nor results.")
}
