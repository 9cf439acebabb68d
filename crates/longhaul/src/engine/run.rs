//! One run of a job: a pipeline from its args to what is written about its end.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use longhaul_types::{ErrorCode, JobError, State, Timestamp};
use tokio::sync::mpsc;

use super::{Core, Ran, ends::Ending, registry::Registered, worker::Done};
use crate::{
    Context, Failure, Outcome,
    context::{self, Held, Stop},
    handler::Again,
    model::Backoff,
    secrets,
    store::{End, Write, Written},
};

/// What the handler gave, if it came to an end.
pub(super) type Returned = Option<Result<Outcome<Option<String>>, Failure>>;

/// Runs `held` once and sees to its end.
pub(crate) async fn run(
    core: Arc<Core>,
    held: Arc<Held>,
    parked: bool,
    done: mpsc::Sender<Done>,
    ends: mpsc::Sender<Ending>,
) {
    let Some(registered) = core.registry.get(&held.job.kind).cloned() else {
        // Claims name the registered kinds alone.
        return;
    };
    let context = Context {
        core: Arc::clone(&core),
        held: Arc::clone(&held),
    };
    let began = core.clock.now();
    let returned = execute(&context, &registered).await;
    let stopped = core.clock.now();
    core.observe(|observer| observer.stopped(&held.job.kind, stopped.since(began)));
    let attempt = held.attempts() + 1;
    let next = decide(&context, &registered.policy.backoff, returned).await;
    tell_ran(&core, &held, attempt, (began, stopped), &next);
    let next = match next {
        Next::Park(after) => {
            let at = core.clock.now() + after;
            match park(&core, &held, parked, at, after).await {
                Ok(true) => Done::Park {
                    held: Arc::clone(&held),
                    at,
                },
                Ok(false) => {
                    core.forget(&held);
                    Done::Free(Arc::clone(&held))
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    let end = failed(&core, &held, &registered.policy.backoff, failure);
                    send_end(&core, &held, end, &ends).await;
                    Done::Free(Arc::clone(&held))
                }
            }
        }
        Next::End(end) => {
            send_end(&core, &held, end, &ends).await;
            Done::Free(Arc::clone(&held))
        }
        Next::Nothing => Done::Free(Arc::clone(&held)),
    };
    // The worker outlives its runs; without one there is nobody to tell.
    let _ = done.send(next).await;
}

/// Tells the observers what is to become of the job.
fn tell_ran(
    core: &Core,
    held: &Held,
    attempt: u32,
    (began, stopped): (Timestamp, Timestamp),
    next: &Next,
) {
    let parked;
    let end = match next {
        Next::Park(every) => {
            parked = End::CheckAgain {
                at: stopped + *every,
                every: *every,
            };
            Some(&parked)
        }
        Next::End(end) => Some(end),
        Next::Nothing => None,
    };
    let ran = Ran {
        job: &held.job,
        attempt,
        began,
        stopped,
        end,
    };
    core.observe(|observer| observer.ran(&ran));
}

pub(super) enum Next {
    Park(Duration),
    End(End),
    /// Another worker may hold the job: nothing may be written.
    Nothing,
}

async fn send_end(core: &Core, held: &Arc<Held>, end: End, ends: &mpsc::Sender<Ending>) {
    let mut write = Write::new(held.claim, core.clock.now());
    write.end = Some(end);
    let ending = Ending {
        held: Arc::clone(held),
        write,
    };
    if ends.send(ending).await.is_err() {
        tracing::error!(job = %held.job.id, "an end was not written: the engine is gone; the job will be rescued");
    }
}

/// Runs the handler, within its time limits, until it returns or is dropped after its grace.
async fn execute(context: &Context, registered: &Registered) -> Returned {
    let held = &context.held;
    let clock = &context.core.clock;
    let args = match whole_args(&context.core, held) {
        Ok(args) => args,
        Err(failure) => return Some(Err(failure)),
    };
    let run = registered.handler.run(held.args_version, &args, context);
    let mut run = AssertUnwindSafe(run).catch_unwind();
    let token = held.token();
    let limit = time_limit(context);
    let mut limit_sleep = limit.map(|(wait, _)| clock.sleep(wait));
    let mut grace: Option<crate::clock::Sleep> = None;
    loop {
        tokio::select! {
            biased;
            returned = &mut run => return Some(returned.unwrap_or_else(|panic| Err(panicked(&*panic)))),
            () = token.cancelled(), if grace.is_none() => {
                grace = Some(clock.sleep(registered.policy.grace));
            }
            () = over(&mut limit_sleep) => {
                limit_sleep = None;
                if let Some((_, stop)) = limit {
                    held.tell_to_stop(stop);
                }
            }
            () = over(&mut grace) => return None,
        }
    }
}

/// The args with their secrets put in. Held back from here on: whatever the run writes goes without their values.
pub(super) fn whole_args<'h>(core: &Core, held: &'h Held) -> Result<Cow<'h, str>, Failure> {
    match &core.secrets {
        Some(secrets) if secrets::named_in(&held.args) => {
            let (args, redactor) = secrets::put_in(&held.args, &held.job.kind, &**secrets)?;
            held.redact_with(redactor);
            Ok(args.into())
        }
        _ => Ok((&*held.args).into()),
    }
}

/// Ends when the sleep does; never without one.
async fn over(sleep: &mut Option<crate::clock::Sleep>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// The first of the run's time limits.
fn time_limit(context: &Context) -> Option<(Duration, Stop)> {
    let job = &context.held.job;
    let attempt = job
        .attempt_timeout
        .map(|timeout| (timeout, Stop::AttemptTimeout));
    let whole = job
        .deadline()
        .map(|deadline| (deadline.since(context.now()), Stop::Deadline));
    [attempt, whole]
        .into_iter()
        .flatten()
        .min_by_key(|(wait, _)| *wait)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::retry(
        ErrorCode::HandlerPanicked.as_str(),
        format!("the handler panicked: {message}"),
    )
}

/// How the run ends, from why it had to stop and what it returned.
pub(super) async fn decide(context: &Context, backoff: &Backoff, returned: Returned) -> Next {
    let (core, held) = (&context.core, &context.held);
    let stop = held.stop();
    match (stop, returned) {
        (Some(Stop::Lost), _) => Next::Nothing,
        (Some(Stop::Cancel), _) => Next::End(End::Cancelled),
        (_, Some(Ok(Outcome::Done(result)))) => {
            Next::End(match context::all_failed(context).await {
                Ok(None) => End::Complete { result },
                Ok(Some(error)) => End::Fail { error },
                Err(error) => failed(core, held, backoff, Failure::from(error)),
            })
        }
        (Some(Stop::Deadline), _) => Next::End(End::Fail {
            error: JobError::new(ErrorCode::Deadline, deadline_message(held)),
        }),
        (_, Some(Ok(Outcome::CheckAgain(after)))) => Next::Park(after),
        (Some(Stop::Shutdown), _) => Next::End(End::Release {
            at: core.clock.now(),
        }),
        (Some(Stop::AttemptTimeout), _) => {
            let failure = Failure::retry(
                ErrorCode::AttemptTimeout.as_str(),
                format!(
                    "the attempt took longer than {:?}",
                    held.job.attempt_timeout.unwrap_or_default()
                ),
            );
            Next::End(failed(core, held, backoff, failure))
        }
        (None, Some(Err(failure))) => Next::End(failed(core, held, backoff, failure)),
        // Dropped without being told to stop: can not be, and is then a release.
        (None, None) => Next::End(End::Release {
            at: core.clock.now(),
        }),
    }
}

/// What a user reads when the time of the whole job is over.
pub(crate) fn deadline_message(held: &Held) -> String {
    format!(
        "the job took longer than {} s in all; give it a longer timeout, or retry it: what is done is kept",
        held.job.timeout.unwrap_or_default().as_secs_f64()
    )
}

/// The end of a run that failed: another attempt, if it may and any is left.
fn failed(core: &Core, held: &Held, backoff: &Backoff, failure: Failure) -> End {
    let spent = held.attempts() + 1;
    let wait = match failure.again {
        Again::Never => None,
        _ if spent >= held.job.max_attempts => None,
        Again::Backoff => Some(backoff.wait(spent)),
        Again::After(wait) => Some(wait),
    };
    match wait {
        Some(wait) => End::Retry {
            at: core.clock.now() + wait,
            error: failure.error,
        },
        None => End::Fail {
            error: failure.error,
        },
    }
}

/// Keeps the job until its next check. Writes only what changed: nothing, as a rule. Answers whether it is still held.
async fn park(
    core: &Core,
    held: &Arc<Held>,
    parked: bool,
    at: Timestamp,
    every: Duration,
) -> Result<bool, super::Error> {
    if parked {
        return Ok(!matches!(held.stop(), Some(Stop::Lost | Stop::Cancel)));
    }
    let gate = held.gate.clone().lock_owned().await;
    let mut write = Write::new(held.claim, core.clock.now());
    held.take(&mut write);
    write.end = Some(End::CheckAgain { at, every });
    let written = core.write_patiently(held, write).await?;
    drop(gate);
    let Written::Done { state, .. } = written else {
        return Ok(false);
    };
    core.ended(held, state).await;
    Ok(state == State::Pending)
}
