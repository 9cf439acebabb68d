//! Progress found in a program's output.

use regex::{Captures, Regex, RegexBuilder};

/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression with one number (percent) or two (current and total).
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

/// The pattern can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no regular expression.
    #[error("'{0}' is no regular expression: {1}")]
    Syntax(String, String),
    /// It has the wrong number of groups.
    #[error("'{0}' must have one or two groups in brackets: percent, or current and total")]
    Groups(String),
}

impl Pattern {
    /// The pattern `text`.
    pub fn new(text: &str) -> Result<Self, Error> {
        let regex = RegexBuilder::new(text)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| {
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default();
                Error::Syntax(
                    text.to_owned(),
                    last.trim_start_matches("error: ").to_owned(),
                )
            })?;
        // The whole match counts as a group.
        if !(2..=3).contains(&regex.captures_len()) {
            return Err(Error::Groups(text.to_owned()));
        }
        Ok(Self { regex })
    }

    /// Units done and units in all, from the last place in `line` that matches.
    pub(super) fn find(&self, line: &str) -> Option<(u64, u64)> {
        let captures = self.regex.captures_iter(line).last()?;
        let first = number(&captures, 1)?;
        if self.regex.captures_len() == 2 {
            return Some((first.min(100), 100));
        }
        Some((first, number(&captures, 2)?))
    }
}

/// A number of a line: whole, or rounded.
fn number(captures: &Captures<'_>, group: usize) -> Option<u64> {
    let text = captures.get(group)?.as_str().trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a number of at least 0; `as` saturates"
    )]
    (number >= 0.0).then_some(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, line: &str) -> Option<(u64, u64)> {
        Pattern::new(pattern).expect("pattern").find(line)
    }

    #[test]
    fn one_number_is_percent_and_two_are_current_and_total() {
        assert_eq!(find(r"(\d+)%", "at 12% of it"), Some((12, 100)));
        assert_eq!(find(r"([\d.]+) ?%", "33.6 %"), Some((34, 100)));
        assert_eq!(find(r"(\d+)%", "250%"), Some((100, 100)));
        assert_eq!(find(r"(\d+)/(\d+)", "1/9 then 3/9 files"), Some((3, 9)));
        assert_eq!(find(r"(\d+)/(\d+)", "none"), None);
        assert_eq!(find(r"(\w+)%", "x%"), None);
        assert_eq!(find(r"(\S+)%", "-3%"), None);
    }
}
