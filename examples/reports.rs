//! A server with a kind of its own: the one that docs/api.md talks to. It is given the file of its token, and where to
//! listen.

use std::{env, error::Error, time::Duration};

use longhaul::{Context, Engine, Failure, Handler, Outcome, context::ItemError};
use longhaul_server::{AdminToken, Everywhere, Options, Server, bulk::BulkJob};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    chapters: Vec<String>,
    /// Chapters that are not written yet; they are when the job is retried.
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    seconds_each: u32,
}

struct Report;

impl Handler for Report {
    const KIND: &'static str = "example.report";
    type Args = Wanted;
    type Output = Value;

    async fn run(&self, wanted: Wanted, job: &Context) -> Result<Outcome<Value>, Failure> {
        job.declare_items(wanted.chapters.iter().cloned()).await?;
        let each = Duration::from_secs(wanted.seconds_each.into());
        let retried = job.is_resumed();
        let mut pages = Vec::new();
        for (done, chapter) in (1..).zip(&wanted.chapters) {
            job.progress().task(format!("Gathering {chapter}"));
            let item = job.item(chapter).attempts(1);
            let page = item.run(async |_| {
                job.sleep(each).await?;
                if wanted.missing.contains(chapter) && !retried {
                    return Err(Failure::fatal("not_written", "nobody has written it yet"));
                }
                Ok(format!("Chapter {chapter}\n"))
            });
            match page.await {
                Ok(page) => pages.push(page),
                Err(ItemError::Failed(error)) => job.warn(format!("{chapter}: {error}")),
                Err(stopped) => return Err(stopped.into()),
            }
            job.progress()
                .set(done, wanted.chapters.len() as u64)
                .unit("chapters");
        }
        let files = job.artifacts();
        files
            .put("report.txt", "text/plain", pages.concat().into_bytes())
            .await?;
        Ok(Outcome::Done(json!({"chapters": pages.len()})))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(token), Some(address)) = (args.next(), args.next()) else {
        return Err("usage: reports TOKEN_FILE ADDR:PORT".into());
    };
    let engine = Engine::open("reports.db")
        .register(Report)
        .register(BulkJob)
        .start()
        .await?;
    let options = Options::new("1.0.0", "reports")
        .tcp(address.parse()?)
        .token(AdminToken::read(token.as_ref())?)
        .admission(Everywhere);
    let handle = Server::bind(engine.clone(), options).await?.start();
    if let Some(address) = handle.tcp() {
        println!("http://{address}");
    }
    handle.wait().await;
    engine.shutdown().await;
    Ok(())
}
