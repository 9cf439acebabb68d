//! Rows and the model's types, one into the other.

use std::time::Duration;

use longhaul_types::{
    Item, ItemCounts, ItemState, JobError, JobId, Labels, Level, LogLine, Progress, Reason, State,
    Timestamp, body::Artifact, worker::WorkerRetention,
};
use rusqlite::{Error as Sqlite, Result, Row, types::Type};
use serde_json::Value;

use crate::{
    model::{Attempt, AttemptEnd, Job, Retention, Status, WorkerId},
    store::{Kind, StoredArtifact},
};

pub(super) use crate::store::numbers::{
    attempt_number, item_state_number, level_number, millis, reason_number, retention_text, signed,
    state_number,
};

/// A state by its number, in column `index`.
pub(super) fn state(row: &Row<'_>, index: usize) -> Result<State> {
    pick(row, index, &State::ALL)
}

/// An unsigned number, in column `index`.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(|_| Sqlite::IntegralValueOutOfRange(index, number))
}

/// A point in time, in column `index`.
pub(super) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp> {
    row.get(index).map(Timestamp)
}

/// A point in time or none, in column `index`.
pub(super) fn maybe_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp))
}

/// A span or none, in column `index`.
pub(super) fn maybe_span(row: &Row<'_>, index: usize) -> Result<Option<Duration>> {
    let millis: Option<i64> = row.get(index)?;
    Ok(millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}

/// A job's id, in column `index`.
pub(super) fn id(row: &Row<'_>, index: usize) -> Result<JobId> {
    let text: String = row.get(index)?;
    JobId::try_from(text).map_err(|error| convert(index, error))
}

/// Code and message, in column `index` and the next.
pub(super) fn error(row: &Row<'_>, index: usize) -> Result<Option<JobError>> {
    let Some(code) = row.get(index)? else {
        return Ok(None);
    };
    let message = row.get(index + 1)?;
    Ok(Some(JobError { code, message }))
}

/// Counts of items, in column `index` and the next two.
pub(super) fn item_counts(row: &Row<'_>, index: usize) -> Result<ItemCounts> {
    Ok(ItemCounts {
        total: row.get(index)?,
        completed: row.get(index + 1)?,
        failed: row.get(index + 2)?,
    })
}

/// Labels, JSON text or none, in column `index`.
pub(super) fn labels(row: &Row<'_>, index: usize) -> Result<Labels> {
    match row
        .get_ref(index)?
        .as_str_or_null()
        .map_err(|error| convert(index, error))?
    {
        Some(text) => serde_json::from_str(text).map_err(|error| convert(index, error)),
        None => Ok(Labels::new()),
    }
}

/// Progress, JSON text.
pub(super) fn progress(row: &Row<'_>, index: usize) -> Result<Progress> {
    match row
        .get_ref(index)?
        .as_str_or_null()
        .map_err(|error| convert(index, error))?
    {
        Some(text) => serde_json::from_str(text).map_err(|error| convert(index, error)),
        None => Ok(Progress::default()),
    }
}

/// Any JSON text or none, in column `index`.
pub(super) fn json(row: &Row<'_>, index: usize) -> Result<Option<Value>> {
    match row
        .get_ref(index)?
        .as_str_or_null()
        .map_err(|error| convert(index, error))?
    {
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|error| convert(index, error)),
        None => Ok(None),
    }
}

/// JSON text as `T`.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T> {
    let text = row.get_ref(index)?;
    let text = text.as_str().map_err(|error| convert(index, error))?;
    serde_json::from_str(text).map_err(|error| convert(index, error))
}

/// A row of `job.sql`.
pub(super) fn job(row: &Row<'_>) -> Result<Job> {
    let worker = || -> Result<Option<WorkerId>> {
        Ok(row.get::<_, Option<String>>(9)?.map(WorkerId::named))
    };
    let status = match state(row, 6)? {
        State::Pending => Status::Pending {
            reason: pick(row, 7, &Reason::ALL)?,
            run_at: maybe_time(row, 8)?,
            worker: worker()?,
        },
        State::Running => Status::Running {
            worker: WorkerId::named(row.get::<_, String>(9)?),
            since: time(row, 10)?,
            cancel_requested: maybe_time(row, 11)?,
        },
        ended => Status::Ended {
            state: ended,
            at: time(row, 12)?,
        },
    };
    Ok(Job {
        seq: row.get(0)?,
        id: id(row, 1)?,
        owner: row.get(2)?,
        kind: row.get(3)?,
        queue: row.get(4)?,
        priority: row.get(5)?,
        status,
        claim: unsigned(row, 13)?,
        attempts: row.get(14)?,
        max_attempts: row.get(15)?,
        rescues: row.get(16)?,
        attempt_timeout: maybe_span(row, 17)?,
        timeout: maybe_span(row, 18)?,
        items: item_counts(row, 19)?,
        error: error(row, 22)?,
        created_at: time(row, 24)?,
        started_at: maybe_time(row, 25)?,
        unique_key: row.get(26)?,
        revision: unsigned(row, 27)?,
        labels: labels(row, 28)?,
        progress: progress(row, 29)?,
    })
}

fn retention(row: &Row<'_>, index: usize) -> Result<Retention> {
    let text = row.get_ref(index)?.as_str()?;
    let given: WorkerRetention =
        serde_json::from_str(text).map_err(|error| convert(index, error))?;
    Ok(Retention::from(&given))
}

/// A row of `kinds.sql`: the number of the kind's name, and the kind.
pub(super) fn kind(row: &Row<'_>) -> Result<(i64, Kind)> {
    let kind = Kind {
        name: row.get(1)?,
        version: row.get(2)?,
        retention: retention(row, 3)?,
        queue: row.get(4)?,
        max_attempts: row.get(5)?,
        attempt_timeout: maybe_span(row, 6)?,
        timeout: maybe_span(row, 7)?,
    };
    Ok((row.get(0)?, kind))
}

/// A row of `items.sql`.
pub(super) fn item(row: &Row<'_>) -> Result<Item> {
    Ok(Item {
        position: row.get(0)?,
        name: row.get(1)?,
        state: pick(row, 2, &ItemState::ALL)?,
        attempts: row.get(3)?,
        error: error(row, 4)?,
        result: json(row, 6)?,
        updated_at: time(row, 7)?,
    })
}

/// The state of an item by its number, in column `index`.
pub(super) fn item_state(row: &Row<'_>, index: usize) -> Result<ItemState> {
    pick(row, index, &ItemState::ALL)
}

/// A row of `log.sql`.
pub(super) fn log_line(row: &Row<'_>) -> Result<LogLine> {
    Ok(LogLine {
        number: unsigned(row, 0)?,
        time: time(row, 1)?,
        level: pick(row, 2, &Level::ALL)?,
        text: row.get(3)?,
    })
}

/// A row of `artifacts.sql`.
pub(super) fn artifact(row: &Row<'_>) -> Result<StoredArtifact> {
    Ok(StoredArtifact {
        artifact: Artifact {
            name: row.get(0)?,
            size: unsigned(row, 1)?,
            sha256: row.get(2)?,
            content_type: row.get(3)?,
            created_at: time(row, 5)?,
        },
        location: row.get(4)?,
    })
}

/// A row of `attempts.sql`.
pub(super) fn attempt(row: &Row<'_>) -> Result<Attempt> {
    const ENDS: [AttemptEnd; 4] = [
        AttemptEnd::Failed,
        AttemptEnd::Cancelled,
        AttemptEnd::Released,
        AttemptEnd::Rescued,
    ];
    Ok(Attempt {
        claim: unsigned(row, 0)?,
        worker: WorkerId::named(row.get::<_, String>(1)?),
        started_at: time(row, 2)?,
        ended_at: time(row, 3)?,
        end: pick(row, 4, &ENDS)?,
        error: error(row, 5)?,
    })
}

fn pick<T: Copy>(row: &Row<'_>, index: usize, all: &[T]) -> Result<T> {
    let number: i64 = row.get(index)?;
    usize::try_from(number)
        .ok()
        .and_then(|number| all.get(number))
        .copied()
        .ok_or(Sqlite::IntegralValueOutOfRange(index, number))
}

fn convert(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> Sqlite {
    Sqlite::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}
