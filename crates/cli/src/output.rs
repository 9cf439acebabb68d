//! What goes to standard output: JSON, tables, lines.
//!
//! Invariant: JSON goes out as one line an object, with every character of a string that could fool a terminal escaped.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use longhaul_types::{Timestamp, body::JobView};
use serde::Serialize;

use crate::{exit::Result, terminal::escape};

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) -> Result {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", escape_json(&text))?;
    out.flush()?;
    Ok(())
}

/// JSON escapes the control characters below 32 by itself; the rest of what [`escape`] shows is escaped here.
fn escape_json(text: &str) -> String {
    use std::fmt::Write as _;
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}'
            || matches!(
                escape(c.encode_utf8(&mut [0; 4])),
                std::borrow::Cow::Borrowed(_)
            )
        {
            safe.push(c);
        } else {
            // All of them lie in the basic plane.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        }
    }
    safe
}

/// Prints a line; text from outside in it must be escaped already.
pub fn line(text: &str) -> Result {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// A table without borders: a heading, then rows. Text from outside is escaped here.
pub fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heading);
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A time as people here read it, to the second.
pub fn local_time(time: Timestamp) -> String {
    let zoned = jiff::Timestamp::from_millisecond(time.0)
        .map(|time| time.to_zoned(jiff::tz::TimeZone::system()));
    match zoned {
        Ok(zoned) => zoned.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_string(),
    }
}

/// The symbol of a job's state.
pub fn symbol(job: &JobView) -> &'static str {
    use longhaul_types::State;
    match job.state {
        State::Pending => "·",
        State::Running => "▶",
        State::Completed if job.items.failed > 0 => "!",
        State::Completed => "✓",
        State::Failed => "✗",
        State::Cancelled => "–",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_can_not_fool_a_terminal() {
        let value = serde_json::json!({"a": "x\u{1b}\u{9b}\u{202e}é"});
        let text = escape_json(&value.to_string());
        assert_eq!(text, r#"{"a":"x\u001b\u009b\u202eé"}"#);
        let back: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(back, value);
    }

    #[test]
    fn a_table_is_plain_and_safe() {
        let rows = vec![vec!["a\u{1b}".to_owned(), "b".to_owned()]];
        assert_eq!(table(&["ID", "KIND"], rows), "ID       KIND\na\\u{1b}  b");
    }
}
