//! Kinds that only workers elsewhere run: what such a worker declares holds for all their jobs.

use std::{sync::Arc, time::Duration};

use longhaul::{
    Engine, NewJob,
    clock::Clock as _,
    engine::Error,
    model::WorkerId,
    types::{ErrorCode, JobId, Reason},
};
use serde_json::json;

use crate::far::{Far, KIND, bench, code, parse, reason};

#[tokio::test]
async fn what_a_kind_declares_holds_for_its_jobs_and_leaving_gives_them_back() {
    let bench = bench().await;
    let kind = json!({"name": KIND, "version": 7, "queue": "far", "maxAttempts": 9, "timeout": 60});
    let request =
        json!({"name": "far", "kinds": [kind, {"name": "test.script", "maxAttempts": 1}]});
    let remote = bench.engine.remote();
    let joined = remote.join(parse(request), None).await.expect("joined");
    let far = Far {
        bench: &bench,
        remote,
        id: WorkerId::named(joined.worker_id),
    };
    let id = far.submit(json!({})).await;
    let job = far.job(&id).await;
    assert_eq!((job.queue.as_str(), job.max_attempts), ("far", 9));
    assert_eq!(job.timeout, Some(Duration::from_mins(1)));
    let claimed = far.claim().await;
    assert_eq!(
        (claimed.args_version, claimed.deadline.is_some()),
        (7, true)
    );
    // What this process runs itself is as its own handler says.
    assert_eq!(
        bench
            .submit()
            .await
            .job()
            .await
            .expect("there")
            .max_attempts,
        3
    );
    far.remote.leave(&far.id).await.expect("left");
    let back = far.job(&id).await;
    assert_eq!((reason(&back), back.rescues), (Some(Reason::Released), 0));
    assert_eq!(
        code(far.remote.leave(&far.id).await),
        ErrorCode::UnknownWorker
    );
    assert_eq!(bench.engine.workers().await.expect("listed").len(), 1);
}

/// Ends a job of the kind after these seconds.
async fn run(far: &Far<'_>, seconds: u64, end: serde_json::Value) -> JobId {
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    far.pass(seconds).await;
    far.report(&job.claim, json!({"end": end}))
        .await
        .expect("ended");
    id
}

#[tokio::test]
async fn what_its_jobs_leave_is_kept_as_long_as_the_worker_said_also_after_a_restart() {
    let bench = bench().await;
    let kind = json!({"name": KIND, "retention": {"completed": 7200, "failed": 600, "result": 60}});
    let far = Far::join_as(&bench, kind).await;
    let done = run(&far, 0, json!({"outcome": "completed", "result": 1})).await;
    let failed = json!({"outcome": "failed", "message": "no", "retry": false});
    let failed = run(&far, 0, failed).await;
    // Neither the worker nor this process is there when the time has come.
    far.remote.leave(&far.id).await.expect("left");
    bench.engine.shutdown().await;
    let engine = Engine::on(bench.store.clone())
        .clock(Arc::new(bench.clock.clone()))
        .start()
        .await
        .expect("started");
    let result = async || {
        let job = engine.handle(None, &done).await?;
        Ok::<_, Error>(job.wait().await?.result)
    };
    assert_eq!(result().await.expect("there"), Some(json!(1)));
    far.pass(125).await;
    assert_eq!(result().await.expect("there"), None);
    assert!(engine.job(None, &failed).await.is_ok());
    far.pass(10 * 60).await;
    let gone = engine.job(None, &failed).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    assert!(engine.job(None, &done).await.is_ok());
    bench.clock.advance(Duration::from_hours(2));
    far.pass(65).await;
    assert!(engine.job(None, &done).await.is_err());
    engine.shutdown().await;
}

#[tokio::test]
async fn its_jobs_have_estimates_while_a_worker_can_take_them() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let estimate = async || {
        let new = NewJob::new(KIND, &json!({})).expect("args");
        let end = bench.engine.estimate_new(&new).await?;
        Some(end.since(bench.clock.now()))
    };
    for _ in 0..5 {
        assert_eq!(estimate().await, None);
        run(&far, 3, json!({"outcome": "completed"})).await;
    }
    let usual = estimate().await.expect("five have completed");
    assert!((3..5).contains(&usual.as_secs()), "{usual:?}");
    // Its two slots are taken for about as long.
    for _ in 0..4 {
        far.submit(json!({})).await;
    }
    far.pass(2).await;
    let behind = estimate().await.expect("it waits");
    assert!(behind >= usual + Duration::from_secs(5), "{behind:?}");
    far.remote.leave(&far.id).await.expect("left");
    assert_eq!(estimate().await, None);
}
