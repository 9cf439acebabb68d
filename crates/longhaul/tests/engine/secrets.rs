//! Secrets in args, through the engine: there when the job runs, and nowhere else.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use longhaul::{
    Context, Engine, Failure, NewJob, Outcome,
    engine::Error,
    model::{Detail, WorkerId},
    secrets::Secrets,
    testing::{MemoryStore, conformance::snapshot},
    types::{
        ErrorCode, State,
        worker::{ClaimRequest, ClaimedJob, ReportAnswer},
    },
};
use serde_json::{Value, json};

use crate::far::parse;

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

const FAR: &str = "test.far";

/// Gives its one secret as long as it has it.
struct Kept(Arc<AtomicBool>);

impl Secrets for Kept {
    fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>> {
        let has = self.0.load(Ordering::SeqCst) && name == "one" && kind == FAR;
        Ok(has.then(|| VALUE.to_owned()))
    }
}

async fn engine(store: &Arc<MemoryStore>, has: &Arc<AtomicBool>) -> Engine {
    let engine = Engine::on(store.clone()).secrets(Kept(has.clone()));
    engine.start().await.expect("starts")
}

async fn claim(engine: &Engine, worker: &WorkerId) -> Vec<ClaimedJob> {
    let remote = engine.remote();
    let claimed = remote.claim(worker, ClaimRequest::default());
    claimed.await.expect("claimed").jobs
}

async fn join(engine: &Engine) -> WorkerId {
    let request = json!({"name": "far", "kinds": [{"name": FAR}]});
    let joined = engine.remote().join(parse(request), None).await;
    WorkerId::named(joined.expect("joined").worker_id)
}

async fn report(
    engine: &Engine,
    worker: &WorkerId,
    claim: &str,
    report: Value,
    jobs: Vec<NewJob>,
) -> Result<ReportAnswer, Error> {
    let remote = engine.remote();
    remote.report(worker, claim, parse(report), jobs).await
}

fn named() -> NewJob {
    NewJob::new(FAR, &json!({"password": {"$secret": "one"}})).expect("json")
}

#[tokio::test]
async fn a_remote_run_is_given_the_value_and_nothing_it_writes_holds_it_also_after_a_restart() {
    let (store, has) = (Arc::default(), Arc::new(AtomicBool::new(true)));
    let first = engine(&store, &has).await;
    let worker = join(&first).await;
    let job = first.submit_job(named()).await.expect("submitted");
    let given = claim(&first, &worker).await;
    assert_eq!(given[0].args["password"], VALUE, "put in for the run");
    let given = given[0].claim.as_str();
    let said = format!("it is {VALUE}");
    let says = json!({"log": [{"text": said}], "progress": {"current": 1, "currentTask": said}});
    report(&first, &worker, given, says.clone(), Vec::new())
        .await
        .expect("written");
    let handed_on = NewJob::new(FAR, &json!({"password": VALUE})).expect("json");
    let handed_on = report(&first, &worker, given, json!({}), vec![handed_on]).await;
    assert!(matches!(handed_on, Err(Error::SecretInArgs)));
    first.shutdown().await;

    let second = engine(&store, &has).await;
    report(&second, &worker, given, says, Vec::new())
        .await
        .expect("written");
    let end = json!({"end": {"outcome": "completed", "result": {"said": said}}});
    let ended = report(&second, &worker, given, end, Vec::new()).await;
    assert_eq!(ended.expect("written").state, State::Completed);
    let all = snapshot(&*store, job.seq()).await;
    let text = format!("{all:?}");
    assert!(!text.contains("hush"), "{text}");
    assert!(text.matches("[redacted]").count() >= 4, "{text}");
    second.shutdown().await;
}

#[tokio::test]
async fn a_remote_run_without_its_secret_does_not_begin_and_does_not_go_on() {
    let (store, has) = (Arc::default(), Arc::new(AtomicBool::new(true)));
    let first = engine(&store, &has).await;
    let worker = join(&first).await;
    let held = first.submit_job(named()).await.expect("submitted");
    let given = claim(&first, &worker).await;
    first.shutdown().await;

    has.store(false, Ordering::SeqCst);
    let second = engine(&store, &has).await;
    let says = json!({"log": [{"text": VALUE}]});
    let refused = report(&second, &worker, &given[0].claim, says, Vec::new()).await;
    assert!(matches!(refused, Err(Error::ClaimLost)), "{refused:?}");
    assert_eq!(held.job().await.expect("there").state(), State::Pending);
    assert!(claim(&second, &worker).await.is_empty(), "ended instead");
    let failed = second.job(None, held.id()).await.expect("there");
    let error = failed.error.expect("an error");
    assert_eq!(error.code, ErrorCode::UnknownSecret.as_str());
    let text = format!("{:?}", snapshot(&*store, held.seq()).await);
    assert!(!text.contains("hush"), "{text}");
    second.shutdown().await;
}
