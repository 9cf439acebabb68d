//! What is printed of a sync that was waited for.

use longhaul_types::{Timestamp, body::JobView};
use serde_json::Value;

use super::{seconds, standing};

/// The whole block at the end of a sync: what was found, and that its fetches may still run.
pub(super) fn synced(job: &JobView, now: Timestamp) -> String {
    let number = |name: &str| {
        let value = job.results.as_ref().and_then(|results| results.get(name));
        value.and_then(Value::as_u64).unwrap_or(0)
    };
    let mut lines = vec![
        "✓ Background sync completed".to_owned(),
        format!("Fetches started: {}\n", number("jobs")),
        "📊 Sync Summary".to_owned(),
        "─".repeat(30),
        format!("Job ID: {}", job.job_id),
        format!("Status: {}", standing(job)),
        format!("Duration: {:.1}s", seconds(job, now)),
        format!("Checkpoints: {} to {}", number("from"), number("to")),
        format!("Events Found: {}", number("events")),
        format!("Fetches Started: {}", number("jobs")),
    ];
    if number("known") > 0 {
        lines.push(format!("Known Before: {}", number("known")));
    }
    if number("jobs") > 0 {
        lines.push("\n💡 Track progress: waltodo jobs --active".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longhaul_types::State;
    use serde_json::json;

    use super::{super::sample, *};

    #[test]
    fn a_sync_says_what_it_found() {
        let mut job = sample::job("job_1", "sync 1000000", State::Completed);
        job.completed_at = Some(Timestamp(1_703_123_458_300));
        job.results =
            Some(json!({"from": 1_000_000, "to": 1_000_041, "events": 7, "jobs": 5, "known": 2}));
        assert_eq!(
            super::super::ended(&job, Timestamp(0)),
            "✓ Background sync completed\n\
             Fetches started: 5\n\
             \n\
             📊 Sync Summary\n\
             ──────────────────────────────\n\
             Job ID: job_1\n\
             Status: ✓ Completed\n\
             Duration: 2.3s\n\
             Checkpoints: 1000000 to 1000041\n\
             Events Found: 7\n\
             Fetches Started: 5\n\
             Known Before: 2\n\
             \n\
             💡 Track progress: waltodo jobs --active"
        );
    }
}
