//! Fetches a blob into a file, and tells time and memory: `cargo run --release --example download -- URL BLOB FILE`.

use std::time::{Duration, Instant};

use longhaul_walrus::{
    aggregator::Options,
    download::{self, Observer, Retrying},
};
use tokio_util::sync::CancellationToken;

struct Messages;

impl Observer for Messages {
    fn retrying(&self, retrying: &Retrying<'_>) {
        eprintln!(
            "attempt {}/{}: {}",
            retrying.attempt, retrying.of, retrying.error
        );
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, blob, file] = arguments.as_slice() else {
        return Err("usage: download URL BLOB FILE".into());
    };
    let aggregator = Options::new(url).connect()?;
    let began = Instant::now();
    let fetched = download::fetch(
        &aggregator,
        blob.parse()?,
        file,
        None,
        &download::Options::default(),
        &Messages,
        &CancellationToken::new(),
    )
    .await?;
    report(fetched.pieces.total(), began.elapsed());
    Ok(())
}

fn report(bytes: u64, time: Duration) {
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("unknown");
    println!(
        "{bytes} bytes in {:.3} s, peak memory {}",
        time.as_secs_f64(),
        peak.trim()
    );
}
