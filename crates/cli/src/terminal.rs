//! What is known of the terminal, and how text from outside is made safe for it.
//!
//! Invariants: escape sequences and bars go only to a stream that is a terminal and wants them, each stream by itself;
//! text that came from outside (ids, logs, errors, labels) never reaches a terminal without [`escape`].

use std::{
    borrow::Cow,
    env,
    fmt::Write as _,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use longhaul_types::Progress;

/// One of the two streams that a command writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whether colours may be written.
    pub color: bool,
    /// Whether what was written may be redrawn: bars.
    pub redraw: bool,
}

/// Standard output.
pub fn stdout() -> Stream {
    stream(io::stdout().is_terminal())
}

/// Standard error.
pub fn stderr() -> Stream {
    stream(io::stderr().is_terminal())
}

fn stream(is_terminal: bool) -> Stream {
    decide(
        is_terminal,
        env::var("NO_COLOR").ok().as_deref(),
        env::var("TERM").ok().as_deref(),
    )
}

/// `NO_COLOR` (when not empty) takes the colours away, `TERM=dumb` everything.
fn decide(is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> Stream {
    let able = is_terminal && term != Some("dumb");
    Stream {
        color: able && no_color.unwrap_or_default().is_empty(),
        redraw: able,
    }
}

impl Stream {
    /// `text` in this colour, where the stream has colours.
    pub fn paint(self, color: AnsiColor, text: &str) -> String {
        self.style(Style::new().fg_color(Some(color.into())), text)
    }

    /// `text` in bold, where the stream has colours.
    pub fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    /// `text` in a faint shade, where the stream has colours.
    pub fn dim(self, text: &str) -> String {
        self.style(Style::new().dimmed(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// `text` with control and bidirectional characters shown as escapes; tabs stay.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a String does not fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Characters that move the cursor, end the line, or turn the direction of what follows.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// When a stream that is no terminal gets its next line about progress: every 10 s or 5 %, whichever comes first.
#[derive(Debug)]
pub struct Pace {
    last: Option<(Instant, Option<u8>)>,
    interval: Duration,
}

/// Between two lines about progress.
const INTERVAL: Duration = Duration::from_secs(10);
/// Percent between two lines about progress.
const STEP: u8 = 5;

impl Default for Pace {
    fn default() -> Self {
        Self::every(INTERVAL)
    }
}

impl Pace {
    /// A line at least every `interval` while something changes.
    pub fn every(interval: Duration) -> Self {
        Self {
            last: None,
            interval,
        }
    }

    /// Whether `progress` is worth a line at `now`.
    pub fn is_due(&mut self, progress: &Progress, now: Instant) -> bool {
        let percentage = progress.percentage;
        let due = match self.last {
            None => true,
            Some((time, before)) => {
                now.duration_since(time) >= self.interval
                    || percentage.unwrap_or(0) >= before.unwrap_or(0).saturating_add(STEP)
                    || (percentage == Some(100) && before != Some(100))
            }
        };
        if due {
            self.last = Some((now, percentage));
        }
        due
    }
}

/// Bytes as people read them: `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A duration as people read it: `0.8s`, `45.2s`, `3m 05s`, `2h 07m`, `3d 04h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How far a job is, in one line: `45 % (450 of 1000 items), 12.5 items/s, 44s left: fetching x`.
pub fn progress_line(progress: &Progress) -> String {
    let unit = progress.unit.as_deref().unwrap_or_default();
    let amount = |count: u64| match unit {
        "bytes" => bytes(count),
        "" => count.to_string(),
        unit => format!("{count} {unit}"),
    };
    let mut line = match (progress.percentage, progress.total) {
        (Some(percentage), Some(100)) if unit.is_empty() => format!("{percentage} %"),
        (Some(percentage), Some(total)) => {
            let total = amount(total);
            let current = match unit {
                "bytes" => bytes(progress.current),
                _ => progress.current.to_string(),
            };
            format!("{percentage} % ({current} of {total})")
        }
        _ => amount(progress.current),
    };
    if let Some(rate) = progress.rate.filter(|rate| *rate > 0.0) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate in bytes, shown rounded"
        )]
        let _ = match unit {
            "bytes" => write!(line, ", {}/s", bytes(rate as u64)),
            "" => write!(line, ", {rate:.1}/s"),
            unit => write!(line, ", {rate:.1} {unit}/s"),
        };
    }
    if let Some(left) = progress.time_left.filter(|left| *left > 0.0)
        && let Ok(left) = Duration::try_from_secs_f64(left)
    {
        let _ = write!(line, ", {} left", self::duration(left));
    }
    if let Some(task) = &progress.current_task {
        let _ = write!(line, ": {task}");
    }
    escape(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fool_a_terminal_is_escaped() {
        assert_eq!(escape("a\tb ✓ é"), "a\tb ✓ é");
        assert_eq!(escape("\u{1b}[2Jx\r\n"), "\\u{1b}[2Jx\\u{d}\\u{a}");
        assert_eq!(escape("a\u{202e}b\u{2066}"), "a\\u{202e}b\\u{2066}");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn each_wish_of_the_terminal_is_heard() {
        let all = |able| Stream {
            color: able,
            redraw: able,
        };
        assert_eq!(decide(true, None, Some("xterm")), all(true));
        assert_eq!(decide(true, Some(""), None), all(true));
        assert_eq!(decide(false, None, Some("xterm")), all(false));
        assert_eq!(decide(true, None, Some("dumb")), all(false));
        let plain = decide(true, Some("1"), Some("xterm"));
        assert!(!plain.color && plain.redraw);
        assert_eq!(plain.bold("x"), "x");
        assert_eq!(all(true).bold("x"), "\u{1b}[1mx\u{1b}[0m");
    }

    #[test]
    fn lines_come_every_ten_seconds_or_five_percent() {
        let at = |percentage| Progress {
            percentage: Some(percentage),
            ..Progress::default()
        };
        let start = Instant::now();
        let mut pace = Pace::default();
        assert!(pace.is_due(&at(0), start));
        assert!(!pace.is_due(&at(4), start));
        assert!(pace.is_due(&at(5), start));
        assert!(!pace.is_due(&at(6), start + Duration::from_secs(9)));
        assert!(pace.is_due(&at(6), start + Duration::from_secs(10)));
        assert!(!pace.is_due(&at(9), start + Duration::from_secs(11)));
        assert!(pace.is_due(&at(100), start + Duration::from_secs(11)));
        assert!(!pace.is_due(&at(100), start + Duration::from_secs(12)));
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(duration(Duration::from_millis(45_230)), "45.2s");
        assert_eq!(duration(Duration::from_secs(185)), "3m 05s");
        assert_eq!(duration(Duration::from_hours(25)), "1d 01h");
    }

    #[test]
    fn a_line_of_progress_says_what_is_known() {
        let mut progress = Progress {
            current: 45,
            total: Some(100),
            percentage: Some(45),
            ..Progress::default()
        };
        assert_eq!(progress_line(&progress), "45 %");
        progress.unit = Some("bytes".to_owned());
        progress.current = 512;
        progress.total = Some(1024);
        progress.rate = Some(2048.0);
        progress.time_left = Some(4.0);
        progress.current_task = Some("a\u{1b}b".to_owned());
        assert_eq!(
            progress_line(&progress),
            "45 % (512 B of 1.0 KiB), 2.0 KiB/s, 4.0s left: a\\u{1b}b"
        );
        let unknown = Progress {
            current: 7,
            unit: Some("items".to_owned()),
            ..Progress::default()
        };
        assert_eq!(progress_line(&unknown), "7 items");
    }
}
