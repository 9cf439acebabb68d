//! What a remote run says: one report is one write.
//!
//! Invariant: a report that was not written leaves nothing behind in memory: the run is read anew from the store.

use std::sync::Arc;

use longhaul_types::{
    ErrorCode, JobError,
    worker::{ReportAnswer, ReportRequest, ReportedEnd, ReportedItem, ReportedProgress},
};

use super::{
    super::{
        Core, Error,
        run::{Next, Returned, decide},
        submit::within,
    },
    roster::{Run, Worker},
    span,
};
use crate::{
    Context, Failure, Outcome,
    context::{self, cut, json, shorten},
    handler::Again,
    model::{Limits, NewJob},
    store::{self, ItemWrite, LogWrite, Write, Written},
};

/// Log lines, and jobs to start, of one report.
const LINES: usize = 1000;
const JOBS: usize = 1000;

/// How a run ends: what it gave, or that it was given back.
pub(super) type End = Returned;

/// Writes what a run says. On disk when this returns.
pub(super) async fn report(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    run: &Arc<Run>,
    request: ReportRequest,
    submit: Vec<NewJob>,
) -> Result<ReportAnswer, Error> {
    let limits = &core.limits;
    let now = core.clock.now();
    let mut write = Write::new(run.held.claim, now);
    within("the number of items", request.items.len(), limits.batch)?;
    within("the number of log lines", request.log.len(), LINES)?;
    within("the number of jobs to start", submit.len(), JOBS)?;
    if let Some(progress) = &request.progress {
        check_progress(progress, limits)?;
    }
    for item in request.items {
        write.items.push(item_write(item, limits)?);
    }
    if let Some(checkpoint) = &request.checkpoint {
        let text = json("the checkpoint", checkpoint, limits.checkpoint)?;
        write.checkpoint = Some(text);
    }
    for line in request.log {
        write.log.push(LogWrite {
            time: now,
            level: line.level,
            text: cut(line.text, limits.log_line),
        });
    }
    let redactor = run.held.redactor();
    for job in submit {
        if redactor
            .as_ref()
            .is_some_and(|redactor| redactor.finds_in(&job))
        {
            return Err(Error::SecretInArgs);
        }
        if core.registry.get(&job.kind).is_none() && core.kinds.get(&job.kind).is_none() {
            return Err(store::Error::UnknownKind(job.kind).into());
        }
        write.jobs.push(core.resolve(job, now)?);
    }
    let end = request.end.map(|end| ending(end, limits)).transpose()?;
    apply(core, worker, run, write, request.progress, end).await
}

/// Ends a run like this, and says nothing else.
pub(super) async fn end(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    run: &Arc<Run>,
    end: End,
) -> Result<ReportAnswer, Error> {
    let write = Write::new(run.held.claim, core.clock.now());
    apply(core, worker, run, write, None, Some(end)).await
}

async fn apply(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    run: &Arc<Run>,
    write: Write,
    progress: Option<ReportedProgress>,
    end: Option<End>,
) -> Result<ReportAnswer, Error> {
    let context = run.context(core);
    let gate = run.held.gate.clone().lock_owned().await;
    // Another report may have ended the run while this one waited for its turn.
    if !worker.has(run) {
        return Err(Error::ClaimLost);
    }
    let written = write_gated(core, worker, &context, write, progress, end).await;
    if written.is_err() {
        // What memory took note of is not on disk.
        worker.forget(run);
    }
    let (written, ends) = written?;
    drop(gate);
    let Written::Done {
        state,
        revision,
        jobs,
        ..
    } = written
    else {
        worker.forget(run);
        return Err(match written {
            Written::Refused(why) => Error::Worker(format!(
                "nothing was written: a job can not be started: {why}"
            )),
            _ => Error::ClaimLost,
        });
    };
    let stop = run.tell_to_stop(core.clock.now());
    if ends {
        let took = core.clock.now().since(run.since);
        core.observe(|observer| observer.stopped(&run.held.job.kind, took));
        worker.forget(run);
        if state.is_ended() && run.held.has_scratch() {
            context::remove_scratch(&core.scratch, run.held.job.seq).await;
        }
        core.ended(&run.held, state).await;
        // Its slot is free, and it may wait for another go.
        core.wake.notify_one();
    }
    Ok(ReportAnswer {
        state,
        revision,
        stop: stop.filter(|_| !ends),
        submitted: jobs.into_iter().map(|job| job.id).collect(),
    })
}

/// Writes under the run's gate. Answers also whether that ended the run.
async fn write_gated(
    core: &Arc<Core>,
    worker: &Worker,
    context: &Context,
    mut write: Write,
    progress: Option<ReportedProgress>,
    end: Option<End>,
) -> Result<(Written, bool), Error> {
    let held = &context.held;
    for item in &write.items {
        context::check_item(context, item).await?;
        context::remember_item(context, item).await?;
    }
    if let Some(reported) = progress {
        held.set_progress(|progress| {
            progress.current = reported.current;
            progress.total = reported.total;
            progress.unit = reported.unit;
            progress.current_task = reported.current_task;
            progress.metadata = reported.metadata;
        });
    }
    let ends = end.is_some();
    if let Some(returned) = end {
        let (backoff, _) = worker.policy(core, &held.job.kind);
        write.end = Some(match decide(context, &backoff, returned).await {
            Next::End(end) => end,
            Next::Park(after) => store::End::CheckLater {
                at: write.now + after,
            },
            Next::Nothing => return Err(Error::ClaimLost),
        });
    }
    held.take(&mut write);
    Ok((core.write(held, write).await?, ends))
}

fn check_progress(progress: &ReportedProgress, limits: &Limits) -> Result<(), Error> {
    let long = limits.name * 4;
    let texts = [
        (
            "progress.unit's number of bytes",
            &progress.unit,
            limits.name,
        ),
        (
            "progress.currentTask's number of bytes",
            &progress.current_task,
            long,
        ),
    ];
    for (what, text, limit) in texts {
        within(what, text.as_ref().map_or(0, String::len), limit)?;
    }
    json(
        "progress.metadata's number of bytes",
        &progress.metadata,
        limits.metadata,
    )?;
    Ok(())
}

fn item_write(item: ReportedItem, limits: &Limits) -> Result<ItemWrite, Error> {
    use longhaul_types::ItemState::{Completed, Failed};
    let fits = (item.error.is_some() == (item.state == Failed))
        && (item.result.is_none() || item.state == Completed);
    if !fits {
        return Err(Error::Worker(format!(
            "items: '{}' is {}: a failed item has an error, a completed one may have a result, others have neither",
            super::short(&item.name),
            item.state.as_str()
        )));
    }
    let error = item
        .error
        .map(|error| job_error(error.code, error.message, limits));
    let result = match &item.result {
        Some(result) => Some(json("an item's result", result, limits.result)?),
        // What a completed item gave is read back.
        None => (item.state == Completed).then(|| "null".to_owned()),
    };
    Ok(ItemWrite {
        name: item.name,
        state: item.state,
        attempts: item.attempts,
        error: error.transpose()?,
        result,
    })
}

fn job_error(code: String, message: String, limits: &Limits) -> Result<JobError, Error> {
    super::super::submit::name("code", &code, limits.name)?;
    Ok(JobError {
        code,
        message: shorten(message, limits.log_line),
    })
}

/// What a run gave, as a handler of this process would have.
fn ending(end: ReportedEnd, limits: &Limits) -> Result<End, Error> {
    Ok(Some(match end {
        ReportedEnd::Completed { result } => {
            let result = result
                .map(|result| json("the result", &result, limits.result))
                .transpose()?;
            Ok(Outcome::Done(result))
        }
        ReportedEnd::CheckAgain { after } => Ok(Outcome::CheckAgain(span("after", after)?)),
        ReportedEnd::Failed {
            code,
            message,
            retry,
            retry_after,
        } => {
            let code = code.unwrap_or_else(|| ErrorCode::HandlerFailed.as_str().to_owned());
            let again = match (retry, retry_after) {
                (false, _) => Again::Never,
                (true, None) => Again::Backoff,
                (true, Some(seconds)) => Again::After(span("retryAfter", seconds)?),
            };
            Err(Failure {
                error: job_error(code, message, limits)?,
                again,
            })
        }
        ReportedEnd::Released => return Ok(None),
    }))
}
