//! The tables, and how what they hold is read of the file.

/// A table of the database, in the order of its columns here and in what the file answers.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name, in the schema `longhaul`.
    pub(super) name: &'static str,
    /// Its columns.
    pub(super) columns: &'static str,
    /// What reads them of the file; none where the file's table is of the same columns.
    pub(super) select: Option<&'static str>,
}

impl Table {
    const fn same(name: &'static str, columns: &'static str) -> Self {
        Self {
            name,
            columns,
            select: None,
        }
    }

    /// The statement that reads its rows of the file.
    pub(super) fn select(&self) -> String {
        match self.select {
            Some(select) => select.to_owned(),
            None => format!("SELECT {} FROM longhaul_{}", self.columns, self.name),
        }
    }
}

/// All that is moved. Workers are not: they join anew.
pub(super) const ALL: &[Table] = &[
    Table::same("names", "id, name"),
    Table {
        name: "kinds",
        columns: "kind, version, retention, sweep_after, queue, max_attempts, attempt_timeout, timeout",
        select: Some(include_str!("sql/kinds.sql")),
    },
    Table {
        name: "jobs",
        columns: "seq, id, owner, kind, queue, priority, follow_ups, created_at, max_attempts, attempt_timeout, timeout, \
            args_version, unique_key, labels, args",
        select: Some(include_str!("sql/jobs.sql")),
    },
    Table {
        name: "live",
        columns: "seq, owner, kind, queue, priority, wait, reason, follow_ups, run_at, claim, revision, started_at, timeout, \
            deadline, attempts, rescues, items, items_completed, items_failed, lines, unique_key, error_code, error_message",
        select: Some(include_str!("sql/live.sql")),
    },
    Table {
        name: "ended",
        columns: "seq, owner, kind, queue, state, ended_at, sweep_at, claim, revision, started_at, attempts, rescues, items, \
            items_completed, items_failed, lines, error_code, error_message",
        select: Some(include_str!("sql/ended.sql")),
    },
    Table {
        name: "counts",
        columns: "owner, kind, queue, state, shard, n",
        select: Some(include_str!("sql/counts.sql")),
    },
    Table::same("labels", "name, value, job"),
    Table::same("results", "job, result"),
    Table::same("checkpoints", "job, checkpoint"),
    Table::same("progress", "job, progress"),
    Table::same(
        "items",
        "job, position, name, state, attempts, error_code, error_message, result, updated_at",
    ),
    Table::same("logs", "job, number, time, level, text"),
    Table::same(
        "artifacts",
        "job, name, size, sha256, content_type, location, created_at",
    ),
    Table::same("disk", "owner, bytes"),
    Table::same(
        "attempts",
        "job, claim, worker, started_at, ended_at, outcome, error_code, error_message",
    ),
    Table::same("follow_ups", "job, position, follow_up"),
    Table::same("keys", "owner, key, job, id, expires_at"),
    Table::same("pauses", "queue, since"),
    Table::same(
        "tokens",
        "number, id, name, owner, hash, scopes, kinds, queues, created_at, expires_at, used_at",
    ),
    Table::same(
        "schedules",
        "id, owner, name, revision, definition, paused, next_at, look_at, last_at, last_job, submitted, missed, skipped, \
            error, created_at, updated_at",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::{Options, SqliteStore, open};

    #[test]
    fn every_table_of_the_file_is_moved_and_understood() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jobs.db");
        let _store = SqliteStore::open(&path, &Options::default()).expect("a store");
        let db = open::connect(&path, open::Purpose::Read).expect("a connection");
        let mut read = String::new();
        for table in ALL {
            let statement = db.prepare(&table.select()).expect("understood");
            let columns = table.columns.split(',').count();
            assert_eq!(statement.column_count(), columns, "{}", table.name);
            read += &(table.select() + "\n");
        }
        let mut names = db
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'longhaul%'",
            )
            .expect("a statement");
        let names = names.query_map([], |row| row.get::<_, String>(0));
        for name in names.expect("tables").map(|name| name.expect("a name")) {
            // Those that say how the file is to be used, and who does.
            let own = [
                "settings",
                "sequence",
                "workers",
                "schema_history",
                "submit",
            ];
            let moved = read.split_whitespace().any(|word| word == name);
            let known = own.iter().any(|own| name == format!("longhaul_{own}"));
            assert!(moved || known, "{name} stays behind");
        }
    }
}
