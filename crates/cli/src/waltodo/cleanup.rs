//! `waltodo jobs --cleanup`: removes jobs that have ended, with all they left.
//!
//! Invariant: a job that waits or runs is never removed, also when it was given another go in the meantime: the server
//! refuses it then.

use std::{process::ExitCode, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use longhaul_client::JobsQuery;
use longhaul_types::{ErrorCode, JobId, State, Timestamp, body::JobView};
use longhaul_walrus::words::{self, CleanedUp};
use serde::Serialize;

use super::jobs::{KINDS, PAGE};
use crate::{exit::Result, output, session::Session, settings::Settings};

/// Days after their end that jobs stay when nothing else is said.
pub(super) const DAYS: f64 = 7.0;
/// Most days: a hundred years.
const MAX_DAYS: f64 = 36_500.0;
/// Jobs removed at a time.
const AT_A_TIME: usize = 8;

/// Days of `--max-age`: none or more, parts of a day too.
pub(super) fn days(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(days) if (0.0..=MAX_DAYS).contains(&days) => Ok(days.abs()),
        _ => Err(format!(
            "'{text}' is no number of days, like 7, 0.5 or 0 for all that have ended"
        )),
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    success: bool,
    max_age_days: f64,
    removed: usize,
    completed: usize,
    failed: usize,
    cancelled: usize,
}

/// Removes every job that ended so many days ago or earlier, and says how many.
pub(super) async fn run(days: f64, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let before = Timestamp::now() - Duration::from_secs_f64(days * 86_400.0);
    let removed = remove(&session, before).await?;
    if settings.json() {
        output::json(&Answer {
            success: true,
            max_age_days: days,
            removed: removed.total(),
            completed: removed.completed,
            failed: removed.failed,
            cancelled: removed.cancelled,
        })?;
    } else {
        output::line(&words::cleaned_up(&removed, days))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes through all that have ended, a page at a time.
async fn remove(session: &Session, before: Timestamp) -> Result<CleanedUp> {
    let mut query = JobsQuery {
        states: vec![State::Completed, State::Failed, State::Cancelled],
        kinds: vec![KINDS.to_owned()],
        limit: Some(PAGE),
        ..JobsQuery::default()
    };
    let mut removed = CleanedUp::default();
    loop {
        let page = session.client.jobs(&query).await?;
        let old = page.jobs.into_iter().filter(|job| is_old(job, before));
        let mut gone = stream::iter(old)
            .map(|job| async move {
                let gone = remove_one(session, &job.job_id).await?;
                Ok::<_, longhaul_client::Error>(gone.then_some(job.state))
            })
            .buffer_unordered(AT_A_TIME);
        while let Some(state) = gone.try_next().await? {
            match state {
                Some(State::Failed) => removed.failed += 1,
                Some(State::Cancelled) => removed.cancelled += 1,
                Some(_) => removed.completed += 1,
                None => {}
            }
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(removed),
        }
    }
}

fn is_old(job: &JobView, before: Timestamp) -> bool {
    job.completed_at.is_some_and(|ended| ended <= before)
}

/// Whether it was removed here: it may be gone already, or have been given another go.
async fn remove_one(
    session: &Session,
    id: &JobId,
) -> std::result::Result<bool, longhaul_client::Error> {
    match session.client.remove(id).await {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.code(),
                Some(ErrorCode::NotFound | ErrorCode::IllegalTransition)
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_none_or_more() {
        assert_eq!(days("7"), Ok(7.0));
        assert_eq!(days("0.5"), Ok(0.5));
        assert_eq!(days("0"), Ok(0.0));
        for text in ["-1", "", "x", "inf", "NaN", "1e9", "1 day"] {
            assert!(days(text).is_err(), "{text}");
        }
    }
}
