//! Many jobs: submit and list.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Extension, Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use longhaul::{
    Job, JobHandle, NewJob,
    model::{Seq, Start},
    store::Filter,
};
use longhaul_types::{
    State as JobState,
    body::{Counts, JobPage, SubmitAnswer, SubmitManyAnswer, SubmitRequest},
};

use super::{App, serve::add};
use crate::{
    access::{Caller, Changed},
    answer::Refusal,
    query::Query,
    request::Json,
    view,
};

/// Most jobs of a page, and how many it has when nothing is said.
const PAGE: (usize, usize) = (100, 50);
/// The last job that a page by number may show; further on, `cursor` is for.
const LAST: u64 = 10_000;
/// Rows read at a time, and how often, where the store can not filter all by itself.
const CHUNK: usize = 500;
const CHUNKS: usize = 20;

/// `POST /api/v1/jobs`: one job, or an array of them that are taken all or none.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    query: Query,
    body: Json,
) -> Result<Response, Refusal> {
    query.finish()?;
    let key = idempotency_key(&headers)?;
    if body.is_array() {
        let requests: Vec<SubmitRequest> = body.parse()?;
        let jobs = requests.into_iter().enumerate().map(|(index, request)| {
            let key = key.as_ref().map(|key| format!("{key}#{index}"));
            new_job(&app, &caller, request, key)
        });
        let jobs: Vec<NewJob> = jobs.collect::<Result<_, _>>()?;
        caller.count_jobs(&app.engine, jobs.len()).await?;
        let handles = app.engine.submit_many(jobs).await?;
        let changed = Changed::jobs(handles.iter().map(JobHandle::id));
        let answer = SubmitManyAnswer {
            success: true,
            jobs: handles.iter().map(answer).collect(),
        };
        let answer = (StatusCode::ACCEPTED, Extension(changed), Answer(answer));
        return Ok(answer.into_response());
    }
    let job = new_job(&app, &caller, body.parse()?, key)?;
    caller.count_jobs(&app.engine, 1).await?;
    let handle = app.engine.submit_job(job).await?;
    let changed = Extension(Changed::jobs([handle.id()].into_iter()));
    let location = format!("/api/v1/jobs/{}", handle.id());
    let headers = [(header::LOCATION, location)];
    let answer = Answer(answer(&handle));
    Ok((StatusCode::ACCEPTED, headers, changed, answer).into_response())
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
    })
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

fn answer(handle: &JobHandle) -> SubmitAnswer {
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
        estimated_completion_time: None,
    }
}

/// `GET /api/v1/jobs`: a page of jobs, newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> Result<Answer<JobPage>, Refusal> {
    let wanted = Standings::of(query.all("state"), query.all("status"))?;
    let kinds = query.all("kind");
    let mut filter = Filter {
        owner: caller.sees().map(str::to_owned),
        states: wanted.states(),
        kinds: Vec::new(),
        queues: query.all("queue"),
        labels: query.labels()?,
    };
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
    let found = resolve_kinds(&app, kinds, &mut filter).await? && !filter.states.is_empty();
    let mut counts = Counts::default();
    let (mut jobs, mut next) = (Vec::new(), None);
    if found {
        (jobs, next) = read(&app, &filter, wanted, before, skip, limit).await?;
        counts = count(&app, &filter).await?;
    }
    let now = app.clock.now();
    Ok(Answer(JobPage {
        success: true,
        jobs: jobs.into_iter().map(|job| view::job(job, now)).collect(),
        counts,
        page,
        limit: limit as u64,
        next_cursor: next.map(|seq| seq.to_string()),
    }))
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

/// Puts the kinds into the filter, `walrus.*` as every kind that begins so. False when there is none such.
pub(super) async fn resolve_kinds(
    app: &App,
    kinds: Vec<String>,
    filter: &mut Filter,
) -> Result<bool, Refusal> {
    let asked = !kinds.is_empty();
    for kind in kinds {
        match kind.strip_suffix('*') {
            None => filter.kinds.push(kind),
            Some(prefix) => {
                let declared = app.engine.store().kinds().await?;
                let names = declared.into_iter().map(|kind| kind.name);
                let fits = names.filter(|name| name.starts_with(prefix));
                filter.kinds.extend(fits);
            }
        }
    }
    Ok(!asked || !filter.kinds.is_empty())
}

/// Up to `limit` jobs after the first `skip`, and the cursor of what follows them.
async fn read(
    app: &App,
    filter: &Filter,
    wanted: Standings,
    mut before: Option<Seq>,
    mut skip: usize,
    limit: usize,
) -> Result<(Vec<Job>, Option<Seq>), Refusal> {
    let mut shown = Vec::with_capacity(limit);
    let chunk = if wanted.is_exact() {
        (skip + limit + 1).min(CHUNK)
    } else {
        CHUNK
    };
    for _ in 0..=CHUNKS {
        let rows = app.engine.store().jobs(filter, before, chunk).await?;
        let full = rows.len() == chunk;
        for job in rows {
            if shown.len() == limit {
                return Ok((shown, before));
            }
            before = Some(job.seq);
            if wanted.has(&job) {
                match skip {
                    0 => shown.push(job),
                    _ => skip -= 1,
                }
            }
        }
        if !full {
            return Ok((shown, None));
        }
    }
    Ok((shown, before))
}

async fn count(app: &App, filter: &Filter) -> Result<Counts, Refusal> {
    let mut sum = Counts::default();
    let any = |list: &[String], name: &String| list.is_empty() || list.contains(name);
    for ((kind, queue), counts) in app.engine.counts_by(filter.owner.as_deref()).await? {
        if any(&filter.kinds, &kind) && any(&filter.queues, &queue) {
            add(&mut sum, &counts);
        }
    }
    Ok(sum)
}

/// Where jobs may stand: a set of the five states, with those pending jobs apart that have started before, as the
/// document's statuses have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standings(u8);

impl Standings {
    const NONE: Self = Self(0);
    const ALL: Self = Self(0b11_1111);
    const FRESH: Self = Self(0b10_0000);

    /// What `state` and `status` ask for; each may be given several times.
    pub(super) fn of(states: Vec<String>, statuses: Vec<String>) -> Result<Self, Refusal> {
        let states = Self::sum(states, |text| JobState::from_str(text).map(Self::state))?;
        let statuses = Self::sum(statuses, Self::status)?;
        Ok(Self(states.0 & statuses.0))
    }

    fn sum<E: fmt::Display>(
        values: Vec<String>,
        parse: impl Fn(&str) -> Result<Self, E>,
    ) -> Result<Self, Refusal> {
        if values.is_empty() {
            return Ok(Self::ALL);
        }
        let mut sum = Self::NONE;
        for value in values {
            sum.0 |= parse(&value)
                .map_err(|error| Refusal::bad(error.to_string()))?
                .0;
        }
        Ok(sum)
    }

    fn state(state: JobState) -> Self {
        match state {
            JobState::Pending => Self(Self::FRESH.0 | 1),
            JobState::Running => Self(1 << 1),
            JobState::Completed => Self(1 << 2),
            JobState::Failed => Self(1 << 3),
            JobState::Cancelled => Self(1 << 4),
        }
    }

    fn status(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::FRESH),
            "processing" => Ok(Self(1 | Self::state(JobState::Running).0)),
            "completed" => Ok(Self::state(JobState::Completed)),
            "failed" => Ok(Self::state(JobState::Failed)),
            "cancelled" => Ok(Self::state(JobState::Cancelled)),
            _ => Err(format!(
                "'{}' is no status: pending, processing, completed, failed or cancelled",
                text.chars().take(64).collect::<String>()
            )),
        }
    }

    /// The states to ask the store for.
    pub(super) fn states(self) -> Vec<JobState> {
        let states = JobState::ALL.into_iter();
        states
            .filter(|state| Self::state(*state).0 & self.0 != 0)
            .collect()
    }

    /// Whether the states alone tell the jobs apart.
    fn is_exact(self) -> bool {
        let pending = self.0 & Self::state(JobState::Pending).0;
        pending == 0 || pending == Self::state(JobState::Pending).0
    }

    pub(super) fn has(self, job: &Job) -> bool {
        let standing = match job.state() {
            JobState::Pending if job.started_at.is_some() => Self(1),
            JobState::Pending => Self::FRESH,
            state => Self::state(state),
        };
        standing.0 & self.0 != 0
    }
}
