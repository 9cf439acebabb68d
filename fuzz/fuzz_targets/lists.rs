//! Blobs that are read as todos and lists, and the ids of blobs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longhaul_walrus::{
    blob_id::BlobId,
    lists::{Content, List},
};

fuzz_target!(|bytes: &[u8]| {
    let blob = BlobId::from_bytes([7; 32]);
    let _ = Content::parse(bytes, &blob);
    if let Ok(list) = List::parse(bytes, "it") {
        let _ = list.blobs();
        let written = serde_json::to_vec(&list).expect("written");
        List::parse(&written, "it").expect("read again");
    }
    if let Ok(id) = std::str::from_utf8(bytes).unwrap_or_default().parse::<BlobId>() {
        assert_eq!(id.to_string().parse::<BlobId>().expect("an id"), id);
    }
});
