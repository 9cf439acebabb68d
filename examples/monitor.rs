//! A monitor: looks at something that runs elsewhere, again and again, and holds no slot and writes nothing in between.

use std::{path::PathBuf, time::Duration};

use longhaul::{Context, Engine, Failure, Handler, Outcome};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Watched {
    file: PathBuf,
    /// It is complete when it has this many bytes.
    bytes: u64,
}

struct WatchFile;

impl Handler for WatchFile {
    const KIND: &'static str = "example.watch-file";
    type Args = Watched;
    type Output = u64;

    async fn run(&self, watched: Watched, job: &Context) -> Result<Outcome<u64>, Failure> {
        // A file that can not be read is an ordinary error: tried again with backoff.
        let size = tokio::fs::metadata(&watched.file).await?.len();
        job.progress().set(size, watched.bytes).unit("bytes");
        if size < watched.bytes {
            return Ok(Outcome::CheckAgain(Duration::from_millis(100)));
        }
        Ok(Outcome::Done(size))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = PathBuf::from("growing.bin");
    std::fs::write(&file, "")?;
    let engine = Engine::open("monitor.db")
        .register(WatchFile)
        .start()
        .await?;
    let watched = Watched {
        file: file.clone(),
        bytes: 5,
    };
    let job = engine.submit(watched).await?;
    // What is watched runs elsewhere.
    let growing = tokio::spawn(async move {
        for size in 1..=5 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            std::fs::write(&file, "x".repeat(size))?;
        }
        Ok::<_, std::io::Error>(())
    });
    let ended = job.wait().await?;
    growing.await??;
    println!("{} at {} bytes", ended.state(), ended.output::<u64>()?);
    engine.shutdown().await;
    Ok(())
}
