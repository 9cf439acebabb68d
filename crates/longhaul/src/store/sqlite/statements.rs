//! Every SQL statement of the store: one a file, prepared when first used and kept.
//!
//! Invariant: no SQL text stands outside `sql/` and `migrations/`; a test prepares every file of the folder.

use std::rc::Rc;

use rusqlite::{Connection, Statement, types::Value, vtab::array::Array};

macro_rules! statements {
    ($($name:ident = $file:literal,)*) => {
        /// A statement of the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Sql {
            $(
                #[doc = concat!("`sql/", $file, ".sql`")]
                $name,
            )*
        }

        impl Sql {
            /// Every statement.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its text.
            pub(super) fn text(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("sql/", $file, ".sql")),)* }
            }

            /// Its file, without folder and ending.
            #[cfg(test)]
            pub(super) fn file(self) -> &'static str {
                match self { $(Self::$name => $file,)* }
            }
        }
    };
}

statements! {
    Again = "again",
    ArgsInsert = "args_insert",
    ArtifactSize = "artifact_size",
    ArtifactWrite = "artifact_write",
    Artifacts = "artifacts",
    AttemptWrite = "attempt_write",
    Attempts = "attempts",
    AttemptsTrim = "attempts_trim",
    Back = "back",
    Begin = "begin",
    CancelRequest = "cancel_request",
    CheckLater = "check_later",
    CheckpointRead = "checkpoint_read",
    CheckpointWrite = "checkpoint_write",
    ClaimRead = "claim_read",
    ClaimRange = "claim_range",
    ClaimWrite = "claim_write",
    Commit = "commit",
    Complete = "complete",
    CompleteMany = "complete_many",
    CompleteRange = "complete_range",
    Counts = "counts",
    CountsAdd = "counts_add",
    CountsChange = "counts_change",
    CountsOwner = "counts_owner",
    CountsPending = "counts_pending",
    DataVersion = "data_version",
    DeadlineFirst = "deadline_first",
    DeleteArgs = "delete_args",
    DeleteArtifacts = "delete_artifacts",
    DeleteAttempts = "delete_attempts",
    DeleteCheckpoints = "delete_checkpoints",
    DeleteFollowUps = "delete_follow_ups",
    DeleteItems = "delete_items",
    DeleteJobs = "delete_jobs",
    DeleteLabel = "delete_label",
    DeleteLogs = "delete_logs",
    DeleteProgress = "delete_progress",
    DeleteResults = "delete_results",
    Detail = "detail",
    Disk = "disk",
    DiskAdd = "disk_add",
    DiskChange = "disk_change",
    DiskOwner = "disk_owner",
    DueFirst = "due_first",
    End = "end",
    Expired = "expired",
    FailuresCount = "failures_count",
    FailuresNext = "failures_next",
    Fence = "fence",
    FenceMany = "fence_many",
    FollowUpInsert = "follow_up_insert",
    FollowUps = "follow_ups",
    ItemFind = "item_find",
    Held = "held",
    ItemInsert = "item_insert",
    ItemUpdate = "item_update",
    Items = "items",
    ItemsAgain = "items_again",
    ItemsStop = "items_stop",
    ItemsState = "items_state",
    Job = "job",
    JobInsert = "job_insert",
    KeyFind = "key_find",
    KeyInsert = "key_insert",
    KeysExpire = "keys_expire",
    KindDeclare = "kind_declare",
    Kinds = "kinds",
    LabelInsert = "label_insert",
    ListAll = "list_all",
    ListBegun = "list_begun",
    ListCreated = "list_created",
    ListEnded = "list_ended",
    ListFacts = "list_facts",
    ListFailed = "list_failed",
    ListGroups = "list_groups",
    ListGroupsOwner = "list_groups_owner",
    ListIds = "list_ids",
    ListLabel = "list_label",
    ListPriority = "list_priority",
    ListRarity = "list_rarity",
    ListReady = "list_ready",
    ListRunning = "list_running",
    ListSpan = "list_span",
    ListWaits = "list_waits",
    ListWords = "list_words",
    LocationUsed = "location_used",
    Locations = "locations",
    Log = "log",
    LogInsert = "log_insert",
    LogTail = "log_tail",
    LogTrim = "log_trim",
    NameAdd = "name_add",
    NameFind = "name_find",
    NameText = "name_text",
    OldestReady = "oldest_ready",
    OldestWaiting = "oldest_waiting",
    Park = "park",
    Pause = "pause",
    Paused = "paused",
    ProgressRead = "progress_read",
    ProgressWrite = "progress_write",
    Promote = "promote",
    Ready = "ready",
    ReadyDue = "ready_due",
    ReadyFirst = "ready_first",
    RescueRead = "rescue_read",
    Rescued = "rescued",
    Resume = "resume",
    ResultWrite = "result_write",
    Rollback = "rollback",
    Savepoint = "savepoint",
    SavepointRelease = "savepoint_release",
    SavepointRollback = "savepoint_rollback",
    ScheduleAdd = "schedule_add",
    ScheduleCount = "schedule_count",
    ScheduleDelete = "schedule_delete",
    ScheduleFind = "schedule_find",
    ScheduleFire = "schedule_fire",
    ScheduleOfAny = "schedule_of_any",
    ScheduleReplace = "schedule_replace",
    ScheduleSubmitted = "schedule_submitted",
    SchedulesDue = "schedules_due",
    SchedulesNext = "schedules_next",
    SchedulesOfAny = "schedules_of_any",
    SchedulesOfOwner = "schedules_of_owner",
    SeqOfAny = "seq_of_any",
    SeqOfOwner = "seq_of_owner",
    SequenceRead = "sequence_read",
    SequenceWrite = "sequence_write",
    SettingRead = "setting_read",
    SettingWrite = "setting_write",
    Standing = "standing",
    Start = "start",
    Submit = "submit",
    Submitted = "submitted",
    SweepNext = "sweep_next",
    SweepRead = "sweep_read",
    Sweepable = "sweepable",
    TokenAdd = "token_add",
    TokenRevoke = "token_revoke",
    TokenUse = "token_use",
    Tokens = "tokens",
    Touch = "touch",
    TwinFind = "twin_find",
    UniqueFind = "unique_find",
    Unpark = "unpark",
    WorkerAbout = "worker_about",
    WorkerAdd = "worker_add",
    WorkerCancelled = "worker_cancelled",
    WorkerDelete = "worker_delete",
    WorkerEnd = "worker_end",
    WorkerFind = "worker_find",
    WorkerHolds = "worker_holds",
    WorkerJobs = "worker_jobs",
    WorkerLease = "worker_lease",
    WorkerName = "worker_name",
    WorkerRenew = "worker_renew",
    Workers = "workers",
    WorkersDead = "workers_dead",
    WorkersExtend = "workers_extend",
    WorkersLapse = "workers_lapse",
    WorkersSupersede = "workers_supersede",
}

/// How many rows one run of an INSERT may write: a statement of each size is kept.
const SIZES: [usize; 11] = [64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2];

/// How many of `left` rows to write with one statement.
pub(super) fn chunk(left: usize) -> usize {
    SIZES.into_iter().find(|size| *size <= left).unwrap_or(1)
}

/// Numbers as the table `rarray`, which is cheaper than JSON and known to the writer's connection alone.
pub(super) fn array(numbers: impl IntoIterator<Item = i64>) -> Array {
    Rc::new(numbers.into_iter().map(Value::Integer).collect())
}

/// The first and the last of these numbers, when they are all from the one to the other: SQLite changes a range of rows
/// in one pass.
pub(super) fn range(numbers: &[i64]) -> Option<(i64, i64)> {
    let (first, last) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let distinct = || {
        numbers.is_sorted_by(|a, b| a < b) || {
            let mut sorted = numbers.to_vec();
            sorted.sort_unstable();
            sorted.is_sorted_by(|a, b| a < b)
        }
    };
    let all = usize::try_from(last.abs_diff(first)).is_ok_and(|span| span == numbers.len() - 1);
    (all && distinct()).then_some((first, last))
}

/// The writer's prepared statements.
pub(super) struct Statements<'c> {
    db: &'c Connection,
    prepared: Vec<Option<Statement<'c>>>,
    several: Vec<(Sql, usize, Statement<'c>)>,
}

impl<'c> Statements<'c> {
    /// None prepared yet.
    pub(super) fn new(db: &'c Connection) -> Self {
        let mut prepared = Vec::new();
        prepared.resize_with(Sql::ALL.len(), || None);
        Self {
            db,
            prepared,
            several: Vec::new(),
        }
    }

    /// The statement, prepared.
    pub(super) fn get(&mut self, sql: Sql) -> rusqlite::Result<&mut Statement<'c>> {
        let slot = &mut self.prepared[sql as usize];
        match slot {
            Some(statement) => Ok(statement),
            None => Ok(slot.insert(self.db.prepare(sql.text())?)),
        }
    }

    /// The INSERT of one row, written for as many rows as [`chunk`] said.
    pub(super) fn get_rows(
        &mut self,
        sql: Sql,
        rows: usize,
    ) -> rusqlite::Result<&mut Statement<'c>> {
        if rows == 1 {
            return self.get(sql);
        }
        let known = self
            .several
            .iter()
            .position(|(of, size, _)| (*of, *size) == (sql, rows));
        let place = match known {
            Some(place) => place,
            None => {
                let statement = self.db.prepare(&several(sql.text(), rows))?;
                self.several.push((sql, rows, statement));
                self.several.len() - 1
            }
        };
        Ok(&mut self.several[place].2)
    }
}

/// The text of an INSERT whose line `VALUES (…)` is made to hold several rows.
fn several(text: &str, rows: usize) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("VALUES ") {
            Some(row) => lines.push(format!("VALUES {}", vec![row; rows].join(", "))),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::store::sqlite::open;

    #[test]
    fn only_numbers_without_a_gap_are_a_range() {
        assert_eq!(range(&[4]), Some((4, 4)));
        assert_eq!(range(&[4, 6, 5]), Some((4, 6)));
        for numbers in [&[][..], &[4, 6], &[4, 4, 6], &[i64::MIN, i64::MAX]] {
            assert_eq!(range(numbers), None, "{numbers:?}");
        }
    }

    #[test]
    fn every_file_holds_one_statement_that_fits_the_schema() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite/sql");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .expect("the folder of statements")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| {
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        let known: BTreeSet<String> = Sql::ALL.iter().map(|sql| sql.file().to_owned()).collect();
        assert_eq!(files, known);

        let mut db = Connection::open_in_memory().expect("a database");
        open::migrate(&mut db, Path::new(":memory:")).expect("the schema");
        rusqlite::vtab::array::load_module(&db).expect("rarray");
        for sql in Sql::ALL {
            if let Err(error) = db.prepare(sql.text()) {
                panic!("{}: {error}", sql.file());
            }
        }
    }

    #[test]
    fn an_insert_of_several_rows_takes_as_many_parameters() {
        let mut db = Connection::open_in_memory().expect("a database");
        open::migrate(&mut db, Path::new(":memory:")).expect("the schema");
        let mut statements = Statements::new(&db);
        for sql in [Sql::JobInsert, Sql::ArgsInsert, Sql::ResultWrite] {
            let one = statements
                .get_rows(sql, 1)
                .expect("one row")
                .parameter_count();
            for rows in SIZES {
                let many = statements
                    .get_rows(sql, rows)
                    .expect("rows")
                    .parameter_count();
                assert_eq!(many, one * rows, "{} for {rows} rows", sql.file());
            }
        }
        assert_eq!([1, 7, 8, 63, 64, 1000].map(chunk), [1, 6, 8, 48, 64, 64]);
    }

    #[test]
    fn no_statement_reads_through_tables_that_grow() {
        // What reads rows in order, and stops at the end of its page.
        const PAGES: [Sql; 1] = [Sql::ListAll];
        // Growing with owners, kinds and queues, not with jobs.
        const SMALL: [&str; 7] = [
            "longhaul_names",
            "longhaul_kinds",
            "longhaul_workers",
            "longhaul_counts",
            "longhaul_disk",
            "longhaul_pauses",
            "longhaul_tokens",
        ];
        let mut db = Connection::open_in_memory().expect("a database");
        open::migrate(&mut db, Path::new(":memory:")).expect("the schema");
        rusqlite::vtab::array::load_module(&db).expect("rarray");
        for sql in Sql::ALL.iter().filter(|sql| !PAGES.contains(sql)) {
            let explain = format!("EXPLAIN QUERY PLAN {}", sql.text());
            let mut plan = db.prepare(&explain).expect("a plan");
            let mut rows = plan.raw_query();
            while let Some(row) = rows.next().expect("a line") {
                let line: String = row.get(3).expect("text");
                let names: Vec<&str> = line.split(' ').collect();
                let grows = |name: &str| {
                    let table = sql
                        .text()
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .windows(3)
                        .find(|words| {
                            words[1] == "AS" && words[2].trim_matches([',', '(', ')']) == name
                        })
                        .map_or(name.to_owned(), |words| words[0].to_owned());
                    table.starts_with("longhaul_") && !SMALL.contains(&table.as_str())
                };
                // A range of row ids is as long as the table.
                let whole = names[0] == "SCAN" && !line.contains("USING");
                let unbounded = whole || line.contains("(rowid<?)");
                let through = grows(names[1]) && unbounded;
                assert!(!through, "{}: {line}", sql.file());
            }
        }
    }
}
