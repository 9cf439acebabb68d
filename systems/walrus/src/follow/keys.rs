//! Under which key an event's fetch job is known, so that a monitor and a sync that see the same event share it.
//!
//! The key says the chain, the object and where its blob is to go; for anything but its making also the event's place in
//! the ledger, since an object that changed is to be fetched anew. It is the job's unique key, which holds as long as the
//! job lives, and its idempotency key, which holds for a day from its start: whoever asks later, asks anew.

use blake2b_simd::Params;

use crate::{
    fetch::Delivery,
    sui::{Event, Happening},
};

/// The letters of a job's id.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Letters of an id's random end: many jobs start in one second.
const RANDOM: usize = 12;

/// The key of the fetch job of an event.
pub(super) fn key(chain: &str, event: &Event, delivery: &Delivery) -> String {
    let mut hash = Params::new().hash_length(8).to_state();
    // Where the blob goes. A zero byte is in no path and no name, so that no two settings run together.
    let folder = delivery.output.as_ref().map(|path| path.to_string_lossy());
    hash.update(folder.as_deref().unwrap_or_default().as_bytes());
    hash.update(&[0]);
    hash.update(delivery.join.as_deref().unwrap_or_default().as_bytes());
    let to = hash.finalize().to_hex();
    let object = event.object;
    match event.happening {
        Happening::NftCreated => format!("{chain} {object} {to}"),
        Happening::NftUpdated | Happening::NftCompleted | Happening::NftTransferred => {
            format!("{chain} {object}@{} {to}", event.place)
        }
    }
}

/// A new id in the shape of the document's: `job_<unix seconds>_<random>`.
pub(super) fn id(seconds: i64) -> String {
    let end: String = (0..RANDOM)
        .map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())]))
        .collect();
    format!("job_{seconds}_{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sui::Place;

    #[test]
    fn an_object_that_is_made_is_known_by_itself_and_a_change_by_its_place() {
        let event = |happening, checkpoint| Event {
            happening,
            object: "0x7".parse().expect("an ID"),
            title: None,
            place: Place {
                checkpoint,
                transaction: 1,
                event: 0,
            },
        };
        let to = |output: Option<&str>, join: Option<&str>| Delivery {
            lists: "/lists".into(),
            aggregator: "http://x".to_owned(),
            join: join.map(str::to_owned),
            output: output.map(Into::into),
            attempts: 3,
            cache_bytes: 0,
            full_speed: false,
        };
        let made = |checkpoint| event(Happening::NftCreated, checkpoint);
        let changed = |checkpoint| event(Happening::NftUpdated, checkpoint);
        let (a, b) = (to(Some("/a"), None), to(None, Some("/a")));
        assert_eq!(key("c", &made(1), &a), key("c", &made(2), &a));
        assert_eq!(key("c", &changed(1), &a), key("c", &changed(1), &a));
        assert_ne!(key("c", &changed(1), &a), key("c", &changed(2), &a));
        assert_ne!(key("c", &made(1), &a), key("d", &made(1), &a));
        assert_ne!(key("c", &made(1), &a), key("c", &made(1), &b));
        assert!(key(&"c".repeat(128), &changed(u64::MAX), &a).len() <= 256);
    }

    #[test]
    fn ids_differ() {
        let (first, second) = (id(1_703_123_456), id(1_703_123_456));
        assert!(first.starts_with("job_1703123456_"), "{first}");
        assert_ne!(first, second);
    }
}
