//! An open job.

use longhaul_types::{
    Item, ItemState, Level, State, Timestamp,
    body::{AttemptView, JobView},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::{
    Look, bold, dim,
    text::{bar, clock, count, safe, says, stalled, when, wrap},
};
use crate::{
    commands::{
        jobs,
        top::open::{Open, Part},
    },
    output,
    terminal::{self, bytes},
};

/// Lines of args and results that are shown.
const LINES: usize = 2000;

/// Draws the job's head, its parts' names, and the part that is open.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, open: &mut Open, now: Timestamp, look: Look) {
    let [title, progress, tabs, body] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let Some(job) = open.job.clone() else {
        return;
    };
    frame.render_widget(Paragraph::new(heading(&job, look)), title);
    frame.render_widget(
        Paragraph::new(bar_line(&job, open, progress.width, now, look)),
        progress,
    );
    frame.render_widget(Paragraph::new(parts(&job, open)), tabs);
    open.height = usize::from(body.height);
    match open.part {
        Part::Overview => overview(frame, body, open, &job, now, look),
        Part::Items => items(frame, body, open, look),
        Part::Log => log(frame, body, open, look),
    }
}

fn heading(job: &JobView, look: Look) -> Line<'static> {
    Line::from(vec![
        Span::styled(
            format!("{} {}", output::symbol(job), jobs::state(job)),
            look.state(job.state).add_modifier(Modifier::BOLD),
        ),
        Span::raw("  "),
        Span::styled(safe(job.job_id.as_str()), bold()),
        Span::raw("  "),
        Span::raw(safe(&job.kind)),
    ])
}

fn bar_line(job: &JobView, open: &Open, width: u16, now: Timestamp, look: Look) -> Line<'static> {
    let moved = Some(open.moved);
    let mut line = Line::default();
    if let Some(percentage) = job.progress.percentage {
        let cells = usize::from(width / 3).clamp(10, 60);
        line.push_span(Span::styled(bar(percentage, cells), look.state(job.state)));
        line.push_span(Span::raw(" "));
    }
    let style = if stalled(job, moved, now).is_some() {
        look.warning()
    } else {
        Style::new()
    };
    line.push_span(Span::styled(says(job, moved, now), style));
    line
}

fn parts(job: &JobView, open: &Open) -> Line<'static> {
    let mut line = Line::default();
    for (at, part) in Part::ALL.into_iter().enumerate() {
        let mut name = format!(" {} {}", at + 1, part.name());
        if part == Part::Items && job.items.total > 0 {
            name += &format!(" {}/{}", job.items.completed, job.items.total);
            if job.items.failed > 0 {
                name += &format!(", {} failed", job.items.failed);
            }
        }
        name.push(' ');
        let style = if part == open.part {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            dim()
        };
        line.push_span(Span::styled(name, style));
        line.push_span(Span::raw(" "));
    }
    line
}

fn overview(
    frame: &mut Frame<'_>,
    area: Rect,
    open: &mut Open,
    job: &JobView,
    now: Timestamp,
    look: Look,
) {
    let width = usize::from(area.width).saturating_sub(12);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (name, text, style) in facts(open, job, now, look) {
        for (at, part) in wrap(&text, width).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{name:12}"), dim()),
                Span::styled(part, style),
            ]));
        }
    }
    let most = lines.len().saturating_sub(usize::from(area.height));
    open.scroll = open.scroll.min(most);
    let shown: Vec<_> = lines.into_iter().skip(open.scroll).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

/// What is known of the job: a name, which goes on without one, and a text.
type Fact = (&'static str, String, Style);

fn facts(open: &Open, job: &JobView, now: Timestamp, look: Look) -> Vec<Fact> {
    let plain = Style::new();
    let mut facts: Vec<Fact> = Vec::new();
    if let Some(why) = &open.lost {
        facts.push(("attention", safe(why), look.warning()));
    }
    if let Some(error) = &job.error {
        let code = job.error_code.as_deref().unwrap_or_default();
        let failed = job.state == State::Failed;
        let style = if failed { look.fg(Color::Red) } else { plain };
        facts.push(("error", format!("{}: {}", safe(code), safe(error)), style));
    }
    let queue = format!("{}, priority {}", safe(&job.queue), job.priority);
    facts.push(("queue", queue, plain));
    facts.push(("submitted", when(job.created_at, now), plain));
    if let Some(start) = job.started_at {
        let end = job.completed_at.unwrap_or(now);
        let took = terminal::duration(end.since(start));
        let word = if job.state.is_ended() { "took" } else { "for" };
        let text = format!("{}, {word} {took}", when(start, now));
        facts.push(("started", text, plain));
    }
    if job.attempts > 0 {
        let text = format!("{} of {}", job.attempts, job.max_attempts);
        facts.push(("attempts", text, plain));
    }
    facts.extend(
        open.attempts
            .iter()
            .map(|one| ("", attempt(one, now), plain)),
    );
    for (name, value) in &job.labels {
        let text = format!("{}={}", safe(name), safe(value));
        facts.push(("label", text, plain));
    }
    for file in &open.artifacts {
        let text = format!("{} ({})", safe(&file.name), bytes(file.size));
        facts.push(("file", text, plain));
    }
    for (name, value) in [("result", &job.results), ("args", &job.args)] {
        if let Some(value) = value {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            for (at, line) in text.lines().take(LINES).enumerate() {
                facts.push((if at == 0 { name } else { "" }, safe(line), plain));
            }
        }
    }
    facts
}

fn attempt(attempt: &AttemptView, now: Timestamp) -> String {
    let took = terminal::duration(attempt.ended_at.since(attempt.started_at));
    let why = match &attempt.error {
        Some(error) => format!(": {}", safe(&error.message)),
        None => String::new(),
    };
    let began = when(attempt.started_at, now);
    format!("{began} for {took}, {}{why}", attempt.end)
}

fn items(frame: &mut Frame<'_>, area: Rect, open: &mut Open, look: Look) {
    if open.window.is_empty() {
        let words = if open.failed_only {
            "No item failed."
        } else {
            "No items."
        };
        frame.render_widget(Paragraph::new(words), area);
        return;
    }
    let first = open.window.first().map_or(0, |item| item.position);
    let last = open.window.last().map_or(0, |item| item.position);
    let rows = open.window.iter().map(|item| item_row(item, look));
    let widths = [
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Max(48),
        Constraint::Fill(1),
    ];
    let which = if open.failed_only {
        "failed items"
    } else {
        "items"
    };
    let more = if open.more { ", more below" } else { "" };
    let heading = format!(
        "{which} {} to {}{more}",
        count(u64::from(first) + 1),
        count(u64::from(last) + 1)
    );
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(Span::styled(heading, dim())), head);
    let table =
        Table::new(rows, widths).row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    open.height = usize::from(body.height);
    frame.render_stateful_widget(table, body, &mut open.table);
}

fn item_row(item: &Item, look: Look) -> Row<'static> {
    let (symbol, state) = match item.state {
        ItemState::Pending => ("·", State::Pending),
        ItemState::Running => ("▶", State::Running),
        ItemState::Completed => ("✓", State::Completed),
        ItemState::Failed => ("✗", State::Failed),
    };
    let says = match (&item.error, &item.result) {
        (Some(error), _) if item.state != ItemState::Completed => {
            format!("{}: {}", safe(error.code.as_str()), safe(&error.message))
        }
        (_, Some(result)) => safe(&result.to_string()),
        _ => String::new(),
    };
    Row::new([
        Cell::new(Span::styled(symbol, look.state(state))),
        Cell::new(Span::styled(count(u64::from(item.position) + 1), dim())),
        Cell::new(Span::raw(safe(&item.name))),
        Cell::new(Span::raw(says)),
    ])
}

/// The end of the log, or what stands `scroll` lines above it.
fn log(frame: &mut Frame<'_>, area: Rect, open: &mut Open, look: Look) {
    if open.log.is_empty() {
        frame.render_widget(Paragraph::new("No lines."), area);
        return;
    }
    let width = usize::from(area.width);
    open.scroll = open.scroll.min(open.log.len() - 1);
    let mut shown: Vec<Line<'static>> = Vec::new();
    for line in open.log.iter().rev().skip(open.scroll) {
        let style = match line.level {
            Level::Error => look.fg(Color::Red),
            Level::Warn => look.fg(Color::Yellow),
            Level::Debug => dim(),
            Level::Info => Style::new(),
        };
        let parts = wrap(&safe(&line.text), width.saturating_sub(9));
        for (at, part) in parts.into_iter().enumerate().rev() {
            let time = if at == 0 {
                clock(line.time)
            } else {
                String::new()
            };
            shown.push(Line::from(vec![
                Span::styled(format!("{time:9}"), dim()),
                Span::styled(part, style),
            ]));
        }
        if shown.len() >= usize::from(area.height) {
            break;
        }
    }
    shown.truncate(usize::from(area.height));
    shown.reverse();
    frame.render_widget(Paragraph::new(shown), area);
}
