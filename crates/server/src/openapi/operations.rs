//! The operations, in the order of the routes, and how one is described.

mod lists;
mod parts;
mod schedules;

use longhaul_types::{
    ErrorCode, Event, EventKind, JobId, Problem, Scope, State,
    body::{
        BulkAnswer, BulkRequest, CancelAnswer, CountsAnswer, DashboardLink, DashboardSession,
        DashboardSessionRequest, FailurePage, FollowUpRequest, Health, JobView, KindPage,
        QueuePage, QueueView, ServerInfo, SubmitAnswer, SubmitManyAnswer, SubmitRequest,
    },
    statistics::{Span, Statistics},
    token::{TokenMade, TokenPage, TokenRequest, TokenView},
};
use utoipa::{
    ToSchema,
    openapi::{
        Array, ArrayBuilder, Content, ContentBuilder, HttpMethod, ObjectBuilder, OneOfBuilder, Ref,
        RefOr, Required, Response, ResponseBuilder, Schema,
        path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle},
        request_body::RequestBodyBuilder,
        schema::Type,
        security::SecurityRequirement,
    },
};

use super::{
    BEARER,
    problems::{self, header},
    workers::workers,
};
use crate::{ROUTES, Right};

/// What everything behind the guard may answer.
const GUARDED: [ErrorCode; 4] = [
    ErrorCode::Unauthorised,
    ErrorCode::Forbidden,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
];

/// One operation, as the document describes it.
pub(super) struct Entry {
    pub(super) method: HttpMethod,
    /// As the router writes it.
    route: &'static str,
    operation: OperationBuilder,
    codes: Vec<ErrorCode>,
    /// Schemas that it refers to, by name.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Entry {
    /// An operation that may be refused as everything may, and while the server stops.
    pub(super) fn new(
        method: HttpMethod,
        route: &'static str,
        id: &str,
        tag: &str,
        summary: &str,
    ) -> Self {
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag)
            .summary(Some(summary));
        let mut entry = Self {
            method,
            route,
            operation,
            codes: GUARDED.to_vec(),
            schemas: Vec::new(),
        };
        entry.learn::<Problem>();
        entry.refused(&[ErrorCode::Unavailable])
    }

    /// An operation on the job with the id in the path.
    fn on_job(method: HttpMethod, route: &'static str, id: &str, tag: &str, summary: &str) -> Self {
        let mut entry = Self::new(method, route, id, tag, summary)
            .refused(&[ErrorCode::BadRequest, ErrorCode::NotFound]);
        entry.learn::<JobId>();
        let schema = Ref::from_schema_name(JobId::name());
        entry.parameter(ParameterIn::Path, "id", schema, "The job's id.")
    }

    /// Its path, as OpenAPI writes it.
    pub(super) fn path(&self) -> String {
        self.route.replace("{*", "{")
    }

    /// The responses that its codes need, by name.
    pub(super) fn problems(&self) -> Vec<(String, RefOr<Response>)> {
        let sets = problems::by_status(&self.codes).into_values();
        sets.map(|codes| (problems::name(&codes), problems::response(&codes)))
            .collect()
    }

    /// The operation with all its answers.
    pub(super) fn build(self) -> Operation {
        let security = self.security();
        let mut operation = self.operation.securities(Some(security));
        for (status, codes) in problems::by_status(&self.codes) {
            let response = Ref::from_response_name(problems::name(&codes));
            operation = operation.response(status.to_string(), response);
        }
        operation.build()
    }

    /// The token it needs, with its scope as a role; or none, as over the unix socket.
    fn security(&self) -> Vec<SecurityRequirement> {
        let method = match self.method {
            HttpMethod::Get => "GET",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Delete => "DELETE",
            _ => "",
        };
        let line = ROUTES
            .iter()
            .find(|line| (line.0, line.1) == (method, self.route));
        let right = line.map_or(Right::Admin, |line| line.2);
        if right == Right::None {
            return Vec::new();
        }
        let role = right.scope().map(Scope::as_str);
        vec![
            SecurityRequirement::new(BEARER, role),
            SecurityRequirement::default(),
        ]
    }

    pub(super) fn describe(mut self, text: &str) -> Self {
        self.operation = self.operation.description(Some(text));
        self
    }

    pub(super) fn refused(mut self, codes: &[ErrorCode]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    /// Answered to strangers too, and while the server stops.
    fn for_all(mut self) -> Self {
        let never = [
            ErrorCode::Unauthorised,
            ErrorCode::RateLimited,
            ErrorCode::Unavailable,
        ];
        self.codes.retain(|code| !never.contains(code));
        self
    }

    /// Without a token.
    fn for_strangers(mut self) -> Self {
        self.codes.retain(|code| *code != ErrorCode::Unauthorised);
        self
    }

    pub(super) fn parameter(
        mut self,
        place: ParameterIn,
        name: &str,
        schema: impl Into<RefOr<Schema>>,
        text: &str,
    ) -> Self {
        let required = match place {
            ParameterIn::Path => Required::True,
            _ => Required::False,
        };
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .schema(Some(schema))
            .description(Some(text));
        self.operation = self.operation.parameter(parameter);
        self
    }

    pub(super) fn query(self, name: &str, schema: impl Into<RefOr<Schema>>, text: &str) -> Self {
        self.parameter(ParameterIn::Query, name, schema, text)
            .refused(&[ErrorCode::BadRequest])
    }

    /// A parameter that may be given several times.
    fn any_of(self, name: &str, item: impl Into<RefOr<Schema>>, text: &str) -> Self {
        let schema = ArrayBuilder::new().items(item.into());
        self.query(name, schema, text)
    }

    /// `label.NAME=VALUE`, any number of times.
    fn labels(mut self) -> Self {
        let labels = ObjectBuilder::new()
            .property_names(Some(text_schema().pattern(Some("^label\\."))))
            .additional_properties(Some(text_schema()));
        let labels = ParameterBuilder::new()
            .name("labels")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .style(Some(ParameterStyle::Form))
            .explode(Some(true))
            .schema(Some(labels))
            .description(Some("`label.NAME=VALUE`: only jobs with all these labels."));
        self.operation = self.operation.parameter(labels);
        self
    }

    pub(super) fn header(self, name: &str, text: &str) -> Self {
        self.parameter(ParameterIn::Header, name, text_schema(), text)
    }

    pub(super) fn responds(mut self, status: &str, response: ResponseBuilder) -> Self {
        self.operation = self.operation.response(status, response);
        self
    }

    /// Answers with a JSON body.
    pub(super) fn answers<T: ToSchema>(mut self, status: &str, text: &str) -> Self {
        self.learn::<T>();
        let schema = Ref::from_schema_name(T::name());
        let content = json(schema);
        self.responds(status, answer(text).content("application/json", content))
    }

    /// Takes a body.
    pub(super) fn body(mut self, body: RequestBodyBuilder) -> Self {
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// Takes a JSON body.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        self.learn::<T>();
        let content = json(Ref::from_schema_name(T::name()));
        let body = RequestBodyBuilder::new().required(Some(Required::True));
        self.body(body.content("application/json", content))
    }

    /// Takes a schema and all it refers to into the document.
    fn learn<T: ToSchema>(&mut self) {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
    }
}

pub(super) fn answer(text: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(text)
}

fn json(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

pub(super) fn text_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn number(least: usize, most: Option<usize>, default: Option<usize>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(most)
        .default(default.map(Into::into))
}

/// Every operation.
pub(super) fn operations() -> Vec<Entry> {
    let mut all = server();
    all.extend(queues());
    all.extend(schedules::schedules());
    all.extend(tokens());
    all.extend(workers());
    all.extend([all_events(), lists::list(), submit()]);
    all.extend(bulk());
    all.extend(job());
    all.push(job_events());
    all.extend(parts::parts());
    all.push(parts::artifact());
    all.extend(dashboard());
    all.extend(documents());
    all
}

fn server() -> Vec<Entry> {
    use HttpMethod::{Get, Post};
    let new = |method, route, id, summary| Entry::new(method, route, id, "server", summary);
    vec![
        new(Get, "/health/live", "live", "Whether the process answers")
            .for_all()
            .answers::<Health>("200", "It does."),
        new(Get, "/health/ready", "ready", "Whether the store answers too")
            .answers::<Health>("200", "It does."),
        new(Get, "/api/v1/server", "server", "Who answers, and what runs here")
            .answers::<ServerInfo>("200", "Version, process, kinds and counts."),
        new(Post, "/api/v1/server/stop", "stopServer", "Stop the server gracefully")
            .describe("What runs goes on from its checkpoint with the next server. Needs the unix socket or an admin token.")
            .answers::<Health>("202", "It stops."),
        new(Get, "/api/v1/kinds", "kinds", "Every kind that a worker has ever declared")
            .answers::<KindPage>("200", "The kinds, by name."),
        new(Get, "/api/v1/counts", "counts", "How many jobs there are, exactly")
            .refused(&[ErrorCode::BadRequest])
            .answers::<CountsAnswer>("200", "By state, and by kind and queue."),
        new(Get, "/api/v1/failures", "failures", "Failed jobs by kind and error code")
            .refused(&[ErrorCode::BadRequest])
            .answers::<FailurePage>("200", "The most frequent first; `error:CODE` in a filter shows their jobs."),
        new(Get, "/api/v1/statistics", "statistics", "What happened of late, for charts")
            .describe(
                "Ends and run times by kind, and depths of queues, counted in memory since the server started. They are of \
                 every owner's jobs, so they need an admin token.",
            )
            .query(
                "span",
                text_schema().enum_values(Some(Span::ALL.map(Span::as_str))),
                "`hour`, unless said otherwise, is by the minute, `day` by the quarter of an hour.",
            )
            .answers::<Statistics>("200", "Every step of the span, the oldest first."),
    ]
}

fn queues() -> Vec<Entry> {
    let list = Entry::new(
        HttpMethod::Get,
        "/api/v1/queues",
        "queues",
        "queues",
        "Every queue",
    )
    .refused(&[ErrorCode::BadRequest])
    .answers::<QueuePage>("200", "How they stand, by name.");
    let change = |route, id, summary, answer| {
        Entry::new(HttpMethod::Post, route, id, "queues", summary)
            .describe("It lasts across restarts and holds for every process. Needs the unix socket or an admin token.")
            .parameter(ParameterIn::Path, "queue", text_schema(), "The queue's name.")
            .refused(&[ErrorCode::BadRequest, ErrorCode::UnknownQueue])
            .answers::<QueueView>("200", answer)
    };
    vec![
        list,
        change(
            "/api/v1/queues/{queue}/pause",
            "pauseQueue",
            "Start no job of a queue",
            "The queue, paused; jobs that run go on.",
        ),
        change(
            "/api/v1/queues/{queue}/resume",
            "resumeQueue",
            "Start the jobs of a queue again",
            "The queue; what waits starts at once.",
        ),
    ]
}

fn tokens() -> [Entry; 3] {
    use HttpMethod::{Delete, Get, Post};
    let new = |method, route, id, summary| {
        Entry::new(method, route, id, "tokens", summary).refused(&[ErrorCode::BadRequest])
    };
    let make = new(Post, "/api/v1/tokens", "makeToken", "Make a token")
        .describe("docs/access.md says what each scope allows.")
        .refused(&[
            ErrorCode::RequestTimeout,
            ErrorCode::TooLarge,
            ErrorCode::UnsupportedMediaType,
        ])
        .takes::<TokenRequest>();
    [
        new(Get, "/api/v1/tokens", "tokens", "Every token")
            .answers::<TokenPage>("200", "The tokens, oldest first, without their secrets."),
        make.answers::<TokenMade>("201", "The token with its secret, which is told this once."),
        new(
            Delete,
            "/api/v1/tokens/{token}",
            "revokeToken",
            "Revoke a token",
        )
        .describe("It lets nobody in from then on, and the streams that it opened end.")
        .parameter(ParameterIn::Path, "token", text_schema(), "The token's id.")
        .refused(&[ErrorCode::UnknownToken])
        .answers::<TokenView>("200", "The token that was revoked."),
    ]
}

fn stream(mut entry: Entry, text: &str) -> Entry {
    entry.learn::<Event>();
    let content = json(text_schema().description(Some(
        "Messages `event`, `id` and `data`: the name of the event, its number, and the schema Event as JSON.",
    )));
    let response = answer(text).content("text/event-stream", content);
    entry.refused(&[ErrorCode::OwnerLimit]).responds("200", response).describe(
        "Events are hints, the job is the truth: after a message `missed` read again what you care about. A stream that \
         is quiet sends a comment every 15 s.",
    )
}

fn all_events() -> Entry {
    let entry = Entry::new(
        HttpMethod::Get,
        "/api/v1/events",
        "events",
        "events",
        "Follow every job",
    )
    .any_of(
        "kind",
        text_schema(),
        "Only jobs of these kinds; `walrus.*` is every kind that begins so.",
    )
    .any_of("job", text_schema(), "Only these jobs.")
    .any_of(
        "event",
        text_schema().enum_values(Some(EventKind::NAMES)),
        "Only events with these names.",
    )
    .any_of(
        "state",
        text_schema().enum_values(Some(State::ALL.map(State::as_str))),
        "Of `state` events only those that say one of these states; no others unless `event` names them.",
    )
    .labels()
    .header("Last-Event-ID", "Who was here before gets `missed` first.");
    stream(entry, "Every event from now on that fits all parameters.")
}

fn job_events() -> Entry {
    let route = "/api/v1/jobs/{id}/events";
    let entry = Entry::on_job(
        HttpMethod::Get,
        route,
        "jobEvents",
        "events",
        "Follow a job",
    )
    .header(
        "Last-Event-ID",
        "The job's revision as it was told last, which is the number of the last message.",
    )
    .responds(
        "204",
        answer(
            "The job ended with the revision in Last-Event-ID: nothing follows, do not come again.",
        ),
    );
    stream(
        entry,
        "Where the job stands, then what happens to it; the stream ends after the job has.",
    )
}

fn one_or_many<One: ToSchema>(many: impl Into<RefOr<Schema>>) -> Content {
    let one = Ref::from_schema_name(One::name());
    json(OneOfBuilder::new().item(one).item(many))
}

fn submit() -> Entry {
    let mut entry = Entry::new(
        HttpMethod::Post,
        "/api/v1/jobs",
        "submit",
        "jobs",
        "Submit a job, or many",
    )
    .describe("Once answered, the jobs are on disk. An array is taken whole or not at all.")
    .header(
        "Idempotency-Key",
        "For 24 h a second submission with this key gets the first one's job.",
    )
    .refused(&[
        ErrorCode::BadRequest,
        ErrorCode::InvalidArgs,
        ErrorCode::RequestTimeout,
        ErrorCode::IdTaken,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::UnknownKind,
        ErrorCode::QueueFull,
        ErrorCode::OwnerLimit,
    ]);
    entry.learn::<SubmitRequest>();
    // Each refers to the other: the schema of the one stops at the other.
    entry.learn::<FollowUpRequest>();
    entry.learn::<SubmitAnswer>();
    entry.learn::<SubmitManyAnswer>();
    let many = Array::new(Ref::from_schema_name(SubmitRequest::name()));
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", one_or_many::<SubmitRequest>(many));
    entry.operation = entry.operation.request_body(Some(body.build()));
    let many = Ref::from_schema_name(SubmitManyAnswer::name());
    let accepted = answer("Accepted, and never lost.")
        .header("Location", header("The job, when it was one."))
        .content("application/json", one_or_many::<SubmitAnswer>(many));
    entry.responds("202", accepted)
}

/// Requests for all jobs that a filter shows.
fn bulk() -> [Entry; 2] {
    let new = |route, id, summary| {
        let entry = Entry::new(HttpMethod::Post, route, id, "jobs", summary)
            .describe("One request takes 10,000 jobs at most, and looks for them among 200,000: with a `nextCursor`, older ones are left.")
            .refused(&[
                ErrorCode::BadRequest,
                ErrorCode::RequestTimeout,
                ErrorCode::TooLarge,
                ErrorCode::UnsupportedMediaType,
            ]);
        entry
            .takes::<BulkRequest>()
            .answers::<BulkAnswer>("200", "How many there were, and for how many it was done.")
            .answers::<SubmitAnswer>(
                "202",
                "With `background`: the job that does it, never lost.",
            )
    };
    [
        new(
            "/api/v1/jobs/cancel",
            "cancelJobs",
            "Cancel all jobs that a filter shows",
        ),
        new(
            "/api/v1/jobs/retry",
            "retryJobs",
            "Give all ended jobs that a filter shows another go",
        ),
    ]
}

fn job() -> Vec<Entry> {
    use HttpMethod::{Delete, Get, Post};
    let on = |method, route, id, summary| Entry::on_job(method, route, id, "jobs", summary);
    let illegal = &[ErrorCode::IllegalTransition];
    let cancelled =
        "Cancelled, or being cancelled: a running job ends as cancelled once its run has stopped.";
    vec![
        on(Get, "/api/v1/jobs/{id}", "job", "Read a job")
            .answers::<JobView>("200", "The job, with its args and results."),
        on(
            Delete,
            "/api/v1/jobs/{id}",
            "removeJob",
            "Remove an ended job and all it left",
        )
        .refused(illegal)
        .answers::<JobView>("200", "The job as it was."),
        on(
            Get,
            "/api/v1/jobs/{id}/status",
            "jobStatus",
            "Read a job, as `pollUrl` has it",
        )
        .answers::<JobView>("200", "The job, with its args and results."),
        on(
            Delete,
            "/api/v1/jobs/{id}/status",
            "cancelByStatus",
            "Cancel a job",
        )
        .refused(illegal)
        .answers::<CancelAnswer>("200", cancelled),
        on(Post, "/api/v1/jobs/{id}/cancel", "cancel", "Cancel a job")
            .refused(illegal)
            .answers::<CancelAnswer>("200", cancelled),
        on(
            Post,
            "/api/v1/jobs/{id}/retry",
            "retry",
            "Give an ended job another go",
        )
        .describe("Failed items run again, finished ones are kept.")
        .refused(illegal)
        .answers::<JobView>("200", "The job, waiting."),
        on(
            Post,
            "/api/v1/jobs/{id}/start",
            "start",
            "Run a job now that is held, scheduled, or waits for its next attempt",
        )
        .refused(illegal)
        .answers::<JobView>("200", "The job, waiting for a slot."),
    ]
}

/// The page, its files, and its sessions.
fn dashboard() -> Vec<Entry> {
    use HttpMethod::{Delete, Get, Post};
    let new = |method, route, id, summary| Entry::new(method, route, id, "dashboard", summary);
    let file = |entry: Entry, text: &str, media: &str| {
        let found = answer(text).header("ETag", header("Changes with the file."));
        entry
            .for_strangers()
            .header("If-None-Match", "Nothing when the file still has this tag.")
            .responds("200", found.content(media, json(text_schema())))
            .responds("304", answer("The file still has that tag."))
    };
    let name = "The file's name; it may have slashes.";
    let asset = new(
        Get,
        "/assets/{*name}",
        "dashboardFile",
        "A file of the dashboard",
    )
    .parameter(ParameterIn::Path, "name", text_schema(), name)
    .refused(&[ErrorCode::NotFound]);
    let body = Ref::from_schema_name(DashboardSessionRequest::name());
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", json(body));
    let mut begin = new(
        Post,
        "/api/v1/dashboard/sessions",
        "beginDashboardSession",
        "Change the code of a link for a token",
    )
    .describe("Without a token: the code is the secret. It works once and for a minute; the token for 12 hours.")
    .refused(&[
        ErrorCode::BadRequest,
        ErrorCode::RequestTimeout,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedMediaType,
    ]);
    begin.learn::<DashboardSessionRequest>();
    begin.operation = begin.operation.request_body(Some(body.build()));
    vec![
        file(new(Get, "/", "dashboard", "The dashboard"), "The page, which holds nothing secret.", "text/html"),
        file(asset, "The file, with its own media type.", "*/*"),
        new(Post, "/api/v1/dashboard/links", "dashboardLink", "A link that opens the dashboard once")
            .describe("A server without a TCP port opens one for it on 127.0.0.1. Needs the unix socket or an admin token.")
            .refused(&[ErrorCode::BadRequest])
            .answers::<DashboardLink>("201", "The link."),
        begin.answers::<DashboardSession>("201", "A token with an administrator's rights."),
        new(Delete, "/api/v1/dashboard/sessions", "endDashboardSession", "End the session that asks")
            .refused(&[ErrorCode::BadRequest])
            .responds("204", answer("Its token is worth nothing any more, and its streams end.")),
    ]
}

fn documents() -> Vec<Entry> {
    let new = |route, id, summary| Entry::new(HttpMethod::Get, route, id, "documents", summary);
    let object = json(ObjectBuilder::new().schema_type(Type::Object));
    let page = json(text_schema());
    let metrics = json(text_schema());
    vec![
        new("/openapi.json", "openapi", "This document").responds(
            "200",
            answer("OpenAPI 3.1.").content("application/json", object),
        ),
        Entry::new(HttpMethod::Get, "/metrics", "metrics", "server", "Metrics for Prometheus")
            .describe("docs/metrics.md says what each is. The numbers of jobs are of those that the caller sees.")
            .refused(&[ErrorCode::BadRequest])
            .responds(
                "200",
                answer("OpenMetrics text.").content("application/openmetrics-text", metrics),
            ),
        new("/docs", "docs", "This document as a page").responds(
            "200",
            answer("A page of its own, without scripts and without anything from elsewhere.")
                .content("text/html", page.clone()),
        ),
        new("/docs/errors/{code}", "errorPage", "What an error code means")
            .describe("The `type` of every problem document points here.")
            .parameter(ParameterIn::Path, "code", text_schema(), "The error's code.")
            .refused(&[ErrorCode::BadRequest, ErrorCode::NotFound])
            .responds(
                "200",
                answer("A page that says what happened and what to do.").content("text/html", page),
            ),
    ]
}
