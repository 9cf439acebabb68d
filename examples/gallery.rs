//! A server whose jobs show what the dashboard can: bars, failures, many items, long logs, files, odd names. It is given
//! the file of its token, and where to listen.

use std::{env, error::Error, time::Duration};

use longhaul::{
    Context, Engine, Failure, Handler, NewJob, Outcome,
    context::ItemError,
    model::{
        Schedule, Start,
        schedule::{Template, Timing},
    },
    types::{
        Level,
        schedule::{Missed, Overlap},
    },
};
use longhaul_server::{AdminToken, Everywhere, Metrics, Options, Server};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A picture of one pixel.
const PIXEL: [u8; 70] = *b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\xdac\xfc\xcf\xc0P\x0f\0\x04\x85\x01\x80\x84\xa9\x8c!\0\0\0\0IEND\xaeB`\x82";

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Film {
    title: String,
    frames: u32,
    millis_each: u64,
    /// Every so many frames fail.
    broken_every: u32,
}

/// Renders frames, each an item.
struct Render;

impl Handler for Render {
    const KIND: &'static str = "film.render";
    type Args = Film;
    type Output = Value;

    async fn run(&self, film: Film, job: &Context) -> Result<Outcome<Value>, Failure> {
        let frame = |number: u32| format!("frame-{number:06}");
        job.declare_items((1..=film.frames).map(frame)).await?;
        job.info(format!(
            "rendering {} in {} frames",
            film.title, film.frames
        ));
        let each = Duration::from_millis(film.millis_each);
        for number in 1..=film.frames {
            job.progress().task(format!("Rendering {}", frame(number)));
            let item = job.item(frame(number)).attempts(1);
            let rendered = item.run(async |_| {
                if !each.is_zero() {
                    job.sleep(each).await?;
                }
                if film.broken_every > 0 && number.is_multiple_of(film.broken_every) {
                    return Err(Failure::fatal(
                        "texture_missing",
                        "texture 'sky' is missing",
                    ));
                }
                Ok(json!({"samples": number * 16}))
            });
            match rendered.await {
                Ok(_) => {}
                Err(ItemError::Failed(error)) => job.warn(format!("{}: {error}", frame(number))),
                Err(stopped) => return Err(stopped.into()),
            }
            job.progress()
                .set(number.into(), film.frames.into())
                .unit("frames");
        }
        let files = job.artifacts();
        let report = json!({"title": film.title, "frames": film.frames}).to_string();
        files
            .put("report.json", "application/json", report.into_bytes())
            .await?;
        files.put("poster.png", "image/png", PIXEL.to_vec()).await?;
        files
            .put(
                "notes.txt",
                "text/plain",
                b"A note.\nAnother <b>note</b>.\n".to_vec(),
            )
            .await?;
        files
            .put(
                "page.html",
                "text/html",
                b"<script>alert(1)</script>".to_vec(),
            )
            .await?;
        files
            .put(
                "logo.svg",
                "image/svg+xml",
                b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            )
            .await?;
        Ok(Outcome::Done(
            json!({"title": film.title, "seconds": f64::from(film.frames) / 24.0, "cuts": [1, 2, {"at": 3}]}),
        ))
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Copy {
    bytes: u64,
    per_second: u64,
}

/// Moves bytes that are none.
struct CopyDisk;

impl Handler for CopyDisk {
    const KIND: &'static str = "disk.copy";
    type Args = Copy;
    type Output = u64;

    async fn run(&self, copy: Copy, job: &Context) -> Result<Outcome<u64>, Failure> {
        let mut done = 0;
        while done < copy.bytes {
            job.sleep(Duration::from_millis(200)).await?;
            done = (done + copy.per_second / 5).min(copy.bytes);
            job.progress()
                .set(done, copy.bytes)
                .unit("bytes")
                .task("Copying /dev/sda");
            job.info(format!("{done} bytes copied"));
        }
        Ok(Outcome::Done(done))
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Fault {
    code: String,
    message: String,
    again: bool,
}

/// Fails as told.
struct Fail;

impl Handler for Fail {
    const KIND: &'static str = "mail.send";
    type Args = Fault;
    type Output = ();

    async fn run(&self, fault: Fault, job: &Context) -> Result<Outcome<()>, Failure> {
        job.info("connecting to smtp.example.org");
        job.log(Level::Error, fault.message.clone());
        if fault.again {
            return Err(Failure::retry_after(
                Duration::from_mins(10),
                fault.code,
                fault.message,
            ));
        }
        Err(Failure::fatal(fault.code, fault.message))
    }
}

fn jobs() -> Result<Vec<NewJob>, serde_json::Error> {
    let film = |title: &str, frames, millis_each, broken_every| Film {
        title: title.to_owned(),
        frames,
        millis_each,
        broken_every,
    };
    let fault = |code: &str, message: &str, again| Fault {
        code: code.to_owned(),
        message: message.to_owned(),
        again,
    };
    let mut jobs = vec![
        NewJob::of::<Render>(&film("Harbour at dawn", 100_000, 0, 997))?,
        NewJob::of::<Render>(&film("The long crossing", 4_000, 300, 41))?,
        NewJob::of::<Render>(&film("Short", 24, 0, 0))?,
        NewJob::of::<CopyDisk>(&Copy {
            bytes: 64 << 30,
            per_second: 22 << 20,
        })?,
        NewJob::of::<CopyDisk>(&Copy {
            bytes: 3 << 20,
            per_second: 5 << 20,
        })?,
        NewJob::of::<Fail>(&fault(
            "mailbox_full",
            "the mailbox of \u{202e}gro.elpmaxe@eve\u{202c} is full <img src=x onerror=alert(1)>",
            false,
        ))?,
        NewJob::of::<Fail>(&fault(
            "connection_refused",
            "smtp.example.org refused the connection",
            true,
        ))?,
    ];
    for number in 0..30 {
        let code = if number % 3 == 0 {
            "greylisted"
        } else {
            "mailbox_full"
        };
        jobs.push(NewJob::of::<Fail>(&fault(
            code,
            "the server said no",
            false,
        ))?);
    }
    let mut held = NewJob::of::<Render>(&film("Waits for its director", 240, 20, 0))?;
    held.start = Start::Held;
    jobs.push(held);
    let mut named = NewJob::of::<CopyDisk>(&Copy {
        bytes: 9 << 30,
        per_second: 9 << 20,
    })?;
    named.id = "backup-of-the-harbour-office-2026-11-26".parse().ok();
    named.labels = [("team", "harbour"), ("ticket", "HB-1024")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    jobs.push(named);
    Ok(jobs)
}

fn schedules() -> [Schedule; 3] {
    let schedule = |name: &str, timing, paused, args: Value| Schedule {
        name: name.to_owned(),
        owner: String::new(),
        timing,
        start: None,
        end: None,
        missed: Missed::Once,
        missed_window: None,
        missed_limit: None,
        overlap: Overlap::Skip,
        paused: Some(paused),
        job: Template {
            kind: Render::KIND.to_owned(),
            args_version: None,
            args: args.to_string(),
            queue: None,
            priority: 0,
            labels: [("team".to_owned(), "harbour".to_owned())].into(),
            max_attempts: None,
            attempt_timeout: None,
            timeout: None,
        },
    };
    let nightly = Timing::Cron {
        expression: "30 2 * * *".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    };
    let minutely = Timing::Every(Duration::from_mins(1));
    let hourly = Timing::Every(Duration::from_hours(1));
    [
        schedule("nightly-render", nightly, false, json!({"frames": 9000})),
        schedule("preview", minutely, false, json!({"frames": 12})),
        schedule("old-archive", hourly, true, json!({"frames": 40})),
    ]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(token), Some(address)) = (args.next(), args.next()) else {
        return Err("usage: gallery TOKEN_FILE ADDR:PORT [empty]".into());
    };
    let empty = args.next().is_some();
    let metrics = Metrics::default();
    let engine = Engine::open(if empty {
        "gallery-empty.db"
    } else {
        "gallery.db"
    })
    .observer(metrics.clone())
    .register(Render)
    .register(CopyDisk)
    .register(Fail)
    .start()
    .await?;
    if !empty && engine.counts(None).await? == longhaul::types::body::Counts::default() {
        engine.submit_many(jobs()?).await?;
        for schedule in schedules() {
            engine.put_schedule(schedule).await?;
        }
    }
    let options = Options::new("1.0.0", "gallery")
        .tcp(address.parse()?)
        .token(AdminToken::read(token.as_ref())?)
        .metrics(metrics)
        .admission(Everywhere);
    let handle = Server::bind(engine.clone(), options).await?.start();
    if let Some(address) = handle.tcp() {
        println!("http://{address}");
    }
    handle.wait().await;
    engine.shutdown().await;
    Ok(())
}
