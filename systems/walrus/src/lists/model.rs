//! Todos and lists, in the shapes of the JSON that is stored locally and on Walrus.
//!
//! Invariant: fields that are not known here come back as they were.

use longhaul_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, ListName};
use crate::blob_id::{self, BlobId};

/// The most todos of a list.
pub const MAX_TODOS: usize = 100_000;

/// Bytes of the longest title.
pub const MAX_TITLE: usize = 64 * 1024;

/// One todo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Todo {
    /// The todo's ID, unique within its list.
    pub id: String,
    /// What is to be done.
    pub title: String,
    /// The text of the blob ID of the todo on Walrus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walrus_blob_id: Option<String>,
    /// The ID of the todo's object on Sui.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nft_object_id: Option<String>,
    /// All other fields: description, completed, priority, tags, times and what other programs add.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A list of todos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// The list's ID.
    #[serde(default)]
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Who it belongs to.
    #[serde(default)]
    pub owner: String,
    /// The todos in their order.
    pub todos: Vec<Todo>,
    /// Rises with every change.
    #[serde(default)]
    pub version: u64,
    /// All other fields.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a retrieved blob holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// One todo.
    Todo(Todo),
    /// A whole list.
    List(List),
}

/// A blob that a list names.
#[derive(Debug)]
pub struct ListedBlob {
    /// The todo's title.
    pub title: String,
    /// The text of its ID, which need not be one.
    pub text: String,
    /// The blob, or what is wrong with its ID.
    pub blob: Result<BlobId, blob_id::Error>,
}

impl List {
    /// An empty list.
    pub fn new(name: &ListName, now: Timestamp) -> Self {
        let mut list = Self {
            id: name.to_string(),
            name: name.to_string(),
            owner: "default-owner".to_owned(),
            todos: Vec::new(),
            version: 0,
            other: Map::new(),
        };
        list.other
            .insert("createdAt".to_owned(), now.to_string().into());
        list
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::Malformed`] about `what`.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, Error> {
        let list: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(what, &error.to_string()))?;
        list.check(what)?;
        Ok(list)
    }

    /// The blobs of its todos in their order. Todos that were never stored on Walrus are left out.
    pub fn blobs(&self) -> Vec<ListedBlob> {
        self.todos
            .iter()
            .filter_map(|todo| {
                let text = todo.walrus_blob_id.as_deref()?;
                Some(ListedBlob {
                    title: todo.title.clone(),
                    text: text.to_owned(),
                    blob: text.parse(),
                })
            })
            .collect()
    }

    /// Adds a todo, or renews the one of that ID; a todo without an ID is known by its blob.
    pub fn join(&mut self, todo: Todo, now: Timestamp) {
        let same = |old: &&mut Todo| {
            if todo.id.is_empty() {
                todo.walrus_blob_id.is_some() && old.walrus_blob_id == todo.walrus_blob_id
            } else {
                old.id == todo.id
            }
        };
        match self.todos.iter_mut().find(same) {
            Some(old) => old.renew(todo),
            None => self.todos.push(todo),
        }
        self.version += 1;
        self.other
            .insert("updatedAt".to_owned(), now.to_string().into());
    }

    /// Whether the list is within the limits.
    pub(super) fn check(&self, what: &str) -> Result<(), Error> {
        if self.todos.len() > MAX_TODOS {
            return Err(malformed(
                what,
                &format!("it has more than {MAX_TODOS} todos"),
            ));
        }
        self.todos.iter().try_for_each(|todo| todo.check(what))
    }
}

impl Todo {
    fn check(&self, what: &str) -> Result<(), Error> {
        if self.title.len() > MAX_TITLE {
            return Err(malformed(
                what,
                &format!("a title has more than {MAX_TITLE} bytes"),
            ));
        }
        Ok(())
    }

    /// Takes what the other one has, and keeps what it has not.
    fn renew(&mut self, other: Self) {
        self.title = other.title;
        self.walrus_blob_id = other.walrus_blob_id.or(self.walrus_blob_id.take());
        self.nft_object_id = other.nft_object_id.or(self.nft_object_id.take());
        self.other.extend(other.other);
    }
}

impl Content {
    /// Reads a retrieved blob. A todo gets the blob's ID as its own, if it does not name one.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the blob is neither a todo nor a list.
    pub fn parse(bytes: &[u8], blob: &BlobId) -> Result<Self, Error> {
        let what = format!("the blob {blob}");
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| malformed(&what, &error.to_string()))?;
        if value.get("todos").is_some() {
            return List::parse(bytes, &what).map(Self::List);
        }
        let mut todo: Todo =
            serde_json::from_value(value).map_err(|error| malformed(&what, &error.to_string()))?;
        todo.check(&what)?;
        todo.walrus_blob_id.get_or_insert_with(|| blob.to_string());
        Ok(Self::Todo(todo))
    }
}

pub(super) fn malformed(what: &str, reason: &str) -> Error {
    Error::Malformed {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";

    fn list(todos: &Value) -> List {
        let text = json!({ "id": "l", "name": "l", "owner": "o", "version": 3, "todos": todos });
        List::parse(text.to_string().as_bytes(), "the test").expect("a list")
    }

    #[test]
    fn the_blobs_of_a_list() {
        let list = list(&json!([
            { "id": "1", "title": "Buy groceries", "walrusBlobId": ID },
            { "id": "2", "title": "Local only" },
            { "id": "3", "title": "Broken", "walrusBlobId": "QmXyz123" },
        ]));
        let blobs = list.blobs();
        assert_eq!(blobs.len(), 2);
        assert_eq!(blobs[0].title, "Buy groceries");
        assert_eq!(blobs[0].blob.as_ref().expect("an ID").to_string(), ID);
        assert!(blobs[1].blob.is_err());
    }

    #[test]
    fn a_todo_joins_once_and_nothing_is_lost() {
        let mut list =
            list(&json!([{ "id": "1", "title": "Old", "nftObjectId": "0x1", "mine": 7 }]));
        let now = Timestamp(1_703_123_456_007);
        let todo = |value| serde_json::from_value::<Todo>(value).expect("a todo");
        list.join(
            todo(json!({ "id": "1", "title": "New", "tags": ["a"] })),
            now,
        );
        list.join(todo(json!({ "id": "2", "title": "Two" })), now);
        let no_id = json!({ "id": "", "title": "Blob", "walrusBlobId": ID });
        list.join(todo(no_id.clone()), now);
        list.join(todo(no_id), now);
        let back = serde_json::to_value(&list).expect("JSON");
        assert_eq!(
            back["todos"][0],
            json!({ "id": "1", "title": "New", "nftObjectId": "0x1", "mine": 7, "tags": ["a"] })
        );
        assert_eq!(back["todos"].as_array().map(Vec::len), Some(3));
        assert_eq!(back["version"], 7);
        assert_eq!(back["updatedAt"], "2023-12-21T01:50:56.007Z");
    }

    #[test]
    fn blobs_are_todos_or_lists() {
        let blob: BlobId = ID.parse().expect("an ID");
        let todo = br#"{"id":"1","title":"t","completed":false,"private":true}"#;
        let Content::Todo(todo) = Content::parse(todo, &blob).expect("a todo") else {
            panic!("no todo");
        };
        assert_eq!(todo.walrus_blob_id.as_deref(), Some(ID));
        assert_eq!(todo.other["private"], true);
        let list = br#"{"todos":[{"id":"1","title":"t"}]}"#;
        assert!(matches!(
            Content::parse(list, &blob),
            Ok(Content::List(list)) if list.todos.len() == 1
        ));
        let deep = "[".repeat(100_000);
        for bad in ["", "7", "{}", r#"{"id":"1"}"#, r#"{"todos":7}"#, &deep] {
            let parsed = Content::parse(bad.as_bytes(), &blob);
            assert!(matches!(parsed, Err(Error::Malformed { .. })), "{bad:.20}");
        }
        let long = json!({ "id": "1", "title": "x".repeat(MAX_TITLE + 1) }).to_string();
        assert!(Content::parse(long.as_bytes(), &blob).is_err());
    }
}
