//! Rows and the model's types, one into the other.

use std::time::Duration;

use longhaul_types::{
    Item, ItemCounts, ItemState, JobError, JobId, Labels, Level, LogLine, Reason, State, Timestamp,
    body::Artifact, worker::WorkerRetention,
};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::text::told;
use crate::{
    model::{Attempt, AttemptEnd, Job, Retention, Scheduled, Status, WorkerId},
    store::{Error, Kind, StoredArtifact},
};

pub(super) use crate::store::numbers::{
    attempt_number, item_state_number, level_number, millis, reason_number, retention_text, signed,
    state_number,
};

/// Ends of attempts in the order of their numbers.
const ENDS: [AttemptEnd; 4] = [
    AttemptEnd::Failed,
    AttemptEnd::Cancelled,
    AttemptEnd::Released,
    AttemptEnd::Rescued,
];

/// A number of rows as the database takes it.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value by its number, in column `index`.
pub(super) fn pick<T: Copy>(row: &Row, index: usize, all: &[T]) -> Result<T, Error> {
    let number: i16 = row.get(index);
    let found = usize::try_from(number).ok().and_then(|at| all.get(at));
    found
        .copied()
        .ok_or_else(|| Error::Corrupt(format!("a row has the unknown number {number}")))
}

/// A number of at most 32 bits, in column `index`.
pub(super) fn small(row: &Row, index: usize) -> u32 {
    u32::try_from(row.get::<_, i64>(index)).unwrap_or(u32::MAX)
}

/// An unsigned number, in column `index`.
pub(super) fn unsigned(row: &Row, index: usize) -> u64 {
    u64::try_from(row.get::<_, i64>(index)).unwrap_or_default()
}

/// A point in time, in column `index`.
pub(super) fn time(row: &Row, index: usize) -> Timestamp {
    Timestamp(row.get(index))
}

/// A point in time or none, in column `index`.
pub(super) fn maybe_time(row: &Row, index: usize) -> Option<Timestamp> {
    row.get::<_, Option<i64>>(index).map(Timestamp)
}

/// A span or none, in column `index`.
pub(super) fn maybe_span(row: &Row, index: usize) -> Option<Duration> {
    let millis: Option<i64> = row.get(index);
    millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// A text of outside, in column `index`.
pub(super) fn text(row: &Row, index: usize) -> String {
    told(row.get(index))
}

/// A text of outside or none, in column `index`.
pub(super) fn maybe_text(row: &Row, index: usize) -> Option<String> {
    row.get::<_, Option<String>>(index).map(told)
}

/// A job's id, in column `index`.
pub(super) fn id(row: &Row, index: usize) -> Result<JobId, Error> {
    let text: String = row.get(index);
    JobId::try_from(text).map_err(|error| Error::Corrupt(error.to_string()))
}

/// Code and message, in column `index` and the next.
pub(super) fn error(row: &Row, index: usize) -> Option<JobError> {
    Some(JobError {
        code: maybe_text(row, index)?,
        message: maybe_text(row, index + 1)?,
    })
}

/// Counts of items, in column `index` and the next two.
pub(super) fn item_counts(row: &Row, index: usize) -> ItemCounts {
    ItemCounts {
        total: small(row, index),
        completed: small(row, index + 1),
        failed: small(row, index + 2),
    }
}

/// JSON text as `T`.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt(format!("stored JSON: {error}")))
}

/// JSON text, in column `index`; what `T` is by default where there is none.
pub(super) fn json<T: DeserializeOwned + Default>(row: &Row, index: usize) -> Result<T, Error> {
    let text: Option<&str> = row.get(index);
    text.map(parsed).transpose().map(Option::unwrap_or_default)
}

/// Any JSON text or none, in column `index`.
pub(super) fn value(row: &Row, index: usize) -> Result<Option<serde_json::Value>, Error> {
    let text: Option<&str> = row.get(index);
    text.map(parsed).transpose()
}

/// Labels, JSON text or none, in column `index`.
pub(super) fn labels(row: &Row, index: usize) -> Result<Labels, Error> {
    json(row, index)
}

/// A row of `jobs.sql`.
pub(super) fn job(row: &Row) -> Result<Job, Error> {
    let worker = maybe_text(row, 9).map(WorkerId::named);
    let nobody = || Error::Corrupt("a running job has no worker".to_owned());
    let status = match pick(row, 6, &State::ALL)? {
        State::Pending => Status::Pending {
            reason: pick(row, 7, &Reason::ALL)?,
            run_at: maybe_time(row, 8),
            worker,
        },
        State::Running => Status::Running {
            worker: worker.ok_or_else(nobody)?,
            since: time(row, 10),
            cancel_requested: maybe_time(row, 11),
        },
        ended => Status::Ended {
            state: ended,
            at: time(row, 12),
        },
    };
    Ok(Job {
        seq: row.get(0),
        id: id(row, 1)?,
        owner: text(row, 2),
        kind: text(row, 3),
        queue: text(row, 4),
        priority: row.get(5),
        status,
        claim: unsigned(row, 13),
        attempts: small(row, 14),
        max_attempts: small(row, 15),
        rescues: small(row, 16),
        attempt_timeout: maybe_span(row, 17),
        timeout: maybe_span(row, 18),
        items: item_counts(row, 19),
        error: error(row, 22),
        created_at: time(row, 24),
        started_at: maybe_time(row, 25),
        unique_key: maybe_text(row, 26),
        revision: unsigned(row, 27),
        labels: labels(row, 28)?,
        progress: json(row, 29)?,
    })
}

/// A row of `kinds.sql`: the number of the kind's name, and the kind.
pub(super) fn kind(row: &Row) -> Result<(i32, Kind), Error> {
    let given: WorkerRetention = parsed(row.get(3))?;
    let kind = Kind {
        name: text(row, 1),
        version: small(row, 2),
        retention: Retention::from(&given),
        queue: text(row, 4),
        max_attempts: small(row, 5),
        attempt_timeout: maybe_span(row, 6),
        timeout: maybe_span(row, 7),
    };
    Ok((row.get(0), kind))
}

/// A row of `items.sql`.
pub(super) fn item(row: &Row) -> Result<Item, Error> {
    Ok(Item {
        position: small(row, 0),
        name: text(row, 1),
        state: pick(row, 2, &ItemState::ALL)?,
        attempts: small(row, 3),
        error: error(row, 4),
        result: value(row, 6)?,
        updated_at: time(row, 7),
    })
}

/// A row of `log.sql`.
pub(super) fn log_line(row: &Row) -> Result<LogLine, Error> {
    Ok(LogLine {
        number: unsigned(row, 0),
        time: time(row, 1),
        level: pick(row, 2, &Level::ALL)?,
        text: text(row, 3),
    })
}

/// A row of `artifacts.sql`.
pub(super) fn artifact(row: &Row) -> StoredArtifact {
    StoredArtifact {
        artifact: Artifact {
            name: text(row, 0),
            size: unsigned(row, 1),
            sha256: text(row, 2),
            content_type: text(row, 3),
            created_at: time(row, 5),
        },
        location: text(row, 4),
    }
}

/// A row of `attempts.sql`.
pub(super) fn attempt(row: &Row) -> Result<Attempt, Error> {
    Ok(Attempt {
        claim: unsigned(row, 0),
        worker: WorkerId::named(text(row, 1)),
        started_at: time(row, 2),
        ended_at: time(row, 3),
        end: pick(row, 4, &ENDS)?,
        error: error(row, 5),
    })
}

/// A row of the statements that find schedules.
pub(super) fn scheduled(row: &Row) -> Result<Scheduled, Error> {
    let mut schedule: crate::model::Schedule = parsed(row.get(2))?;
    schedule.name = text(row, 0);
    schedule.owner = text(row, 1);
    schedule.paused = Some(row.get(3));
    let last = match maybe_time(row, 6) {
        Some(time) => Some((time, id(row, 7)?)),
        None => None,
    };
    Ok(Scheduled {
        schedule,
        next_at: maybe_time(row, 4),
        look_at: maybe_time(row, 5),
        last,
        submitted: unsigned(row, 8),
        missed: unsigned(row, 9),
        skipped: unsigned(row, 10),
        error: maybe_text(row, 11),
        created_at: time(row, 12),
        updated_at: time(row, 13),
        revision: unsigned(row, 14),
    })
}
