//! A program that dies of one of its jobs: each life runs the jobs of the file given as its argument, and a job of kind
//! `test.abort` ends the process at once. The life that has no such job left ends well, once the other job has ended.
//!
//! With `beside` as a second argument the other job runs in the same lives: it takes until the first one has ended.

use std::{path::PathBuf, process, sync::Arc};

use longhaul::{Context, Engine, NewJob, Outcome, engine::Error, store};
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: aborting FILE");
        process::exit(2);
    };
    let abort = |(): (), _: Context| async {
        process::abort();
        #[expect(unreachable_code, reason = "the handler's type")]
        Ok(Outcome::Done(()))
    };
    let well = |(): (), _: Context| async { Ok(Outcome::Done("well".to_owned())) };
    let beside = std::env::args_os()
        .nth(2)
        .is_some_and(|word| word == "beside");
    let ended = Arc::new(Notify::new());
    let waiter = Arc::clone(&ended);
    let patient = move |(): (), _: Context| {
        let ended = Arc::clone(&waiter);
        async move {
            ended.notified().await;
            Ok(Outcome::Done("well".to_owned()))
        }
    };
    let engine = Engine::open(path)
        .register_fn("test.abort", abort)
        .register_fn("test.well", well)
        .register_fn("test.patient", patient)
        .concurrency(if beside { 2 } else { 1 })
        .start()
        .await?;
    let urgent = NewJob::raw("test.abort", "null").priority(1);
    let other = if beside { "test.patient" } else { "test.well" };
    let mut jobs = [("abort", urgent), ("well", NewJob::raw(other, "null"))];
    if beside {
        // The patient one is there from the first life on.
        jobs.reverse();
    }
    for (id, job) in jobs {
        let id = id.parse().map_err(|_| Error::Closed)?;
        match engine.submit_job(job.id(id)).await {
            // An earlier life has submitted it.
            Ok(_) | Err(Error::Store(store::Error::IdTaken(_))) => {}
            Err(error) => return Err(error),
        }
    }
    for id in ["abort", "well"] {
        let id = id.parse().map_err(|_| Error::Closed)?;
        engine.handle(None, &id).await?.wait().await?;
        ended.notify_one();
    }
    engine.shutdown().await;
    Ok(())
}
