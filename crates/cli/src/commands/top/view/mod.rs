//! How it is drawn: a heading, the list or a job, and a line of keys or a question.

mod job;
mod list;
mod text;

use longhaul_types::{State, Timestamp, body::TotalIs};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use self::text::{clock, count};
use super::model::{Model, Prompt};
use crate::terminal::escape;

/// Keys of the list, the more important first: a narrow terminal shows the first of them.
const LIST_KEYS: [(&str, &str); 9] = [
    ("q", "quit"),
    ("⏎", "open"),
    ("/", "filter"),
    ("c", "cancel"),
    ("r", "retry"),
    ("s", "start"),
    ("p", "pause"),
    ("?", "all keys"),
    ("↑↓", "select"),
];

/// Keys of an open job.
const JOB_KEYS: [(&str, &str); 9] = [
    ("esc", "back"),
    ("tab", "part"),
    ("f", "failed items"),
    ("c", "cancel"),
    ("r", "retry"),
    ("s", "start"),
    ("p", "pause"),
    ("?", "all keys"),
    ("q", "quit"),
];

/// Every key, as the help shows them.
const HELP: [(&str, &str); 13] = [
    ("↑ ↓  j k", "select, or scroll"),
    ("PgUp PgDn", "a page up, a page down"),
    ("Home End  g G", "to the first, to the last"),
    ("Enter", "open the job"),
    ("Esc", "back to the list; in the list: no filter"),
    ("Tab  1 2 3", "overview, items, log"),
    ("f", "failed items only, or all"),
    ("/", "filter: state:failed kind:walrus.* label.a:b text"),
    ("c", "cancel the job"),
    ("r", "retry it, or its failed items"),
    ("s", "start it now"),
    ("p", "pause, and go on"),
    ("q", "quit; jobs go on"),
];

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
struct Look {
    color: bool,
}

impl Look {
    fn fg(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn warning(self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn state(self, state: State) -> Style {
        match state {
            State::Pending | State::Cancelled => self.fg(Color::Yellow),
            State::Running => self.fg(Color::Cyan),
            State::Completed => self.fg(Color::Green),
            State::Failed => self.fg(Color::Red),
        }
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model, now: Timestamp, color: bool) {
    let look = Look { color };
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    heading(frame, head, model, look);
    let paused = model.paused;
    match &mut model.open {
        Some(open) => job::draw(frame, body, open, paused.unwrap_or(now), look),
        None => list::draw(frame, body, model, paused.unwrap_or(now), look),
    }
    footer(frame, foot, model, look);
    if model.help {
        help(frame);
    }
}

/// Where the server is and how fresh this is; then how many jobs there are.
fn heading(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    let sign = match (&model.away, model.paused) {
        (Some((since, _)), _) => Span::styled(
            format!("reconnecting, stale since {}", clock(*since)),
            look.warning(),
        ),
        (None, Some(since)) => Span::styled(format!("paused at {}", clock(since)), look.warning()),
        (None, None) => Span::styled("live", look.fg(Color::Green)),
    };
    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let width = u16::try_from(sign.width()).unwrap_or(u16::MAX);
    let [left, right] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(width.saturating_add(1)),
    ])
    .areas(first);
    let title = Line::from(vec![
        Span::styled("longhaul top", bold()),
        Span::raw("  "),
        Span::styled(escape(&model.at).into_owned(), dim()),
    ]);
    frame.render_widget(Paragraph::new(title), left);
    frame.render_widget(
        Paragraph::new(Line::from(sign)).alignment(Alignment::Right),
        right,
    );
    let mut parts = Vec::new();
    for state in [
        State::Running,
        State::Pending,
        State::Completed,
        State::Failed,
        State::Cancelled,
    ] {
        let jobs = model.list.counts.of(state);
        let style = if jobs == 0 { dim() } else { look.state(state) };
        parts.push(Span::styled(format!("{} {state}", count(jobs)), style));
        parts.push(Span::raw("  "));
    }
    if !model.filter.is_empty() {
        let total = count(model.list.total);
        let total = match model.list.total_is {
            TotalIs::Exact => total,
            TotalIs::AtLeast => format!("at least {total}"),
        };
        parts.push(Span::styled(
            format!("/ {} ({total})", escape(&model.filter)),
            bold(),
        ));
    }
    frame.render_widget(Paragraph::new(Line::from(parts)), second);
}

/// A question, what was said last, or the keys.
fn footer(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    if let Some(note) = &model.note {
        let style = if note.bad {
            look.fg(Color::Red)
        } else {
            look.fg(Color::Green)
        };
        let text = escape(&note.text).into_owned();
        frame.render_widget(
            Paragraph::new(Span::styled(text, style.add_modifier(Modifier::BOLD))),
            area,
        );
        return;
    }
    match &model.prompt {
        Some(Prompt::Sure(_, _, question)) => {
            let text = format!("{} y: yes, any other key: no", escape(question));
            frame.render_widget(Paragraph::new(Span::styled(text, look.warning())), area);
        }
        Some(Prompt::Filter(filter)) => {
            let shown = format!("/{}", escape(filter));
            let width = u16::try_from(Span::raw(&shown).width()).unwrap_or(u16::MAX);
            // The end of a long one is what is being written.
            let hidden = (width + 1).saturating_sub(area.width);
            let text = Paragraph::new(shown).scroll((0, hidden));
            frame.render_widget(text, area);
            frame.set_cursor_position((area.x + width - hidden, area.y));
        }
        None => {
            let keys = if model.open.is_some() {
                JOB_KEYS
            } else {
                LIST_KEYS
            };
            let mut line = Line::default();
            for (key, does) in keys {
                let next = [
                    Span::styled(key, bold()),
                    Span::raw(" "),
                    Span::styled(does, dim()),
                    Span::raw("  "),
                ];
                let width: usize = next.iter().map(Span::width).sum();
                if line.width() + width > usize::from(area.width) + 2 {
                    break;
                }
                line.extend(next);
            }
            frame.render_widget(Paragraph::new(line), area);
        }
    }
}

fn help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = HELP
        .into_iter()
        .map(|(key, does)| {
            Line::from(vec![
                Span::styled(format!("{key:14}"), bold()),
                Span::raw(does),
            ])
        })
        .collect();
    let area = frame.area();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let area = area.centered(
        Constraint::Max(68.min(area.width)),
        Constraint::Max(height.min(area.height)),
    );
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title("Keys; any key closes this")),
        area,
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longhaul_client::Update;
    use longhaul_types::body::{JobPage, JobView};
    use ratatui::{
        Terminal,
        backend::TestBackend,
        crossterm::event::{KeyCode, KeyEvent},
    };
    use serde_json::json;

    use super::*;
    use crate::commands::top::{feed::News, model::Effect};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn job(result: &str) -> JobView {
        let value = json!({
            "success": true, "jobId": "film", "owner": "", "kind": "film.render", "queue": "default", "priority": 0,
            "status": "processing", "state": "running", "progress": {"current": 5, "total": 10, "percentage": 50},
            "items": {"total": 0, "completed": 0, "failed": 0}, "attempts": 0, "maxAttempts": 3,
            "cancelRequested": false, "results": {"text": result}, "labels": {}, "message": "",
            "createdAt": NOW, "startedAt": NOW, "revision": 3,
        });
        serde_json::from_value(value).expect("a job")
    }

    fn model(result: &str) -> Model {
        let mut model = Model::new(String::new(), "here".to_owned());
        let page = JobPage {
            jobs: vec![job(result)],
            ..JobPage::default()
        };
        model.hear(News::Jobs(Box::new(page)), NOW);
        model
    }

    fn drawn(model: &mut Model, now: Timestamp, color: bool, size: (u16, u16)) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
        let frame = terminal.draw(|frame| draw(frame, model, now, color));
        frame.expect("a frame");
        terminal.backend().clone()
    }

    #[test]
    fn a_job_that_does_not_move_has_stalled() {
        let mut model = model("");
        let shown = |model: &mut Model, seconds| {
            let now = NOW + Duration::from_secs(seconds);
            drawn(model, now, true, (100, 6)).to_string()
        };
        assert!(!shown(&mut model, 60).contains("stalled"));
        let text = shown(&mut model, 61);
        assert!(
            text.contains("stalled since") && text.contains("██████░░░░░░"),
            "{text}"
        );
    }

    #[test]
    fn without_colours_there_are_none() {
        let mut model = model("");
        let colours = |model: &mut Model, color| {
            let backend = drawn(model, NOW, color, (80, 6));
            let cells = backend.buffer().content();
            cells.iter().any(|cell| cell.fg != Color::Reset)
        };
        assert!(colours(&mut model, true));
        assert!(!colours(&mut model, false));
    }

    #[test]
    fn a_huge_result_and_a_tiny_terminal_are_borne() {
        let mut model = model(&"x".repeat(1 << 20));
        let opened = model.key(KeyEvent::from(KeyCode::Enter), NOW);
        let id = job("").job_id;
        assert_eq!(opened, [Effect::Open(id.clone())]);
        let whole = Update::Job(Box::new(job(&"x".repeat(1 << 20))));
        model.hear(News::Open(id, whole), NOW);
        for size in [(1, 1), (7, 3), (20, 5), (300, 100)] {
            for key in ['1', '2', '3', '?'] {
                model.key(KeyEvent::from(KeyCode::Char(key)), NOW);
                drawn(&mut model, NOW, true, size);
            }
            model.key(KeyEvent::from(KeyCode::Char('x')), NOW);
        }
        model.key(KeyEvent::from(KeyCode::Char('1')), NOW);
        model.key(KeyEvent::from(KeyCode::End), NOW);
        let end = drawn(&mut model, NOW, true, (80, 24)).to_string();
        assert!(end.contains("… (1048588 b"), "{end}");
    }
}
