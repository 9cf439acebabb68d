//! The OpenAPI document: the one that is committed, complete, and true of what the server says.

use std::{collections::BTreeSet, fs, path::Path};

use longhaul::types::State;
use longhaul_server::ROUTES;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Rig, TOKEN, bare};

/// Set to anything, it has the committed document written anew.
const REWRITE: &str = "LONGHAUL_REWRITE";

async fn document(rig: &Rig) -> Value {
    let get = rig.bare().get("http://localhost/openapi.json");
    get.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_document_is_the_committed_one() {
    let rig = Rig::new().await;
    let get = rig.bare().get("http://localhost/openapi.json");
    let response = get.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let served = response.text().await.unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &served).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap();
    assert!(
        served == committed,
        "docs/openapi.json is not what the server says; run this test with {REWRITE}=1 and look at the difference"
    );
    rig.stop().await;
}

#[tokio::test]
async fn routes_and_document_name_the_same_operations() {
    let rig = Rig::new().await;
    let document = document(&rig).await;
    assert_eq!(document["openapi"], "3.1.0");
    let routes = ROUTES
        .iter()
        .map(|(method, path, _)| format!("{method} {}", path.replace("{*", "{")));
    let routes: BTreeSet<String> = routes.collect();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations: BTreeSet<String> = paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(operations, routes);
    rig.stop().await;
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let rig = Rig::new().await;
    let document = document(&rig).await;
    let mut open = vec![&document];
    let mut seen = BTreeSet::new();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                    seen.insert(target.to_owned());
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    for part in ["schemas", "responses"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let target = format!("#/components/{part}/{name}");
            // The data of live events is referred to in words.
            assert!(
                name == "Event" || seen.contains(&target),
                "{target} is left over"
            );
        }
    }
    rig.stop().await;
}

/// Asks, and asserts that the document has the answer: its status, its media type, its body, and its code.
async fn ask(rig: &Rig, document: &Value, call: (Method, &str, &str), body: Option<Value>) -> u16 {
    let (method, template, path) = call;
    let asked = format!("{method} {path}");
    let name = method.as_str().to_lowercase();
    let request = rig
        .bare()
        .request(method, format!("http://localhost{path}"));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let answers = &document["paths"][template][name]["responses"];
    let mut answer = &answers[status.to_string()];
    if let Some(target) = answer["$ref"].as_str() {
        answer = document.pointer(&target[1..]).unwrap();
    }
    assert!(answer.is_object(), "{asked}: {status} is not described");
    let media = response.headers()["content-type"].to_str().unwrap();
    let schema = &answer["content"][media]["schema"];
    assert!(
        schema.is_object(),
        "{asked}: {status} as {media} is not described"
    );
    let body: Value = response.json().await.unwrap();
    fits(document, schema, &body, true).unwrap_or_else(|why| panic!("{asked}: {why} in {body}"));
    status
}

/// Whether a value is what a schema says. A member that the schema does not name is wrong where it is `closed`.
fn fits(document: &Value, schema: &Value, value: &Value, closed: bool) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        let schema = document.pointer(&target[1..]).unwrap();
        return fits(document, schema, value, closed);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts
            .iter()
            .try_for_each(|part| fits(document, part, value, false));
    }
    if let Some(parts) = schema["oneOf"].as_array() {
        let tried = parts.iter().map(|part| fits(document, part, value, closed));
        let wrong: Vec<String> = tried.filter_map(Result::err).collect();
        if wrong.len() + 1 == parts.len() {
            return Ok(());
        }
        return Err(format!("not one of them: {}", wrong.join("; ")));
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return object(document, schema, value, closed),
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds
        .iter()
        .any(|one| one == kind || (one == "number" && kind == "integer"))
    {
        return Err(format!("{value} is no {kinds:?}"));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .contains(value)
            .then_some(())
            .ok_or(format!("{value} is none of {values:?}"));
    }
    if let Some(items) = value.as_array() {
        let schema = &schema["items"];
        return items
            .iter()
            .try_for_each(|item| fits(document, schema, item, closed));
    }
    object(document, schema, value, closed)
}

fn object(document: &Value, schema: &Value, value: &Value, closed: bool) -> Result<(), String> {
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if !members.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in members {
        match schema["properties"].get(name) {
            Some(schema) => {
                fits(document, schema, member, closed).map_err(|why| format!("{name}: {why}"))?;
            }
            None if closed && schema["properties"].is_object() => {
                let rest = &schema["additionalProperties"];
                if rest.is_null() || rest == false {
                    return Err(format!("{name} is not described"));
                }
            }
            None => {}
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_the_server_says_is_what_the_document_describes() {
    let rig = Rig::new().await;
    let document = document(&rig).await;
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let mut statuses = BTreeSet::new();
    let id = rig.submit("test.parts", json!({})).await;
    rig.until(&id, State::Completed).await;
    let failed = rig.submit("test.echo", json!({"fail": "as told"})).await;
    rig.until(&failed, State::Failed).await;
    let running = rig.submit("test.gate", json!({})).await;
    rig.until(&running, State::Running).await;
    for (template, method) in [
        ("/health/live", &get),
        ("/health/ready", &get),
        ("/api/v1/server", &get),
        ("/api/v1/kinds", &get),
        ("/api/v1/counts", &get),
        ("/api/v1/jobs", &get),
        ("/api/v1/jobs/{id}", &get),
        ("/api/v1/jobs/{id}/status", &get),
        ("/api/v1/jobs/{id}/items", &get),
        ("/api/v1/jobs/{id}/log", &get),
        ("/api/v1/jobs/{id}/attempts", &get),
        ("/api/v1/jobs/{id}/artifacts", &get),
        ("/api/v1/jobs/{id}/cancel", &post),
        ("/api/v1/jobs/{id}/start", &post),
        ("/api/v1/jobs/{id}/retry", &post),
        ("/api/v1/jobs/{id}/status", &delete),
        ("/api/v1/jobs/{id}", &delete),
    ] {
        for id in [
            running.as_str(),
            id.as_str(),
            failed.as_str(),
            "unknown",
            "%20",
        ] {
            let path = template.replace("{id}", id);
            statuses.insert(ask(&rig, &document, (method.clone(), template, &path), None).await);
        }
    }
    let jobs = "/api/v1/jobs";
    for body in [
        json!({"kind": "test.echo", "args": {}, "id": "taken", "held": true}),
        json!({"kind": "test.echo", "args": {}, "id": "taken", "held": true}),
        json!([{"kind": "test.echo", "args": {}}, {"kind": "test.lines", "args": {}}]),
        json!({"kind": "test.gate", "args": {"what": 1}}),
        json!({"kind": "no.such", "args": {}}),
        json!({"kind": "test.echo", "nonsense": 1}),
        json!({"kind": "test.echo", "args": "x".repeat(3 << 20)}),
    ] {
        statuses.insert(ask(&rig, &document, (post.clone(), jobs, jobs), Some(body)).await);
    }
    statuses.insert(ask(&rig, &document, (post.clone(), jobs, jobs), None).await);
    let (schedules, one) = ("/api/v1/schedules", "/api/v1/schedules/{name}");
    let nightly =
        json!({"cron": "30 2 * * *", "kind": "test.echo", "args": {}, "labels": {"a": "b"}});
    let never = json!({"cron": "0 0 30 2 *", "kind": "test.echo", "args": {}});
    let (run, pause) = (format!("{one}/run"), format!("{one}/pause"));
    for (method, template, body) in [
        (Method::PUT, one, Some(nightly)),
        (Method::PUT, one, Some(never)),
        (post.clone(), &run, None),
        (post, &pause, None),
        (get.clone(), one, None),
        (get.clone(), schedules, None),
        (delete.clone(), one, None),
        (get.clone(), one, None),
    ] {
        let path = template.replace("{name}", "nightly");
        statuses.insert(ask(&rig, &document, (method, template, &path), body).await);
    }
    for query in ["limit=0", "nonsense=1", "status=x", "label.a=b&limit=1"] {
        let path = format!("{jobs}?{query}");
        statuses.insert(ask(&rig, &document, (get.clone(), jobs, &path), None).await);
    }
    assert_eq!(
        statuses,
        BTreeSet::from([200, 202, 400, 404, 409, 413, 415, 422])
    );
    rig.stop().await;
}

#[tokio::test]
async fn what_workers_are_told_is_what_the_document_describes() {
    let rig = Rig::new().await;
    let document = document(&rig).await;
    let (get, post) = (Method::GET, Method::POST);
    let mut statuses = BTreeSet::new();
    let workers = "/api/v1/workers";
    let kinds = json!([{"name": "far.kind", "timeout": 60, "backoff": {"first": 1, "cap": 2}}]);
    for body in [
        json!({"name": "far", "kinds": kinds, "queues": {"default": 9}}),
        json!({"name": "far"}),
    ] {
        let call = (post.clone(), workers, workers);
        statuses.insert(ask(&rig, &document, call, Some(body)).await);
    }
    let id = rig.submit("far.kind", json!({"a": [1]})).await;
    let far = rig.client.workers().await.unwrap().remove(1).worker_id;
    let path = |template: &str, claim: &str| {
        let path = template.replace("{worker}", &far);
        path.replace("{claim}", claim).replace("{name}", "a")
    };
    let claim = "/api/v1/workers/{worker}/claim";
    for body in [json!({}), json!({}), json!({"jobs": 0})] {
        let call = (post.clone(), claim, &*path(claim, ""));
        statuses.insert(ask(&rig, &document, call, Some(body)).await);
    }
    let seq = rig.engine.job(None, &id).await.unwrap().seq;
    let held = format!("{seq}.1");
    let beat = "/api/v1/workers/{worker}/heartbeat";
    let body = json!({"claims": [held, "9.9"]});
    let unknown = beat.replace("{worker}", "nobody");
    for path in [path(beat, ""), unknown] {
        let call = (post.clone(), beat, &*path);
        statuses.insert(ask(&rig, &document, call, Some(body.clone())).await);
    }
    statuses.insert(ask(&rig, &document, (get.clone(), workers, workers), None).await);
    let report = "/api/v1/workers/{worker}/jobs/{claim}/report";
    for (claim, body) in [
        (
            &*held,
            json!({"items": [{"name": "a", "state": "completed", "result": 1}]}),
        ),
        (
            &*held,
            json!({"submit": [{"kind": "test.echo", "args": {}}]}),
        ),
        (
            &*held,
            json!({"submit": [{"kind": "test.gate", "args": 1}]}),
        ),
        ("9.9", json!({})),
    ] {
        let call = (post.clone(), report, &*path(report, claim));
        statuses.insert(ask(&rig, &document, call, Some(body)).await);
    }
    let file = "/api/v1/workers/{worker}/jobs/{claim}/artifacts/{name}";
    let call = (Method::PUT, file, &*path(file, &held));
    statuses.insert(ask(&rig, &document, call, Some(json!("x"))).await);
    for template in [
        "/api/v1/workers/{worker}/jobs/{claim}/items",
        "/api/v1/workers/{worker}/jobs/{claim}/artifacts",
    ] {
        let path = path(template, &held);
        statuses.insert(ask(&rig, &document, (get.clone(), template, &path), None).await);
    }
    for body in [json!({"end": {"outcome": "completed"}}), json!({})] {
        let call = (post.clone(), report, &*path(report, &held));
        statuses.insert(ask(&rig, &document, call, Some(body)).await);
    }
    assert_eq!(statuses, BTreeSet::from([200, 201, 400, 404, 409]));
    rig.stop().await;
}

#[tokio::test]
async fn the_page_shows_every_operation_and_runs_nothing() {
    let rig = Rig::tcp().await;
    let get = bare()
        .build()
        .unwrap()
        .get(rig.url("/docs"))
        .bearer_auth(TOKEN);
    let response = get.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = response.text().await.unwrap();
    for word in ["<script", " onclick", " style=", "<img", "<link", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    let document = document(&rig).await;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
        }
    }
    let links: BTreeSet<&str> = page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() > ROUTES.len());
    for link in links {
        assert!(
            page.contains(&format!("id=\"{link}\"")),
            "nothing at #{link}"
        );
    }
    rig.stop().await;
}
