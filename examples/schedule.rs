//! A job that comes by itself, every second. Stop the program and start it again later: what it missed it makes up for.

use std::time::Duration;

use longhaul::{Context, Engine, NewJob, Outcome, engine::Error, model::Schedule};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let tick = |_: Option<String>, job: Context| async move {
        Ok(Outcome::Done(format!("ticked at {}", job.now())))
    };
    let job = NewJob::raw("example.tick", "null");
    let engine = Engine::open("schedule.db")
        .register_fn("example.tick", tick)
        // At times of the day: Schedule::cron("nightly", "30 2 * * *", job).zone("Europe/Berlin")
        .schedule(Schedule::every("tick", Duration::from_secs(1), job))
        .start()
        .await?;

    let mut events = engine.events();
    let before = engine.schedule(None, "tick").await?.submitted;
    let mut tick = engine.schedule(None, "tick").await?;
    while tick.submitted < before + 2 {
        // Whatever happens to a job is a reason to look again.
        events.next().await;
        tick = engine.schedule(None, "tick").await?;
    }
    println!(
        "two jobs by themselves, and {} times to come",
        tick.next_times(3).len()
    );
    engine.shutdown().await;
    Ok(())
}
