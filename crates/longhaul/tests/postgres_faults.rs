//! A database that goes away in the middle of a run, and answers that are lost on their way: jobs run all the same.
#![expect(clippy::expect_used, reason = "a test")]

#[path = "postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longhaul::{
    Context, Engine, NewJob, Outcome,
    store::{PostgresStore, postgres::Options},
    types::State,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

/// What only the args of the job have in them.
const MARK: &[u8] = b"cut-the-line-here";

/// Passes on what both sides say, but hangs up instead of passing on an answer with the mark, so often.
async fn line(from: UnixStream, to: UnixStream, cuts: Arc<AtomicUsize>) {
    let (mut asks, mut hears) = from.into_split();
    let (mut answers, mut told) = to.into_split();
    let asking = tokio::io::copy(&mut asks, &mut told);
    let answering = async {
        let mut part = vec![0; 1 << 16];
        loop {
            let length = answers.read(&mut part).await.unwrap_or(0);
            let part = &part[..length];
            let marked = part.windows(MARK.len()).any(|some| some == MARK);
            let cut = marked
                && cuts
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok();
            if length == 0 || cut || hears.write_all(part).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn what_was_claimed_unheard_runs_all_the_same() {
    let server = server::Server::start();
    let real = server.url();
    let folder = real
        .split_once("host=")
        .and_then(|(_, rest)| rest.split_once(' '))
        .expect("its folder")
        .0;
    let real_socket = Path::new(folder).join(".s.PGSQL.5432");
    let own = tempfile::Builder::new().prefix("cut").tempdir_in("/tmp");
    let own = own.expect("a folder");
    let listener = UnixListener::bind(own.path().join(".s.PGSQL.5432")).expect("a socket");
    let cuts = Arc::new(AtomicUsize::new(2));
    let left = Arc::clone(&cuts);
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let to = UnixStream::connect(&real_socket).await.expect("the server");
            tokio::spawn(line(from, to, Arc::clone(&left)));
        }
    });
    let url = real.replace(folder, &own.path().display().to_string());
    let store = PostgresStore::connect(&url, &Options::default()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&runs);
    let count = move |_: String, _: Context| {
        let ran = Arc::clone(&ran);
        async move {
            ran.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome::Done(()))
        }
    };
    // The lease is far longer than the test: nobody rescues what this worker holds.
    let engine = Engine::on(Arc::new(store.expect("a store")))
        .lease(Duration::from_hours(1))
        .register_fn("test.marked", count)
        .start()
        .await
        .expect("started");
    let args = String::from_utf8_lossy(MARK).into_owned();
    let new = NewJob::new("test.marked", &args).expect("json");
    let job = engine.submit_job(new).await.expect("submitted");
    let ended = tokio::time::timeout(Duration::from_secs(30), job.wait()).await;
    let ended = ended.expect("it runs").expect("ended");
    assert_eq!(cuts.load(Ordering::Relaxed), 0, "both answers were lost");
    assert_eq!((ended.job.attempts, ended.job.rescues), (0, 0));
    assert!(ended.job.claim >= 2, "claimed unheard, then heard");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_run_that_writes_while_the_database_restarts_goes_on() {
    let mut server = server::Server::start();
    let store = PostgresStore::connect(server.url(), &Options::default()).await;
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let go = Arc::new(tokio::sync::Notify::new());
    let may = Arc::clone(&go);
    let save = move |_: i64, job: Context| {
        let (begun, may) = (begun.clone(), Arc::clone(&may));
        async move {
            begun.send(()).await.expect("heard");
            may.notified().await;
            job.save(&"half").await?;
            Ok(Outcome::Done(7))
        }
    };
    let engine = Engine::on(Arc::new(store.expect("a store")))
        .lease(Duration::from_mins(5))
        .register_fn("test.saves", save)
        .start()
        .await
        .expect("started");
    let new = NewJob::new("test.saves", &1).expect("json").max_attempts(1);
    let job = engine.submit_job(new).await.expect("submitted");
    begins.recv().await.expect("it runs");
    server.crash();
    go.notify_one();
    // Time for it to be refused.
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.recover();
    let ended = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            match job.job().await {
                Ok(job) if job.state().is_ended() => return job,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let ended = ended.await.expect("it ends");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error);
    assert_eq!((ended.attempts, ended.rescues), (0, 0));
}
