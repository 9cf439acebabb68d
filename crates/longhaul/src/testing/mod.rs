//! For tests: a clock moved by hand, a store in memory, and the suite that every store must pass.

mod clock;

pub use clock::TestClock;
