//! A disk that remembers: what SQLite wrote, what of it was synced, and so what would be left after a power cut.
//!
//! A process that is killed shows little, since the page cache outlives it. [`Disk`] stands beneath SQLite, notes every
//! write and sync in their order, can put the files of any moment into a folder as a power cut would have left them, and
//! can fail as disks do.
//!
//! Invariant: a file outside of the watched folders goes straight to SQLite's own VFS.

pub mod disk;
mod vfs;

pub use disk::{Disk, Fault, Moment, Operation};
