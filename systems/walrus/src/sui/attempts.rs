//! A node asked as often as a job may, with the document's words about each further attempt.

use std::{future::Future, time::Duration};

use longhaul::{Context, Failure, model::Backoff};

use super::Error;

/// The waits between attempts.
pub(crate) const WAITS: Backoff = Backoff {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(30),
};

/// The wait for a node that is behind.
const BEHIND: Duration = Duration::from_millis(500);

/// What a node answered, and whether it took more than one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) retried: bool,
}

/// Asks until there is an answer, an error that stays, or no attempt is left; without a number of attempts for as long as the
/// job lives.
pub(crate) async fn ask<T, F, Fut>(
    job: &Context,
    attempts: Option<u32>,
    mut ask: F,
) -> Result<Answered<T>, Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let (mut attempt, mut behind) = (1_u32, false);
    loop {
        let answer = tokio::select! {
            biased;
            stop = job.stopped() => return Err(stop.into()),
            answer = ask() => answer,
        };
        let error = match answer {
            Ok(answer) => {
                let retried = attempt > 1;
                return Ok(Answered { answer, retried });
            }
            Err(error) => error,
        };
        // A node comes after its chain by itself, and the job has its time limit.
        if let Error::Behind { .. } = error {
            if !std::mem::replace(&mut behind, true) {
                job.warn(error.to_string());
                job.progress().task("Waiting for the node...");
            }
            job.sleep(BEHIND).await?;
            continue;
        }
        if !error.may_pass() || attempts.is_some_and(|attempts| attempt >= attempts) {
            return Err(failure(&error));
        }
        job.sleep(WAITS.wait(attempt)).await?;
        attempt = attempt.saturating_add(1);
        say_retrying(job, attempt, attempts, &error);
    }
}

/// Says in the document's words that an attempt failed and this one follows.
pub(crate) fn say_retrying(job: &Context, attempt: u32, of: Option<u32>, error: &Error) {
    let of = of.map_or_else(String::new, |attempts| format!("/{attempts}"));
    let text = format!("Retrying connection (attempt {attempt}{of})...");
    job.warn(format!("{text} {error}"));
    job.progress().task(text);
}

/// How a job fails of it. What may pass was tried as often as was asked: another go would only begin the count anew.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::fatal(error.code(), error.to_string())
}
