//! Texts of outside in a database that knows every character but U+0000.
//!
//! Invariant: what is written so comes back as it was, and two texts that differ are written differently.

use std::borrow::Cow;

const MARK: char = '\u{1}';

/// A text as the database keeps it: U+0000 is written as U+0001 and `0`, U+0001 as U+0001 and `1`.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(MARK, "\u{1}1").replace('\0', "\u{1}0"))
}

/// The text that was kept so.
pub(super) fn told(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let mut told = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        told.push(match character {
            MARK if characters.next() == Some('0') => '\0',
            other => other,
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_again() {
        for text in [
            "",
            "a",
            "\0",
            "\u{1}",
            "\u{1}0",
            "a\0\u{1}\0b",
            "\u{1}\u{1}",
        ] {
            assert!(!kept(text).contains('\0'), "{text:?}");
            assert_eq!(told(kept(text).into_owned()), text, "{text:?}");
        }
        assert_ne!(kept("\0"), kept("\u{1}0"));
    }
}
