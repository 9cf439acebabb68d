//! The machine is shared: heavy work gives way to others.
//!
//! Invariant: whatever the machine does, at least one thing goes on; and where it tells nothing, nothing is held back.

mod gate;
mod load;
mod low;
mod throttle;

pub(crate) use self::{gate::Gate, low::run_apart};
pub use self::{
    load::{Load, SystemLoad},
    throttle::Throttle,
};
