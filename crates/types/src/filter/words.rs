//! The words of a filter: where one ends, its name, and its values without quotes.

use super::Error;

/// One word: `name:value,value`, or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// As it was written.
    raw: String,
    /// What stands before the first colon outside quotes, unless the word begins with a quote.
    pub(super) name: Option<String>,
    /// The rest, apart at commas outside quotes; at least one.
    pub(super) parts: Vec<String>,
    /// Whether some of it stood in quotes.
    pub(super) quoted: bool,
}

/// Characters of a wrong word that an error shows.
const SHOWN: usize = 64;

/// What of a text an error shows: not more than fits a line, and nothing that moves the cursor.
pub(super) fn short(text: &str) -> String {
    let seen = text.chars().filter(|c| !c.is_control());
    seen.take(SHOWN).collect()
}

/// The words of a text.
pub(super) fn split(text: &str) -> Result<Vec<Word>, Error> {
    let mut rest = text.chars().peekable();
    let mut words = Vec::new();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(words);
        }
        let mut word = Open::default();
        while let Some(c) = rest.next_if(|c| word.in_quotes || !c.is_whitespace()) {
            word.push(c);
        }
        words.push(word.close()?);
    }
}

/// A value so written that it parses to itself, whatever it has.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !"\":,\\".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Word {
    /// A word with this name and one value, both as they are.
    pub(super) fn of(name: &str, value: &str) -> Self {
        Self {
            raw: format!("{name}={value}"),
            name: Some(name.to_owned()),
            parts: vec![value.to_owned()],
            quoted: true,
        }
    }

    /// Its value as one.
    pub(super) fn value(&self) -> String {
        self.parts.join(",")
    }

    /// As it was written, short enough for an error.
    pub(super) fn shown(&self) -> String {
        short(&self.raw)
    }
}

/// A word that is being read.
#[derive(Default)]
struct Open {
    raw: String,
    name: Option<String>,
    parts: Vec<String>,
    part: String,
    quoted: bool,
    in_quotes: bool,
    escaped: bool,
}

impl Open {
    fn push(&mut self, c: char) {
        let first = self.raw.is_empty();
        self.raw.push(c);
        if self.escaped {
            self.escaped = false;
            self.part.push(c);
            return;
        }
        match c {
            '\\' if self.in_quotes => self.escaped = true,
            '"' => {
                self.in_quotes = !self.in_quotes;
                self.quoted = true;
                // A word that begins with a quote is text to its end.
                if first {
                    self.name = Some(String::new());
                }
            }
            ':' if !self.in_quotes && self.name.is_none() => {
                self.name = Some(std::mem::take(&mut self.part));
                // Quotes of the name say nothing of the value.
                self.quoted = false;
            }
            ',' if !self.in_quotes && self.name.is_some() => {
                self.parts.push(std::mem::take(&mut self.part));
            }
            _ => self.part.push(c),
        }
    }

    fn close(mut self) -> Result<Word, Error> {
        if self.in_quotes {
            return Err(Error::Quote(short(&self.raw)));
        }
        self.parts.push(self.part);
        let text = self.raw.starts_with('"');
        Ok(Word {
            name: self.name.filter(|_| !text),
            raw: self.raw,
            parts: self.parts,
            quoted: self.quoted,
        })
    }
}
