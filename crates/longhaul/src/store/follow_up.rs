//! Follow-ups as a store keeps them, and the one way in which one becomes a job.
//!
//! Invariant: a follow-up can not keep a job from ending. All that could refuse it was looked at when it was submitted; it
//! does not count against the depth of its queue, and where its id is taken the job that has it stands.

use std::time::Duration;

use longhaul_types::{JobId, Labels, Reason, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Insert;
use crate::model::{AFTER, Followed, Job};

/// A job to insert when another ends, every setting resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredFollowUp {
    /// The ends that it follows; none named means every end.
    pub on: Vec<State>,
    /// The member of its args under which it is told of that end.
    #[serde(default)]
    pub tell: Option<String>,
    /// How long after that end it may run.
    pub after: Duration,
    /// What its ids begin with: unlike that of every other follow-up.
    pub name: String,
    /// What kind.
    pub kind: String,
    /// Queue.
    pub queue: String,
    /// Higher runs first.
    pub priority: i16,
    /// Version of the args.
    pub args_version: u32,
    /// Args, JSON text.
    pub args: String,
    /// Names to values.
    pub labels: Labels,
    /// Key unique among living jobs of this owner and kind.
    #[serde(default)]
    pub unique_key: Option<String>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Time one attempt may take.
    #[serde(default)]
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// What follows its own ends.
    #[serde(default)]
    pub follow_ups: Vec<Self>,
}

impl StoredFollowUp {
    /// The job that follows the end of `job`, whose store's clock says the time of that end. None when it follows no such
    /// end.
    pub fn of(&self, job: &Job) -> Option<Insert> {
        let followed = Followed::of(job)?;
        if !self.on.is_empty() && !self.on.contains(&followed.state) {
            return None;
        }
        // One end is followed by one job, also where a write is done twice.
        let id = format!("{}-{}-{}", self.name, job.seq, job.revision);
        let mut labels = self.labels.clone();
        labels.insert(AFTER.to_owned(), job.id.to_string());
        let now = followed.ended_at;
        let reason = if self.after.is_zero() {
            Reason::New
        } else {
            Reason::Scheduled
        };
        Some(Insert {
            id: JobId::try_from(id).ok()?,
            owner: job.owner.clone(),
            kind: self.kind.clone(),
            queue: self.queue.clone(),
            priority: self.priority,
            args_version: self.args_version,
            args: match &self.tell {
                Some(member) => told(&self.args, member, &followed)?,
                None => self.args.clone(),
            },
            labels,
            reason,
            run_at: Some(now + self.after),
            unique_key: self.unique_key.clone(),
            idempotency_key: None,
            max_attempts: self.max_attempts,
            attempt_timeout: self.attempt_timeout,
            timeout: self.timeout,
            follow_ups: self.follow_ups.clone(),
            created_at: now,
        })
    }

    /// How many follow-ups this is with those of its own, and how many bytes of args they have.
    pub fn size(&self) -> (usize, usize) {
        let own = (1, self.args.len());
        let sizes = self.follow_ups.iter().map(Self::size);
        sizes.fold(own, |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }
}

/// Args with a member that tells of an end. None when they are no object.
pub fn told(args: &str, member: &str, followed: &Followed) -> Option<String> {
    let mut args: Value = serde_json::from_str(args).ok()?;
    let followed = serde_json::to_value(followed).ok()?;
    args.as_object_mut()?.insert(member.to_owned(), followed);
    Some(args.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_a_member_was_known_is_read() {
        let text = r#"{"on":["failed"],"after":{"secs":0,"nanos":0},"name":"n","kind":"k","queue":"q",
            "priority":0,"args_version":1,"args":"{}","labels":{},"max_attempts":1}"#;
        let follow_up: StoredFollowUp = serde_json::from_str(text).expect("read");
        assert_eq!(follow_up.on, [State::Failed]);
        assert_eq!(follow_up.size(), (1, 2));
    }
}
