//! Items: named parts of a job, each tried and kept on its own. Two of eight fail; a retry by hand runs those two alone.

use longhaul::{Context, Engine, Failure, Handler, Outcome, context::ItemError, engine::Error};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Album {
    pictures: Vec<String>,
    /// The disk on which damaged pictures lie.
    broken: bool,
}

struct Develop;

impl Handler for Develop {
    const KIND: &'static str = "example.develop";
    type Args = Album;
    type Output = usize;

    async fn run(&self, album: Album, job: &Context) -> Result<Outcome<usize>, Failure> {
        job.declare_items(album.pictures.iter().cloned()).await?;
        // Answers of items that finished in an earlier run are read, not made again.
        let retried = job.is_resumed();
        let mut developed = 0;
        for picture in &album.pictures {
            let item = job.item(picture).attempts(2);
            let result = item
                .run(async |_| {
                    if album.broken && !retried && picture.starts_with("damaged") {
                        return Err(Failure::fatal("damaged", format!("{picture} is damaged")));
                    }
                    Ok(format!("{picture}.developed"))
                })
                .await;
            match result {
                Ok(_) => developed += 1,
                Err(ItemError::Failed(error)) => job.warn(format!("given up: {error}")),
                Err(stopped) => return Err(stopped.into()),
            }
            job.progress()
                .set(developed, album.pictures.len() as u64)
                .unit("pictures");
        }
        Ok(Outcome::Done(usize::try_from(developed)?))
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let engine = Engine::open("album.db").register(Develop).start().await?;
    let pictures = (1..=8).map(|number| match number {
        3 | 7 => format!("damaged-{number}"),
        _ => format!("picture-{number}"),
    });
    let album = Album {
        pictures: pictures.collect(),
        broken: true,
    };
    let job = engine.submit(album).await?;
    let first = job.wait().await?;
    println!(
        "{}: {} of {} items, {} failed",
        first.state(),
        first.job.items.completed,
        first.job.items.total,
        first.job.items.failed
    );
    engine.retry(None, job.id()).await?;
    let second = job.wait().await?;
    println!(
        "after a retry: {} of {} items",
        second.job.items.completed, second.job.items.total
    );
    engine.shutdown().await;
    Ok(())
}
