//! The list, one row a job.

use longhaul_types::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table, Wrap},
};

use super::{
    Look, dim,
    text::{bar, safe, says, stalled},
};
use crate::{commands::top::model::Model, output};

/// From this width on ids are shown whole.
const WIDE: u16 = 120;
/// Cells of a bar, and of one where there is little room.
const BARS: (u16, u16) = (12, 6);

/// Draws the list, or why there is none.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &mut Model,
    now: Timestamp,
    look: Look,
) {
    if let Some(words) = nothing(model) {
        frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: false }), area);
        return;
    }
    let wide = area.width >= WIDE;
    let cells = if area.width < 60 { BARS.1 } else { BARS.0 };
    let list = &model.list;
    let longest = list
        .jobs
        .iter()
        .map(|job| job.kind.chars().count())
        .max()
        .unwrap_or(0);
    let kind = u16::try_from(longest.clamp(4, if wide { 32 } else { 18 })).unwrap_or(18);
    let ids = list
        .jobs
        .iter()
        .map(|job| job.job_id.as_str().chars().count());
    let id = ids.max().unwrap_or(2).clamp(2, if wide { 36 } else { 9 });
    let rows = list.jobs.iter().map(|job| {
        let moved = list.moved(&job.job_id);
        let style = look.state(job.state);
        let text = says(job, moved, now);
        let words = if stalled(job, moved, now).is_some() {
            Span::styled(text, look.warning())
        } else {
            Span::raw(text)
        };
        let filled = match job.progress.percentage {
            Some(percentage) => bar(percentage, usize::from(cells)),
            None => String::new(),
        };
        Row::new([
            Cell::new(Span::styled(output::symbol(job), style)),
            Cell::new(Span::raw(end_of(&safe(job.job_id.as_str()), id))),
            Cell::new(Span::raw(safe(&job.kind))),
            Cell::new(Span::styled(filled, style)),
            Cell::new(words),
        ])
    });
    let widths = [
        Constraint::Length(1),
        Constraint::Length(u16::try_from(id).unwrap_or(u16::MAX)),
        Constraint::Length(kind),
        Constraint::Length(cells),
        Constraint::Fill(1),
    ];
    let heading = Row::new(["", "ID", "KIND", "PROGRESS", ""]).style(dim());
    let table = Table::new(rows, widths)
        .header(heading)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    model.list.height = usize::from(area.height.saturating_sub(1));
    let mut state = model.list.table;
    frame.render_stateful_widget(table, area, &mut state);
    model.list.table = state;
}

/// The end of an id tells jobs apart: the beginning is when they were made.
fn end_of(id: &str, width: usize) -> String {
    let length = id.chars().count();
    if length <= width {
        return id.to_owned();
    }
    let end: String = id.chars().skip(length - (width - 1)).collect();
    format!("…{end}")
}

/// What is said instead of a list.
fn nothing(model: &Model) -> Option<Vec<Line<'static>>> {
    let list = &model.list;
    if let Some(problem) = list.problem.as_ref().filter(|_| list.jobs.is_empty()) {
        return Some(vec![Line::raw(safe(problem))]);
    }
    if !list.known {
        return Some(vec![Line::raw("Reading the jobs…")]);
    }
    if !list.jobs.is_empty() {
        return None;
    }
    if model.filter.is_empty() {
        return Some(vec![
            Line::raw(""),
            Line::raw("No jobs yet. Start the first in another terminal:"),
            Line::raw(""),
            Line::raw("  longhaul run -- sleep 60"),
        ]);
    }
    Some(vec![
        Line::raw(""),
        Line::raw("No job fits the filter. Esc shows all, / changes it."),
    ])
}
