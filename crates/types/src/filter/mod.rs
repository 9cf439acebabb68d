//! The one grammar by which jobs are filtered, in the API, on the command line and wherever else a list is:
//! `state:failed kind:walrus.* queue:default error:disk_full label.service:x created:>2026-01-01 ended:<1h some words`.
//!
//! Words stand apart by spaces, and all must fit. `state`, `status`, `kind`, `queue` and `error` may name several values, by commas or
//! by being repeated: any of them fits. Times are `>` or `<` a date, a time or an age: `created:<1h` is less than an hour
//! ago. What has spaces, colons or commas stands in double quotes, with `\"` and `\\` inside. A word without a name is
//! looked for as text.
//!
//! Invariant: nothing is ignored. A text is refused with the word that is wrong, or shows what it says; written back it
//! parses to the same filter.

mod words;

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use self::words::Word;
use crate::{Labels, State, Timestamp};

/// Longest text of a filter, in bytes.
pub const MAX_FILTER: usize = 4096;
/// Most values that a filter names, of all sorts together.
pub const MAX_VALUES: usize = 64;
/// Most words of text that are looked for.
pub const MAX_TEXT: usize = 8;

/// The document's statuses.
pub const STATUSES: [&str; 5] = ["pending", "processing", "completed", "failed", "cancelled"];

/// Which jobs a list shows. An empty list means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only in these states.
    pub states: Vec<State>,
    /// Only with these of [`STATUSES`].
    pub statuses: Vec<String>,
    /// Only of these kinds; `walrus.*` is every kind that begins so.
    pub kinds: Vec<String>,
    /// Only in these queues.
    pub queues: Vec<String>,
    /// Only those that failed with one of these error codes.
    pub errors: Vec<String>,
    /// Only with all these labels.
    pub labels: Labels,
    /// Only with all these words, each somewhere in the id, a label's value or the error.
    pub text: Vec<String>,
    /// Only submitted then.
    pub created: Period<Moment>,
    /// Only ended then.
    pub ended: Period<Moment>,
}

/// A stretch of time: from `after` on, and earlier than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period<T> {
    /// Where it begins.
    pub after: Option<T>,
    /// Where it ends.
    pub before: Option<T>,
}

/// A point in time, or how long ago one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This one.
    At(Timestamp),
    /// As long before now; whole seconds.
    Ago(Duration),
}

/// Names of filters that systems add, each for a label: `characterId` → `character`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterNames(BTreeMap<String, String>);

/// A filter that is wrong, with the word that makes it so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No filter has this name.
    #[error(
        "{word}: there is no filter '{name}'; there are {known}, and text with a colon stands in double quotes"
    )]
    Name {
        /// The word.
        word: String,
        /// What stands before its colon.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The value does not fit its name.
    #[error("{word}: {problem}")]
    Value {
        /// The word.
        word: String,
        /// What is wrong with it, and what would do.
        problem: String,
    },
    /// The quotes of a word are not closed.
    #[error("{0}: the double quote is not closed")]
    Quote(String),
    /// More than can be asked for.
    #[error(
        "a filter has at most {MAX_FILTER} bytes, {MAX_VALUES} values and {MAX_TEXT} words of text"
    )]
    TooLong,
}

/// The names that every filter knows.
const KNOWN: [&str; 8] = [
    "state",
    "status",
    "kind",
    "queue",
    "error",
    "label.NAME",
    "created",
    "ended",
];

impl JobFilter {
    /// The filter that `text` says; `names` are known beside those of every filter.
    pub fn parse(text: &str, names: &FilterNames) -> Result<Self, Error> {
        let mut filter = Self::default();
        filter.add(text, names)?;
        Ok(filter)
    }

    /// Adds what `text` says, as if it stood behind what this filter says already.
    pub fn add(&mut self, text: &str, names: &FilterNames) -> Result<(), Error> {
        if text.len() > MAX_FILTER {
            return Err(Error::TooLong);
        }
        words::split(text)?
            .iter()
            .try_for_each(|word| self.add_word(word, names))?;
        self.check_size()
    }

    /// Adds one part by name, its value as it is: no quotes, no commas. For interfaces that have a parameter for each.
    pub fn add_value(&mut self, name: &str, value: &str, names: &FilterNames) -> Result<(), Error> {
        let word = Word::of(name, value);
        match name {
            "text" => self.add_text(&word, value),
            _ => self.add_word(&word, names),
        }?;
        self.check_size()
    }

    /// Whether it shows every job.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add_word(&mut self, word: &Word, names: &FilterNames) -> Result<(), Error> {
        let Some(name) = &word.name else {
            return self.add_text(word, &word.value());
        };
        match name.as_str() {
            "state" => self.states.extend(word.values(parse_state)?),
            "status" => self.statuses.extend(word.values(parse_status)?),
            "kind" => self.kinds.extend(word.values(parse_kind)?),
            "queue" => self.queues.extend(word.values(parse_name)?),
            "error" => self.errors.extend(word.values(parse_name)?),
            "created" => self.created.narrow(word)?,
            "ended" => self.ended.narrow(word)?,
            name => match (name.strip_prefix("label."), names.0.get(name)) {
                (Some(label), _) => self.add_label(word, label)?,
                (None, Some(label)) => self.add_label(word, label)?,
                (None, None) => return Err(word.unknown(names)),
            },
        }
        Ok(())
    }

    fn add_label(&mut self, word: &Word, label: &str) -> Result<(), Error> {
        let value = word.value();
        if label.is_empty() {
            return Err(word.wrong("a label has a name: label.NAME:value"));
        }
        if value.is_empty() && !word.quoted {
            return Err(word.wrong("it says no value; an empty one is \"\""));
        }
        match self.labels.insert(label.to_owned(), value.clone()) {
            Some(other) if other != value => {
                Err(word.wrong("a label has one value, and another is asked for too"))
            }
            _ => Ok(()),
        }
    }

    fn add_text(&mut self, word: &Word, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Err(word.wrong("an empty text is in every job; leave it out"));
        }
        self.text.push(text.to_owned());
        Ok(())
    }

    fn check_size(&self) -> Result<(), Error> {
        let lists = [
            self.states.len(),
            self.statuses.len(),
            self.kinds.len(),
            self.queues.len(),
            self.errors.len(),
            self.labels.len(),
        ];
        if lists.iter().sum::<usize>() > MAX_VALUES || self.text.len() > MAX_TEXT {
            return Err(Error::TooLong);
        }
        Ok(())
    }
}

impl FromStr for JobFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, &FilterNames::default())
    }
}

impl fmt::Display for JobFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.states.iter().map(|state| format!("state:{state}")));
        for (name, values) in [
            ("status", &self.statuses),
            ("kind", &self.kinds),
            ("queue", &self.queues),
            ("error", &self.errors),
        ] {
            let values = values.iter().map(|value| words::quote(value));
            words.extend(values.map(|value| format!("{name}:{value}")));
        }
        for (name, value) in &self.labels {
            let value = words::quote(value);
            words.push(format!("label.{}:{value}", words::quote(name)));
        }
        self.created.write("created", &mut words);
        self.ended.write("ended", &mut words);
        words.extend(self.text.iter().map(|text| words::quote(text)));
        f.write_str(&words.join(" "))
    }
}

impl<T> Default for Period<T> {
    fn default() -> Self {
        Self {
            after: None,
            before: None,
        }
    }
}

impl<T> Period<T> {
    /// Whether it is all of time.
    pub fn is_all(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }
}

impl Period<Timestamp> {
    /// Whether a time lies in it.
    pub fn has(&self, time: Timestamp) -> bool {
        self.after.is_none_or(|after| time >= after)
            && self.before.is_none_or(|before| time < before)
    }
}

impl Period<Moment> {
    /// The period, when it is `now`.
    pub fn resolve(&self, now: Timestamp) -> Period<Timestamp> {
        Period {
            after: self.after.map(|moment| moment.resolve(now)),
            before: self.before.map(|moment| moment.resolve(now)),
        }
    }

    fn narrow(&mut self, word: &Word) -> Result<(), Error> {
        let value = word.value();
        let (later, text) = match (value.strip_prefix('>'), value.strip_prefix('<')) {
            (Some(text), _) => (true, text),
            (_, Some(text)) => (false, text),
            _ => {
                let name = word.name.as_deref().unwrap_or_default();
                return Err(word.wrong(&format!(
                    "say {name}:>2026-01-31 for later than that, {name}:<2026-01-31 for earlier, {name}:<1h for less than \
                     an hour ago"
                )));
            }
        };
        let moment: Moment = text
            .parse()
            .map_err(|problem: MomentError| word.wrong(&problem.to_string()))?;
        // An age that is less is a time that is later.
        let later = later != matches!(moment, Moment::Ago(_));
        let bound = if later {
            &mut self.after
        } else {
            &mut self.before
        };
        if bound.is_some_and(|known| known != moment) {
            return Err(word.wrong("this bound is given twice"));
        }
        *bound = Some(moment);
        Ok(())
    }

    fn write(&self, name: &str, words: &mut Vec<String>) {
        for (moment, later) in [(self.after, true), (self.before, false)] {
            if let Some(moment) = moment {
                let more = later != matches!(moment, Moment::Ago(_));
                let sign = if more { '>' } else { '<' };
                words.push(format!(
                    "{name}:{sign}{}",
                    words::quote(&moment.to_string())
                ));
            }
        }
    }
}

/// The text says no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no date like 2026-01-31, no time like 2026-01-31T10:30:00Z and no age like 90s, 15m, 1h, 7d or 2w"
)]
pub struct MomentError(String);

/// What an age is counted in, longest first.
const UNITS: [(char, u64); 5] = [
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// Longest age, in seconds: a thousand years, so that sums with times stay times.
const OLDEST: u64 = 1_000 * 366 * 86_400;

impl Moment {
    /// The point in time, when it is `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(age) => now - age,
        }
    }

    fn age(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let count = &text[..text.len() - 1];
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds = count.parse::<u64>().ok()?.checked_mul(seconds)?;
        (seconds <= OLDEST).then(|| Self::Ago(Duration::from_secs(seconds)))
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        // The length, as a parsed date would leave a time behind it unread.
        let date = || {
            let date = text.parse::<jiff::civil::Date>().ok();
            date.filter(|_| text.len() == 10)
        };
        let midnight = || format!("{}T00:00:00Z", date()?).parse().ok();
        let time = text.parse::<Timestamp>().ok();
        time.or_else(midnight)
            .map(Self::At)
            .or_else(|| Self::age(text))
            .ok_or_else(|| MomentError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => time.fmt(f),
            Self::Ago(age) => {
                let seconds = age.as_secs();
                let fits = |(_, unit): &(char, u64)| seconds.is_multiple_of(*unit);
                let (name, unit) = UNITS.into_iter().find(fits).unwrap_or(('s', 1));
                write!(f, "{}{name}", seconds / unit)
            }
        }
    }
}

impl FilterNames {
    /// Takes `name` as a filter of its own: jobs whose `label` has the value that is given.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, label: impl Into<String>) -> Self {
        self.0.insert(name.into(), label.into());
        self
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every name that a filter may have, in words.
    fn known(&self) -> String {
        let all: Vec<&str> = KNOWN.into_iter().chain(self.names()).collect();
        all.join(", ")
    }
}

impl Word {
    fn wrong(&self, problem: &str) -> Error {
        Error::Value {
            word: self.shown(),
            problem: problem.to_owned(),
        }
    }

    fn unknown(&self, names: &FilterNames) -> Error {
        let name = self.name.as_deref().unwrap_or_default();
        Error::Name {
            word: self.shown(),
            name: words::short(name),
            known: names.known(),
        }
    }

    /// Each of its values, parsed.
    fn values<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Error> {
        let parsed = self.parts.iter().map(|part| parse(part));
        parsed
            .collect::<Result<_, String>>()
            .map_err(|problem| self.wrong(&problem))
    }
}

fn parse_state(text: &str) -> Result<State, String> {
    text.parse()
        .map_err(|error: crate::state::Error| error.to_string())
}

fn parse_status(text: &str) -> Result<String, String> {
    if STATUSES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "'{}' is no status: {}",
        words::short(text),
        STATUSES.join(", ")
    ))
}

fn parse_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it says no name".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A star stands at the end alone: anywhere else it would be taken for a letter, and show nothing.
fn parse_kind(text: &str) -> Result<String, String> {
    if text.strip_suffix('*').unwrap_or(text).contains('*') {
        return Err("a star stands at the end alone: walrus.*".to_owned());
    }
    parse_name(text)
}

#[cfg(test)]
mod tests;
