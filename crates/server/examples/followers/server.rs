//! The server that is measured: a real engine on a file, and a job that talks.

use std::{env, path::PathBuf, time::Duration};

use longhaul::{Context, Engine, Failure, Handler, Outcome, handler::Policy};
use longhaul_server::{AdminToken, LocalOnly, Metrics, Options, Server};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::watch, time::sleep};

use super::clients::micros;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Serves until it is killed.
pub(crate) async fn serve() {
    let folder = PathBuf::from(env::args().nth(2).unwrap());
    let go = watch::Sender::new(0);
    let metrics = Metrics::default();
    let engine = Engine::open(folder.join("jobs.db"))
        .observer(metrics.clone())
        .register(Busy(go.subscribe()))
        .register(Go(go))
        .register(Nothing)
        .start()
        .await
        .unwrap();
    let options = Options::new("1", "bench")
        .tcp(([127, 0, 0, 1], 0).into())
        .token(AdminToken::new(TOKEN).unwrap())
        .admission(LocalOnly::kinds([""; 0]))
        .metrics(metrics);
    let server = Server::bind(engine, options).await.unwrap().start();
    println!("{}", server.tcp().unwrap());
    server.wait().await;
}

/// Waits for [`Go`] and then says so often what time it is.
struct Busy(watch::Receiver<u32>);

#[derive(Serialize, Deserialize)]
struct Ticks {
    ticks: u64,
    /// Milliseconds.
    every: u64,
}

impl Handler for Busy {
    const KIND: &'static str = "bench.busy";
    type Args = Ticks;
    type Output = ();

    async fn run(&self, args: Ticks, job: &Context) -> Result<Outcome<()>, Failure> {
        let mut go = self.0.clone();
        go.mark_unchanged();
        go.changed().await?;
        for tick in 1..=args.ticks {
            sleep(Duration::from_millis(args.every)).await;
            job.info(micros().to_string());
            job.progress().set(tick, args.ticks);
        }
        Ok(Outcome::Done(()))
    }
}

/// Lets the job that waits go.
struct Go(watch::Sender<u32>);

impl Handler for Go {
    const KIND: &'static str = "bench.go";
    type Args = Value;
    type Output = ();

    async fn run(&self, _: Value, _: &Context) -> Result<Outcome<()>, Failure> {
        self.0.send_modify(|count| *count += 1);
        Ok(Outcome::Done(()))
    }
}

/// Does nothing, in a queue of its own.
struct Nothing;

impl Handler for Nothing {
    const KIND: &'static str = "bench.none";
    type Args = Value;
    type Output = ();

    async fn run(&self, _: Value, _: &Context) -> Result<Outcome<()>, Failure> {
        Ok(Outcome::Done(()))
    }

    fn policy(&self) -> Policy {
        Policy {
            queue: "small".to_owned(),
            ..Policy::default()
        }
    }
}
