//! Blobs from Walrus, fetched in the background and verified

pub mod blob_id;
pub mod words;
