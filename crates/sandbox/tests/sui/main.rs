//! The Sui stand-in as the real client sees it.

mod faults;
mod lists;
mod objects;
mod seeds;
mod streams;
mod support;
