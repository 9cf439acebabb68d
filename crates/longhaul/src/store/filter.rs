//! Which jobs a list shows, and pages and numbers of them.

use longhaul_types::{JobId, Labels, State, Timestamp, body::Counts, filter::Period};
use serde::{Deserialize, Serialize};

use super::CountsBy;
use crate::model::{Job, Seq};

/// Up to so many jobs are counted where no counts are kept.
pub const COUNTED: u64 = 10_000;

/// Which jobs a list shows. An empty list means any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Filter {
    /// Only this owner's.
    pub owner: Option<String>,
    /// Only in these states.
    pub states: Vec<State>,
    /// Of the pending ones only those that have started before, or only those that have not.
    pub begun: Option<bool>,
    /// Only of these kinds.
    pub kinds: Vec<String>,
    /// Only in these queues.
    pub queues: Vec<String>,
    /// Only those that failed with one of these codes.
    pub errors: Vec<String>,
    /// Only with all these labels.
    pub labels: Labels,
    /// Only with all these words, each somewhere in the id, a label's value or the error's message; of letters A to Z the
    /// case does not matter. A word that is the whole id of a job (of this owner) finds that one alone.
    pub text: Vec<String>,
    /// Only submitted then. Stores may find the place by the order of submission: a job whose time is more than ten minutes
    /// off from those of its neighbours may be missed.
    pub created: Period<Timestamp>,
    /// Only ended then.
    pub ended: Period<Timestamp>,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Only jobs older than this one.
    pub before: Option<Seq>,
    /// Without the first so many.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page begins: jobs older than this one. None when there are no more.
    pub next: Option<Seq>,
    /// Set when the search for more was given up before the page was full: `next` goes on with it.
    pub cut: Option<Cut>,
}

/// How far a search went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Jobs that were looked at.
    pub looked_at: u64,
    /// When the last of them was submitted.
    pub back_to: Timestamp,
}

/// Failed jobs by kind and error code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures {
    /// In the order of kinds and codes.
    pub groups: Vec<FailureGroup>,
    /// Whether there are more than were looked at.
    pub more: bool,
}

/// Jobs of a kind that failed alike.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    /// The kind.
    pub kind: String,
    /// The error's code.
    pub code: String,
    /// How many they are, exact up to [`COUNTED`].
    pub jobs: Total,
    /// The one that was submitted last.
    pub newest: Job,
}

/// How many jobs a filter shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// So many.
    pub count: u64,
    /// Or more, when this is not exact.
    pub exact: bool,
}

impl Filter {
    /// Whether kept counts say how many jobs it shows.
    pub fn is_counted(&self) -> bool {
        self.begun.is_none()
            && self.errors.is_empty()
            && self.labels.is_empty()
            && self.text.is_empty()
            && self.created.is_all()
            && self.ended.is_all()
    }

    /// The sum, of an owner's counts, of its kinds and queues.
    pub fn sum(&self, counts: &CountsBy) -> Counts {
        let mut sum = Counts::default();
        for ((kind, queue), counts) in counts {
            if any(&self.kinds, kind) && any(&self.queues, queue) {
                for state in State::ALL {
                    *sum.of_mut(state) += counts.of(state);
                }
            }
        }
        sum
    }

    /// How many jobs it shows by kept counts; only when [`Self::is_counted`].
    pub fn total(&self, counts: &CountsBy) -> Total {
        let sum = self.sum(counts);
        let states = State::ALL.into_iter();
        Total {
            count: states
                .filter(|state| any(&self.states, state))
                .map(|state| sum.of(state))
                .sum(),
            exact: true,
        }
    }

    /// Whether it shows a job, apart from what a word that is an id finds.
    pub(crate) fn shows(&self, job: &Job) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == job.owner)
            && any(&self.states, &job.state())
            && (job.state() != State::Pending || self.has_begun(job.started_at))
            && any(&self.kinds, &job.kind)
            && any(&self.queues, &job.queue)
            && (self.errors.is_empty() || job.state() == State::Failed)
            && self.failed_so(job.error.as_ref().map(|error| error.code.as_str()))
            && self.created.has(job.created_at)
            && self.has_ended(job.ended_at())
            && self
                .labels
                .iter()
                .all(|(name, value)| job.labels.get(name) == Some(value))
            && {
                let error = job.error.as_ref().map(|error| error.message.as_str());
                self.finds(job.id.as_str(), error, &job.labels)
            }
    }

    /// Whether a failed job fits that has this code.
    pub(crate) fn failed_so(&self, code: Option<&str>) -> bool {
        let among = |code: &str| self.errors.iter().any(|error| error == code);
        self.errors.is_empty() || code.is_some_and(among)
    }

    /// Whether a pending job fits that first started then.
    pub(crate) fn has_begun(&self, started_at: Option<Timestamp>) -> bool {
        self.begun.is_none_or(|begun| begun == started_at.is_some())
    }

    /// Whether a job fits that ended then, or has not ended.
    pub(crate) fn has_ended(&self, ended_at: Option<Timestamp>) -> bool {
        match ended_at {
            Some(at) => self.ended.has(at),
            None => self.ended.is_all(),
        }
    }

    /// Whether a job with this id, error and labels has every word.
    pub(crate) fn finds(&self, id: &str, error: Option<&str>, labels: &Labels) -> bool {
        self.text.iter().all(|word| {
            contains(id, word)
                || error.is_some_and(|error| contains(error, word))
                || labels.values().any(|value| contains(value, word))
        })
    }

    /// The words that may be ids of jobs.
    pub(crate) fn ids(&self) -> impl Iterator<Item = JobId> {
        self.text.iter().filter_map(|word| word.parse().ok())
    }
}

fn any<T: PartialEq>(wanted: &[T], found: &T) -> bool {
    wanted.is_empty() || wanted.contains(found)
}

/// Whether `text` has `word` in it; ASCII letters in either case.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some(first) = word.first() else {
        return true;
    };
    let ends = text
        .len()
        .checked_sub(word.len())
        .map_or(0, |last| last + 1);
    (0..ends).any(|start| {
        text[start].eq_ignore_ascii_case(first)
            && text[start..start + word.len()].eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_either_case() {
        for (text, word) in [
            ("Walrus", "wal"),
            ("walrus", "RUS"),
            ("a", "A"),
            ("naïve", "ïve"),
            ("x", ""),
        ] {
            assert!(contains(text, word), "{text} {word}");
        }
        for (text, word) in [("", "a"), ("wal", "walrus"), ("naïve", "naive"), ("ï", "Ï")] {
            assert!(!contains(text, word), "{text} {word}");
        }
    }
}
