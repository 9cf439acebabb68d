//! OpenTelemetry: what the shipped server sends to a collector, decoded as a collector decodes it.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use rustix::process::Signal;

use crate::support::{Lab, Running, done, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes what is posted to `/v1/traces`.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (spans, services) = (Arc::default(), Arc::default());
        let collector = Self {
            address,
            spans: Arc::clone(&spans),
            services: Arc::clone(&services),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (spans, services) = (Arc::clone(&spans), Arc::clone(&services));
                std::thread::spawn(move || {
                    while let Some(request) = take(&stream) {
                        for resource in request.resource_spans {
                            let attributes = resource.resource.expect("a resource").attributes;
                            let attributes = read(&attributes);
                            let service = attributes["service.name"].clone();
                            services.lock().expect("a lock").push(service);
                            let found = resource.scope_spans.into_iter().flat_map(|one| one.spans);
                            spans.lock().expect("a lock").extend(found);
                        }
                    }
                });
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("a lock").clone()
    }
}

/// One request; none when the connection is over.
fn take(stream: &TcpStream) -> Option<ExportTraceServiceRequest> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    assert!(head[0].starts_with("post /v1/traces "), "{head:?}");
    assert!(
        head.contains(&"content-type: application/x-protobuf".to_owned()),
        "{head:?}"
    );
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
        )
        .ok()?;
    Some(ExportTraceServiceRequest::decode(&body[..]).expect("a request of OTLP"))
}

fn read(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |one: &KeyValue| match one.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|one| (one.key.clone(), text(one)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(lab: &Lab, collector: Option<&Collector>) -> Running {
    let mut command = lab.longhaul(&["serve"]);
    if let Some(collector) = collector {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    }
    let server = Running::start(&mut command);
    eventually("it answers", || lab.server().is_some());
    server
}

/// A held job that fails once and then does not, submitted as part of a trace with these flags.
fn submit(lab: &Lab, sampled: &str) -> String {
    let marker = lab.path("marker").display().to_string();
    let script = format!("test -e '{marker}' || {{ touch '{marker}'; exit 1; }}");
    let job = serde_json::json!({
        "kind": "longhaul.run",
        "args": {"command": ["/bin/sh", "-c", script], "folder": "/"},
        "maxAttempts": 2,
        "held": true,
    });
    let mut curl = lab.program("curl");
    curl.args(["--silent", "--show-error", "--unix-socket"])
        .arg(lab.socket())
        .args(["-H", "Content-Type: application/json", "-H"])
        .arg(format!("traceparent: 00-{TRACE}-{PARENT}-{sampled}"))
        .args(["-d", &job.to_string(), "http://localhost/api/v1/jobs"]);
    let answer = done(&mut curl).code(0).json();
    answer["jobId"].as_str().expect("accepted").to_owned()
}

fn stop(server: Running) -> String {
    server.signal(Signal::TERM);
    server.done().code(0).stderr
}

#[test]
fn a_run_is_in_the_trace_of_its_submission_across_a_restart() {
    let (lab, collector) = (Lab::new(), Collector::new());
    let first = serve(&lab, Some(&collector));
    let id = submit(&lab, "01");
    stop(first);
    let second = serve(&lab, Some(&collector));
    lab.run(&["start", &id]).code(0);
    eventually("it is done", || lab.state(&id) == "completed");
    let label = lab.job(&id)["labels"]["traceparent"].clone();
    stop(second);

    let spans = collector.spans();
    let of = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let submitted = of("POST /api/v1/jobs");
    assert_eq!(submitted.len(), 1, "{spans:?}");
    let submitted = submitted[0];
    assert_eq!(hex(&submitted.trace_id), TRACE);
    assert_eq!(hex(&submitted.parent_span_id), PARENT);
    assert_eq!(
        read(&submitted.attributes)["http.response.status_code"],
        "202"
    );
    assert_eq!(label, format!("00-{TRACE}-{}-01", hex(&submitted.span_id)));

    let mut runs = of("run longhaul.run");
    runs.sort_by_key(|span| span.start_time_unix_nano);
    let outcomes: Vec<_> = runs
        .iter()
        .map(|span| {
            assert_eq!(span.trace_id, submitted.trace_id);
            assert_eq!(span.parent_span_id, submitted.span_id, "its child");
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            let said = read(&span.attributes);
            assert_eq!(said["longhaul.job.id"], id);
            assert_eq!(said["longhaul.job.kind"], "longhaul.run");
            assert_eq!(said["longhaul.job.queue"], "default");
            let error = span.status.as_ref().is_some_and(|status| status.code == 2);
            (
                said["longhaul.attempt"].clone(),
                said["longhaul.outcome"].clone(),
                error,
            )
        })
        .collect();
    let expected = [("1", "retried", true), ("2", "completed", false)];
    assert_eq!(
        outcomes,
        expected.map(|(n, outcome, error)| (n.into(), outcome.into(), error))
    );
    let services = collector.services.lock().expect("a lock").clone();
    assert!(
        services.iter().all(|name| name == "longhaul"),
        "{services:?}"
    );
    // A request that only reads is none.
    assert!(
        spans.iter().all(|span| !span.name.starts_with("GET")),
        "{spans:?}"
    );
}

#[test]
fn what_is_not_sampled_is_not_followed() {
    let (lab, collector) = (Lab::new(), Collector::new());
    let server = serve(&lab, Some(&collector));
    let id = submit(&lab, "00");
    lab.run(&["cancel", &id]).code(0);
    assert_eq!(
        lab.job(&id)["labels"]["traceparent"],
        serde_json::Value::Null
    );
    stop(server);
    let spans = collector.spans();
    // The cancel began a trace of its own, which shows that spans arrive.
    assert!(
        spans
            .iter()
            .any(|span| span.name.contains("/cancel") || span.name.starts_with("DELETE")),
        "{spans:?}"
    );
    assert!(
        spans.iter().all(|span| hex(&span.trace_id) != TRACE),
        "{spans:?}"
    );
}

#[test]
fn without_a_collector_nothing_is_kept_and_a_dead_one_stops_nobody() {
    let lab = Lab::new();
    let server = serve(&lab, None);
    let id = submit(&lab, "01");
    assert_eq!(
        lab.job(&id)["labels"]["traceparent"],
        serde_json::Value::Null
    );
    stop(server);
    let dead = Collector {
        address: "http://127.0.0.1:1".to_owned(),
        spans: Arc::default(),
        services: Arc::default(),
    };
    let server = serve(&lab, Some(&dead));
    lab.run(&["start", &id]).code(0);
    eventually("it is done", || lab.state(&id) == "completed");
    let log = stop(server);
    assert!(log.contains("stopped: told to"), "{log}");
}
