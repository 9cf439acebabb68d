//! From what a caller says of a job to what the store keeps: names checked, limits held, settings resolved.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU16, Ordering},
    },
};

use longhaul_types::{ErrorCode, JobId, Reason, Timestamp};

use super::{Core, Error};
use crate::{
    model::{NewJob, Start},
    secrets,
    store::{self, Insert},
};

/// The kinds ever declared on this store.
#[derive(Debug, Default)]
pub(crate) struct Kinds(RwLock<HashMap<String, store::Kind>>);

impl Kinds {
    pub(crate) fn get(&self, kind: &str) -> Option<store::Kind> {
        let kinds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kinds.get(kind).cloned()
    }

    /// How many there would be with these.
    pub(crate) fn count_with<'a>(&self, more: impl Iterator<Item = &'a str>) -> usize {
        let kinds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kinds.len() + more.filter(|kind| !kinds.contains_key(*kind)).count()
    }

    pub(crate) fn replace(&self, kinds: Vec<store::Kind>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = kinds
            .into_iter()
            .map(|kind| (kind.name.clone(), kind))
            .collect();
    }
}

impl Core {
    /// The row of a new job.
    pub(crate) fn resolve(&self, mut job: NewJob, now: Timestamp) -> Result<Insert, Error> {
        let follow_ups = self.resolve_follow_ups(&mut job, now)?;
        let insert = self.resolve_alone(job, now)?;
        Ok(Insert {
            follow_ups,
            ..insert
        })
    }

    /// The row of a new job without its follow-ups.
    pub(super) fn resolve_alone(&self, job: NewJob, now: Timestamp) -> Result<Insert, Error> {
        self.check_limits(&job)?;
        let registered = self.registry.get(&job.kind);
        let declared;
        let (version, queue, max_attempts, attempt_timeout, timeout) = if let Some(own) = registered
        {
            let policy = &own.policy;
            if policy.internal && !job.internal {
                return Err(Error::InternalKind(job.kind));
            }
            let times = (policy.attempt_timeout, policy.timeout);
            (
                own.version,
                &policy.queue,
                policy.max_attempts,
                times.0,
                times.1,
            )
        } else {
            // Of a worker elsewhere; a kind that nobody declared is the store's to refuse.
            let unknown = || store::Kind::new(&job.kind);
            declared = self.kinds.get(&job.kind).unwrap_or_else(unknown);
            let times = (declared.attempt_timeout, declared.timeout);
            (
                declared.version,
                &declared.queue,
                declared.max_attempts,
                times.0,
                times.1,
            )
        };
        let args_version = job.args_version.unwrap_or(version);
        // Args that name secrets are whole only when the job runs.
        let whole = self.secrets.is_none() || !secrets::named_in(&job.args);
        if let Some(registered) = registered.filter(|_| whole) {
            registered
                .handler
                .check(args_version, &job.args)
                .map_err(|failure| Error::Args(failure.error.message))?;
        } else {
            serde_json::from_str::<serde::de::IgnoredAny>(&job.args)
                .map_err(|error| Error::Args(format!("the args are no JSON: {error}")))?;
        }
        let (reason, run_at) = match job.start {
            Start::Now => (Reason::New, Some(now)),
            Start::At(time) if time <= now => (Reason::New, Some(now)),
            Start::At(time) => (Reason::Scheduled, Some(time)),
            Start::After(wait) if wait.is_zero() => (Reason::New, Some(now)),
            Start::After(wait) => (Reason::Scheduled, Some(now + wait)),
            Start::Held => (Reason::Held, None),
        };
        Ok(Insert {
            id: match job.id {
                Some(id) => id,
                None => new_id()?,
            },
            owner: job.owner,
            kind: job.kind,
            queue: job.queue.unwrap_or_else(|| queue.clone()),
            priority: job.priority,
            args_version,
            args: job.args,
            labels: job.labels,
            reason,
            run_at,
            unique_key: job.unique_key,
            idempotency_key: job.idempotency_key,
            max_attempts: job.max_attempts.unwrap_or(max_attempts).max(1),
            attempt_timeout: job.attempt_timeout.or(attempt_timeout),
            timeout: job.timeout.or(timeout),
            follow_ups: Vec::new(),
            created_at: now,
        })
    }

    fn check_limits(&self, job: &NewJob) -> Result<(), Error> {
        let limits = &self.limits;
        within("the args' number of bytes", job.args.len(), limits.args)?;
        within("the number of labels", job.labels.len(), limits.labels)?;
        name("kind", &job.kind, limits.name)?;
        if !job.owner.is_empty() {
            name("owner", &job.owner, limits.name)?;
        }
        if let Some(queue) = &job.queue {
            name("queue", queue, limits.name)?;
        }
        for key in [&job.unique_key, &job.idempotency_key]
            .into_iter()
            .flatten()
        {
            name("key", key, limits.name)?;
        }
        for (label, value) in &job.labels {
            name("label", label, limits.name)?;
            within("a label's number of bytes", value.len(), limits.name)?;
        }
        Ok(())
    }
}

pub(crate) fn within(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::TooLarge {
        what,
        size: size as u64,
        limit: limit as u64,
    })
}

pub(crate) fn name(what: &'static str, value: &str, limit: usize) -> Result<(), Error> {
    within("a name's number of bytes", value.len(), limit)?;
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err(Error::BadName {
            what,
            value: value.chars().filter(|c| !c.is_control()).take(64).collect(),
        });
    }
    Ok(())
}

/// A new id: a UUID of version 7, whose random part comes without a call of the system. Ids name jobs, they guard none.
fn new_id() -> Result<JobId, Error> {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    // Ids of one millisecond rise too, so that the index of ids grows at its end.
    let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    random[..2].copy_from_slice(&count);
    let now = u64::try_from(Timestamp::now().0).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid();
    JobId::try_from(id.to_string()).map_err(|error| Error::BadName {
        what: ErrorCode::Internal.as_str(),
        value: error.to_string(),
    })
}
