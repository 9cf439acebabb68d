//! Workers elsewhere: programs in any language that claim, report and finish over some wire.
//!
//! Invariants: a remote worker writes under the same claims as one of this process, through the same path, and whoever
//! listens hears the same; it holds its jobs by a lease that each of its calls renews; how a run ends is decided here, from
//! the kind's policy, and not by the worker. What is kept in memory of a run can be read again from the store.

mod claim;
mod join;
mod report;
mod roster;
mod watch;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    Stream,
    future::{Either, select_all},
};
use longhaul_types::{
    body::Artifact,
    worker::{
        ClaimAnswer, ClaimRequest, HeartbeatAnswer, HeartbeatRequest, JoinAnswer, JoinRequest,
        ReportAnswer, ReportRequest, StopOrder, WorkerView,
    },
};

use self::roster::{Run, Worker};
pub(crate) use self::{
    join::{introduce_local, restore},
    roster::Roster,
    watch::watch,
};
use super::{Core, Engine, Error, heartbeat, submit::within};
use crate::{
    Context,
    artifacts::JobArtifacts,
    model::{Claim, NewJob, Seq, WorkerId},
};

/// What a remote worker may do, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Who joined it, as they were named then.
    pub by: Option<String>,
    /// The kinds that it runs.
    pub kinds: Vec<String>,
    /// The queues that it takes jobs of.
    pub queues: Vec<String>,
}

/// What workers elsewhere ask of an engine. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    core: Arc<Core>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}

impl Engine {
    /// The workers that live, in this process and elsewhere.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, Error> {
        join::views(&self.core).await
    }
}

impl Remote {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Takes a worker in, and declares its kinds. `by` is remembered of it, also across restarts: see [`Self::reach`].
    pub async fn join(
        &self,
        request: JoinRequest,
        by: Option<String>,
    ) -> Result<JoinAnswer, Error> {
        join::join(&self.core, request, by).await
    }

    /// What whoever goes on as a worker must have the right to.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`] when it does not live.
    pub fn reach(&self, worker: &WorkerId) -> Result<Reach, Error> {
        let worker = self.core.roster.living(worker, self.core.clock.now())?;
        let about = &worker.about;
        Ok(Reach {
            by: about.by.clone(),
            kinds: about.kinds.iter().map(|kind| kind.name.clone()).collect(),
            queues: about.queues.keys().cloned().collect(),
        })
    }

    /// Ends a worker's life: what it still holds is given back and spends no attempt.
    pub async fn leave(&self, id: &WorkerId) -> Result<(), Error> {
        let core = &self.core;
        let worker = core.roster.living(id, core.clock.now())?;
        for run in worker.runs() {
            match report::end(core, &worker, &run, None).await {
                Ok(_) | Err(Error::ClaimLost) => {}
                Err(error) => return Err(error),
            }
        }
        core.roster.remove(id);
        core.store.leave(id).await?;
        heartbeat::rescue(core).await;
        Ok(())
    }

    /// Gives a worker due jobs for its free slots, or waits for the first.
    pub async fn claim(&self, id: &WorkerId, request: ClaimRequest) -> Result<ClaimAnswer, Error> {
        claim::claim(&self.core, id, request).await
    }

    /// Renews a worker's lease, and tells it which of the runs that it names must stop and which it has lost. Waits for
    /// such news as long as it says, or until the worker is given more jobs.
    pub async fn heartbeat(
        &self,
        id: &WorkerId,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatAnswer, Error> {
        let core = &self.core;
        within(
            "the number of claims",
            request.claims.len(),
            core.limits.batch,
        )?;
        let worker = core.roster.living(id, core.clock.now())?;
        let wait = wait(request.wait, &worker)?;
        // Jobs that it is given meanwhile are to be named too, so that it hears of their cancels.
        let given = worker.given.notified();
        tokio::pin!(given);
        given.as_mut().enable();
        worker.renew(core).await?;
        let mut named = Vec::with_capacity(request.claims.len());
        for text in request.claims {
            match self.find(id, &text).await {
                Ok((_, run)) => named.push((text, Some(run))),
                Err(Error::ClaimLost) => named.push((text, None)),
                Err(error) => return Err(error),
            }
        }
        let news = named
            .iter()
            .any(|(_, run)| run.as_ref().is_none_or(|run| run.has_news()));
        if !news && !wait.is_zero() {
            let tokens = named
                .iter()
                .flat_map(|(_, run)| run)
                .filter(|run| run.held.stop().is_none())
                .map(|run| Box::pin(run.held.token().cancelled_owned()))
                .collect::<Vec<_>>();
            let told = if tokens.is_empty() {
                Either::Left(std::future::pending())
            } else {
                Either::Right(select_all(tokens))
            };
            tokio::select! {
                _ = told => {}
                () = given => {}
                () = core.clock.sleep(wait) => {}
                () = core.stopping.cancelled() => {}
            }
        }
        let now = core.clock.now();
        let mut answer = HeartbeatAnswer::default();
        for (claim, run) in named {
            match run.filter(|run| worker.has(run)) {
                None => answer.lost.push(claim),
                Some(run) => {
                    let order = run.tell_to_stop(now);
                    let order = order.map(|reason| StopOrder { claim, reason });
                    answer.stop.extend(order);
                }
            }
        }
        Ok(answer)
    }

    /// The job of a claim, for reading what belongs to it.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] when the worker does not hold it.
    pub async fn job(&self, id: &WorkerId, claim: &str) -> Result<Seq, Error> {
        let (_, run) = self.find(id, claim).await?;
        Ok(run.held.job.seq)
    }

    /// The owner of the job of a claim.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] when the worker does not hold it.
    pub async fn owner(&self, id: &WorkerId, claim: &str) -> Result<String, Error> {
        let (_, run) = self.find(id, claim).await?;
        Ok(run.held.job.owner.clone())
    }

    /// Writes what a run says, whole or not at all, with the jobs that it starts: on disk when this returns.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] when the worker does not hold the job: nothing was written, and the run must stop.
    pub async fn report(
        &self,
        id: &WorkerId,
        claim: &str,
        request: ReportRequest,
        submit: Vec<NewJob>,
    ) -> Result<ReportAnswer, Error> {
        let (worker, run) = self.find(id, claim).await?;
        worker.renew_if_due(&self.core).await?;
        let core = Arc::clone(&self.core);
        // A task of its own: whoever reports may go away, and what is on disk must be told all the same.
        let task =
            tokio::spawn(
                async move { report::report(&core, &worker, &run, request, submit).await },
            );
        task.await.map_err(|_| Error::Closed)?
    }

    /// Stores a file of a job under `name`: on disk with its row when this returns.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] when the worker does not hold the job: nothing was kept.
    pub async fn put_artifact(
        &self,
        id: &WorkerId,
        claim: &str,
        name: &str,
        content_type: &str,
        content: impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin,
    ) -> Result<Artifact, Error> {
        let (worker, run) = self.find(id, claim).await?;
        worker.renew_if_due(&self.core).await?;
        let job = run.context(&self.core);
        let kept = JobArtifacts::new(&job)
            .put_stream(name, content_type, content)
            .await;
        match &kept {
            Err(Error::ClaimLost) => worker.forget(&run),
            Err(_) => {}
            Ok(_) => run.named(self.core.clock.now()),
        }
        kept
    }

    /// A run that a worker holds: as it is in memory, or else as the store has it.
    async fn find(&self, id: &WorkerId, text: &str) -> Result<(Arc<Worker>, Arc<Run>), Error> {
        let core = &self.core;
        let claim = parse(text)?;
        let now = core.clock.now();
        let worker = core.roster.living(id, now).map_err(|_| Error::ClaimLost)?;
        let run = match worker.run(claim) {
            Some(run) => run,
            None => join::adopt(core, &worker, claim)
                .await?
                .ok_or(Error::ClaimLost)?,
        };
        run.named(now);
        Ok((worker, run))
    }
}

/// The text of a claim.
fn text(claim: Claim) -> String {
    format!("{}.{}", claim.job, claim.number)
}

fn parse(text: &str) -> Result<Claim, Error> {
    let parts = text.split_once('.').and_then(|(job, number)| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = digits(job) && digits(number);
        plain.then(|| Some((job.parse().ok()?, number.parse().ok()?)))?
    });
    match parts {
        Some((job, number)) => Ok(Claim { job, number }),
        None => Err(Error::Worker(format!(
            "'{}' is no claim; name it as the answer that gave the job did",
            short(text)
        ))),
    }
}

/// What of a text from outside an error says.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// How long a worker may have its answer wait: never so long that its lease is at stake.
fn wait(seconds: f64, worker: &Worker) -> Result<Duration, Error> {
    let asked = span("wait", seconds)?;
    Ok(asked.min(worker.lease / 3))
}

/// Seconds as a time. Longer than a century is a mistake, and times must stay within what stores can hold.
fn span(name: &str, seconds: f64) -> Result<Duration, Error> {
    const MOST: f64 = 100.0 * 366.0 * 86_400.0;
    if (0.0..=MOST).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(Error::Worker(format!(
        "{name}: {seconds} is no time in seconds, from 0 to a century"
    )))
}

impl Run {
    fn context(&self, core: &Arc<Core>) -> Context {
        Context {
            core: Arc::clone(core),
            held: Arc::clone(&self.held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_it_is_written() {
        let claim = Claim { job: 17, number: 3 };
        assert_eq!(parse(&text(claim)).expect("a claim"), claim);
        for wrong in [
            "",
            "17",
            "17.",
            ".3",
            "17.3.1",
            "-1.3",
            "17.+3",
            "17.99999999999999999999",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_within_reason() {
        assert_eq!(
            span("wait", 0.5).expect("a time"),
            Duration::from_millis(500)
        );
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
            assert!(span("wait", wrong).is_err(), "{wrong}");
        }
    }
}
