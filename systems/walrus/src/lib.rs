//! Blobs from Walrus, fetched in the background and verified

pub mod aggregator;
pub mod blob_id;
pub mod download;
pub mod lists;
pub mod networks;
pub mod retrieve;
pub mod words;
