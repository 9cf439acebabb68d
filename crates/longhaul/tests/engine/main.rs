//! The engine as programs use it, over the store in memory and a clock moved by hand.
#![expect(clippy::expect_used, reason = "a test")]

mod bulk;
mod declared;
mod ends;
mod far;
mod follow_ups;
mod monitors;
mod observer;
mod parts;
mod queues;
mod remote;
mod schedules;
mod secrets;
mod support;
