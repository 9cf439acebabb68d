//! What happened of late, as charts ask for it.

use std::{sync::Arc, time::Duration};

use longhaul::{
    testing::TestClock,
    types::{
        ErrorCode, Problem, Scope, State,
        statistics::{Span, Statistics},
        token::TokenRequest,
    },
};
use serde_json::json;

use crate::support::{Rig, bare, within};

async fn read(rig: &Rig, query: &str) -> Statistics {
    let url = format!("http://localhost/api/v1/statistics{query}");
    let response = rig.bare().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test]
async fn ends_and_run_times_are_told_by_kind() {
    let rig = Rig::new().await;
    for (args, state) in [
        (json!({}), State::Completed),
        (json!({"again": true}), State::Completed),
        (json!({"fail": "as told"}), State::Failed),
    ] {
        let id = rig.submit("test.echo", args).await;
        rig.until(&id, state).await;
    }
    for (span, steps) in [(Span::Hour, 60), (Span::Day, 96)] {
        let query = format!("?span={span}");
        // Ends are counted just after they are told; the minute may be over meanwhile.
        let sums = async || {
            let read = read(&rig, &query).await;
            assert_eq!((read.span, read.steps.len()), (span, steps));
            assert_eq!(read.step_seconds, span.step_seconds());
            let kinds = read
                .steps
                .iter()
                .filter_map(|step| step.kinds.get("test.echo"));
            kinds.fold((0, 0, 0), |(completed, failed, runs), kind| {
                let took: u64 = kind.took.iter().sum();
                (
                    completed + kind.completed,
                    failed + kind.failed,
                    runs + took,
                )
            })
        };
        within(async { while sums().await != (2, 1, 4) {} }).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn depths_of_queues_are_looked_at() {
    let clock = TestClock::default();
    let rig = Rig::with(|options| options.clock(Arc::new(clock.clone()))).await;
    let gate = rig.submit("test.gate", json!({})).await;
    rig.until(&gate, State::Running).await;
    let deepest = async || {
        clock.advance(Duration::from_secs(10));
        let steps = read(&rig, "").await.steps;
        let depths = steps.iter().filter_map(|step| step.queues.get("gates"));
        depths.map(|depth| depth.running).max()
    };
    within(async { while deepest().await != Some(1) {} }).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_span_that_is_none_and_a_parameter_too_many_are_refused() {
    let rig = Rig::new().await;
    for query in [
        "?span=week",
        "?span=",
        "?kind=test.echo",
        "?span=day&span=day",
    ] {
        let url = format!("http://localhost/api/v1/statistics{query}");
        let response = rig.bare().get(url).send().await.unwrap();
        assert_eq!(response.status(), 400, "{query}");
        let problem: Problem = response.json().await.unwrap();
        assert!(problem.detail.contains("span") || problem.detail.contains("kind"));
    }
    rig.stop().await;
}

#[tokio::test]
async fn they_are_not_for_those_who_see_their_own_jobs_alone() {
    let rig = Rig::tcp().await;
    let ask = async |scope: Scope| {
        let request = TokenRequest {
            name: scope.to_string(),
            owner: Some("eve".to_owned()),
            scopes: vec![Scope::Read, scope],
            ..TokenRequest::default()
        };
        let made = rig.client.make_token(&request).await.unwrap();
        let get = bare().build().unwrap().get(rig.url("/api/v1/statistics"));
        get.bearer_auth(made.token).send().await.unwrap()
    };
    let refused = ask(Scope::Submit).await;
    assert_eq!(refused.status(), 403);
    let problem: Problem = refused.json().await.unwrap();
    assert_eq!(problem.code, ErrorCode::Forbidden);
    assert!(problem.detail.contains("admin"), "{}", problem.detail);
    assert_eq!(ask(Scope::Admin).await.status(), 200);
    rig.stop().await;
}
