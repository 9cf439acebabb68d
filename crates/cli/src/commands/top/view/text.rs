//! Words and bars.

use std::time::Duration;

use longhaul_types::{
    State, Timestamp,
    body::{JobView, WaitingFor},
};
use ratatui::text::Span;

use crate::{
    output,
    terminal::{self, escape},
};

/// Without progress for so long, a running job has stalled; the dashboard says the same.
const STALL: Duration = Duration::from_mins(1);
/// Characters of a text that are looked at: more than a screen shows.
const CUT: usize = 4000;

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The time of day.
pub(super) fn clock(time: Timestamp) -> String {
    let whole = output::local_time(time);
    whole
        .split_once(' ')
        .map_or(whole.clone(), |(_, clock)| clock.to_owned())
}

/// Time of day of what is near, else with its day.
pub(super) fn when(time: Timestamp, now: Timestamp) -> String {
    let near = time.0.abs_diff(now.0) < 12 * 3_600_000;
    if near {
        clock(time)
    } else {
        output::local_time(time)
    }
}

fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", terminal::duration(now.since(time)))
}

/// A bar of `width` cells.
pub(super) fn bar(percentage: u8, width: usize) -> String {
    const PARTS: [char; 8] = ['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = usize::from(percentage.min(100)) * width * 8 / 100;
    let mut bar = "█".repeat(eighths / 8);
    if eighths / 8 < width {
        bar.push(PARTS[eighths % 8]);
    }
    let rest = width.saturating_sub(bar.chars().count());
    bar.push_str(&"░".repeat(rest));
    bar
}

/// Text from outside, safe, and no longer than could be looked at.
pub(super) fn safe(text: &str) -> String {
    match text.char_indices().nth(CUT) {
        Some((end, _)) => format!("{}… ({} bytes)", escape(&text[..end]), text.len()),
        None => escape(text).into_owned(),
    }
}

/// `text` in lines of at most `width` cells.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    let mut buffer = [0; 4];
    for c in text.chars() {
        let c = if c == '\t' { ' ' } else { c };
        let cells = Span::raw(&*c.encode_utf8(&mut buffer)).width();
        if used + cells > width.max(1) && used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push(c);
        used += cells;
    }
    lines.push(line);
    lines
}

/// Since when the job has stalled, if it has.
pub(super) fn stalled(
    job: &JobView,
    moved: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let moved = moved.filter(|_| job.state == State::Running && !job.cancel_requested)?;
    (now.since(moved) > STALL && job.progress.total.is_some()).then_some(moved)
}

/// How the job stands, in a line.
pub(super) fn says(job: &JobView, moved: Option<Timestamp>, now: Timestamp) -> String {
    let error = || job.error.as_deref().map(safe).unwrap_or_default();
    let took = || match (job.started_at, job.completed_at) {
        (Some(start), Some(end)) => format!("in {}, ", terminal::duration(end.since(start))),
        _ => String::new(),
    };
    let ended = || {
        job.completed_at
            .map(|end| ago(end, now))
            .unwrap_or_default()
    };
    match job.state {
        State::Running if job.cancel_requested => "is being cancelled".to_owned(),
        State::Running => {
            if let Some(since) = stalled(job, moved, now) {
                return format!("stalled since {}: {}", when(since, now), progress(job));
            }
            let text = progress(job);
            if text.is_empty() {
                let start = job.started_at.unwrap_or(now);
                return format!("running for {}", terminal::duration(now.since(start)));
            }
            text
        }
        State::Pending => {
            let why = match job.waiting_for {
                Some(WaitingFor::Start) => "held: s starts it".to_owned(),
                Some(WaitingFor::Resume) => format!("queue {} is paused", safe(&job.queue)),
                Some(WaitingFor::Time) => match job.run_at {
                    Some(at) => format!("waits until {}", when(at, now)),
                    None => "waits for its time".to_owned(),
                },
                Some(WaitingFor::Slot) | None => "waits for a slot".to_owned(),
            };
            if job.error.is_some() {
                format!(
                    "{why}; try {} of {}: {}",
                    job.attempts + 1,
                    job.max_attempts,
                    error()
                )
            } else {
                why
            }
        }
        State::Completed if job.items.failed > 0 => format!(
            "{} of {} items failed, {}{}",
            job.items.failed,
            job.items.total,
            took(),
            ended()
        ),
        State::Completed => format!("{}{}", took(), ended()),
        State::Failed => format!("{}: {}", ended(), error()),
        State::Cancelled => ended(),
    }
}

/// How far it is; empty when it has not said.
pub(super) fn progress(job: &JobView) -> String {
    let progress = &job.progress;
    if progress.total.is_none() && progress.current == 0 && progress.current_task.is_none() {
        return String::new();
    }
    let mut shown = progress.clone();
    shown.current_task = progress.current_task.as_deref().map(safe);
    terminal::progress_line(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_bars_and_lines() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(bar(0, 4), "░░░░");
        assert_eq!(bar(50, 4), "██░░");
        assert_eq!(bar(55, 4), "██▏░");
        assert_eq!(bar(100, 4), "████");
        assert_eq!(wrap("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("a\tb", 4), ["a b"]);
    }

    #[test]
    fn text_from_outside_is_safe_and_bounded() {
        assert_eq!(safe("a\u{1b}[2J\u{202e}"), "a\\u{1b}[2J\\u{202e}");
        let long = "x".repeat(1 << 20);
        let shown = safe(&long);
        assert!(
            shown.ends_with("… (1048576 bytes)") && shown.len() < 4100,
            "{}",
            shown.len()
        );
    }
}
