//! What is printed at the end of a job that was waited for.

use longhaul_types::{Item, State, Timestamp, body::JobView};
use serde_json::Value;

use super::{Operation, command, follow, plain, seconds, size, standing};

/// The whole block at the end of a job: one line how it ended, what was retrieved, and the summary.
pub fn ended(job: &JobView, now: Timestamp) -> String {
    let noun = Operation::of(job).noun();
    let (done, total) = (job.items.completed, job.items.total);
    match job.state {
        State::Completed if job.items.failed > 0 => format!(
            "✓ Background {noun} completed (partial)\n\
             Items retrieved: {done}/{total} ({} failed)\n\
             {}{}\
             Failed items logged for review\n\n{}",
            job.items.failed,
            cached_line(job),
            batch_lines(job, now),
            summary(job, now)
        ),
        State::Completed if Operation::of(job) == Operation::Sync => follow::synced(job, now),
        State::Completed => format!(
            "✓ Background {noun} completed\n\
             Items retrieved: {done}\n\
             {}{}\n{}",
            cached_line(job),
            batch_lines(job, now),
            summary(job, now)
        ),
        State::Failed => format!(
            "✗ Background {noun} failed: {}",
            plain(job.error.as_deref().unwrap_or("no reason given"))
        ),
        State::Cancelled => format!("⊘ Background {noun} cancelled: {}", job.job_id),
        State::Pending | State::Running => format!("🔄 {} goes on: {}", command(job), job.job_id),
    }
}

/// Where to look after a failure.
pub fn failed_hint(id: &str) -> String {
    format!("Check detailed logs:\nwaltodo status {id} --verbose")
}

/// The items that failed, a line each, for review.
pub fn failed_items(items: &[Item]) -> String {
    items
        .iter()
        .map(|item| {
            let why = item
                .error
                .as_ref()
                .map_or("no reason given", |error| error.message.as_str());
            format!("✗ {}: {}\n", plain(&item.name), plain(why))
        })
        .collect()
}

/// Size and duration of a batch, where the document prints them.
fn batch_lines(job: &JobView, now: Timestamp) -> String {
    if job.items.total < 2 {
        return String::new();
    }
    let duration = format!("Duration: {:.1}s\n", seconds(job, now));
    match &job.results {
        // The result is kept for an hour, and then nobody knows any more.
        None => duration,
        Some(_) => format!("Total size: {}\n{duration}", size(result(job, "bytes"))),
    }
}

/// How many items came from the result cache, if any did.
fn cached_line(job: &JobView) -> String {
    match result(job, "cached") {
        0 => String::new(),
        cached => format!("From the result cache: {cached}\n"),
    }
}

/// A number of the job's result; 0 when it is not kept any more.
fn result(job: &JobView, name: &str) -> u64 {
    job.results
        .as_ref()
        .and_then(|results| results.get(name))
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

fn summary(job: &JobView, now: Timestamp) -> String {
    let (done, total, failed) = (job.items.completed, job.items.total, job.items.failed);
    let mut lines = vec![
        "📊 Retrieval Summary".to_owned(),
        "─".repeat(30),
        format!("Job ID: {}", job.job_id),
        format!("Status: {}", standing(job)),
        format!("Duration: {:.1}s", seconds(job, now)),
        format!("Items Retrieved: {done}"),
    ];
    if failed > 0 {
        let percent = u64::from(done) * 100 / u64::from(total.max(1));
        lines.push(format!("Success Rate: {percent}% ({done}/{total})"));
        lines.push(format!("Failed Items: {failed}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longhaul_types::ItemCounts;

    use super::{super::sample, *};

    #[test]
    fn a_single_item_ends_as_in_the_document() {
        let mut job = sample::job(
            "job_1703123456_def456",
            "retrieve QmXyz123",
            State::Completed,
        );
        job.items = ItemCounts {
            total: 1,
            completed: 1,
            failed: 0,
        };
        job.completed_at = Some(Timestamp(1_703_123_458_300));
        assert_eq!(
            ended(&job, Timestamp(0)),
            "✓ Background retrieval completed\n\
             Items retrieved: 1\n\
             \n\
             📊 Retrieval Summary\n\
             ──────────────────────────────\n\
             Job ID: job_1703123456_def456\n\
             Status: ✓ Completed\n\
             Duration: 2.3s\n\
             Items Retrieved: 1"
        );
    }

    #[test]
    fn a_batch_ends_with_its_size() {
        let mut job = sample::job("a", "retrieve production-todos", State::Completed);
        job.items = ItemCounts {
            total: 8,
            completed: 8,
            failed: 0,
        };
        job.completed_at = Some(Timestamp(1_703_123_479_100));
        job.results = Some(serde_json::json!({"bytes": 2_400_000}));
        let text = ended(&job, Timestamp(0));
        let wanted = "Items retrieved: 8\nTotal size: 2.4 MB\nDuration: 23.1s\n";
        assert!(text.contains(wanted), "{text}");
        job.results = None;
        let text = ended(&job, Timestamp(0));
        assert!(
            text.contains("Items retrieved: 8\nDuration: 23.1s\n"),
            "{text}"
        );
        job.results = Some(serde_json::json!({"bytes": 2_400_000, "cached": 3}));
        let text = ended(&job, Timestamp(0));
        let wanted = "Items retrieved: 8\nFrom the result cache: 3\nTotal size: 2.4 MB\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn partial_success_says_how_many_failed() {
        let mut job = sample::job("a", "retrieve mixed-todos", State::Completed);
        job.items = ItemCounts {
            total: 8,
            completed: 6,
            failed: 2,
        };
        job.completed_at = Some(Timestamp(1_703_123_460_000));
        let text = ended(&job, Timestamp(0));
        for wanted in [
            "✓ Background retrieval completed (partial)\nItems retrieved: 6/8 (2 failed)\n",
            "Failed items logged for review\n\n📊 Retrieval Summary\n──────────────────────────────\n",
            "Status: ✓ Completed (with warnings)\n",
            "Success Rate: 75% (6/8)\nFailed Items: 2",
        ] {
            assert!(text.contains(wanted), "{wanted:?} in {text}");
        }
    }

    #[test]
    fn a_failure_says_why() {
        let mut job = sample::job("a", "retrieve InvalidBlobId", State::Failed);
        job.error = Some("Todo not found with blob ID 'InvalidBlobId'".to_owned());
        assert_eq!(
            ended(&job, Timestamp(0)),
            "✗ Background retrieval failed: Todo not found with blob ID 'InvalidBlobId'"
        );
    }
}
