//! The Move module `todo_nft` as a package publishes it: its objects and events, with the fields the node renders.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{Event, Object, Owner};

/// A package for tests and demonstrations.
pub const PACKAGE: &str = "0x00000000000000000000000000000000000000000000000000000000000a1100";

/// The fields of a `TodoNFT` but its ID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TodoNft {
    /// What is to be done.
    pub title: String,
    /// More about it.
    pub description: String,
    /// Where its contents are: a blob ID, or an address that ends in one.
    pub image_url: String,
    /// Whether it is done.
    pub completed: bool,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970.
    pub completed_at: Option<u64>,
    /// The account that owns it.
    pub owner: String,
    /// Anything else.
    pub metadata: String,
    /// Whether it is for its owner alone.
    pub is_private: bool,
}

impl TodoNft {
    /// The object `package::todo_nft::TodoNFT` of this ID.
    pub fn object(&self, package: &str, id: &str) -> Object {
        let json = json!({
            "id": id,
            "title": self.title,
            "description": self.description,
            "image_url": self.image_url,
            "completed": self.completed,
            "created_at": self.created_at.to_string(),
            "completed_at": self.completed_at.map(|time| time.to_string()),
            "owner": self.owner,
            "metadata": self.metadata,
            "is_private": self.is_private,
        });
        let object = Object::new(id, format!("{package}::todo_nft::TodoNFT"), json);
        if self.owner.is_empty() {
            object
        } else {
            object.owner(Owner::Address(self.owner.clone()))
        }
    }
}

/// `TodoNFTCreated`
pub fn created(package: &str, todo_id: &str, title: &str, owner: &str, timestamp: u64) -> Event {
    let json = json!({
        "todo_id": todo_id, "title": title, "owner": owner, "timestamp": timestamp.to_string(),
    });
    Event::new(format!("{package}::todo_nft::TodoNFTCreated"), json).sender(owner)
}

/// `TodoNFTCompleted`
pub fn completed(package: &str, todo_id: &str, owner: &str, timestamp: u64) -> Event {
    of_owner(package, "TodoNFTCompleted", todo_id, owner, timestamp)
}

/// `TodoNFTUpdated`
pub fn updated(package: &str, todo_id: &str, owner: &str, timestamp: u64) -> Event {
    of_owner(package, "TodoNFTUpdated", todo_id, owner, timestamp)
}

/// `TodoNFTTransferred`
pub fn transferred(package: &str, todo_id: &str, from: &str, to: &str, timestamp: u64) -> Event {
    let json = json!({
        "todo_id": todo_id, "from": from, "to": to, "timestamp": timestamp.to_string(),
    });
    Event::new(format!("{package}::todo_nft::TodoNFTTransferred"), json).sender(from)
}

fn of_owner(package: &str, name: &str, todo_id: &str, owner: &str, timestamp: u64) -> Event {
    let json = json!({ "todo_id": todo_id, "owner": owner, "timestamp": timestamp.to_string() });
    Event::new(format!("{package}::todo_nft::{name}"), json).sender(owner)
}

/// The `TodoNFTCreated` that counts as this one of a long row of todos, each with an ID of its own.
pub fn nth_created(package: &str, number: u64) -> Event {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let timestamp = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let id = format!("0x{number:064x}");
    created(package, &id, &format!("Todo {number}"), "0x0b0b", timestamp)
}
