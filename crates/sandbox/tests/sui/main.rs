//! The Sui stand-in as the real client sees it.

mod faults;
mod lists;
mod objects;
mod streams;
mod support;
