//! Schedules: bodies of requests and answers of `/api/v1/schedules`, and the two policies that all of Longhaul names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JobId, Labels, Timestamp};

/// What becomes of times that passed while nobody was there to start their jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Missed {
    /// Nothing: the next time is the next one.
    Skip,
    /// One job for all of them.
    #[default]
    Once,
    /// A job for each, the newest so many.
    All,
}

impl Missed {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Once, Self::All];

    /// As JSON and commands say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

/// What becomes of a time at which the job before still lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Overlap {
    /// Its job is submitted beside the other.
    #[default]
    Allow,
    /// It is skipped, and counted as skipped.
    Skip,
}

impl Overlap {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Skip];

    /// As JSON and commands say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
        }
    }
}

/// The text names no such policy.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' is none of {known}")]
pub struct UnknownPolicy {
    text: String,
    known: &'static str,
}

impl FromStr for Missed {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| UnknownPolicy {
            text: text.chars().take(64).collect(),
            known: "skip, once, all",
        })
    }
}

impl FromStr for Overlap {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| UnknownPolicy {
            text: text.chars().take(64).collect(),
            known: "allow, skip",
        })
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `PUT /api/v1/schedules/{name}`: when, and which job. It has `cron` or `every`, not both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScheduleRequest {
    /// Cron expression of five fields, six with seconds first, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// IANA name of the time zone of `cron`; UTC when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Seconds between two times, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<f64>,
    /// No time before this; of `every`, the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// No time after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// What becomes of missed times.
    pub missed: Missed,
    /// Seconds after which a missed time is too old to be made up for; no limit when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_window: Option<f64>,
    /// Of `all`, jobs at most; 100 when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_limit: Option<u32>,
    /// What becomes of a time at which the job before still lives.
    pub overlap: Overlap,
    /// Whether nothing is submitted until somebody resumes it; when missing, as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Kind of the jobs.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub kind: String,
    /// Their args.
    pub args: Value,
    /// Their queue; the kind's own when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Higher runs first; 0 when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
    /// Names to values; each job has the label `schedule` too.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// Attempts in all.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds an attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<f64>,
    /// Seconds a whole job may take from its first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// A schedule as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// What was asked for.
    pub schedule: ScheduleRequest,
    /// Whether nothing is submitted until somebody resumes it.
    pub paused: bool,
    /// The next five times; none while it is paused and after its end.
    pub next_times: Vec<Timestamp>,
    /// The time of the last job that it submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Timestamp>,
    /// That job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_job_id: Option<JobId>,
    /// Jobs that it submitted.
    pub submitted: u64,
    /// Times that passed without a job because nobody was there; a long absence may count as fewer.
    pub missed: u64,
    /// Times that were skipped because the job before still lived.
    pub skipped: u64,
    /// Why the time that is due could not be submitted yet; it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was first put there.
    pub created_at: Timestamp,
    /// When it was last put, paused or resumed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub revision: u64,
}

/// `GET /api/v1/schedules`: a page of schedules, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SchedulePage {
    /// The schedules.
    pub schedules: Vec<ScheduleView>,
    /// `cursor` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
