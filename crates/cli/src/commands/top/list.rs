//! The list of jobs: those that run first, then the newest.

use std::collections::HashMap;

use longhaul_types::{
    Event, EventKind, JobId, State, Timestamp,
    body::{Counts, JobPage, JobView, TotalIs},
};
use ratatui::{crossterm::event::KeyCode, widgets::TableState};

/// Rows that a page key moves by, before the list was drawn.
const PAGE: usize = 10;

/// The jobs that are shown, and which of them is selected.
#[derive(Debug)]
pub(super) struct List {
    pub(super) jobs: Vec<JobView>,
    pub(super) counts: Counts,
    pub(super) total: u64,
    pub(super) total_is: TotalIs,
    /// Whether the jobs have been read.
    pub(super) known: bool,
    /// Why they could not be read.
    pub(super) problem: Option<String>,
    /// Row and scroll position, as drawn.
    pub(super) table: TableState,
    /// Rows that fit.
    pub(super) height: usize,
    /// Which job is selected: it stays so when rows move.
    chosen: Option<JobId>,
    /// When the progress of running jobs last moved, and to where.
    moved: HashMap<JobId, (u64, Timestamp)>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            counts: Counts::default(),
            total: 0,
            total_is: TotalIs::Exact,
            known: false,
            problem: None,
            table: TableState::new(),
            height: PAGE,
            chosen: None,
            moved: HashMap::new(),
        }
    }
}

impl List {
    /// The jobs, as they were read.
    pub(super) fn read(&mut self, page: JobPage, now: Timestamp) {
        self.counts = page.counts;
        self.total = page.total;
        self.total_is = page.total_is;
        self.jobs = page.jobs;
        self.known = true;
        self.problem = None;
        let mut moved = HashMap::new();
        for job in self.jobs.iter().filter(|job| job.state == State::Running) {
            let current = job.progress.current;
            let before = self.moved.get(&job.job_id).copied();
            let still = before.filter(|(at, _)| *at == current);
            moved.insert(job.job_id.clone(), still.unwrap_or((current, now)));
        }
        self.moved = moved;
        self.select();
    }

    /// The jobs could not be read.
    pub(super) fn failed(&mut self, why: String) {
        self.problem = Some(why);
    }

    /// Other jobs are about to be read.
    pub(super) fn clear(&mut self) {
        let height = self.height;
        *self = Self::default();
        self.height = height;
    }

    /// The selected job.
    pub(super) fn selected(&self) -> Option<&JobView> {
        self.jobs.get(self.table.selected()?)
    }

    /// Since when a running job has not moved.
    pub(super) fn moved(&self, id: &JobId) -> Option<Timestamp> {
        self.moved.get(id).map(|(_, at)| *at)
    }

    /// What happened to a job; true when the jobs are to be read again.
    pub(super) fn event(&mut self, event: &Event, now: Timestamp) -> bool {
        let known = self.jobs.iter_mut().find(|job| job.job_id == event.job_id);
        let Some(job) = known else {
            return matches!(event.event, EventKind::State { .. });
        };
        if event.revision < job.revision {
            return false;
        }
        match &event.event {
            EventKind::Progress { progress } => {
                let last = self
                    .moved
                    .entry(job.job_id.clone())
                    .or_insert((progress.current, now));
                if last.0 != progress.current {
                    *last = (progress.current, now);
                }
                job.progress = progress.clone();
            }
            EventKind::Items { counts, .. } => job.items = *counts,
            EventKind::CancelRequested => job.cancel_requested = true,
            EventKind::State { state } => {
                job.state = *state;
                return true;
            }
            EventKind::Removed => return true,
            EventKind::Log { .. } => {}
        }
        false
    }

    /// What a key does.
    pub(super) fn key(&mut self, code: KeyCode) {
        let Some(last) = self.jobs.len().checked_sub(1) else {
            return;
        };
        let at = self.table.selected().unwrap_or(0);
        let page = self.height.max(1);
        let to = match code {
            KeyCode::Down | KeyCode::Char('j') => at + 1,
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => at + page,
            KeyCode::PageUp => at.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return,
        };
        self.table.select(Some(to.min(last)));
        self.chosen = self.selected().map(|job| job.job_id.clone());
    }

    /// Keeps the selected job selected; the row, when the job is gone.
    fn select(&mut self) {
        let chosen = self.chosen.as_ref();
        let found = self.jobs.iter().position(|job| Some(&job.job_id) == chosen);
        let at = self.table.selected().unwrap_or(0);
        let row = found.unwrap_or(at.min(self.jobs.len().saturating_sub(1)));
        self.table.select((!self.jobs.is_empty()).then_some(row));
        if found.is_none() {
            // The top stays the top until a row is chosen.
            self.chosen = (row > 0)
                .then(|| self.selected().map(|job| job.job_id.clone()))
                .flatten();
        }
    }
}
