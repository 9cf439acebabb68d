//! What the document of `waltodo` shows on a terminal, word for word: lines, bars, symbols and summaries.
//!
//! Pure: from a job as the API shows it to text. Names from outside are printed with control and bidirectional
//! characters escaped.

mod cleanup;
mod ending;
mod follow;
mod list;
mod status;

use longhaul_types::{Reason, State, body::JobView};

pub use cleanup::{CleanedUp, cleaned_up};
pub use ending::{ended, failed_hint, failed_items};
pub use list::{Heading, list};
pub use status::status;

/// Label under which a job keeps the command it was started with: `retrieve mylist`.
pub const COMMAND: &str = "command";

/// Cells of every bar.
const CELLS: usize = 20;

/// What the document calls the operation of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `waltodo retrieve`.
    Retrieve,
    /// `waltodo fetch`.
    Fetch,
    /// `waltodo monitor`.
    Monitor,
    /// `waltodo sync`.
    Sync,
}

impl Operation {
    /// The noun: retrieval, fetch, monitor, sync.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieval",
            Self::Fetch => "fetch",
            Self::Monitor => "monitor",
            Self::Sync => "sync",
        }
    }

    /// The operation of a job: what its command begins with.
    pub fn of(job: &JobView) -> Self {
        let command = job.labels.get(COMMAND).map_or("", String::as_str);
        match command.split(' ').next() {
            Some("fetch") => Self::Fetch,
            Some("monitor") => Self::Monitor,
            Some("sync") => Self::Sync,
            _ => Self::Retrieve,
        }
    }
}

/// The lines at the start of a job; one without a time limit says so.
pub fn starting(operation: Operation, id: &str, timeout_seconds: Option<f64>) -> String {
    let timeout =
        timeout_seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}s"));
    format!(
        "🚀 Starting background {} operation...\nJob ID: {id}\nTimeout: {timeout}",
        operation.noun()
    )
}

/// The lines after a start that does not wait.
pub fn started(operation: Operation, id: &str) -> String {
    format!(
        "✓ Background {} started\n\n\
         💡 Track progress: waltodo jobs\n\
         💡 Check status: waltodo status {id}\n\
         💡 Cancel job: waltodo cancel {id}",
        operation.noun()
    )
}

/// The line before the progress of a start that waits.
pub fn waiting(operation: Operation) -> String {
    format!("⏳ Waiting for {} to complete...", operation.noun())
}

/// One line of progress: bar, percentage and what is being done.
pub fn progress(job: &JobView) -> String {
    let percent = percent(job);
    let task = job.progress.current_task.as_deref().unwrap_or("Waiting...");
    format!("{} {percent}% - {}", bar(percent), plain(task))
}

/// The line after a cancel.
pub fn cancelled(id: &str) -> String {
    format!("✓ Background job cancelled: {id}")
}

/// What Ctrl-C says while a job is followed.
pub fn detached(id: &str) -> String {
    format!(
        "The job goes on in the background.\n\
         💡 Check status: waltodo status {id} --wait\n\
         💡 Cancel job: waltodo cancel {id}"
    )
}

/// A bar of 20 cells; it is full only at 100 %.
pub fn bar(percent: u8) -> String {
    let full = usize::from(percent.min(100)) * CELLS / 100;
    format!("[{}{}]", "█".repeat(full), "░".repeat(CELLS - full))
}

/// How far the job is, in whole percent; a completed one is at 100.
pub fn percent(job: &JobView) -> u8 {
    match (job.state, job.progress.percentage) {
        (State::Completed, _) => 100,
        (_, Some(percent)) => percent,
        (_, None) => 0,
    }
}

/// `text` with control and bidirectional characters made visible.
pub fn plain(text: &str) -> String {
    let strange = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
    };
    if !text.contains(strange) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let escaped = strange(c).then(|| c.escape_unicode());
            let kept = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(kept)
        })
        .collect()
}

/// The document's word and symbol for where a job stands.
fn standing(job: &JobView) -> &'static str {
    match job.state {
        State::Pending if job.started_at.is_none() => match job.reason {
            Some(Reason::Held) => "⏳ Pending (held)",
            _ => "⏳ Pending",
        },
        State::Pending | State::Running => "🔄 Running",
        State::Completed if job.items.failed > 0 => "✓ Completed (with warnings)",
        State::Completed => "✓ Completed",
        State::Failed => "✗ Failed",
        State::Cancelled => "⊘ Cancelled",
    }
}

/// The command a job was started with.
fn command(job: &JobView) -> String {
    plain(job.labels.get(COMMAND).unwrap_or(&job.kind))
}

/// Seconds from the start of a job to its end, or to `now`.
fn seconds(job: &JobView, now: longhaul_types::Timestamp) -> f64 {
    let start = job.started_at.unwrap_or(job.created_at);
    job.completed_at.unwrap_or(now).since(start).as_secs_f64()
}

/// Bytes in decimal units with one digit: `2.4 MB`.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let mut value = bytes as f64;
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    for unit in ["KB", "MB", "GB"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} TB", value / 1000.0)
}

#[cfg(test)]
pub(crate) mod sample {
    //! Jobs as the document's examples have them.

    use longhaul_types::{ItemCounts, Labels, Progress, State, Timestamp, body::JobView};

    pub(crate) fn job(id: &str, command: &str, state: State) -> JobView {
        JobView {
            success: true,
            job_id: id.parse().expect("an id"),
            owner: String::new(),
            kind: "walrus.retrieve".to_owned(),
            queue: "walrus".to_owned(),
            priority: 0,
            status: "processing".to_owned(),
            state,
            reason: None,
            run_at: None,
            progress: Progress::default(),
            items: ItemCounts::default(),
            attempts: 0,
            max_attempts: 3,
            cancel_requested: false,
            error: None,
            error_code: None,
            results: None,
            args: None,
            labels: Labels::from([(super::COMMAND.to_owned(), command.to_owned())]),
            waiting_for: None,
            message: String::new(),
            created_at: Timestamp(1_703_123_456_000),
            started_at: Some(Timestamp(1_703_123_456_000)),
            completed_at: None,
            estimated_completion_at: None,
            revision: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_twenty_cells_and_are_full_only_at_the_end() {
        assert_eq!(bar(0), "[░░░░░░░░░░░░░░░░░░░░]");
        assert_eq!(bar(30), "[██████░░░░░░░░░░░░░░]");
        assert_eq!(bar(45), "[█████████░░░░░░░░░░░]");
        assert_eq!(bar(50), "[██████████░░░░░░░░░░]");
        assert_eq!(bar(75), "[███████████████░░░░░]");
        assert_eq!(bar(99), "[███████████████████░]");
        assert_eq!(bar(100), "[████████████████████]");
    }

    #[test]
    fn starts_say_what_the_document_says() {
        let id = "job_1703123456_abc123";
        let all = format!(
            "{}\n{}",
            starting(Operation::Retrieve, id, Some(300.0)),
            started(Operation::Retrieve, id)
        );
        assert_eq!(
            all,
            "🚀 Starting background retrieval operation...\n\
             Job ID: job_1703123456_abc123\n\
             Timeout: 300s\n\
             ✓ Background retrieval started\n\
             \n\
             💡 Track progress: waltodo jobs\n\
             💡 Check status: waltodo status job_1703123456_abc123\n\
             💡 Cancel job: waltodo cancel job_1703123456_abc123"
        );
    }

    #[test]
    fn a_progress_line_is_bar_percentage_and_task() {
        let mut job = sample::job("a", "retrieve QmXyz123", State::Running);
        job.progress.percentage = Some(50);
        job.progress.current_task = Some("Retrieving data...".to_owned());
        assert_eq!(
            progress(&job),
            "[██████████░░░░░░░░░░] 50% - Retrieving data..."
        );
    }

    #[test]
    fn text_from_outside_can_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(plain("日本 ✓"), "日本 ✓");
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(2_400_000), "2.4 MB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(u64::MAX), "18446744.1 TB");
    }
}
