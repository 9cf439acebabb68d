//! What is said after jobs were cleaned up.

/// Jobs that were removed, by how they had ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Completed ones, also those with failed items.
    pub completed: usize,
    /// Failed ones.
    pub failed: usize,
    /// Cancelled ones.
    pub cancelled: usize,
}

impl CleanedUp {
    /// All of them.
    pub fn total(&self) -> usize {
        self.completed + self.failed + self.cancelled
    }
}

/// How many jobs were removed that had ended `days` ago or earlier, and a summary in the shape of the list's.
pub fn cleaned_up(removed: &CleanedUp, days: f64) -> String {
    let age = match days {
        0.0 => "all that have ended".to_owned(),
        1.0 => "older than 1 day".to_owned(),
        days => format!("older than {days} days"),
    };
    let mut text = format!("✓ Background jobs cleaned up: {} ({age})", removed.total());
    if removed.total() > 0 {
        text.push_str(&format!(
            "\n\n📊 Summary\n{}\nTotal: {}",
            "─".repeat(18),
            removed.total()
        ));
    }
    for (word, count) in [
        ("Completed", removed.completed),
        ("Failed", removed.failed),
        ("Cancelled", removed.cancelled),
    ] {
        if count > 0 {
            text.push_str(&format!("\n{word}: {count}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_up_says_what_it_removed() {
        let removed = CleanedUp {
            completed: 2,
            failed: 0,
            cancelled: 1,
        };
        assert_eq!(
            cleaned_up(&removed, 7.0),
            "✓ Background jobs cleaned up: 3 (older than 7 days)\n\
             \n\
             📊 Summary\n\
             ──────────────────\n\
             Total: 3\n\
             Completed: 2\n\
             Cancelled: 1"
        );
        assert_eq!(
            cleaned_up(&CleanedUp::default(), 1.0),
            "✓ Background jobs cleaned up: 0 (older than 1 day)"
        );
    }
}
