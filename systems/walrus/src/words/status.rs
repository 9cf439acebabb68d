//! One job in detail.

use longhaul_types::{LogLine, State, Timestamp, body::JobView};

use super::{command, percent, plain, seconds, standing};

/// The job, and the lines of its log that are given. `local` makes local time of a time: `%Y-%m-%d %H:%M:%S`.
pub fn status(
    job: &JobView,
    log: &[LogLine],
    now: Timestamp,
    local: impl Fn(Timestamp) -> String,
) -> String {
    let mut lines = vec![
        format!("📊 Job Status: {}", job.job_id),
        "─".repeat(37),
        format!("Command: {}", command(job)),
        format!("Status: {}", standing(job)),
        format!("Progress: {}%", percent(job)),
        format!("Duration: {:.1}s", seconds(job, now)),
    ];
    if job.items.total > 0 {
        let done = job.items.completed + job.items.failed;
        lines.push(format!("Items: {done}/{} processed", job.items.total));
    }
    if job.items.failed > 0 {
        lines.push(format!("Failed Items: {}", job.items.failed));
    }
    if let Some(started) = job.started_at {
        lines.push(format!("Started: {}", local(started)));
    }
    if let (State::Failed | State::Pending | State::Running, Some(error)) = (job.state, &job.error)
    {
        lines.push(format!("Error: {}", plain(error)));
    }
    if !log.is_empty() {
        lines.push("\nRecent Logs:".to_owned());
        lines.extend(log.iter().map(|line| {
            let time = local(line.time);
            let clock = time.split(' ').next_back().unwrap_or_default();
            format!("[{clock}] {}", plain(&line.text))
        }));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longhaul_types::{ItemCounts, Level};

    use super::{super::sample, *};

    #[test]
    fn the_documents_example() {
        let mut job = sample::job("job_1703123456_abc123", "retrieve mylist", State::Running);
        job.items = ItemCounts {
            total: 4,
            completed: 3,
            failed: 0,
        };
        job.progress.percentage = Some(75);
        let log = [LogLine {
            number: 1,
            time: Timestamp(0),
            level: Level::Info,
            text: "Retrieved item 1/4: \"Buy groceries\"".to_owned(),
        }];
        let text = status(&job, &log, Timestamp(1_703_123_501_200), |_| {
            "2023-12-21 10:30:15".to_owned()
        });
        assert_eq!(
            text,
            "📊 Job Status: job_1703123456_abc123\n\
             ─────────────────────────────────────\n\
             Command: retrieve mylist\n\
             Status: 🔄 Running\n\
             Progress: 75%\n\
             Duration: 45.2s\n\
             Items: 3/4 processed\n\
             Started: 2023-12-21 10:30:15\n\
             \n\
             Recent Logs:\n\
             [10:30:15] Retrieved item 1/4: \"Buy groceries\""
        );
    }
}
