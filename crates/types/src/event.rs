//! Live events. An event is a hint, the job is the truth: whoever missed some reads the job again.

use serde::{Deserialize, Serialize};

use crate::{ItemCounts, ItemState, JobError, JobId, Labels, LogLine, Progress, State, Timestamp};

/// Name of the message that says: some events were missed, read again what you care about.
pub const MISSED: &str = "missed";

/// What happened to one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The job.
    pub job_id: JobId,
    /// Whose job it is.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// The job's labels, so that who listens to many jobs can choose without asking; left out when there are none.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The job's revision after the change.
    pub revision: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum EventKind {
    /// The job was submitted, or changed its state.
    State {
        /// The state it has now.
        state: State,
    },
    /// The job got further.
    Progress {
        /// How far it is.
        progress: Progress,
    },
    /// The job wrote to its log.
    Log {
        /// The new lines.
        lines: Vec<LogLine>,
    },
    /// Items of the job began, went on or ended.
    Items {
        /// Those that changed, the first 100 of them: where they stand now.
        items: Vec<ItemChange>,
        /// How many changed.
        changed: usize,
        /// How the job's items stand.
        counts: ItemCounts,
    },
    /// A cancel was asked for; the run has not stopped yet.
    CancelRequested,
    /// The job was removed: its retention ended.
    Removed,
}

/// An item that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemChange {
    /// Its name, unique in the job.
    pub name: String,
    /// Where it stands.
    pub state: ItemState,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it failed, or last failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl EventKind {
    /// The name of every kind of event.
    pub const NAMES: [&str; 6] = [
        "state",
        "progress",
        "log",
        "items",
        "cancelRequested",
        "removed",
    ];
    /// Items that one event names.
    pub const ITEMS: usize = 100;

    /// The name that JSON, SSE and, after `job:`, Socket.IO give it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Progress { .. } => "progress",
            Self::Log { .. } => "log",
            Self::Items { .. } => "items",
            Self::CancelRequested => "cancelRequested",
            Self::Removed => "removed",
        }
    }
}

/// Names of one kind in a filter, and labels and ids: more are refused.
const MOST: usize = 100;

/// Which events a listener to many jobs wants: all that fit every part. An empty part fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct EventFilter {
    /// Of these kinds of job; `walrus.*` is every kind that begins so.
    pub kinds: Vec<String>,
    /// Of jobs with all these labels.
    pub labels: Labels,
    /// Of these jobs.
    pub job_ids: Vec<JobId>,
    /// With these names: `state`, `progress`, `log`, `items`, `cancelRequested`, `removed`.
    pub events: Vec<String>,
    /// Of `state` events only those that say one of these states. Other events are wanted only if `events` names them.
    pub states: Vec<State>,
}

/// A filter that can not be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No event has this name.
    #[error(
        "there is no event '{0}'; there are state, progress, log, items, cancelRequested and removed"
    )]
    UnknownEvent(String),
    /// A part has more values than it may.
    #[error("a filter may name {MOST} {0}")]
    TooMany(&'static str),
}

impl EventFilter {
    /// Refuses what can not be meant, so that a misspelt filter never stays silent.
    pub fn check(&self) -> Result<(), FilterError> {
        let sizes = [
            ("kinds", self.kinds.len()),
            ("labels", self.labels.len()),
            ("jobs", self.job_ids.len()),
            ("events", self.events.len()),
            ("states", self.states.len()),
        ];
        if let Some((part, _)) = sizes.into_iter().find(|(_, size)| *size > MOST) {
            return Err(FilterError::TooMany(part));
        }
        let known = |name: &&String| !EventKind::NAMES.contains(&name.as_str());
        match self.events.iter().find(known) {
            Some(name) => Err(FilterError::UnknownEvent(name.chars().take(64).collect())),
            None => Ok(()),
        }
    }

    /// Whether this event is wanted.
    pub fn wants(&self, event: &Event) -> bool {
        let kind = |wanted: &String| match wanted.strip_suffix('*') {
            Some(begin) => event.kind.starts_with(begin),
            None => *wanted == event.kind,
        };
        let label = |(name, value): (&String, &String)| event.labels.get(name) == Some(value);
        (self.kinds.is_empty() || self.kinds.iter().any(kind))
            && (self.job_ids.is_empty() || self.job_ids.contains(&event.job_id))
            && self.labels.iter().all(label)
            && self.wants_kind(&event.event)
    }

    fn wants_kind(&self, event: &EventKind) -> bool {
        let named = self.events.iter().any(|name| name == event.name());
        match event {
            EventKind::State { state } if !self.states.is_empty() => {
                (named || self.events.is_empty()) && self.states.contains(state)
            }
            _ => named || (self.events.is_empty() && self.states.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, label: &str, event: EventKind) -> Event {
        let labels = [("service".to_owned(), label.to_owned())];
        Event {
            job_id: JobId::try_from("a".to_owned()).expect("an id"),
            owner: String::new(),
            kind: kind.to_owned(),
            labels: labels.into_iter().collect(),
            revision: 1,
            time: Timestamp(0),
            event,
        }
    }

    #[test]
    fn a_filter_wants_what_fits_every_part() {
        let completed = EventKind::State {
            state: State::Completed,
        };
        let running = EventKind::State {
            state: State::Running,
        };
        let wants = |filter: serde_json::Value| {
            let filter: EventFilter = serde_json::from_value(filter).expect("a filter");
            filter.check().expect("sound");
            [
                event("walrus.fetch", "x", completed.clone()),
                event("walrus.fetch", "y", EventKind::Removed),
                event("luna.scan", "x", running.clone()),
            ]
            .map(|event| filter.wants(&event))
        };
        let json = |text: &str| serde_json::from_str(text).expect("json");
        assert_eq!(wants(json("{}")), [true, true, true]);
        assert_eq!(
            wants(json(r#"{"kinds":["walrus.*"]}"#)),
            [true, true, false]
        );
        assert_eq!(
            wants(json(r#"{"kinds":["luna.scan","x"]}"#)),
            [false, false, true]
        );
        assert_eq!(
            wants(json(r#"{"labels":{"service":"x"}}"#)),
            [true, false, true]
        );
        assert_eq!(wants(json(r#"{"jobIds":["b"]}"#)), [false; 3]);
        assert_eq!(wants(json(r#"{"events":["state"]}"#)), [true, false, true]);
        assert_eq!(
            wants(json(r#"{"states":["completed"]}"#)),
            [true, false, false]
        );
        let both = r#"{"states":["completed"],"events":["removed","state"]}"#;
        assert_eq!(wants(json(both)), [true, true, false]);
    }

    #[test]
    fn a_filter_that_can_not_be_meant_is_refused() {
        let check = |filter: &str| serde_json::from_str::<EventFilter>(filter).map(|f| f.check());
        assert!(check(r#"{"kind":["a"]}"#).is_err());
        let error = check(r#"{"events":["ended"]}"#)
            .expect("json")
            .expect_err("unknown");
        assert_eq!(error, FilterError::UnknownEvent("ended".to_owned()));
        let many = EventFilter {
            kinds: vec![String::new(); MOST + 1],
            ..EventFilter::default()
        };
        assert_eq!(many.check(), Err(FilterError::TooMany("kinds")));
    }

    #[test]
    fn a_name_is_the_tag_in_json() {
        let kinds = [
            EventKind::State {
                state: State::Running,
            },
            EventKind::Progress {
                progress: Progress::default(),
            },
            EventKind::Log { lines: Vec::new() },
            EventKind::Items {
                items: Vec::new(),
                changed: 0,
                counts: ItemCounts::default(),
            },
            EventKind::CancelRequested,
            EventKind::Removed,
        ];
        for (kind, name) in kinds.iter().zip(EventKind::NAMES) {
            let json = serde_json::to_value(kind).expect("json");
            assert_eq!(json["event"], kind.name());
            assert_eq!(kind.name(), name);
        }
    }
}
