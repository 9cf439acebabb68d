//! Local lists on a real disk, with several writers.

use std::{os::unix::fs::PermissionsExt as _, thread};

use longhaul_types::Timestamp;
use longhaul_walrus::lists::{Error, ListName, Lists, Todo};

const NOW: Timestamp = Timestamp(1_703_123_456_007);

fn name(text: &str) -> ListName {
    text.parse().expect("a name")
}

fn todo(id: &str) -> Todo {
    Todo {
        id: id.to_owned(),
        title: format!("Todo {id}"),
        ..Todo::default()
    }
}

#[test]
fn a_list_is_made_when_it_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let lists = Lists::new(folder.path().join("data/lists"));
    let archive = name("archive");
    assert!(!lists.contains(&archive));
    assert!(matches!(lists.load(&archive), Err(Error::NotFound(_))));
    lists.add_todo(&archive, todo("1"), NOW).expect("added");
    assert!(lists.contains(&archive));
    let list = lists.load(&archive).expect("a list");
    assert_eq!((list.name.as_str(), list.version), ("archive", 1));
    assert_eq!(list.other["createdAt"], "2023-12-21T01:50:56.007Z");
    assert_eq!(list.todos, [todo("1")]);
}

#[test]
fn several_writers_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let lists = Lists::new(folder.path());
    let shared = name("shared");
    thread::scope(|scope| {
        for writer in 0..8 {
            let (lists, shared) = (&lists, &shared);
            scope.spawn(move || {
                for number in 0..10 {
                    let todo = todo(&format!("{writer}-{number}"));
                    lists.add_todo(shared, todo, NOW).expect("added");
                }
            });
        }
        // A reader sees whole lists alone.
        scope.spawn(|| {
            let mut seen = 0;
            while seen < 80 {
                match lists.load(&shared) {
                    Ok(list) => {
                        assert!(list.todos.len() >= seen);
                        seen = list.todos.len();
                    }
                    Err(error) => assert!(matches!(error, Error::NotFound(_)), "{error}"),
                }
                thread::yield_now();
            }
        });
    });
    assert_eq!(lists.load(&shared).expect("a list").version, 80);
}

#[test]
fn what_is_no_list_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let lists = Lists::new(folder.path());
    let path = folder.path().join("broken.json");
    std::fs::write(&path, "{\"todos\": [").expect("written");
    let error = lists.add_todo(&name("broken"), todo("1"), NOW);
    assert!(matches!(error, Err(Error::Malformed { .. })));
    let text = std::fs::read_to_string(&path).expect("text");
    assert_eq!(text, "{\"todos\": [");

    let large = std::fs::File::create(folder.path().join("large.json")).expect("made");
    large.set_len(100 << 20).expect("a length");
    let error = lists.load(&name("large"));
    assert!(matches!(error, Err(Error::TooLarge { .. })));
}

#[test]
fn unknown_fields_and_permissions_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let lists = Lists::new(folder.path());
    let path = folder.path().join("old.json");
    let text =
        r#"{"todos":[{"id":"1","title":"One","due":"soon"}],"collaborators":["a"],"x":{"y":1}}"#;
    std::fs::write(&path, text).expect("written");
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&path, mode.clone()).expect("set");
    lists.add_todo(&name("old"), todo("2"), NOW).expect("added");
    let list = lists.load(&name("old")).expect("a list");
    assert_eq!(list.other["collaborators"][0], "a");
    assert_eq!(list.other["x"]["y"], 1);
    assert_eq!(list.todos[0].other["due"], "soon");
    let kept = std::fs::metadata(&path).expect("metadata").permissions();
    assert_eq!(kept.mode() & 0o777, mode.mode());
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 2, "the list and the lock");
}
