//! One request for all jobs of a filter, in steps.
//!
//! Invariants: a step looks at a bounded number of jobs and says where the next one goes on; jobs are walked newest first by
//! their numbers, so that none is asked twice and none that was submitted meanwhile keeps the walk from its end.

use std::collections::BTreeMap;

use longhaul_types::{JobId, State};
use serde::{Deserialize, Serialize};

use super::{Core, Engine, Error};
use crate::{
    Context,
    model::{Job, Seq},
    store::{Asked, Filter, PageRequest, Request},
};

/// Jobs that are read, and asked for, together.
const BATCH: usize = 500;
/// Batches of one step.
const BATCHES: usize = 20;

/// What is asked for all jobs of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bulk {
    /// Cancel what is pending or runs, and is not being cancelled.
    Cancel,
    /// Another go for what failed, was cancelled, or completed with failed items.
    Retry,
}

/// One step of a walk through the jobs of a filter.
#[derive(Clone, Copy, Debug)]
pub struct BulkStep<'f> {
    /// What is asked for.
    pub bulk: Bulk,
    /// For which jobs.
    pub filter: &'f Filter,
    /// Only for jobs older than this one.
    pub before: Option<Seq>,
    /// Only count them.
    pub dry: bool,
}

/// What one step came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkDone {
    /// Jobs of the filter for which the request makes sense.
    pub matched: u64,
    /// Those for which it was done.
    pub done: u64,
    /// Those for which it could not be: they changed meanwhile, or another job lives under their unique key.
    pub skipped: Vec<Skipped>,
    /// Where the next step goes on: jobs older than this one. None when all were looked at.
    pub next: Option<Seq>,
}

/// A job for which a request could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The job.
    pub id: JobId,
    /// The state it was in, when it was still there.
    pub state: Option<State>,
}

impl Bulk {
    fn request(self) -> Request {
        match self {
            Self::Cancel => Request::Cancel,
            Self::Retry => Request::Retry,
        }
    }

    /// The states to look for, of those that the filter names.
    fn states(self, named: &[State]) -> Vec<State> {
        let sensible: &[State] = match self {
            Self::Cancel => &[State::Pending, State::Running],
            Self::Retry => &[State::Failed, State::Cancelled, State::Completed],
        };
        let states = sensible.iter().copied();
        states
            .filter(|state| named.is_empty() || named.contains(state))
            .collect()
    }

    fn fits(self, job: &Job) -> bool {
        match self {
            Self::Cancel => !job.cancel_requested(),
            Self::Retry => job.state() != State::Completed || job.items.failed > 0,
        }
    }
}

impl Engine {
    /// Does one step, as far as `may` lets it.
    pub async fn ask_all(
        &self,
        step: BulkStep<'_>,
        may: impl Fn(&Job) -> bool,
    ) -> Result<BulkDone, Error> {
        self.core.ask_all(step, may).await
    }
}

impl Context {
    /// Does one step as [`Engine::ask_all`] does: for handlers that stand for somebody who may change these jobs.
    pub async fn ask_all(
        &self,
        step: BulkStep<'_>,
        may: impl Fn(&Job) -> bool,
    ) -> Result<BulkDone, Error> {
        self.core.ask_all(step, may).await
    }
}

impl Core {
    async fn ask_all(
        &self,
        step: BulkStep<'_>,
        may: impl Fn(&Job) -> bool,
    ) -> Result<BulkDone, Error> {
        let BulkStep {
            bulk,
            filter,
            before,
            dry,
        } = step;
        let mut done = BulkDone {
            next: before,
            ..BulkDone::default()
        };
        let filter = Filter {
            states: bulk.states(&filter.states),
            ..filter.clone()
        };
        if filter.states.is_empty() {
            done.next = None;
            return Ok(done);
        }
        for _ in 0..BATCHES {
            let request = PageRequest {
                before: done.next,
                skip: 0,
                limit: BATCH,
            };
            let page = self.store.page(&filter, &request).await?;
            done.next = page.next;
            let jobs = page.jobs.into_iter();
            let jobs: Vec<Job> = jobs.filter(|job| bulk.fits(job) && may(job)).collect();
            done.matched += jobs.len() as u64;
            if !dry {
                self.ask_batch(bulk.request(), jobs, &mut done).await?;
            }
            if done.next.is_none() {
                break;
            }
        }
        Ok(done)
    }

    async fn ask_batch(
        &self,
        request: Request,
        jobs: Vec<Job>,
        step: &mut BulkDone,
    ) -> Result<(), Error> {
        // Two owners may have a job of one id each.
        let mut by_owner: BTreeMap<String, Vec<JobId>> = BTreeMap::new();
        for job in jobs {
            by_owner.entry(job.owner).or_default().push(job.id);
        }
        for (owner, ids) in by_owner {
            let now = self.clock.now();
            let asked = self.store.ask(request, Some(&owner), ids.clone(), now);
            for (asked, id) in asked.await?.into_iter().zip(ids) {
                let state = match asked {
                    Asked::Done(job) => {
                        step.done += 1;
                        self.asked(request, &job).await;
                        continue;
                    }
                    Asked::Illegal(illegal) => Some(illegal.state),
                    Asked::NotFound => None,
                };
                step.skipped.push(Skipped { id, state });
            }
        }
        Ok(())
    }
}
