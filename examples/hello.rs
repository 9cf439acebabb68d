//! The smallest program: a kind of job, a job, its result. Run it again after killing it: nothing is lost.
use longhaul::{Context, Engine, Outcome, engine::Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let greet =
        |name: String, _: Context| async move { Ok(Outcome::Done(format!("hello {name}"))) };
    let engine = Engine::open("hello.db")
        .register_fn("example.greet", greet)
        .start()
        .await?;
    let job = engine.submit("world".to_owned()).await?;
    println!("{}", job.wait().await?.output::<String>()?);
    engine.shutdown().await;
    Ok(())
}
