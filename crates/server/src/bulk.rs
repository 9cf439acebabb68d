//! Cancel and retry of all jobs of a filter as a job of its own, which goes on whatever happens to the server and to whoever
//! asked.
//!
//! Invariants: it reaches what whoever asked could see and change when they asked, and of those jobs the ones that were there
//! then: neither what is submitted later, nor what ended after it was given another go. Where it stopped is kept with each
//! step; what a step did before its record was lost is not done twice, and not counted.

use longhaul::{
    Context, Failure, Handler, NewJob, Outcome,
    engine::{Bulk, BulkStep, Error, Skipped},
    handler::Policy,
    model::{Backoff, Job, Status},
    store::Filter,
    types::{Level, Timestamp, token::fits},
};
use serde::{Deserialize, Serialize};

/// The kind.
pub const KIND: &str = "longhaul.bulk";
/// Its queue: jobs that hold up the others can be cancelled all the same.
pub const QUEUE: &str = "bulk";

/// Cancels or retries all jobs of a filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct BulkJob;

/// What is asked for, and of which jobs. Made by the server alone: nobody else says whose they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[doc(hidden)]
pub struct BulkArgs {
    pub(crate) bulk: Bulk,
    /// None when no job can be meant.
    pub(crate) filter: Option<Filter>,
    /// The kinds that may be changed; all when empty.
    pub(crate) kinds: Vec<String>,
    /// The queues that may be changed; all when empty.
    pub(crate) queues: Vec<String>,
}

/// What it came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// Jobs for which the request made sense.
    pub matched: u64,
    /// Those for which it was done.
    pub done: u64,
    /// Those for which it could not be; the log names them.
    pub skipped: u64,
}

/// How far it has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    /// How many there are, once that is known.
    total: Option<u64>,
    /// Jobs older than this one are left.
    before: Option<i64>,
    sum: BulkResult,
}

impl BulkArgs {
    /// Whether a job is one of those meant by `own`, which was submitted at `asked_at`.
    fn may(&self, job: &Job, own: &Job) -> bool {
        let asked_at = own.created_at;
        let there = job.created_at <= asked_at && ended_at(job).is_none_or(|at| at <= asked_at);
        let reached = |list: &[String], name: &str| list.is_empty() || fits(list, name);
        there
            && job.seq != own.seq
            && reached(&self.kinds, &job.kind)
            && reached(&self.queues, &job.queue)
    }

    /// The job that does it.
    pub(crate) fn job(&self) -> Result<NewJob, Error> {
        let job = NewJob::new(KIND, self).map_err(|source| Error::Json {
            what: "the args",
            source,
        })?;
        Ok(job.internal())
    }
}

fn ended_at(job: &Job) -> Option<Timestamp> {
    match job.status {
        Status::Ended { at, .. } => Some(at),
        _ => None,
    }
}

impl Handler for BulkJob {
    const KIND: &'static str = KIND;
    type Args = BulkArgs;
    type Output = BulkResult;

    async fn run(&self, args: BulkArgs, job: &Context) -> Result<Outcome<BulkResult>, Failure> {
        let Some(filter) = &args.filter else {
            return Ok(Outcome::Done(BulkResult::default()));
        };
        let may = |one: &Job| args.may(one, job.job());
        let mut place: Place = job.checkpoint()?.unwrap_or_default();
        let total = match place.total {
            Some(total) => total,
            None => count(args.bulk, filter, may, job).await?,
        };
        place.total = Some(total);
        let word = match args.bulk {
            Bulk::Cancel => "cancelling",
            Bulk::Retry => "retrying",
        };
        loop {
            job.progress().task(word).set(place.sum.matched, total);
            go_on(job).await?;
            let step = BulkStep {
                bulk: args.bulk,
                filter,
                before: place.before,
                dry: false,
            };
            let step = job.ask_all(step, may).await?;
            place.sum.matched += step.matched;
            place.sum.done += step.done;
            place.sum.skipped += step.skipped.len() as u64;
            step.skipped.iter().for_each(|one| tell(job, one));
            place.before = step.next;
            job.save(&place).await?;
            if step.next.is_none() {
                // Some may have changed since they were counted.
                job.progress().set(place.sum.matched, place.sum.matched);
                return Ok(Outcome::Done(place.sum));
            }
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            queue: QUEUE.to_owned(),
            max_attempts: 20,
            backoff: Backoff::default(),
            internal: true,
            ..Policy::default()
        }
    }
}

/// How many jobs are meant now.
async fn count(
    bulk: Bulk,
    filter: &Filter,
    may: impl Fn(&Job) -> bool + Copy,
    job: &Context,
) -> Result<u64, Failure> {
    let (mut total, mut before) = (0, None);
    loop {
        go_on(job).await?;
        let step = BulkStep {
            bulk,
            filter,
            before,
            dry: true,
        };
        let step = job.ask_all(step, may).await?;
        total += step.matched;
        before = step.next;
        job.progress().task("counting").unit("jobs").total(total);
        if before.is_none() {
            return Ok(total);
        }
    }
}

/// Between two steps: a step itself is not broken off.
async fn go_on(job: &Context) -> Result<(), Failure> {
    if job.is_stopped() {
        return Err(job.stopped().await.into());
    }
    Ok(())
}

fn tell(job: &Context, skipped: &Skipped) {
    let id = &skipped.id;
    job.log(
        Level::Warn,
        match skipped.state {
            None => format!("{id} left out: it is gone"),
            Some(state) if state.is_ended() => {
                format!("{id} left out: it is {state}; it changed meanwhile, or another job lives under its unique key")
            }
            Some(state) => format!("{id} left out: it is {state}, as it changed meanwhile"),
        },
    );
}
