//! Serves a folder of blobs as a Walrus aggregator: `cargo run --example aggregator -- FOLDER [PORT]`.

use longhaul_sandbox::aggregator::Options;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: aggregator FOLDER [PORT]")?;
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let mut sandbox = Options::new(folder).port(port).start().await?;
    println!("{}", sandbox.url());
    sandbox.ended().await;
    Ok(())
}
