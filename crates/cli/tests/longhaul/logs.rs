//! The log of a server, as people and as programs read it.

use serde_json::Value;

use crate::support::{Lab, Running, done, eventually};

/// A job by way of curl, with this id of the request.
fn submit(lab: &Lab, id: &str) -> String {
    let mut curl = lab.program("curl");
    curl.args(["--silent", "--show-error", "--include", "--unix-socket"])
        .arg(lab.socket())
        .args(["-H", "Content-Type: application/json", "-H"])
        .arg(format!("X-Request-Id: {id}"))
        .args(["-H", "Authorization: Bearer hush-hush"])
        .args([
            "-d",
            r#"{"kind":"longhaul.run","args":{"command":["/bin/true"],"folder":"/"}}"#,
        ])
        .arg("http://localhost/api/v1/jobs?");
    done(&mut curl).code(0).stdout
}

fn serve(lab: &Lab, flags: &[&str]) -> Running {
    let server = lab.start(&[&["serve"], flags].concat());
    eventually("it answers", || lab.server().is_some());
    server
}

#[test]
fn a_log_for_programs_is_one_object_a_line() {
    let lab = Lab::new();
    let server = serve(&lab, &["--log-format", "json"]);
    let answer = submit(&lab, "from-the-client.7");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(
        answer
            .to_lowercase()
            .contains("x-request-id: from-the-client.7"),
        "{answer}"
    );
    eventually("it is logged", || {
        server.stderr().contains("from-the-client.7")
    });
    server.signal(rustix::process::Signal::TERM);
    let log = server.done().code(0).stderr;
    assert!(!log.contains("hush-hush"), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
        assert!(
            line["message"].is_string() || line["path"].is_string(),
            "{line}"
        );
    }
    let audit = lines
        .iter()
        .find(|line| line["span"]["id"] == "from-the-client.7");
    let audit = audit.expect("the request's line");
    assert_eq!(audit["what"], "POST /api/v1/jobs");
    assert_eq!(audit["result"], "202");
    let first = lines.first().expect("a line");
    let message = first["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("starting on"), "{first}");
}

#[test]
fn a_log_for_people_says_as_much() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    let strange = submit(&lab, "no id = 7");
    let given = strange.to_lowercase();
    let (_, rest) = given.split_once("x-request-id: ").expect("an id");
    let id: String = rest
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    assert_eq!(id.len(), 16, "a new one: {strange}");
    eventually("it is logged", || server.stderr().contains(&id));
    server.signal(rustix::process::Signal::TERM);
    let log = server.done().code(0).stderr;
    let line = log.lines().find(|line| line.contains(&id)).expect("a line");
    assert!(
        line.contains("what=\"POST /api/v1/jobs\"") && line.contains("result=\"202\""),
        "{line}"
    );
    assert!(
        !log.contains("no id = 7") && !log.contains("hush-hush"),
        "{log}"
    );
    assert!(!log.starts_with('{'), "{log}");
}

#[test]
fn the_level_is_a_setting() {
    let lab = Lab::new();
    let mut command = lab.longhaul(&["serve", "--log-format", "json"]);
    let server = Running::start(command.env("LONGHAUL_LOG", "warn"));
    eventually("it answers", || lab.server().is_some());
    submit(&lab, "quiet");
    server.signal(rustix::process::Signal::TERM);
    let log = server.done().code(0).stderr;
    // Who changed what is told at every level.
    assert_eq!(log.lines().count(), 1, "nothing to warn of: {log}");
    assert!(log.contains("longhaul::audit"), "{log}");
}
