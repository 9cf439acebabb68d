//! What a store is told of schedules, and what it answers.
//!
//! Invariant: whoever changes a schedule says in which revision they read it, and is refused when it has another by then.
//! So of several processes that find a schedule due, one submits its jobs.

use longhaul_types::Timestamp;

use super::{Insert, Inserted};
use crate::model::{Schedule, Scheduled};

/// Puts a schedule in, or in place of the one with its owner and name. What that submitted so far stays counted.
#[derive(Clone, Debug)]
pub struct PutSchedule {
    /// The schedule; paused when it says so.
    pub schedule: Schedule,
    /// Its next time; none of a paused one.
    pub next_at: Option<Timestamp>,
    /// The revision in which the one that it replaces was read; none when there was none.
    pub replaces: Option<u64>,
    /// Schedules that there may be in all.
    pub most: u64,
    /// Now.
    pub now: Timestamp,
}

/// Moves a schedule on from a time that has come, and submits that time's jobs: both or neither.
#[derive(Clone, Debug)]
pub struct Fire {
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// The revision in which it was read.
    pub revision: u64,
    /// Its jobs, each with the time it is for, in order.
    pub jobs: Vec<(Timestamp, Insert)>,
    /// Its next time; none of a paused one.
    pub next_at: Option<Timestamp>,
    /// When that is to be looked at.
    pub look_at: Option<Timestamp>,
    /// Times that passed without a job.
    pub missed: u64,
    /// Why its jobs could not be submitted yet.
    pub error: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fired {
    /// It has moved on. A job that is not new was there already, or the one before it still lives: it counts as skipped.
    Done(Vec<Inserted>),
    /// It was changed meanwhile, or is gone: nothing was done.
    Stale,
    /// A job could not be inserted, or a paused schedule was given a next time: nothing was done.
    Refused(String),
}

/// Where a page of schedules begins: after this name and owner.
pub type After<'a> = Option<(&'a str, &'a str)>;

/// What became of a put.
#[derive(Clone, Debug, PartialEq)]
pub enum PutDone {
    /// The schedule as it is now.
    Done(Box<Scheduled>),
    /// What it replaces was changed meanwhile, or something is there: nothing was done.
    Stale,
}
