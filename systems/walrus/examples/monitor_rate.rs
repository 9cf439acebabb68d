//! How a monitor keeps up: `monitor_rate [EVENTS_PER_SECOND] [SECONDS]` emits events on a stand-in of a node on loopback, and
//! says how far behind the monitor was at the end. Its fetches run as in the product, and end soon: the node has no objects.

use std::{error::Error, time::Duration};

use longhaul::Engine;
use longhaul_sandbox::sui::{Event, Node, Options};
use longhaul_walrus::{
    fetch::{Delivery, Fetch},
    follow::{self, Followed, Monitor, MonitorArgs},
    retrieve::{self, Retrieve},
    sui::Happening,
};
use serde_json::json;
use tokio::time::{Instant, interval, sleep};

/// Checkpoints a second: as many as Sui makes.
const CHECKPOINTS: u64 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let rate = args.next().transpose()?.unwrap_or(1000);
    let seconds = args.next().transpose()?.unwrap_or(20);
    let folder = tempfile::tempdir()?;
    let node = Options::new().start().await?;
    let engine = Engine::open(folder.path().join("jobs.db"))
        .register(Fetch::sharing(&Retrieve::default()))
        .register(Monitor)
        .queue(retrieve::QUEUE, 4)
        .queue(follow::QUEUE, 16)
        .start()
        .await?;
    let followed = Followed {
        node: node.url(),
        network: None,
        package: "0xa11".parse()?,
        events: vec![Happening::NftCreated],
        fetch_timeout: 300.0,
        delivery: Delivery {
            lists: folder.path().join("lists"),
            aggregator: "http://127.0.0.1:1".to_owned(),
            join: None,
            output: Some(folder.path().join("out")),
            attempts: 1,
            cache_bytes: 0,
            full_speed: false,
        },
    };
    let auto_retrieve = true;
    let job = engine
        .submit(MonitorArgs {
            followed,
            auto_retrieve,
        })
        .await?;
    let seen = async || -> Result<Option<u64>, longhaul::engine::Error> {
        let metadata = job.job().await?.progress.metadata;
        Ok(metadata.get("jobs").and_then(serde_json::Value::as_u64))
    };
    while !job
        .job()
        .await?
        .progress
        .metadata
        .contains_key("checkpoint")
    {
        sleep(Duration::from_millis(10)).await;
    }
    let emitted = emit(&node, rate, seconds).await?;
    let end = Instant::now();
    let at_end = seen().await?.unwrap_or(0);
    while seen().await? != Some(emitted) {
        sleep(Duration::from_millis(5)).await;
    }
    println!(
        "{emitted} events at {rate} a second: {} behind at the last one, all fetches started {:.2} s after it",
        emitted - at_end,
        end.elapsed().as_secs_f64()
    );
    engine.shutdown().await;
    Ok(())
}

/// Emits so many events a second, and gives how many they were.
async fn emit(node: &Node, rate: u64, seconds: u64) -> Result<u64, Box<dyn Error>> {
    let each = rate / CHECKPOINTS;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(CHECKPOINTS)?);
    let mut emitted = 0;
    for _ in 0..seconds * CHECKPOINTS {
        ticks.tick().await;
        let events = (emitted..emitted + each).map(|object| {
            Event::new(
                "0xa11::todo_nft::TodoNFTCreated",
                json!({"todo_id": format!("0x{object:064x}"), "title": "Buy milk", "timestamp": "7"}),
            )
        });
        node.emit(events)?;
        emitted += each;
    }
    Ok(emitted)
}
