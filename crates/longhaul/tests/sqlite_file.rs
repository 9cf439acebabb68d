//! What is SQLite's own: the lock, the schema, damaged files, guests, and other processes' commits.
#![expect(clippy::expect_used, reason = "a test")]

use std::{fs, path::Path, time::Duration};

use longhaul::{
    Store,
    model::WorkerId,
    rusqlite::Connection,
    store::{
        ClaimRequest, Error, Filter, Insert, Kind, Request, SqliteStore,
        sqlite::{Options, submit_in},
    },
    types::{Labels, Reason, State, Timestamp},
};
use tempfile::TempDir;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(folder.path().join("jobs.db"), &Options::default()).expect("an owner")
}

fn guest(folder: &TempDir) -> Result<SqliteStore, Error> {
    SqliteStore::open(folder.path().join("jobs.db"), &Options::default().guest())
}

fn refused(path: &Path) -> Error {
    SqliteStore::open(path, &Options::default()).expect_err("refused")
}

fn job(id: &str) -> Insert {
    Insert {
        id: id.parse().expect("an id"),
        owner: String::new(),
        kind: "test.kind".to_owned(),
        queue: "default".to_owned(),
        priority: 0,
        args_version: 1,
        args: "{}".to_owned(),
        labels: Labels::new(),
        reason: Reason::New,
        run_at: Some(Timestamp(1_000)),
        unique_key: None,
        idempotency_key: None,
        max_attempts: 3,
        attempt_timeout: None,
        timeout: None,
        follow_ups: Vec::new(),
        created_at: Timestamp(1_000),
    }
}

async fn with_kind(store: &SqliteStore) {
    let declared = store.declare(vec![Kind::new("test.kind")]).await;
    declared.expect("declared");
}

#[tokio::test]
async fn one_process_owns_a_file_and_others_are_guests() {
    let folder = folder();
    let owner = open(&folder);
    with_kind(&owner).await;
    owner.insert(vec![job("first")]).await.expect("inserted");
    let path = folder.path().join("jobs.db");
    let error = refused(&path);
    assert!(matches!(&error, Error::Locked(text) if text.contains("another process runs jobs")));
    assert!(matches!(SqliteStore::lock(&path), Err(Error::Locked(_))));

    let guest = guest(&folder).expect("a guest");
    let error = guest.join(&WorkerId::new(), None, Timestamp(1)).await;
    assert!(matches!(error, Err(Error::Locked(_))), "guests run no jobs");
    guest.insert(vec![job("a")]).await.expect("inserted");
    // The owner's numbers and counts go on where the guest's stopped.
    owner.insert(vec![job("b")]).await.expect("inserted");
    let jobs = guest
        .jobs(&Filter::default(), None, 10)
        .await
        .expect("jobs");
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["b", "a", "first"]);
    let ids = vec!["a".parse().expect("an id")];
    let asked = guest.ask(Request::Cancel, None, ids, Timestamp(2)).await;
    asked.expect("cancelled");
    let counts = owner.counts(None).await.expect("counts");
    let counts = counts.values().next().expect("one place");
    assert_eq!((counts.pending, counts.cancelled), (2, 1));

    drop(owner);
    drop(open(&folder));
}

#[tokio::test]
async fn links_to_one_file_share_one_lock() {
    let folder = folder();
    let owner = open(&folder);
    let link = folder.path().join("link.db");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("jobs.db"), &link).expect("linked");
    #[cfg(unix)]
    assert!(matches!(refused(&link), Error::Locked(_)));
    drop(owner);
}

#[tokio::test]
async fn what_is_no_sound_database_is_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    let text = "These are notes, and no database at all. ".repeat(50);
    fs::write(&path, &text).expect("written");
    let error = refused(&path);
    assert!(
        matches!(&error, Error::Corrupt(text) if text.contains("notes.txt")),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).expect("read"), text);

    // A database of which the end is missing.
    let store = open(&folder);
    with_kind(&store).await;
    let jobs = (0..2_000).map(|n| job(&format!("a-{n}"))).collect();
    store.insert(jobs).await.expect("inserted");
    drop(store);
    let whole = fs::read(folder.path().join("jobs.db")).expect("read");
    let path = folder.path().join("half.db");
    let half = &whole[..whole.len() / 2 / 4096 * 4096];
    fs::write(&path, half).expect("written");
    let error = refused(&path);
    assert!(
        matches!(&error, Error::Corrupt(text) if text.contains("half.db")),
        "{error}"
    );
    assert_eq!(fs::read(&path).expect("read"), half);
}

#[tokio::test]
async fn a_place_that_can_not_be_used_is_named() {
    let folder = folder();
    let error = refused(&folder.path().join("missing/jobs.db"));
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("missing/jobs.db")),
        "{error}"
    );
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("made");
    let error = refused(&inner);
    assert!(matches!(&error, Error::Unavailable(_)), "{error}");
    // No file that SQLite could keep a log beside.
    let error = SqliteStore::open(":memory:", &Options::default().guest()).expect_err("refused");
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("journal_mode")),
        "{error}"
    );
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let folder = folder();
    drop(open(&folder));
    let path = folder.path().join("jobs.db");
    let db = Connection::open(&path).expect("opened");
    let newer = "INSERT INTO longhaul_schema_history (version, name, applied_on, checksum)
                 VALUES (9000, 'later', '2030-01-01T00:00:00Z', '1')";
    db.execute(newer, []).expect("noted");
    drop(db);
    let error = refused(&path);
    assert!(
        matches!(&error, Error::Schema(text) if text.contains("use a newer longhaul")),
        "{error}"
    );
    assert!(matches!(guest(&folder), Err(Error::Schema(_))));
}

#[tokio::test]
async fn an_application_keeps_its_own_tables_in_the_file() {
    let folder = folder();
    let db = Connection::open(folder.path().join("jobs.db")).expect("opened");
    db.execute_batch("CREATE TABLE mails (text TEXT); INSERT INTO mails VALUES ('hello');")
        .expect("made");
    let store = open(&folder);
    with_kind(&store).await;
    store.insert(vec![job("a")]).await.expect("inserted");
    drop(store);
    let mine = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'longhaul_%'
                AND name NOT LIKE 'sqlite_autoindex_longhaul_%' AND name <> 'sqlite_sequence'";
    let others: i64 = db.query_row(mine, [], |row| row.get(0)).expect("read");
    assert_eq!(
        others, 1,
        "all tables but the application's begin with longhaul_"
    );
    let text: String = db
        .query_row("SELECT text FROM mails", [], |row| row.get(0))
        .expect("read");
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn another_connections_commit_is_noticed_and_our_own_is_not() {
    let folder = folder();
    let store = open(&folder);
    with_kind(&store).await;
    let mut changed = store.changed();
    changed.mark_unchanged();
    store.insert(vec![job("own")]).await.expect("inserted");
    let before = *changed.borrow();

    let db = Connection::open(folder.path().join("jobs.db")).expect("opened");
    let held = longhaul::NewJob::raw("test.kind", "1");
    submit_in(&db, &held).expect("submitted");
    let noticed = timeout(LONG, changed.changed()).await;
    noticed.expect("noticed").expect("the store lives");
    assert_eq!(
        *changed.borrow_and_update(),
        before + 1,
        "one commit, and not our own"
    );
    let counts = store.counts(None).await.expect("counts");
    assert_eq!(counts.values().map(|counts| counts.pending).sum::<u64>(), 2);

    drop(store);
    let ended = timeout(LONG, changed.changed()).await.expect("ends");
    assert!(ended.is_err(), "the watch ends with the store");
}

#[tokio::test]
async fn a_reader_sees_what_was_acknowledged() {
    let folder = folder();
    let store = open(&folder);
    with_kind(&store).await;
    for n in 0..200 {
        let id = format!("a-{n}");
        store.insert(vec![job(&id)]).await.expect("inserted");
        let found = store
            .job(None, &id.parse().expect("an id"))
            .await
            .expect("read");
        assert_eq!(found.expect("there").state(), State::Pending);
    }
}

#[tokio::test]
async fn a_large_backlog_is_listed_newest_first_wherever_it_stands() {
    const MANY: usize = 20_500;
    let folder = folder();
    let store = open(&folder);
    store
        .declare(vec![Kind::new("test.kind"), Kind::new("test.other")])
        .await
        .expect("declared");
    let of = |kind: &str| -> Vec<Insert> {
        let named = |n| Insert {
            kind: kind.to_owned(),
            ..job(&format!("{kind}-{n}"))
        };
        (0..MANY).map(named).collect()
    };
    let newest = |kind: &str| -> Vec<String> {
        (0..3).map(|n| format!("{kind}-{}", MANY - 1 - n)).collect()
    };
    let filter = |kind: &str| Filter {
        kinds: vec![kind.to_owned()],
        states: vec![State::Pending],
        ..Filter::default()
    };
    // First the backlog is all there is, then as much of another kind is newer.
    for kind in ["test.kind", "test.other"] {
        store.insert(of(kind)).await.expect("inserted");
        for known in ["test.kind", kind] {
            let page = store.jobs(&filter(known), None, 3).await.expect("jobs");
            let ids: Vec<&str> = page.iter().map(|job| job.id.as_str()).collect();
            assert_eq!(ids, newest(known));
            let next = store.jobs(&filter(known), Some(page[2].seq), 1).await;
            let next = next.expect("jobs").pop().expect("a job");
            assert_eq!(next.seq, page[2].seq - 1);
        }
    }
    let both = Filter {
        states: vec![State::Pending, State::Running],
        ..Filter::default()
    };
    let page = store.jobs(&both, None, 3).await.expect("jobs");
    let ids: Vec<&str> = page.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, newest("test.other"));
}

#[tokio::test]
async fn a_guests_pause_outlives_everyone_and_holds_for_the_owner() {
    let folder = folder();
    let owner = open(&folder);
    with_kind(&owner).await;
    let worker = WorkerId::new();
    owner
        .join(&worker, None, Timestamp(1))
        .await
        .expect("joined");
    owner
        .insert(vec![job("a"), job("b")])
        .await
        .expect("inserted");
    let one = ClaimRequest {
        worker: worker.clone(),
        now: Timestamp(2_000),
        slots: vec![("default".to_owned(), 1)],
        kinds: vec!["test.kind".to_owned()],
    };
    // The owner now remembers that nothing is paused.
    assert_eq!(owner.claim(one.clone()).await.expect("claimed").len(), 1);
    let guest = guest(&folder).expect("a guest");
    guest.pause("default", Timestamp(2)).await.expect("paused");
    assert_eq!(owner.claim(one.clone()).await.expect("claimed").len(), 0);
    drop((guest, owner));

    let owner = open(&folder);
    owner
        .join(&worker, None, Timestamp(1))
        .await
        .expect("joined");
    let paused = owner.paused().await.expect("paused");
    assert_eq!(paused["default"], Timestamp(2));
    assert_eq!(owner.claim(one.clone()).await.expect("claimed").len(), 0);
    owner.resume("default").await.expect("resumed");
    assert_eq!(owner.claim(one).await.expect("claimed").len(), 1);
}
