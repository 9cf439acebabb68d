//! A job submitted in the program's own transaction: the order and its job are stored together or not at all.

use longhaul::{Context, Engine, NewJob, Outcome, rusqlite::Connection, store::sqlite::submit_in};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ship =
        |order: i64, _: Context| async move { Ok(Outcome::Done(format!("shipped order {order}"))) };
    // The engine's tables all begin with longhaul_: the file may be the program's own.
    let engine = Engine::open("shop.db")
        .register_fn("example.ship", ship)
        .start()
        .await?;

    let mut orders = Connection::open("shop.db")?;
    orders.execute_batch(
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, what TEXT NOT NULL)",
    )?;

    let lost = orders.transaction()?;
    lost.execute("INSERT INTO orders (what) VALUES ('never shipped')", [])?;
    submit_in(
        &lost,
        &NewJob::new("example.ship", &lost.last_insert_rowid())?,
    )?;
    lost.rollback()?;

    let order = orders.transaction()?;
    order.execute("INSERT INTO orders (what) VALUES ('a boat')", [])?;
    let id = submit_in(
        &order,
        &NewJob::new("example.ship", &order.last_insert_rowid())?,
    )?;
    order.commit()?;
    // Noticed within 250 ms anyhow; this is at once.
    engine.wake();

    let ended = engine.handle(None, &id).await?.wait().await?;
    let jobs = engine.counts(None).await?;
    println!(
        "{}, {} job in all",
        ended.output::<String>()?,
        jobs.completed
    );
    engine.shutdown().await;
    Ok(())
}
