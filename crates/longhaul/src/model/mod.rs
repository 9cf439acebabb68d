//! What a job is: the record every store keeps, the one transition function, and the policies that are pure.

mod follow_up;
mod limits;
mod new_job;
mod record;
mod retention;
mod retry;
pub mod schedule;
mod spread;
mod timing;
mod token;
pub mod transition;

pub use follow_up::{AFTER, FollowUp, Followed};
pub use limits::Limits;
pub use new_job::{NewJob, Start};
pub use record::{Attempt, AttemptEnd, Claim, Detail, Job, Seq, Status, WorkerId};
pub use retention::Retention;
pub use retry::Backoff;
pub use schedule::{Schedule, Scheduled};
pub use spread::spread;
pub use token::Token;
pub use transition::{Change, Illegal, Standing, next};
