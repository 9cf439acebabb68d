//! What can be read.

use std::collections::BTreeMap;

use longhaul_types::{Item, ItemState, JobId, LogLine, State, Timestamp};
use serde_json::Value;

use super::tables::{Row, Tables, number};
use crate::{
    model::{Attempt, Detail, Job, Seq, Status},
    store::{
        COUNTED, CountsBy, Error, FailureGroup, Failures, Filter, ItemWrite, Page, PageRequest,
        StoredArtifact, Total,
    },
};

impl Tables {
    pub(super) fn job(&self, owner: Option<&str>, id: &JobId) -> Option<Job> {
        let seq = self.find(owner, id)?;
        self.rows.get(&seq).map(|row| row.job.clone())
    }

    pub(super) fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error> {
        let Some(row) = self.rows.get(&seq) else {
            return Ok(None);
        };
        Ok(Some(Detail {
            job: row.job.clone(),
            args: value(&row.args)?,
            result: row.result.as_deref().map(value).transpose()?,
        }))
    }

    pub(super) fn page(&self, filter: &Filter, request: &PageRequest) -> Page {
        let older = self.shown(filter, request.before).skip(request.skip);
        let mut jobs: Vec<Job> = older
            .take(request.limit.saturating_add(1))
            .cloned()
            .collect();
        let more = jobs.len() > request.limit;
        jobs.truncate(request.limit);
        let last = jobs.last().map(|job| job.seq).or(request.before);
        Page {
            next: last.filter(|_| more),
            jobs,
            cut: None,
        }
    }

    pub(super) fn count(&self, filter: &Filter) -> Total {
        let count = self.shown(filter, None).count() as u64;
        if filter.is_counted() {
            return Total { count, exact: true };
        }
        Total {
            count: count.min(COUNTED),
            exact: count <= COUNTED,
        }
    }

    /// The jobs of a filter, newest first.
    fn shown<'t>(
        &'t self,
        filter: &'t Filter,
        before: Option<Seq>,
    ) -> impl Iterator<Item = &'t Job> {
        let mine = |job: &Job| {
            filter
                .owner
                .as_ref()
                .is_none_or(|owner| *owner == job.owner)
        };
        let known = |id: &JobId| {
            let mut jobs = self.rows.values().map(|row| &row.job);
            jobs.any(|job| job.id == *id && mine(job))
        };
        let ids: Vec<JobId> = filter.ids().filter(known).collect();
        let older = self.rows.range(..before.unwrap_or(Seq::MAX)).rev();
        older
            .map(|(_, row)| &row.job)
            .filter(move |job| filter.shows(job) && ids.iter().all(|id| *id == job.id))
    }

    pub(super) fn waiting(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        let mut oldest = BTreeMap::new();
        for job in self.rows.values().map(|row| &row.job) {
            if let Status::Pending {
                run_at: Some(due),
                worker: None,
                ..
            } = job.status
                && due <= now
            {
                oldest.entry(job.queue.clone()).or_insert(due);
            }
        }
        oldest
    }

    pub(super) fn counts(&self, owner: Option<&str>) -> CountsBy {
        let mut counts = CountsBy::new();
        for job in self.rows.values().map(|row| &row.job) {
            if owner.is_none_or(|owner| owner == job.owner) {
                let place = (job.kind.clone(), job.queue.clone());
                *counts.entry(place).or_default().of_mut(job.state()) += 1;
            }
        }
        counts
    }

    pub(super) fn items(
        &self,
        job: Seq,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        let items = self.rows.get(&job).map_or(&[][..], |row| &row.items);
        let mut page = Vec::new();
        for (position, (item, updated_at)) in items.iter().enumerate() {
            let position = number(position);
            if page.len() < limit
                && after.is_none_or(|after| position > after)
                && state.is_none_or(|state| item.state == state)
            {
                let ItemWrite {
                    name,
                    state,
                    attempts,
                    error,
                    result,
                } = item.clone();
                page.push(Item {
                    position,
                    name,
                    state,
                    attempts,
                    error,
                    result: result.as_deref().map(value).transpose()?,
                    updated_at: *updated_at,
                });
            }
        }
        Ok(page)
    }

    pub(super) fn log(&self, job: Seq, after: u64, limit: usize) -> Vec<LogLine> {
        let lines = self.rows.get(&job).into_iter().flat_map(|row| &row.log);
        lines
            .map(|(_, line)| line)
            .filter(|line| line.number > after)
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn log_tail(&self, job: Seq, limit: usize) -> Vec<LogLine> {
        let Some(row) = self.rows.get(&job) else {
            return Vec::new();
        };
        let skipped = row.log.len().saturating_sub(limit);
        row.log.values().skip(skipped).cloned().collect()
    }

    pub(super) fn artifacts(&self, job: Seq) -> Vec<StoredArtifact> {
        let stored = self.rows.get(&job).into_iter();
        stored
            .flat_map(|row| row.artifacts.values().cloned())
            .collect()
    }

    pub(super) fn failures(&self, owner: Option<&str>) -> Failures {
        let mut groups: BTreeMap<(&str, &str), Vec<&Job>> = BTreeMap::new();
        for job in self.rows.values().map(|row| &row.job) {
            if let (State::Failed, Some(error)) = (job.state(), &job.error)
                && owner.is_none_or(|owner| *owner == job.owner)
            {
                groups
                    .entry((&job.kind, &error.code))
                    .or_default()
                    .push(job);
            }
        }
        let group = |((kind, code), jobs): ((&str, &str), Vec<&Job>)| {
            let newest = (*jobs.last()?).clone();
            Some(FailureGroup {
                kind: kind.to_owned(),
                code: code.to_owned(),
                jobs: Total {
                    count: jobs.len() as u64,
                    exact: true,
                },
                newest,
            })
        };
        Failures {
            groups: groups.into_iter().filter_map(group).collect(),
            more: false,
        }
    }

    pub(super) fn disk(&self, owner: &str) -> u64 {
        let rows = self.rows.values().filter(|row| row.job.owner == owner);
        let files = rows.flat_map(|row| row.artifacts.values());
        files.map(|stored| stored.artifact.size).sum()
    }

    pub(super) fn attempts(&self, job: Seq) -> Vec<Attempt> {
        let ended: Option<&Row> = self.rows.get(&job);
        ended.map(|row| row.attempts.clone()).unwrap_or_default()
    }
}

fn value(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("stored JSON: {error}")))
}
