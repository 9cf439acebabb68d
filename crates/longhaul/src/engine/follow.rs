//! Follow-ups of a new job: checked as if they were submitted now, so that nothing can refuse them at its end.

use longhaul_types::{JobId, State, Timestamp};

use super::{
    Core, Error,
    submit::{name, within},
};
use crate::{
    model::{FollowUp, Followed, NewJob, Start},
    store::{StoredFollowUp, told},
};

/// How deep follow-ups of follow-ups go.
const DEPTH: usize = 4;

impl Core {
    /// Takes the follow-ups out of a new job, with those that the engine's rules add, as its store keeps them.
    pub(super) fn resolve_follow_ups(
        &self,
        job: &mut NewJob,
        now: Timestamp,
    ) -> Result<Vec<StoredFollowUp>, Error> {
        if job.follow_ups.is_empty() && self.follow_rules.is_empty() {
            return Ok(Vec::new());
        }
        let resolved = self.resolve_level(job, now, true, 1)?;
        let (count, bytes) = resolved
            .iter()
            .map(StoredFollowUp::size)
            .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        within("the number of follow-ups", count, self.limits.follow_ups)?;
        let what = "the number of bytes of the follow-ups' args";
        within(what, bytes, self.limits.args)?;
        Ok(resolved)
    }

    fn resolve_level(
        &self,
        job: &mut NewJob,
        now: Timestamp,
        by_rules: bool,
        depth: usize,
    ) -> Result<Vec<StoredFollowUp>, Error> {
        let own = std::mem::take(&mut job.follow_ups);
        within(
            "the number of follow-ups",
            own.len(),
            self.limits.follow_ups,
        )?;
        if depth > DEPTH && !own.is_empty() {
            return Err(Error::FollowUp("has follow-ups too deep: 4 levels at most"));
        }
        let mut added: Vec<FollowUp> = Vec::new();
        if by_rules {
            added.extend(self.follow_rules.iter().flat_map(|rule| rule(job)));
        }
        let own = own.into_iter().map(|one| (one, true));
        let added = added.into_iter().map(|one| (one, false));
        own.chain(added)
            .map(|(one, by_rules)| self.resolve_one(one, &job.owner, now, by_rules, depth))
            .collect()
    }

    fn resolve_one(
        &self,
        follow_up: FollowUp,
        owner: &str,
        now: Timestamp,
        by_rules: bool,
        depth: usize,
    ) -> Result<StoredFollowUp, Error> {
        check(&follow_up)?;
        let FollowUp {
            on,
            tell,
            after,
            mut job,
        } = follow_up;
        owner.clone_into(&mut job.owner);
        let follow_ups = self.resolve_level(&mut job, now, by_rules, depth + 1)?;
        let args = job.args.clone();
        if let Some(member) = &tell {
            name("member of args", member, self.limits.name)?;
            // What its handler will see is what is checked.
            job.args = told(&args, member, &example(now)?).ok_or(Error::FollowUp(
                "that is told of the end has an object as args",
            ))?;
        }
        let insert = self.resolve_alone(job, now)?;
        Ok(StoredFollowUp {
            on,
            tell,
            after,
            name: insert.id.to_string(),
            kind: insert.kind,
            queue: insert.queue,
            priority: insert.priority,
            args_version: insert.args_version,
            args,
            labels: insert.labels,
            unique_key: insert.unique_key,
            max_attempts: insert.max_attempts,
            attempt_timeout: insert.attempt_timeout,
            timeout: insert.timeout,
            follow_ups,
        })
    }
}

/// Refuses what a follow-up does not have.
fn check(follow_up: &FollowUp) -> Result<(), Error> {
    let job = &follow_up.job;
    if !follow_up.on.iter().all(|state| state.is_ended()) {
        return Err(Error::FollowUp(
            "follows ends alone: completed, failed or cancelled",
        ));
    }
    if job.id.is_some() || job.idempotency_key.is_some() {
        return Err(Error::FollowUp(
            "has no id and no idempotency key of its own: each end makes another job",
        ));
    }
    if job.start != Start::Now {
        return Err(Error::FollowUp(
            "starts at the end it follows or a while after it: it is not held and has no time of its own",
        ));
    }
    Ok(())
}

fn example(now: Timestamp) -> Result<Followed, Error> {
    let id = "example";
    Ok(Followed {
        job_id: JobId::try_from(id.to_owned()).map_err(|_| Error::BadName {
            what: "id",
            value: id.to_owned(),
        })?,
        kind: String::new(),
        state: State::Completed,
        revision: 1,
        ended_at: now,
        error: None,
    })
}
