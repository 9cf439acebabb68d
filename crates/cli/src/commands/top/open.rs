//! One job, open: where it stands, its items, its log.

use std::collections::VecDeque;

use longhaul_types::{
    Event, EventKind, Item, ItemState, JobId, LogLine, State, Timestamp,
    body::{Artifact, AttemptView, JobView},
};
use ratatui::{crossterm::event::KeyCode, widgets::TableState};

use super::model::Effect;

/// Lines of the log that are kept.
const LINES: usize = 2000;

/// The parts of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Where it stands, what happened, what it gave.
    Overview,
    /// Its items.
    Items,
    /// Its log.
    Log,
}

impl Part {
    /// All of them, in order.
    pub(super) const ALL: [Self; 3] = [Self::Overview, Self::Items, Self::Log];

    /// Its heading.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Items => "items",
            Self::Log => "log",
        }
    }
}

/// A job that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: JobId,
    pub(super) job: Option<JobView>,
    /// When its progress last moved.
    pub(super) moved: Timestamp,
    pub(super) part: Part,
    pub(super) attempts: Vec<AttemptView>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) log: VecDeque<LogLine>,
    /// Lines of the drawn part above the first one shown; the log counts from its end.
    pub(super) scroll: usize,
    /// A window of the items.
    pub(super) window: Vec<Item>,
    pub(super) table: TableState,
    /// Only failed items.
    pub(super) failed_only: bool,
    /// Whether items follow the window.
    pub(super) more: bool,
    /// After which positions the windows before this one begin, the last being this one.
    pub(super) starts: Vec<Option<u32>>,
    /// Row to select in the window that is on its way: drawing bounds the selected one by those that are shown.
    land: Option<usize>,
    /// Whether the items are on their way, and whether they changed since they were asked for.
    asked: bool,
    stale: bool,
    /// What could not be read.
    pub(super) lost: Option<String>,
    /// Rows that fit.
    pub(super) height: usize,
}

impl Open {
    /// A job as the list shows it.
    pub(super) fn new(job: JobView, now: Timestamp) -> Self {
        Self {
            id: job.job_id.clone(),
            job: Some(job),
            moved: now,
            part: Part::Overview,
            attempts: Vec::new(),
            artifacts: Vec::new(),
            log: VecDeque::new(),
            scroll: 0,
            window: Vec::new(),
            table: TableState::new(),
            failed_only: false,
            more: false,
            starts: vec![None],
            land: None,
            asked: false,
            stale: false,
            lost: None,
            height: 10,
        }
    }

    /// Whether it has ended, so that nobody follows it.
    pub(super) fn has_ended(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.state.is_ended())
    }

    /// The job as it is.
    pub(super) fn is(&mut self, job: JobView, now: Timestamp) -> Vec<Effect> {
        let before = self.job.as_ref().map(|job| job.progress.current);
        if before != Some(job.progress.current) {
            self.moved = now;
        }
        self.job = Some(job);
        self.lost = None;
        self.read_items()
    }

    /// What happened to the job.
    pub(super) fn event(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        if let EventKind::Log { lines } = event.event {
            self.lines(lines);
            return Vec::new();
        }
        let Some(job) = &mut self.job else {
            return Vec::new();
        };
        // It happened before the job was read.
        if event.revision < job.revision {
            return Vec::new();
        }
        match event.event {
            EventKind::Progress { progress } => {
                if job.progress.current != progress.current {
                    self.moved = now;
                }
                job.progress = progress;
            }
            EventKind::Items { counts, .. } => {
                job.items = counts;
                return self.read_items();
            }
            EventKind::State { state } => {
                job.state = state;
                if state == State::Running {
                    job.started_at.get_or_insert(event.time);
                    self.moved = now;
                }
            }
            EventKind::CancelRequested => job.cancel_requested = true,
            EventKind::Removed => self.lost = Some("the job was removed".to_owned()),
            EventKind::Log { .. } => {}
        }
        Vec::new()
    }

    /// Lines behind those that are known.
    pub(super) fn lines(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            if self
                .log
                .back()
                .is_some_and(|last| last.number >= line.number)
            {
                continue;
            }
            // Who reads further up stays there.
            if self.part == Part::Log && self.scroll > 0 {
                self.scroll += 1;
            }
            self.log.push_back(line);
            if self.log.len() > LINES {
                self.log.pop_front();
            }
        }
    }

    /// Items of the window that begins after this position.
    pub(super) fn items(
        &mut self,
        after: Option<u32>,
        items: Vec<Item>,
        more: bool,
    ) -> Vec<Effect> {
        self.asked = false;
        if self.starts.last() == Some(&after) {
            self.window = items;
            self.more = more;
            let last = self.window.len().checked_sub(1);
            let row = self.land.take().or(self.table.selected()).unwrap_or(0);
            self.table.select(last.map(|last| row.min(last)));
        }
        if std::mem::take(&mut self.stale) {
            return self.read_items();
        }
        Vec::new()
    }

    /// Reads the window again, when it is shown; one reading at a time.
    fn read_items(&mut self) -> Vec<Effect> {
        if self.part != Part::Items {
            return Vec::new();
        }
        if self.asked {
            self.stale = true;
            return Vec::new();
        }
        self.asked = true;
        vec![self.window_at(self.starts.last().copied().flatten())]
    }

    fn window_at(&self, after: Option<u32>) -> Effect {
        let state = self.failed_only.then_some(ItemState::Failed);
        Effect::Items(self.id.clone(), state, after)
    }

    /// What a key does.
    pub(super) fn key(&mut self, code: KeyCode) -> Vec<Effect> {
        let at = Part::ALL.iter().position(|part| *part == self.part);
        let at = at.unwrap_or(0);
        match code {
            KeyCode::Tab => return self.turn_to(Part::ALL[(at + 1) % Part::ALL.len()]),
            KeyCode::BackTab => {
                return self.turn_to(Part::ALL[(at + Part::ALL.len() - 1) % Part::ALL.len()]);
            }
            KeyCode::Char('1') => return self.turn_to(Part::Overview),
            KeyCode::Char('2') => return self.turn_to(Part::Items),
            KeyCode::Char('3') => return self.turn_to(Part::Log),
            KeyCode::Char('f') if self.part == Part::Items => {
                self.failed_only = !self.failed_only;
                self.starts = vec![None];
                self.window.clear();
                self.more = false;
                self.land = Some(0);
                self.asked = true;
                return vec![self.window_at(None)];
            }
            code if self.part == Part::Items => return self.item_key(code),
            code => self.scroll_key(code),
        }
        Vec::new()
    }

    fn turn_to(&mut self, part: Part) -> Vec<Effect> {
        if self.part == part {
            return Vec::new();
        }
        self.part = part;
        self.scroll = 0;
        self.asked = false;
        self.read_items()
    }

    fn item_key(&mut self, code: KeyCode) -> Vec<Effect> {
        let Some(last) = self.window.len().checked_sub(1) else {
            return Vec::new();
        };
        let at = self.table.selected().unwrap_or(0);
        let page = self.height.max(1);
        let to = match code {
            KeyCode::Down | KeyCode::Char('j') => at + 1,
            KeyCode::PageDown | KeyCode::Char(' ') => at + page,
            KeyCode::Up | KeyCode::Char('k') if at > 0 => at - 1,
            KeyCode::PageUp if at > 0 => at.saturating_sub(page),
            KeyCode::Up | KeyCode::Char('k') | KeyCode::PageUp => return self.earlier(),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return Vec::new(),
        };
        if to > last && at == last && self.more {
            let after = self.window.last().map(|item| item.position);
            self.starts.push(after);
            self.land = Some(0);
            self.asked = true;
            return vec![self.window_at(after)];
        }
        self.table.select(Some(to.min(last)));
        Vec::new()
    }

    fn earlier(&mut self) -> Vec<Effect> {
        if self.starts.len() < 2 {
            return Vec::new();
        }
        self.starts.pop();
        self.land = Some(super::feed::ITEMS - 1);
        self.asked = true;
        vec![self.window_at(self.starts.last().copied().flatten())]
    }

    /// The log is counted from its end, so that its keys go the other way.
    fn scroll_key(&mut self, code: KeyCode) {
        let page = self.height.max(1);
        let down = match code {
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::PageDown | KeyCode::Char(' ') => isize::try_from(page).unwrap_or(1),
            KeyCode::PageUp => -isize::try_from(page).unwrap_or(1),
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            _ => return,
        };
        let by = if self.part == Part::Log {
            down.saturating_neg()
        } else {
            down
        };
        // Drawing bounds it by what there is.
        self.scroll = self.scroll.saturating_add_signed(by).min(usize::MAX / 2);
    }
}
