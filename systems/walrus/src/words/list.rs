//! Lists of jobs: a section for each standing that is present, and a summary.

use longhaul_types::{State, Timestamp, body::JobView};

use super::{bar, command, percent, plain, seconds};

/// What the list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// All jobs.
    All,
    /// Those that have not ended.
    Active,
    /// Those that completed.
    Completed,
    /// Those that failed.
    Failed,
}

impl Heading {
    fn text(self) -> &'static str {
        match self {
            Self::All => "Background Jobs",
            Self::Active => "Active Background Jobs",
            Self::Completed => "Completed Background Jobs",
            Self::Failed => "Failed Background Jobs",
        }
    }
}

/// The sections in their order: symbol and heading, word in the summary.
const SECTIONS: [(&str, &str); 5] = [
    ("🔄 RUNNING", "Running"),
    ("⏳ PENDING", "Pending"),
    ("✓ COMPLETED", "Completed"),
    ("✗ FAILED", "Failed"),
    ("⊘ CANCELLED", "Cancelled"),
];

/// The whole list.
pub fn list(heading: Heading, jobs: &[JobView], now: Timestamp) -> String {
    let mut text = format!("{:<42}Found {} job(s)\n", heading.text(), jobs.len());
    let mut counts = Vec::new();
    for (index, (title, word)) in SECTIONS.into_iter().enumerate() {
        let members: Vec<&JobView> = jobs.iter().filter(|job| section(job) == index).collect();
        if members.is_empty() {
            continue;
        }
        text.push_str(&format!(
            "\n{title} ({})\n{}\n",
            members.len(),
            "─".repeat(60)
        ));
        let entries: Vec<String> = members.iter().map(|job| entry(job, now)).collect();
        text.push_str(&entries.join("\n"));
        counts.push(format!("{word}: {}", members.len()));
    }
    text.push_str(&format!(
        "\n📊 Summary\n{}\nTotal: {}\n{}",
        "─".repeat(18),
        jobs.len(),
        counts.join("\n")
    ));
    text.trim_end().to_owned()
}

fn section(job: &JobView) -> usize {
    match job.state {
        State::Running => 0,
        State::Pending if job.started_at.is_some() => 0,
        State::Pending => 1,
        State::Completed => 2,
        State::Failed => 3,
        State::Cancelled => 4,
    }
}

fn entry(job: &JobView, now: Timestamp) -> String {
    let mut lines = vec![format!("{} - {}", job.job_id, command(job))];
    let percent = percent(job);
    lines.push(format!(
        "  {} {percent}% | {:.1}s",
        bar(percent),
        seconds(job, now)
    ));
    let items = job.items;
    if items.total > 1 {
        let failed = match items.failed {
            0 => String::new(),
            failed => format!(" ({failed} failed)"),
        };
        lines.push(format!(
            "  Items: {}/{}{failed}",
            items.completed, items.total
        ));
    }
    if let (State::Failed, Some(error)) = (job.state, &job.error) {
        lines.push(format!("  Error: {}", plain(error)));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longhaul_types::ItemCounts;

    use super::{super::sample, *};

    #[test]
    fn the_documents_example() {
        let mut first = sample::job("job_1703123456_abc123", "retrieve mylist", State::Running);
        first.items = ItemCounts {
            total: 4,
            completed: 3,
            failed: 0,
        };
        first.progress.percentage = Some(75);
        let mut second = sample::job("job_1703123457_def456", "fetch QmXyz789", State::Running);
        second.progress.percentage = Some(45);
        second.started_at = Some(Timestamp(1_703_123_489_100));
        let now = Timestamp(1_703_123_501_200);
        assert_eq!(
            list(Heading::Active, &[first, second], now),
            "Active Background Jobs                    Found 2 job(s)\n\
             \n\
             🔄 RUNNING (2)\n\
             ────────────────────────────────────────────────────────────\n\
             job_1703123456_abc123 - retrieve mylist\n  \
               [███████████████░░░░░] 75% | 45.2s\n  \
               Items: 3/4\n\
             \n\
             job_1703123457_def456 - fetch QmXyz789\n  \
               [█████████░░░░░░░░░░░] 45% | 12.1s\n\
             \n\
             📊 Summary\n\
             ──────────────────\n\
             Total: 2\n\
             Running: 2"
        );
    }

    #[test]
    fn each_standing_has_its_section() {
        let jobs: Vec<JobView> = State::ALL
            .into_iter()
            .map(|state| sample::job(state.as_str(), "retrieve x", state))
            .collect();
        let text = list(Heading::All, &jobs, Timestamp(1_703_123_457_000));
        for title in [
            "🔄 RUNNING (2)",
            "✓ COMPLETED (1)",
            "✗ FAILED (1)",
            "⊘ CANCELLED (1)",
        ] {
            assert!(text.contains(title), "{title} in {text}");
        }
        assert!(
            text.ends_with("Running: 2\nCompleted: 1\nFailed: 1\nCancelled: 1"),
            "{text}"
        );
    }
}
