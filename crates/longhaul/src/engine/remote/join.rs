//! Workers that come, what the store knows of them, and what is read again after a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use longhaul_types::worker::{
    JoinAnswer, JoinRequest, WorkerKind, WorkerPlace, WorkerRetention, WorkerView,
};

use super::{
    super::{
        Core, Error,
        run::whole_args,
        submit::{name, within},
    },
    report,
    roster::{About, Run, Worker},
    span,
};
use crate::{
    context::Held,
    handler::DEFAULT_QUEUE,
    model::{Claim, Retention, Seq, Status, WorkerId},
    secrets::named_in,
    store::{Claimed, Kind},
};

/// Remote workers at a time.
const WORKERS: usize = 10_000;
/// Kinds of one worker, and its queues.
const KINDS: usize = 256;
/// Kinds that are ever declared: each is a label of what is measured.
const ALL_KINDS: usize = 10_000;
/// Jobs at a time of one queue of one worker.
const SLOTS: u32 = 10_000;
/// Seconds of a lease: least, most, and when nothing is said.
const LEASE: (u32, u32, u32) = (1, 3600, 30);
/// Jobs of a worker that a list names.
const NAMED: usize = 100;

/// Takes a worker in, which goes on as that one for whoever joined it.
pub(super) async fn join(
    core: &Arc<Core>,
    request: JoinRequest,
    by: Option<String>,
) -> Result<JoinAnswer, Error> {
    let seconds = request.lease_seconds.unwrap_or(LEASE.2);
    if !(LEASE.0..=LEASE.1).contains(&seconds) {
        return Err(Error::Worker(format!(
            "leaseSeconds: {seconds}; it may be {} to {}",
            LEASE.0, LEASE.1
        )));
    }
    let about = About {
        by,
        ..check(core, request)?
    };
    within("the number of workers", core.roster.count() + 1, WORKERS)?;
    let new = about.kinds.iter().map(|kind| kind.name.as_str());
    within("the number of kinds", core.kinds.count_with(new), ALL_KINDS)?;
    // What this process runs itself is as its own handlers say.
    let foreign = about
        .kinds
        .iter()
        .filter(|kind| core.registry.get(&kind.name).is_none());
    let declared = foreign.map(declaration).collect::<Result<Vec<_>, _>>()?;
    core.store.declare(declared).await?;
    core.kinds.replace(core.store.kinds().await?);
    let id = WorkerId::new();
    let lease = Duration::from_secs(seconds.into());
    let now = core.clock.now();
    core.store.join(&id, Some(lease), now).await?;
    core.store.introduce(&id, json(&about)?).await?;
    tracing::info!(worker = %id, name = about.name, "a remote worker has joined");
    core.roster
        .add(Arc::new(Worker::new(id.clone(), about, lease, now + lease)));
    Ok(JoinAnswer {
        worker_id: id.as_str().to_owned(),
        lease_seconds: seconds,
    })
}

/// Has the store know the worker of this process.
pub(crate) async fn introduce_local(core: &Core) -> Result<(), Error> {
    let kinds = core.registry.declarations().into_iter();
    let about = About {
        name: format!("process {}", std::process::id()),
        remote: false,
        by: None,
        kinds: kinds.map(kind_of).collect(),
        queues: core.slots.clone(),
    };
    core.store.introduce(&core.worker, json(&about)?).await?;
    Ok(())
}

/// Reads the remote workers of the engine before this one, with what they hold.
pub(crate) async fn restore(core: &Arc<Core>) -> Result<(), Error> {
    for member in core.store.members(0).await? {
        let Some((lease, lease_end)) = member.lease else {
            continue;
        };
        let about = about(member.about.as_deref());
        if !about.remote {
            continue;
        }
        let worker = Arc::new(Worker::new(member.worker, about, lease, lease_end));
        for job in core.store.held(&worker.id).await? {
            if let Some(run) = read(core, &worker.id, job).await? {
                hold(core, &worker, run).await;
            }
        }
        core.roster.add(worker);
    }
    Ok(())
}

/// A run that memory does not know, if the store says that the worker holds it.
pub(super) async fn adopt(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    claim: Claim,
) -> Result<Option<Arc<Run>>, Error> {
    let run = read(core, &worker.id, claim.job).await?;
    match run.filter(|run| run.held.claim == claim) {
        Some(run) => Ok(hold(core, worker, run).await),
        None => Ok(None),
    }
}

/// Takes note of a run that was read. Where the secrets that it was given can not be had any more, nobody could keep
/// their values out of what it writes: it is given back.
async fn hold(core: &Arc<Core>, worker: &Arc<Worker>, run: Run) -> Option<Arc<Run>> {
    let run = worker.hold(run);
    if whole_args(core, &run.held).is_ok() {
        return Some(run);
    }
    // What can not be written now is read, and given back, when the worker names it again.
    let _ = report::end(core, worker, &run, None).await;
    None
}

/// The workers that live, as a list shows them.
pub(super) async fn views(core: &Core) -> Result<Vec<WorkerView>, Error> {
    let members = core.store.members(NAMED).await?;
    let views = members.into_iter().map(|member| {
        let about = about(member.about.as_deref());
        WorkerView {
            worker_id: member.worker.as_str().to_owned(),
            name: about.name,
            place: if about.remote {
                WorkerPlace::Remote
            } else {
                WorkerPlace::Local
            },
            joined_at: member.joined_at,
            last_heartbeat: member.lease.map(|(lease, end)| end - lease),
            lease_end: member.lease.map(|(_, end)| end),
            kinds: about.kinds,
            queues: about.queues,
            holds: member.holds,
            jobs: member.jobs,
        }
    });
    Ok(views.collect())
}

/// The run of a job that the worker holds now.
async fn read(core: &Core, worker: &WorkerId, job: Seq) -> Result<Option<Run>, Error> {
    let Some(detail) = core.store.detail(job).await? else {
        return Ok(None);
    };
    let job = detail.job;
    let Status::Running {
        worker: holder,
        since,
        ..
    } = &job.status
    else {
        return Ok(None);
    };
    if holder != worker {
        return Ok(None);
    }
    let (since, cancel) = (*since, job.cancel_requested());
    // Args and checkpoint went out with the claim; which secrets the args name is still to be known.
    let args = detail.args.to_string();
    let held = Held::new(Claimed {
        job,
        args_version: 0,
        args: if named_in(&args) { args } else { String::new() },
        checkpoint: None,
        due: since,
    });
    if cancel {
        held.cancel();
    }
    Ok(Some(Run::new(held, since, core.clock.now())))
}

/// What an unknown or unreadable worker says of itself is nothing.
fn about(text: Option<&str>) -> About {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn json(about: &About) -> Result<String, Error> {
    serde_json::to_string(about).map_err(|source| Error::Json {
        what: "what a worker says of itself",
        source,
    })
}

/// Looks at all that a worker says of itself, and settles its queues.
fn check(core: &Core, request: JoinRequest) -> Result<About, Error> {
    let limit = core.limits.name;
    name("name", &request.name, limit)?;
    within("the number of kinds", request.kinds.len(), KINDS)?;
    within("the number of queues", request.queues.len(), KINDS)?;
    if request.kinds.is_empty() {
        return Err(Error::Worker(
            "kinds: name the kinds of jobs that the worker runs".to_owned(),
        ));
    }
    let mut seen = BTreeSet::new();
    for kind in &request.kinds {
        name("kind", &kind.name, limit)?;
        if let Some(queue) = &kind.queue {
            name("queue", queue, limit)?;
        }
        if !seen.insert(&kind.name) {
            let twice = super::short(&kind.name);
            return Err(Error::Worker(format!("kinds: '{twice}' comes twice")));
        }
        declaration(kind)?;
    }
    for (queue, slots) in &request.queues {
        name("queue", queue, limit)?;
        if !(1..=SLOTS).contains(slots) {
            return Err(Error::Worker(format!(
                "queues: {slots} at a time; it may be 1 to {SLOTS}"
            )));
        }
    }
    let queues = if request.queues.is_empty() {
        let named = request.kinds.iter().map(|kind| {
            let own = core.registry.get(&kind.name);
            let own = own.map(|registered| registered.policy.queue.clone());
            let queue = own.or_else(|| kind.queue.clone());
            (queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()), 1)
        });
        named.collect::<BTreeMap<_, _>>()
    } else {
        request.queues
    };
    Ok(About {
        name: request.name,
        remote: true,
        by: None,
        kinds: request.kinds,
        queues,
    })
}

/// The kind as the store keeps it.
fn declaration(kind: &WorkerKind) -> Result<Kind, Error> {
    let time = |name: &str, seconds: Option<f64>| match seconds {
        None => Ok(None),
        Some(seconds) if seconds > 0.0 => span(name, seconds).map(Some),
        Some(seconds) => Err(Error::Worker(format!(
            "{name}: {seconds} s; leave it out for none"
        ))),
    };
    let usual = Kind::new(&kind.name);
    if kind.max_attempts == Some(0) {
        return Err(Error::Worker(
            "maxAttempts: a job has at least one attempt".to_owned(),
        ));
    }
    if let Some(grace) = kind.grace {
        span("grace", grace)?;
    }
    let retention = kind.retention.unwrap_or_default();
    for (name, seconds) in [
        ("completed", retention.completed),
        ("failed", retention.failed),
        ("cancelled", retention.cancelled),
        ("log", retention.log),
        ("result", retention.result),
        ("progress", retention.progress),
    ] {
        span(&format!("retention.{name}"), seconds.unwrap_or_default())?;
    }
    if let Some(backoff) = kind.backoff {
        span("backoff.first", backoff.first)?;
        span("backoff.cap", backoff.cap)?;
    }
    Ok(Kind {
        version: kind.version,
        queue: kind.queue.clone().unwrap_or(usual.queue),
        max_attempts: kind.max_attempts.unwrap_or(usual.max_attempts),
        attempt_timeout: time("attemptTimeout", kind.attempt_timeout)?,
        timeout: time("timeout", kind.timeout)?,
        name: usual.name,
        retention: Retention::from(&retention),
    })
}

fn kind_of(kind: Kind) -> WorkerKind {
    WorkerKind {
        name: kind.name,
        version: kind.version,
        queue: Some(kind.queue),
        max_attempts: Some(kind.max_attempts),
        attempt_timeout: kind.attempt_timeout.map(|time| time.as_secs_f64()),
        timeout: kind.timeout.map(|time| time.as_secs_f64()),
        grace: None,
        backoff: None,
        retention: Some(WorkerRetention::from(&kind.retention)),
    }
}
