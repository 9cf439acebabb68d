//! Secrets in args, through the engine: there when the job runs, and nowhere else.

use std::{io, sync::Arc};

use longhaul::{
    Context, Engine, Failure, NewJob, Outcome,
    engine::Error,
    model::Detail,
    secrets::Secrets,
    testing::{MemoryStore, conformance::snapshot},
    types::{ErrorCode, State},
};
use serde_json::{Value, json};

const VALUE: &str = "hush-hush \"and\" hush";

struct One;

impl Secrets for One {
    fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>> {
        Ok((name == "one" && kind == "test.tells").then(|| VALUE.to_owned()))
    }
}

/// Says its args in every way a run can say something.
async fn tells(args: Value, job: Context) -> Result<Outcome<Value>, Failure> {
    assert_eq!(args["password"], VALUE, "put in for the run");
    let said = format!("it is {VALUE}");
    job.progress().set(1, 2).task(said.clone());
    job.info(said.clone());
    job.warn(args.to_string());
    let item = job.item("good").run(|_| async { Ok(said.clone()) });
    item.await?;
    let item = job.item("bad").attempts(1);
    let failed = item.run(|_| async { Err::<(), _>(Failure::fatal("no", said.clone())) });
    assert!(failed.await.is_err());
    let handed_on = job.commit().submit(NewJob::new("test.tells", &args)?);
    assert!(matches!(handed_on, Err(Error::SecretInArgs)));
    if args["fails"] == true {
        return Err(Failure::fatal("told_to", said));
    }
    Ok(Outcome::Done(json!({"args": args, "said": said})))
}

async fn run(args: Value) -> (Detail, String) {
    let store = Arc::new(MemoryStore::default());
    let engine = Engine::on(store.clone())
        .register_fn("test.tells", tells)
        .register_fn("test.other", |_: Value, _| async { Ok(Outcome::Done(())) })
        .secrets(One);
    let engine = engine.start().await.expect("starts");
    let kind = args["kind"].as_str().unwrap_or("test.tells").to_owned();
    let job = NewJob::new(kind, &args).expect("json");
    let job = engine.submit_job(job).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    let all = snapshot(&*store, ended.job.seq).await;
    let text = format!("{all:?}");
    engine.shutdown().await;
    (all.detail.expect("there"), text)
}

#[tokio::test]
async fn a_run_is_given_the_value_and_nothing_it_writes_holds_it() {
    for fails in [false, true] {
        let args = json!({"password": {"$secret": "one"}, "fails": fails});
        let (detail, text) = run(args.clone()).await;
        let state = if fails {
            State::Failed
        } else {
            State::Completed
        };
        assert_eq!(detail.job.state(), state, "{text}");
        assert_eq!(detail.args, args, "as it was submitted");
        assert!(!text.contains("hush"), "{text}");
        let marks = text.matches("[redacted]").count();
        assert!(marks >= 6, "in progress, log, items and end: {text}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_for_the_kind_ends_the_job() {
    for args in [
        json!({"password": {"$secret": "two"}}),
        json!({"password": {"$secret": "one"}, "kind": "test.other"}),
    ] {
        let (detail, text) = run(args).await;
        assert_eq!(
            (detail.job.state(), detail.job.attempts),
            (State::Failed, 1)
        );
        let error = detail.job.error.expect("an error");
        assert_eq!(error.code, ErrorCode::UnknownSecret.as_str());
        assert!(error.message.contains("longhaul secret set"), "{text}");
    }
}
