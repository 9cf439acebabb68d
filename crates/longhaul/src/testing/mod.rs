//! For tests: a clock moved by hand, a store in memory, and the suite that every store must pass.

mod clock;
pub mod conformance;
mod memory;

pub use clock::TestClock;
pub use memory::MemoryStore;
