//! Blobs from Walrus, fetched in the background and verified
