//! What can be read.

use longhaul_types::{Item, ItemState, JobId, LogLine};
use serde_json::Value;

use super::tables::{Row, Tables, number};
use crate::{
    model::{Attempt, Detail, Job, Seq},
    store::{CountsBy, Error, Filter, ItemWrite, StoredArtifact},
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

    pub(super) fn jobs(&self, filter: &Filter, before: Option<Seq>, limit: usize) -> Vec<Job> {
        let older = self.rows.range(..before.unwrap_or(Seq::MAX)).rev();
        older
            .map(|(_, row)| &row.job)
            .filter(|job| shows(filter, job))
            .take(limit)
            .cloned()
            .collect()
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

    pub(super) fn attempts(&self, job: Seq) -> Vec<Attempt> {
        let ended: Option<&Row> = self.rows.get(&job);
        ended.map(|row| row.attempts.clone()).unwrap_or_default()
    }
}

fn value(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("stored JSON: {error}")))
}

fn shows(filter: &Filter, job: &Job) -> bool {
    fn any<T: PartialEq>(wanted: &[T], found: &T) -> bool {
        wanted.is_empty() || wanted.contains(found)
    }
    filter
        .owner
        .as_ref()
        .is_none_or(|owner| *owner == job.owner)
        && any(&filter.states, &job.state())
        && any(&filter.kinds, &job.kind)
        && any(&filter.queues, &job.queue)
        && filter
            .labels
            .iter()
            .all(|(name, value)| job.labels.get(name) == Some(value))
}
