//! Many jobs: submit and list.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use axum::{
    Extension, Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use longhaul::{
    JobHandle, NewJob,
    model::{FollowUp, Limits, Seq, Start},
    store::{Filter, PageRequest},
};
use longhaul_types::{
    Timestamp,
    body::{
        FailurePage, FailureView, FollowUpRequest, JobPage, ListCut, SubmitAnswer,
        SubmitManyAnswer, SubmitRequest, TotalIs, WebhookRequest,
    },
};

use super::App;
use crate::{
    access::{Caller, Changed},
    answer::Refusal,
    filter,
    query::Query,
    request::Json,
    trace::{TRACEPARENT, Traceparent},
    view, webhook,
};

/// Most jobs of a page, and how many it has when nothing is said.
const PAGE: (usize, usize) = (100, 50);
/// The last job that a page by number may show; further on, `cursor` is for.
const LAST: u64 = 10_000;

/// `POST /api/v1/jobs`: one job, or an array of them that are taken all or none.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    traceparent: Option<Extension<Traceparent>>,
    query: Query,
    body: Json,
) -> Result<Response, Refusal> {
    query.finish()?;
    let key = idempotency_key(&headers)?;
    let traceparent = traceparent.map(|Extension(Traceparent(text))| text);
    if body.is_array() {
        let requests: Vec<SubmitRequest> = body.parse()?;
        let jobs = requests.into_iter().enumerate().map(|(index, request)| {
            let key = key.as_ref().map(|key| format!("{key}#{index}"));
            new_job(&app, &caller, traced(request, traceparent.as_ref()), key)
        });
        let jobs: Vec<NewJob> = jobs.collect::<Result<_, _>>()?;
        caller.count_jobs(&app.engine, jobs.len()).await?;
        let handles = app.engine.submit_many(jobs).await?;
        let changed = Changed::jobs(handles.iter().map(JobHandle::id));
        let answer = SubmitManyAnswer {
            success: true,
            // When many end that are taken together nobody knows.
            jobs: handles.iter().map(|handle| answer(handle, None)).collect(),
        };
        let answer = (StatusCode::ACCEPTED, Extension(changed), Answer(answer));
        return Ok(answer.into_response());
    }
    let request = traced(body.parse()?, traceparent.as_ref());
    let job = new_job(&app, &caller, request, key)?;
    caller.count_jobs(&app.engine, 1).await?;
    let estimate = app.engine.estimate_new(&job).await;
    Ok(accepted(&app.engine.submit_job(job).await?, estimate))
}

/// What is answered to whoever submitted one job.
pub(super) fn accepted(handle: &JobHandle, estimate: Option<Timestamp>) -> Response {
    let changed = Extension(Changed::jobs([handle.id()].into_iter()));
    let location = format!("/api/v1/jobs/{}", handle.id());
    let headers = [(header::LOCATION, location)];
    let answer = Answer(answer(handle, estimate));
    (StatusCode::ACCEPTED, headers, changed, answer).into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() => Ok(Some(key.to_owned())),
        _ => Err(Refusal::bad("Idempotency-Key must be printable text")),
    }
}

/// The submission with the label by which its runs are followed, unless it has one or no room.
fn traced(mut request: SubmitRequest, traceparent: Option<&String>) -> SubmitRequest {
    if let Some(text) = traceparent
        && request.labels.len() < Limits::default().labels
    {
        let label = request.labels.entry(TRACEPARENT.to_owned());
        label.or_insert_with(|| text.clone());
    }
    request
}

pub(super) fn new_job(
    app: &App,
    caller: &Caller,
    request: SubmitRequest,
    key: Option<String>,
) -> Result<NewJob, Refusal> {
    app.admission.admit(caller.door, &request)?;
    if caller.is_limited() {
        let queue = match &request.queue {
            Some(queue) => queue,
            None => app.engine.queue_of(&request.kind),
        };
        caller.may_submit(&request.kind, queue)?;
    }
    let start = match (request.held, request.run_at) {
        (true, Some(_)) => return Err(Refusal::bad("a job is held, or has a runAt, not both")),
        (true, None) => Start::Held,
        (false, Some(time)) => Start::At(time),
        (false, None) => Start::Now,
    };
    if request.max_attempts == Some(0) {
        return Err(Refusal::bad("maxAttempts: a job has at least one attempt"));
    }
    Ok(NewJob {
        kind: request.kind,
        args_version: None,
        args: request.args.to_string(),
        id: request.id,
        owner: caller.owner.clone(),
        queue: request.queue,
        priority: request.priority.unwrap_or(0),
        labels: request.labels,
        start,
        unique_key: request.unique_key,
        idempotency_key: key,
        max_attempts: request.max_attempts,
        attempt_timeout: seconds("attemptTimeout", request.attempt_timeout)?,
        timeout: seconds("timeout", request.timeout)?,
        follow_ups: follow_ups(app, caller, request.follow_ups, request.webhook)?,
        internal: false,
    })
}

/// What follows the job: each is let in as if it were submitted by itself.
fn follow_ups(
    app: &App,
    caller: &Caller,
    requests: Vec<FollowUpRequest>,
    webhook: Option<WebhookRequest>,
) -> Result<Vec<FollowUp>, Refusal> {
    let mut follow_ups = Vec::with_capacity(requests.len() + 1);
    for request in requests {
        follow_ups.push(FollowUp {
            on: request.on,
            tell: request.tell,
            after: seconds("after", request.after)?.unwrap_or_default(),
            job: new_job(app, caller, request.job, None)?,
        });
    }
    if let Some(request) = webhook {
        let follow_up = webhook::follow_up(&request, caller.reach())
            .map_err(|error| Refusal::bad(format!("webhook: {error}")))?;
        follow_ups.push(follow_up);
    }
    Ok(follow_ups)
}

pub(super) fn seconds(name: &str, value: Option<f64>) -> Result<Option<Duration>, Refusal> {
    // Longer than a century is a mistake, and times must stay within what stores can hold.
    const MOST: f64 = 100.0 * 366.0 * 86_400.0;
    let Some(seconds) = value else {
        return Ok(None);
    };
    if seconds > 0.0 && seconds <= MOST {
        return Ok(Some(Duration::from_secs_f64(seconds)));
    }
    Err(Refusal::bad(format!(
        "{name}: {seconds} is no time in seconds, from more than 0 to a century"
    )))
}

pub(super) fn answer(handle: &JobHandle, estimate: Option<Timestamp>) -> SubmitAnswer {
    let id = handle.id();
    let (status, message) = if handle.is_new() {
        ("accepted", format!("Job {id} accepted."))
    } else {
        ("existing", format!("Job {id} was submitted before."))
    };
    SubmitAnswer {
        success: true,
        job_id: id.clone(),
        status: status.to_owned(),
        message,
        poll_url: format!("/api/v1/jobs/{id}/status"),
        // How far an earlier job is, its status says.
        estimated_completion_time: estimate.filter(|_| handle.is_new()),
    }
}

/// `GET /api/v1/jobs`: a page of jobs, newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> Result<Answer<JobPage>, Refusal> {
    let filter = filter::of_query(&mut query, &app.filter_names)?;
    let limit = query.limit("limit", PAGE.1, PAGE.0)?;
    let page: Option<u64> = query.one("page")?;
    let before: Option<Seq> = query.one("cursor")?;
    query.finish()?;
    let skip = match page {
        Some(_) if before.is_some() => {
            return Err(Refusal::bad("give page or cursor, not both"));
        }
        Some(page) => skip(page, limit)?,
        None => 0,
    };
    let mut answer = JobPage {
        success: true,
        page,
        limit: limit as u64,
        ..JobPage::default()
    };
    let request = PageRequest {
        before,
        skip,
        limit,
    };
    if let Some(filter) = filter::resolve(&app, caller.sees(), filter).await? {
        fill(&app, &filter, &request, &mut answer).await?;
    }
    Ok(Answer(answer))
}

/// `GET /api/v1/failures`: failed jobs by kind and error code.
pub(super) async fn failures(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Query,
) -> Result<Answer<FailurePage>, Refusal> {
    query.finish()?;
    let failures = app.engine.store().failures(caller.sees()).await?;
    let mut groups = failures.groups;
    groups.sort_by_key(|group| Reverse((group.jobs.count, group.newest.seq)));
    let groups = groups.into_iter().map(|group| FailureView {
        kind: group.kind,
        error_code: group.code,
        total: group.jobs.count,
        total_is: TotalIs::of(group.jobs.exact),
        newest: view::shown(&app, group.newest),
    });
    Ok(Answer(FailurePage {
        failures: groups.collect(),
        more: failures.more,
    }))
}

/// Puts in the jobs and the numbers of a filter.
async fn fill(
    app: &App,
    filter: &Filter,
    request: &PageRequest,
    answer: &mut JobPage,
) -> Result<(), Refusal> {
    let store = app.engine.store();
    let total = async {
        if filter.is_counted() {
            return Ok(None);
        }
        store.count(filter).await.map(Some)
    };
    let counts = store.counts(filter.owner.as_deref());
    let (page, total, counts) = tokio::try_join!(store.page(filter, request), total, counts)?;
    let total = total.unwrap_or_else(|| filter.total(&counts));
    answer.counts = filter.sum(&counts);
    answer.total = total.count;
    answer.total_is = TotalIs::of(total.exact);
    answer.next_cursor = page.next.map(|seq| seq.to_string());
    answer.cut = page.cut.map(|cut| ListCut {
        looked_at: cut.looked_at,
        back_to: cut.back_to,
    });
    let jobs = page.jobs.into_iter();
    answer.jobs = jobs.map(|job| view::shown(app, job)).collect();
    Ok(())
}

fn skip(page: u64, limit: usize) -> Result<usize, Refusal> {
    let last = page.saturating_mul(limit as u64);
    if page == 0 || last > LAST {
        return Err(Refusal::bad(format!(
            "page={page}: pages by number go from 1 to the job {LAST}; follow nextCursor further on"
        )));
    }
    Ok(usize::try_from(last).unwrap_or(usize::MAX) - limit)
}
