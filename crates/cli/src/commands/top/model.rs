//! What is shown, and what each key and each piece of news makes of it. It does nothing itself: what is to be done is
//! answered as [`Effect`]s.

use longhaul_client::Update;
use longhaul_types::{
    EventKind, ItemState, JobId, State, Timestamp, body::JobView, filter::JobFilter,
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{feed::News, list::List, open::Open};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Read the jobs again.
    Read,
    /// Read the jobs under this filter, from now on.
    Filter(String),
    /// Follow this job.
    Open(JobId),
    /// Follow no job.
    Close,
    /// Read the job's items in this state, after this position.
    Items(JobId, Option<ItemState>, Option<u32>),
    /// Do this to the job.
    Act(Verb, JobId),
    /// End.
    Quit,
}

/// What can be done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Ask for its end.
    Cancel,
    /// Give it another go.
    Retry,
    /// Have it start now.
    Start,
}

impl Verb {
    /// As a question asks.
    pub(super) fn question(self, job: &JobView) -> String {
        let id = &job.job_id;
        match self {
            Self::Cancel => format!("Cancel {id}?"),
            Self::Retry if job.items.failed == 1 => format!("Run the failed item of {id} again?"),
            Self::Retry if job.items.failed > 1 => {
                format!("Run the {} failed items of {id} again?", job.items.failed)
            }
            Self::Retry => format!("Run {id} again?"),
            Self::Start => format!("Start {id} now?"),
        }
    }

    /// Why it can not be done to this job; the server decides, but this spares a question.
    fn refuses(self, job: &JobView) -> Option<String> {
        let ended = job.state.is_ended();
        match self {
            Self::Cancel if ended => Some(format!("{} has ended already", job.job_id)),
            Self::Cancel if job.cancel_requested => {
                Some(format!("{} is being cancelled already", job.job_id))
            }
            Self::Retry if !ended => Some(format!("{} has not ended", job.job_id)),
            Self::Start if job.state != State::Pending => {
                Some(format!("{} does not wait", job.job_id))
            }
            _ => None,
        }
    }
}

/// What is asked of whoever sits there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Another filter.
    Filter(String),
    /// Yes or no.
    Sure(Verb, JobId, String),
}

/// What was said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) bad: bool,
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Model {
    /// The filter in words; empty for all jobs.
    pub(super) filter: String,
    /// Where the server is.
    pub(super) at: String,
    pub(super) list: List,
    pub(super) open: Option<Open>,
    pub(super) prompt: Option<Prompt>,
    pub(super) help: bool,
    pub(super) note: Option<Note>,
    /// Since when nothing changes, because it was asked for.
    pub(super) paused: Option<Timestamp>,
    /// Since when the server is away, and why.
    pub(super) away: Option<(Timestamp, String)>,
    dirty: bool,
}

impl Model {
    /// Nothing is known yet.
    pub(super) fn new(filter: String, at: String) -> Self {
        Self {
            filter,
            at,
            list: List::default(),
            open: None,
            prompt: None,
            help: false,
            note: None,
            paused: None,
            away: None,
            dirty: true,
        }
    }

    /// Whether something changed since [`Self::drawn`].
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// All changes have been drawn.
    pub(super) fn drawn(&mut self) {
        self.dirty = false;
    }

    /// The job that keys are about.
    fn job(&self) -> Option<&JobView> {
        match &self.open {
            Some(open) => open.job.as_ref(),
            None => self.list.selected(),
        }
    }

    /// What the server says.
    pub(super) fn hear(&mut self, news: News, now: Timestamp) -> Vec<Effect> {
        self.dirty = true;
        match news {
            News::Link(Ok(())) => self.away = None,
            News::Link(Err(why)) => {
                self.away.get_or_insert((now, why));
            }
            News::Done(done) => {
                let bad = done.is_err();
                let text = done.unwrap_or_else(|why| why);
                self.note = Some(Note { text, bad });
                // What was refused shows as it is now.
                return vec![Effect::Read];
            }
            _ if self.paused.is_some() => {}
            News::Jobs(page) => self.list.read(*page, now),
            News::NoJobs(why) => self.list.failed(why),
            News::Event(event) => {
                let opens = matches!(event.event, EventKind::State { state } if !state.is_ended())
                    && self
                        .open
                        .as_ref()
                        .is_some_and(|open| open.id == event.job_id && open.has_ended());
                let mut effects = Vec::new();
                if opens {
                    effects.push(Effect::Open(event.job_id.clone()));
                }
                if self.list.event(&event, now) {
                    effects.push(Effect::Read);
                }
                return effects;
            }
            News::Open(id, update) => return self.hear_open(&id, update, now),
            News::Left(id, attempts, artifacts) => {
                if let Some(open) = self.opened(&id) {
                    open.attempts = attempts;
                    open.artifacts = artifacts;
                }
            }
            News::Log(id, lines) => {
                if let Some(open) = self.opened(&id) {
                    open.log.clear();
                    open.lines(lines);
                }
            }
            News::Items(id, after, items, more) => {
                if let Some(open) = self.opened(&id) {
                    return open.items(after, items, more);
                }
            }
            News::Lost(id, why) => {
                if let Some(open) = self.opened(&id) {
                    open.lost = Some(why);
                }
            }
        }
        Vec::new()
    }

    fn opened(&mut self, id: &JobId) -> Option<&mut Open> {
        self.open.as_mut().filter(|open| open.id == *id)
    }

    fn hear_open(&mut self, id: &JobId, update: Update, now: Timestamp) -> Vec<Effect> {
        let Some(open) = self.opened(id) else {
            return Vec::new();
        };
        match update {
            Update::Job(job) => open.is(*job, now),
            Update::Event(event) => open.event(*event, now),
        }
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Effect> {
        self.dirty = true;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return vec![Effect::Quit];
        }
        self.note = None;
        if self.help {
            self.help = false;
            return Vec::new();
        }
        if let Some(prompt) = self.prompt.take() {
            return self.answer(prompt, key.code, control);
        }
        match key.code {
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('/') if self.open.is_none() => {
                self.prompt = Some(Prompt::Filter(self.filter.clone()));
            }
            KeyCode::Char('p') => return self.pause(now),
            KeyCode::Char('c') => self.ask(Verb::Cancel),
            KeyCode::Char('r') => self.ask(Verb::Retry),
            KeyCode::Char('s') => self.ask(Verb::Start),
            KeyCode::Char('q') => return vec![Effect::Quit],
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('h') | KeyCode::Left
                if self.open.is_some() =>
            {
                self.open = None;
                return vec![Effect::Close, Effect::Read];
            }
            KeyCode::Esc if !self.filter.is_empty() => return self.filter_by(String::new()),
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') if self.open.is_none() => {
                let Some(job) = self.list.selected() else {
                    return Vec::new();
                };
                let open = Open::new(job.clone(), now);
                let id = open.id.clone();
                self.open = Some(open);
                return vec![Effect::Open(id)];
            }
            code => match &mut self.open {
                Some(open) => return open.key(code),
                None => self.list.key(code),
            },
        }
        Vec::new()
    }

    fn answer(&mut self, prompt: Prompt, code: KeyCode, control: bool) -> Vec<Effect> {
        match (prompt, code) {
            (Prompt::Filter(filter), KeyCode::Enter) => {
                return self.filter_by(filter.trim().to_owned());
            }
            (Prompt::Filter(_), KeyCode::Esc) => {}
            (Prompt::Filter(_), KeyCode::Char('u')) if control => {
                self.prompt = Some(Prompt::Filter(String::new()));
            }
            (Prompt::Filter(mut filter), KeyCode::Char(c)) if !control => {
                if filter.len() < longhaul_types::filter::MAX_FILTER {
                    filter.push(c);
                }
                self.prompt = Some(Prompt::Filter(filter));
            }
            (Prompt::Filter(mut filter), code) => {
                if code == KeyCode::Backspace {
                    filter.pop();
                }
                self.prompt = Some(Prompt::Filter(filter));
            }
            (Prompt::Sure(verb, id, _), KeyCode::Char('y')) => {
                return vec![Effect::Act(verb, id)];
            }
            (Prompt::Sure(..), _) => {}
        }
        Vec::new()
    }

    /// Another filter, or what is wrong with it and the prompt again.
    fn filter_by(&mut self, filter: String) -> Vec<Effect> {
        if let Err(error) =
            JobFilter::parse(&filter, &longhaul_types::filter::FilterNames::default())
        {
            let text = error.to_string();
            self.note = Some(Note { text, bad: true });
            self.prompt = Some(Prompt::Filter(filter));
            return Vec::new();
        }
        self.filter.clone_from(&filter);
        self.list.clear();
        vec![Effect::Filter(filter)]
    }

    fn pause(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.paused.take().is_none() {
            self.paused = Some(now);
            return Vec::new();
        }
        let mut effects = vec![Effect::Read];
        effects.extend(self.open.as_ref().map(|open| Effect::Open(open.id.clone())));
        effects
    }

    fn ask(&mut self, verb: Verb) {
        let Some(job) = self.job() else {
            return;
        };
        if let Some(text) = verb.refuses(job) {
            self.note = Some(Note { text, bad: true });
        } else {
            let question = verb.question(job);
            self.prompt = Some(Prompt::Sure(verb, job.job_id.clone(), question));
        }
    }
}
