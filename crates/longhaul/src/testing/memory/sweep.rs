//! Retention: what ended jobs leave, and when it goes.

use std::collections::BTreeSet;

use longhaul_types::{Progress, Timestamp};

use super::tables::Tables;
use crate::store::{Due, Sweep};

impl Tables {
    pub(super) fn sweepable(&self, now: Timestamp, limit: usize) -> Vec<Due> {
        let mut due: Vec<_> = self
            .rows
            .values()
            .filter_map(|row| {
                let found = Due {
                    seq: row.job.seq,
                    kind: row.job.kind.clone(),
                    state: row.job.state(),
                    ended_at: row.job.ended_at()?,
                };
                Some((row.sweep_at.filter(|at| *at <= now)?, found))
            })
            .collect();
        due.sort_by_key(|(at, found)| (*at, found.seq));
        due.into_iter()
            .map(|(_, found)| found)
            .take(limit)
            .collect()
    }

    /// A job that does not stand at its end any more, as somebody retried it meanwhile, is left alone.
    pub(super) fn sweep(&mut self, sweeps: Vec<Sweep>) -> Vec<String> {
        let mut locations = Vec::new();
        for sweep in sweeps {
            let ended = self
                .rows
                .get(&sweep.seq)
                .is_some_and(|row| row.job.state().is_ended());
            if !ended {
                continue;
            }
            if sweep.row {
                let removed = self.remove(sweep.seq).into_iter();
                let artifacts = removed.flat_map(|row| row.artifacts.into_values());
                locations.extend(artifacts.map(|stored| stored.location));
                continue;
            }
            self.change(sweep.seq, |row| {
                if sweep.log {
                    row.log.clear();
                }
                if sweep.result {
                    row.result = None;
                }
                if sweep.progress {
                    row.job.progress = Progress::default();
                }
                row.sweep_at = sweep.next;
            });
        }
        locations
    }

    pub(super) fn orphans(&self, locations: Vec<String>) -> Vec<String> {
        let referred: BTreeSet<&str> = self
            .rows
            .values()
            .flat_map(|row| row.artifacts.values())
            .map(|stored| stored.location.as_str())
            .collect();
        locations
            .into_iter()
            .filter(|location| !referred.contains(location.as_str()))
            .collect()
    }
}
