//! Blobs from Walrus, fetched in the background and verified

pub mod aggregator;
pub mod blob_id;
pub mod cache;
pub mod download;
pub mod fetch;
pub mod follow;
pub mod lists;
pub mod machine;
pub mod networks;
pub mod retrieve;
pub mod sui;
pub mod words;
