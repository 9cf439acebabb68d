//! Workers elsewhere, over HTTP.

use longhaul::types::{JobId, State, body::SubmitRequest};
use longhaul_client::Heard;
use longhaul_server::Everywhere;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Rig, TOKEN, bare, within};

const KIND: &str = "far.kind";

/// A remote worker that speaks over the unix socket.
struct Far<'a> {
    rig: &'a Rig,
    http: reqwest::Client,
    path: String,
}

impl<'a> Far<'a> {
    async fn join(rig: &'a Rig) -> Self {
        let mut far = Self {
            rig,
            http: rig.bare(),
            path: "/api/v1/workers".to_owned(),
        };
        let (status, joined) = far
            .post("", json!({"name": "far", "kinds": [{"name": KIND}]}))
            .await;
        assert_eq!(status, 201, "{joined}");
        assert_eq!(joined["leaseSeconds"], 30);
        far.path = format!("{}/{}", far.path, joined["workerId"].as_str().unwrap());
        far
    }

    async fn ask(&self, method: Method, path: &str, body: reqwest::Body) -> (u16, Value) {
        let url = format!("http://localhost{}{path}", self.path);
        let request = self.http.request(method, url).body(body);
        let request = request.header("content-type", "application/json");
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    /// Submits a job and claims it.
    async fn hold(&self, args: Value) -> (JobId, String) {
        let id = self.rig.submit(KIND, args).await;
        let (status, given) = self.post("/claim", json!({})).await;
        assert_eq!(status, 200, "{given}");
        assert_eq!(given["jobs"][0]["jobId"], id.as_str());
        (id, given["jobs"][0]["claim"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_worker_elsewhere_runs_a_job_from_claim_to_end() {
    let rig = Rig::new().await;
    let far = Far::join(&rig).await;
    let (id, claim) = far.hold(json!({"a": 1})).await;
    let job = format!("/jobs/{claim}");
    let report = format!("{job}/report");
    let child = SubmitRequest {
        kind: "test.echo".to_owned(),
        args: json!({"of": "a report"}),
        id: Some("child".parse().unwrap()),
        ..SubmitRequest::default()
    };
    let said = json!({
        "progress": {"current": 3, "total": 4, "currentTask": "three"},
        "items": [{"name": "one", "state": "completed", "result": {"x": 1}}],
        "log": [{"text": "hello"}],
        "checkpoint": 3,
        "submit": [child],
    });
    let (status, answer) = far.post(&report, said).await;
    assert_eq!(
        (status, &answer["submitted"]),
        (200, &json!(["child"])),
        "{answer}"
    );
    let items = far
        .ask(Method::GET, &format!("{job}/items"), "".into())
        .await;
    assert_eq!(items.1["items"][0]["result"], json!({"x": 1}));
    let (status, file) = far
        .ask(
            Method::PUT,
            &format!("{job}/artifacts/dir/a.json"),
            "{\"b\":2}".into(),
        )
        .await;
    assert_eq!(status, 201, "{file}");
    assert_eq!(
        (&file["size"], &file["contentType"]),
        (&json!(7), &json!("application/json"))
    );
    let back = far
        .ask(
            Method::GET,
            &format!("{job}/artifacts/dir/a.json"),
            "".into(),
        )
        .await;
    assert_eq!(back, (200, json!({"b": 2})));
    let listed = far
        .ask(Method::GET, &format!("{job}/artifacts"), "".into())
        .await;
    assert_eq!(listed.1["artifacts"][0]["sha256"], file["sha256"]);

    let beat = json!({"claims": [claim, "1.77"]});
    let (status, news) = far.post("/heartbeat", beat).await;
    assert_eq!((status, news), (200, json!({"stop": [], "lost": ["1.77"]})));
    let end = json!({"end": {"outcome": "completed", "result": {"made": 1}}});
    let (_, ended) = far.post(&report, end).await;
    assert_eq!(ended["state"], "completed");
    let view = rig.client.job(&id).await.unwrap();
    assert_eq!(
        (view.state, view.results),
        (State::Completed, Some(json!({"made": 1})))
    );
    assert_eq!(view.progress.current_task.as_deref(), Some("three"));
    rig.client.wait(&"child".parse().unwrap()).await.unwrap();
    for path in [
        &report,
        &format!("{job}/items"),
        &format!("{job}/artifacts"),
    ] {
        let method = if path == &report {
            Method::POST
        } else {
            Method::GET
        };
        let (status, late) = far.ask(method, path, "{}".into()).await;
        assert_eq!(
            (status, &late["code"]),
            (409, &json!("claim_lost")),
            "{path}"
        );
    }
    let (status, _) = far.ask(Method::DELETE, "", "".into()).await;
    assert_eq!(status, 204);
    let (status, gone) = far.post("/heartbeat", json!({"claims": []})).await;
    assert_eq!((status, &gone["code"]), (404, &json!("unknown_worker")));
    let (status, gone) = far.post(&report, json!({})).await;
    assert_eq!((status, &gone["code"]), (409, &json!("claim_lost")));
    rig.stop().await;
}

#[tokio::test]
async fn bad_input_is_refused_with_its_code() {
    let rig = Rig::new().await;
    let far = Far::join(&rig).await;
    let other = Far::join(&rig).await;
    let (id, claim) = far.hold(json!({})).await;
    let before = rig.client.job(&id).await.unwrap();
    let report = format!("/jobs/{claim}/report");
    let huge = json!({"progress": {"metadata": {"a": "x".repeat(20_000)}}});
    for (path, body, status, code) in [
        ("/claim", json!({"jobs": 0}), 400, "bad_request"),
        ("/claim", json!({"jobs": 1, "what": 1}), 400, "bad_request"),
        ("/claim", json!({"wait": -1}), 400, "bad_request"),
        ("/heartbeat", json!({}), 400, "bad_request"),
        ("/heartbeat", json!({"claims": ["x"]}), 400, "bad_request"),
        ("/jobs/9.9/report", json!({}), 409, "claim_lost"),
        ("/jobs/x/report", json!({}), 400, "bad_request"),
        (&report, json!({"prog": 1}), 400, "bad_request"),
        (
            &report,
            json!({"end": {"outcome": "done"}}),
            400,
            "bad_request",
        ),
        (&report, huge, 413, "too_large"),
        (
            &report,
            json!({"submit": [{"kind": "no.such", "args": {}}]}),
            422,
            "unknown_kind",
        ),
        (
            &report,
            json!({"checkpoint": "x".repeat(3 << 20)}),
            413,
            "too_large",
        ),
    ] {
        let (got, problem) = far.post(path, body).await;
        assert_eq!(
            (got, &problem["code"]),
            (status, &json!(code)),
            "{path}: {problem}"
        );
    }
    let (status, problem) = other.post(&report, json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("claim_lost")));
    for (name, media, status) in [
        ("a%01b", "text/plain", 400),
        ("a", "text", 400),
        ("a", "text/pl<b>", 400),
    ] {
        let url = format!("http://localhost{}/jobs/{claim}/artifacts/{name}", far.path);
        let put = far.http.put(url).header("content-type", media).body("x");
        assert_eq!(put.send().await.unwrap().status(), status, "{name} {media}");
    }
    let (status, missing) = far
        .ask(
            Method::GET,
            &format!("/jobs/{claim}/artifacts/none"),
            "".into(),
        )
        .await;
    assert_eq!((status, &missing["code"]), (404, &json!("not_found")));
    let after = rig.client.job(&id).await.unwrap();
    assert_eq!(after.revision, before.revision, "nothing was written");
    rig.stop().await;
}

#[tokio::test]
async fn only_those_with_the_right_to_work_join_and_see_workers() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .access_open(true)
            .token(longhaul_server::AdminToken::new(TOKEN).unwrap())
            .admission(Everywhere)
    })
    .await;
    let http = bare().build().unwrap();
    let url = rig.url("/api/v1/workers");
    let body = json!({"name": "far", "kinds": [{"name": KIND}]});
    let refused = http.post(&url).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(http.get(&url).send().await.unwrap().status(), 403);
    let joined = http.post(&url).bearer_auth(TOKEN).json(&body);
    let joined: Value = joined.send().await.unwrap().json().await.unwrap();
    let claim = format!("{url}/{}/claim", joined["workerId"].as_str().unwrap());
    let refused = http.post(&claim).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let workers = rig.client.workers().await.unwrap();
    let names: Vec<_> = workers.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names[1..], ["far"]);
    assert_eq!(workers[0].queues["gates"], 16);
    rig.stop().await;
}

#[tokio::test]
async fn a_waiting_claim_is_answered_at_once_and_a_stop_ends_it() {
    let rig = Rig::new().await;
    let far = Far::join(&rig).await;
    let began = std::time::Instant::now();
    let wait = far.post("/claim", json!({"wait": 10}));
    let (given, id) = tokio::join!(wait, rig.submit(KIND, json!({})));
    assert_eq!(given.1["jobs"][0]["jobId"], id.as_str());
    assert!(began.elapsed().as_secs() < 8, "it did not wait in vain");
    let began = std::time::Instant::now();
    let wait = far.post("/claim", json!({"wait": 10}));
    let stop = async {
        // The claim, asked before, has come when these have.
        for _ in 0..20 {
            rig.client.server().await.unwrap();
        }
        rig.handle.stop();
    };
    let (answer, ()) = tokio::join!(wait, stop);
    assert_eq!(answer, (200, json!({"jobs": []})));
    assert!(began.elapsed().as_secs() < 8);
    rig.stop().await;
}

/// A token of this owner with the right to work.
async fn work_token(rig: &Rig, name: &str) -> String {
    let body = json!({"name": name, "scopes": ["work"], "kinds": [KIND]});
    let made = bare().build().unwrap().post(rig.url("/api/v1/tokens"));
    let made = made.bearer_auth(TOKEN).json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    made["token"].as_str().expect("made").to_owned()
}

#[tokio::test]
async fn a_worker_belongs_to_the_token_that_joined_it() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(longhaul_server::AdminToken::new(TOKEN).unwrap())
            .admission(Everywhere)
    })
    .await;
    let (own, other) = (
        work_token(&rig, "own").await,
        work_token(&rig, "other").await,
    );
    let http = bare().build().unwrap();
    let url = rig.url("/api/v1/workers");
    let body = json!({"name": "far", "kinds": [{"name": KIND}]});
    let joined = http.post(&url).bearer_auth(&own).json(&body);
    let joined: Value = joined.send().await.unwrap().json().await.unwrap();
    let worker = format!("{url}/{}", joined["workerId"].as_str().unwrap());
    rig.submit(KIND, json!({})).await;
    let ask = async |method: Method, path: &str, token: &str, body: Value| {
        let request = http.request(method, format!("{worker}{path}"));
        let answer = request.bearer_auth(token).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap_or_default())
    };
    let (status, given) = ask(Method::POST, "/claim", &own, json!({})).await;
    assert_eq!(status, 200, "{given}");
    let run = format!("/jobs/{}", given["jobs"][0]["claim"].as_str().unwrap());
    let end = json!({"end": {"outcome": "completed"}});
    for (method, path, code) in [
        (Method::POST, "/claim".to_owned(), "unknown_worker"),
        (Method::POST, "/heartbeat".to_owned(), "unknown_worker"),
        (Method::DELETE, String::new(), "unknown_worker"),
        (Method::POST, format!("{run}/report"), "claim_lost"),
        (Method::GET, format!("{run}/items"), "claim_lost"),
        (Method::PUT, format!("{run}/artifacts/file"), "claim_lost"),
    ] {
        let body = if path.ends_with("report") {
            end.clone()
        } else {
            json!({})
        };
        let (_, refused) = ask(method, &path, &other, body).await;
        assert_eq!(refused["code"], code, "{path}: {refused}");
    }
    let (status, ended) = ask(Method::POST, &format!("{run}/report"), &own, end).await;
    assert_eq!((status, &ended["state"]), (200, &json!("completed")));
    let (status, _) = ask(Method::POST, "/heartbeat", TOKEN, json!({"claims": []})).await;
    assert_eq!(status, 200, "an administrator may");
    rig.stop().await;
}

#[tokio::test]
async fn items_that_change_are_told_without_any_progress() {
    let rig = Rig::new().await;
    let far = Far::join(&rig).await;
    let (id, claim) = far.hold(json!({})).await;
    let mut events = rig.client.job_events(&id).await.unwrap();
    let report = format!("/jobs/{claim}/report");
    let names =
        (0..150).map(|n| json!({"name": format!("part {n}"), "state": "running", "attempts": 1}));
    let many = json!({"items": names.collect::<Vec<_>>()});
    let bad = json!({"name": "part 7", "state": "failed", "attempts": 2, "error": {"code": "no", "message": "not there"}});
    for body in [many, json!({"items": [bad]})] {
        assert_eq!(far.post(&report, body).await.0, 200);
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        match within(events.next()).await.unwrap() {
            Some(Heard::Event(event)) if event.event.name() == "items" => {
                told.push(serde_json::to_value(event).unwrap());
            }
            Some(Heard::Event(_)) => {}
            other => panic!("nothing is missed here: {other:?}"),
        }
    }
    assert_eq!(
        told[0]["items"].as_array().unwrap().len(),
        100,
        "a bounded number"
    );
    assert_eq!(told[0]["changed"], 150);
    assert_eq!(
        told[0]["counts"],
        json!({"total": 150, "completed": 0, "failed": 0})
    );
    let error = json!({"code": "no", "message": "not there"});
    let item = json!({"name": "part 7", "state": "failed", "attempts": 2, "error": error});
    assert_eq!(told[1]["items"], json!([item]));
    assert_eq!(told[1]["counts"]["failed"], 1);
    rig.stop().await;
}
