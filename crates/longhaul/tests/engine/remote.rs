//! Workers elsewhere, over the engine's own interface: leases, fencing, ends and limits of time, on a clock moved by hand.

use std::{sync::Arc, time::Duration};

use longhaul::{
    Engine, NewJob,
    engine::Heard,
    model::Status,
    types::{
        ErrorCode, EventKind, Reason, State,
        worker::{
            ClaimRequest, HeartbeatAnswer, HeartbeatRequest, JoinRequest, ReportRequest,
            StopReason, WorkerPlace,
        },
    },
};
use serde_json::json;

use crate::far::{Far, KIND, bench, code, parse, reason};

#[tokio::test]
async fn a_remote_run_is_heard_like_one_of_this_process() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let mut events = bench.engine.events();
    let id = far.submit(json!({"to": 2})).await;
    let job = far.claim().await;
    assert_eq!(
        (job.job_id.clone(), job.attempt, job.resumed),
        (id.clone(), 1, false)
    );
    assert_eq!((job.args.clone(), job.max_attempts), (json!({"to": 2}), 3));
    let said = far
        .report(
            &job.claim,
            json!({
                "progress": {"current": 1, "total": 2, "unit": "things", "metadata": {"a": 1}},
                "items": [{"name": "one", "state": "completed", "result": 1}, {"name": "two", "state": "pending"}],
                "log": [{"text": "one\nis done"}, {"level": "warn", "text": "slow"}],
                "checkpoint": {"at": 1}
            }),
        )
        .await
        .expect("written");
    assert_eq!((said.state, said.stop), (State::Running, None));
    let now = far.job(&id).await;
    assert_eq!(
        (now.progress.current, now.progress.percentage),
        (1, Some(50))
    );
    assert_eq!((now.items.total, now.items.completed), (2, 1));
    let end = json!({"items": [{"name": "two", "state": "completed"}], "end": {"outcome": "completed", "result": [1, 2]}});
    let ended = far.report(&job.claim, end).await.expect("ended");
    assert_eq!(ended.state, State::Completed);
    let detail = bench.store.clone();
    let detail = longhaul::Store::detail(&*detail, now.seq).await;
    assert_eq!(
        detail.expect("read").expect("there").result,
        Some(json!([1, 2]))
    );
    assert_eq!(*bench.ended.lock().expect("no panic"), [State::Completed]);
    let mut heard = Vec::new();
    while heard.len() < 7 {
        let Some(Heard::Event(event)) = events.next().await else {
            panic!("events are missed");
        };
        heard.push(match &event.event {
            EventKind::State { state } => state.to_string(),
            EventKind::Progress { progress } => {
                format!("{} of {:?}", progress.current, progress.total)
            }
            EventKind::Log { lines } => format!("{} {}", lines[0].number, lines[0].text),
            other => other.name().to_owned(),
        });
    }
    assert_eq!(
        heard,
        [
            "pending",
            "running",
            "1 of Some(2)",
            "1 one is done",
            "items",
            "items",
            "completed"
        ]
    );
    assert_eq!(
        code(far.report(&job.claim, json!({})).await),
        ErrorCode::ClaimLost
    );
}

#[tokio::test]
async fn a_lease_that_ends_gives_the_jobs_to_others_and_refuses_what_comes_late() {
    let bench = bench().await;
    let first = Far::join(&bench).await;
    let second = Far::join(&bench).await;
    let id = first.submit(json!({})).await;
    let job = first.claim().await;
    first.pass(10).await;
    first.beat(&[&job.claim]).await.expect("a heartbeat");
    second.beat(&[]).await.expect("a heartbeat");
    for _ in 0..3 {
        first.pass(9).await;
        second.beat(&[]).await.expect("a heartbeat");
        assert_eq!(first.job(&id).await.state(), State::Running);
    }
    first.pass(4).await;
    let rescued = first.job(&id).await;
    assert_eq!(
        (reason(&rescued), rescued.rescues),
        (Some(Reason::Rescued), 1)
    );
    let late = first
        .report(&job.claim, json!({"end": {"outcome": "completed"}}))
        .await;
    assert_eq!(code(late), ErrorCode::ClaimLost);
    assert_eq!(
        code(first.beat(&[&job.claim]).await),
        ErrorCode::UnknownWorker
    );
    let again = second.claim().await;
    assert_eq!((again.job_id.clone(), again.resumed), (id.clone(), true));
    assert_ne!(again.claim, job.claim);
    assert_eq!(
        code(second.report(&job.claim, json!({})).await),
        ErrorCode::ClaimLost
    );
    let end = json!({"end": {"outcome": "completed", "result": 2}});
    second.report(&again.claim, end).await.expect("ended");
    assert_eq!(first.job(&id).await.state(), State::Completed);
}

#[tokio::test]
async fn the_server_decides_when_a_failed_run_is_tried_again() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    for (attempt, after) in [(1, json!(null)), (2, json!(20))] {
        let job = far.claim().await;
        assert_eq!(job.attempt, attempt);
        let end = json!({"outcome": "failed", "code": "not_yet", "message": "not yet", "retryAfter": after});
        let said = far
            .report(&job.claim, json!({"end": end}))
            .await
            .expect("ended");
        assert_eq!(said.state, State::Pending);
        let Status::Pending {
            run_at: Some(at), ..
        } = far.job(&id).await.status
        else {
            panic!("it waits");
        };
        let wait = at
            .since(longhaul::clock::Clock::now(&bench.clock))
            .as_secs_f64();
        let bounds = if attempt == 1 { 0.0..=8.0 } else { 20.0..=20.0 };
        assert!(bounds.contains(&wait), "{wait}");
        far.pass(21).await;
    }
    let job = far.claim().await;
    let end = json!({"end": {"outcome": "failed", "message": "no more"}});
    let said = far.report(&job.claim, end).await.expect("ended");
    assert_eq!(said.state, State::Failed, "three attempts are all");
    let ended = far.job(&id).await.error.expect("an error");
    assert_eq!(
        (ended.code.as_str(), ended.message.as_str()),
        ("handler_failed", "no more")
    );

    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    let items =
        json!([{"name": "a", "state": "failed", "error": {"code": "x", "message": "broken"}}]);
    let report = json!({"items": items, "end": {"outcome": "completed", "result": 1}});
    let said = far.report(&job.claim, report).await.expect("ended");
    assert_eq!(said.state, State::Failed, "all items failed");
    assert_eq!(
        far.job(&id).await.error.expect("an error").message,
        "broken"
    );
}

#[tokio::test]
async fn a_check_and_a_release_give_the_job_to_whoever_is_free() {
    let bench = bench().await;
    let first = Far::join(&bench).await;
    let second = Far::join(&bench).await;
    let id = first.submit(json!({})).await;
    let job = first.claim().await;
    let end = json!({"end": {"outcome": "checkAgain", "after": 10}});
    first.report(&job.claim, end).await.expect("ended");
    assert_eq!(reason(&first.job(&id).await), Some(Reason::Check));
    assert!(second.claims(1).await.is_empty());
    second.pass(10).await;
    let job = second.claim().await;
    let end = json!({"end": {"outcome": "released"}});
    second.report(&job.claim, end).await.expect("ended");
    let released = first.job(&id).await;
    assert_eq!(
        (reason(&released), released.attempts),
        (Some(Reason::Released), 0)
    );
    assert_eq!(first.claim().await.job_id, id);
}

#[tokio::test]
async fn a_cancel_is_told_and_wins_over_any_end() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    let waits = HeartbeatRequest {
        claims: vec![job.claim.clone()],
        wait: 9.0,
    };
    let beat = far.remote.heartbeat(&far.id, waits);
    let cancel = async {
        tokio::task::yield_now().await;
        bench.engine.cancel(None, &id).await.expect("asked")
    };
    // The clock stands still: the cancel itself ends the wait.
    let (news, asked) = tokio::join!(beat, cancel);
    assert_eq!(asked.state(), State::Running);
    let news = news.expect("news");
    assert_eq!(
        (news.stop.len(), news.stop[0].reason),
        (1, StopReason::Cancel)
    );
    let said = far
        .report(&job.claim, json!({"log": [{"text": "stopping"}]}))
        .await;
    assert_eq!(said.expect("written").stop, Some(StopReason::Cancel));
    let end = json!({"end": {"outcome": "completed", "result": 1}});
    let said = far.report(&job.claim, end).await.expect("ended");
    assert_eq!(said.state, State::Cancelled);

    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    bench.engine.cancel(None, &id).await.expect("asked");
    // Nobody was told yet: no grace runs.
    far.pass(7).await;
    assert_eq!(far.job(&id).await.state(), State::Running);
    far.beat(&[&job.claim]).await.expect("a heartbeat");
    far.pass(6).await;
    assert_eq!(
        far.job(&id).await.state(),
        State::Cancelled,
        "its grace is over"
    );
    assert_eq!(
        code(far.report(&job.claim, json!({})).await),
        ErrorCode::ClaimLost
    );
    assert_eq!(
        far.beat(&[&job.claim]).await.expect("a heartbeat").lost,
        [job.claim]
    );
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_told_and_then_taken_away() {
    let bench = bench().await;
    let kind = json!({"name": KIND, "attemptTimeout": 10, "grace": 5, "maxAttempts": 1});
    let far = Far::join_as(&bench, kind).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    assert!(job.attempt_deadline.is_some());
    far.pass(9).await;
    assert_eq!(far.beat(&[&job.claim]).await.expect("a heartbeat").stop, []);
    far.pass(2).await;
    let news = far.beat(&[&job.claim]).await.expect("a heartbeat");
    assert_eq!(news.stop[0].reason, StopReason::AttemptTimeout);
    far.pass(6).await;
    let ended = far.job(&id).await;
    assert_eq!(ended.state(), State::Failed);
    assert_eq!(ended.error.expect("an error").code, "attempt_timeout");
}

#[tokio::test]
async fn a_job_that_its_worker_does_not_name_is_given_back() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    far.claim().await;
    for _ in 0..4 {
        assert_eq!(far.job(&id).await.state(), State::Running);
        far.pass(7).await;
        far.beat(&[]).await.expect("a heartbeat");
    }
    far.pass(4).await;
    let back = far.job(&id).await;
    assert_eq!((reason(&back), back.rescues), (Some(Reason::Released), 0));
    assert_eq!(far.claim().await.job_id, id);
}

#[tokio::test]
async fn a_worker_waits_for_work_and_takes_no_more_than_its_slots() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let request = ClaimRequest {
        jobs: 5,
        wait: 10.0,
    };
    let claim = far.remote.claim(&far.id, request);
    let submit = async {
        tokio::task::yield_now().await;
        let jobs = (0..3).map(|_| NewJob::raw(KIND, "{}")).collect();
        bench.engine.submit_many(jobs).await.expect("submitted");
        far.pass(1).await;
    };
    let (given, ()) = tokio::join!(claim, submit);
    let given = given.expect("claimed").jobs;
    assert_eq!(given.len(), 2, "two slots");
    assert!(far.claims(5).await.is_empty());
    let end = json!({"end": {"outcome": "completed"}});
    far.report(&given[0].claim, end).await.expect("ended");
    assert_eq!(far.claims(5).await.len(), 1);

    let request = ClaimRequest { jobs: 1, wait: 3.0 };
    let began = longhaul::clock::Clock::now(&bench.clock);
    let claim = far.remote.claim(&far.id, request);
    let (given, ()) = tokio::join!(claim, far.pass(4));
    assert!(given.expect("nothing came").jobs.is_empty());
    assert!(longhaul::clock::Clock::now(&bench.clock).since(began) >= Duration::from_secs(3));
}

#[tokio::test]
async fn a_restart_keeps_leases_and_what_they_hold() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    far.report(
        &job.claim,
        json!({"items": [{"name": "a", "state": "completed", "result": 1}]}),
    )
    .await
    .expect("written");
    far.pass(25).await;
    bench.engine.shutdown().await;
    bench.clock.advance(Duration::from_mins(10));
    let engine = Engine::on(bench.store.clone())
        .clock(Arc::new(bench.clock.clone()))
        .start()
        .await
        .expect("started");
    let remote = engine.remote();
    assert_eq!(
        engine.job(None, &id).await.expect("there").state(),
        State::Running
    );
    let listed = engine.workers().await.expect("listed");
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].place, WorkerPlace::Local);
    assert_eq!(
        (listed[0].place, &*listed[0].name),
        (WorkerPlace::Remote, "far")
    );
    assert_eq!((listed[0].holds, &listed[0].jobs), (1, &vec![id.clone()]));
    far.pass(25).await;
    assert_eq!(
        engine.job(None, &id).await.expect("there").state(),
        State::Running
    );
    // What the run finished before is counted after.
    let items = json!([{"name": "b", "state": "failed", "error": {"code": "x", "message": "no"}}]);
    let report = json!({"items": items, "end": {"outcome": "completed"}});
    let said = remote
        .report(&far.id, &job.claim, parse(report), Vec::new())
        .await;
    assert_eq!(said.expect("ended").state, State::Completed);

    let job = engine
        .submit_job(NewJob::raw(KIND, "{}"))
        .await
        .expect("submitted");
    let claimed = remote.claim(&far.id, ClaimRequest::default()).await;
    assert_eq!(claimed.expect("claimed").jobs.len(), 1);
    far.pass(32).await;
    let lost = engine.job(None, job.id()).await.expect("there");
    assert_eq!(reason(&lost), Some(Reason::Rescued));
    engine.shutdown().await;
}

/// What is more than the limits allow.
fn long() -> String {
    "x".repeat(2 << 20)
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    let before = far.job(&id).await;
    let long = long();
    for (report, expected) in [
        (
            json!({"progress": {"metadata": {"a": long}}}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"progress": {"currentTask": long}}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"checkpoint": format!("{long}{long}{long}")}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"end": {"outcome": "completed", "result": long}}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"items": [{"name": long, "state": "pending"}]}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"items": [{"name": "a", "state": "failed"}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"items": [{"name": "a", "state": "running", "result": 1}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"log": vec![json!({"text": ""}); 1001]}),
            ErrorCode::TooLarge,
        ),
        (
            json!({"end": {"outcome": "checkAgain", "after": -1}}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"end": {"outcome": "failed", "message": "", "retryAfter": 1e30}}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"end": {"outcome": "failed", "message": "", "code": ""}}),
            ErrorCode::BadRequest,
        ),
    ] {
        let text: String = report.to_string().chars().take(60).collect();
        assert_eq!(
            code(far.report(&job.claim, report).await),
            expected,
            "{text}"
        );
    }
    assert_eq!(far.job(&id).await, before);
}

#[tokio::test]
async fn a_report_is_whole_or_refused_and_the_run_goes_on() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    let before = far.job(&id).await;
    let items: Vec<_> = (0..10_000)
        .map(|n| json!({"name": n.to_string(), "state": "pending"}))
        .collect();
    let mut many = items.clone();
    many.push(json!({"name": "one more", "state": "pending"}));
    assert_eq!(
        code(far.report(&job.claim, json!({"items": many})).await),
        ErrorCode::TooLarge
    );
    let unknown = vec![NewJob::raw("no.such", "{}")];
    let said = far
        .remote
        .report(&far.id, &job.claim, ReportRequest::default(), unknown)
        .await;
    assert_eq!(code(said), ErrorCode::UnknownKind);
    assert_eq!(far.job(&id).await, before);
    // A run goes on after what was refused.
    far.report(&job.claim, json!({"items": items}))
        .await
        .expect("written");
    assert_eq!(far.job(&id).await.items.total, 10_000);
}

#[tokio::test]
async fn a_claim_is_of_its_worker_alone() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let other = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    let job = far.claim().await;
    let before = far.job(&id).await;
    for (claim, expected) in [
        ("999.1", ErrorCode::ClaimLost),
        ("1.99", ErrorCode::ClaimLost),
        ("", ErrorCode::BadRequest),
        ("../1", ErrorCode::BadRequest),
    ] {
        assert_eq!(
            code(far.report(claim, json!({})).await),
            expected,
            "{claim}"
        );
    }
    assert_eq!(
        code(other.report(&job.claim, json!({})).await),
        ErrorCode::ClaimLost
    );
    let beat = other.beat(&[&job.claim]).await.expect("a heartbeat");
    assert_eq!(beat.lost, std::slice::from_ref(&job.claim));
    assert_eq!(far.job(&id).await, before);
}

#[tokio::test]
async fn a_worker_that_does_not_fit_does_not_join() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let long = long();
    for (request, expected) in [
        (
            json!({"name": "", "kinds": [{"name": KIND}]}),
            ErrorCode::BadRequest,
        ),
        (json!({"name": "a", "kinds": []}), ErrorCode::BadRequest),
        (
            json!({"name": "a", "kinds": [{"name": KIND}, {"name": KIND}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": "a\nb"}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND, "timeout": -1}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND, "maxAttempts": 0}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND, "retention": {"failed": -1}}]}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND}], "leaseSeconds": 0}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND}], "leaseSeconds": 3601}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": "a", "kinds": [{"name": KIND}], "queues": {"q": 0}}),
            ErrorCode::BadRequest,
        ),
        (
            json!({"name": long, "kinds": [{"name": KIND}]}),
            ErrorCode::TooLarge,
        ),
    ] {
        let text: String = request.to_string().chars().take(80).collect();
        let joined = far.remote.join(parse::<JoinRequest>(request), None).await;
        assert_eq!(code(joined), expected, "{text}");
    }
    assert_eq!(bench.engine.workers().await.expect("listed").len(), 2);
}

#[tokio::test]
async fn jobs_that_nobody_hears_of_are_given_back() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    let id = far.submit(json!({})).await;
    {
        let claim = far.remote.claim(&far.id, ClaimRequest::default());
        // Whoever asked hangs up as soon as they have asked.
        tokio::select! {
            biased;
            given = claim => panic!("answered at once: {given:?}"),
            () = std::future::ready(()) => {}
        }
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let back = far.job(&id).await;
    assert_eq!((reason(&back), back.claim), (Some(Reason::Released), 1));
    assert_eq!(far.claim().await.job_id, id);
}

#[tokio::test]
async fn jobs_that_may_kill_their_worker_run_one_at_a_time() {
    let bench = bench().await;
    let mut far = Far::join(&bench).await;
    for _ in 0..2 {
        far.submit(json!({})).await;
    }
    for deaths in 0..8 {
        assert_eq!(far.claims(2).await.len(), 2, "after {deaths} deaths");
        far.pass(31).await;
        far = Far::join(&bench).await;
    }
    assert_eq!(far.claims(2).await.len(), 1);
    assert!(far.claims(2).await.is_empty(), "the other is put off");
}

#[tokio::test]
async fn a_heartbeat_ends_its_wait_when_there_are_more_jobs_to_name() {
    let bench = bench().await;
    let far = Far::join(&bench).await;
    far.submit(json!({})).await;
    let waits = HeartbeatRequest {
        claims: Vec::new(),
        wait: 9.0,
    };
    // The clock stands still: the claim itself ends the wait.
    let beat = far.remote.heartbeat(&far.id, waits);
    let claim = async {
        tokio::task::yield_now().await;
        far.claim().await
    };
    let (news, _) = tokio::join!(beat, claim);
    assert_eq!(news.expect("an answer"), HeartbeatAnswer::default());
}
