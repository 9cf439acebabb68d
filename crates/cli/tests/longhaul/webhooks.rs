//! Webhooks and secrets of the shipped programs: set by command, signed for, told through a kill of the server.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::Stdio,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use serde_json::Value;

use crate::support::{Done, Lab, PATIENCE, Running};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Runs `longhaul` with a text on standard input.
fn with_input(lab: &Lab, args: &[&str], input: &str) -> Done {
    let path = lab.write("input", input);
    let mut command = lab.longhaul(args);
    command.stdin(Stdio::from(fs::File::open(path).expect("the input")));
    Running::start(&mut command).done()
}

/// A receiver that answers each request with 200; heads and bodies of what it got.
fn receiver() -> (u16, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, got) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if let Some(request) = answer(stream)
                && tell.send(request).is_err()
            {
                return;
            }
        }
    });
    (port, got)
}

fn answer(mut stream: TcpStream) -> Option<(String, Value)> {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

#[test]
fn a_secret_is_set_from_standard_input_and_never_shown() {
    let lab = Lab::new();
    let set = ["secret", "set", "one", "--kind", "longhaul.run"];
    with_input(&lab, &set, "hush-hush\n").code(0);
    let file = lab.data().join("secrets.json");
    let mode = fs::metadata(&file).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let listed = lab.run(&["secret", "list", "--json"]).code(0).json();
    assert_eq!(listed["secrets"][0]["name"], "one");
    assert!(!listed.to_string().contains("hush"), "{listed}");
    with_input(&lab, &set, "short").code(2);
    with_input(&lab, &["secret", "set", "one"], "hush-hush").code(2);
    let remote = lab
        .run(&["secret", "list", "--url", "http://127.0.0.1:1"])
        .code(2);
    assert!(
        remote.stderr.contains("the server's own machine"),
        "{remote:?}"
    );

    let args = r#"{"command":["/bin/sh","-c","echo \"got $0\"",{"$secret":"one"}],"folder":"/"}"#;
    let job = lab.run(&["submit", "longhaul.run", args]).code(0).id();
    lab.run(&["watch", &job]).code(0);
    let log = lab.run(&["logs", &job]).code(0).stdout;
    assert!(log.contains("got [redacted]"), "{log}");
    let shown = lab.job(&job).to_string();
    assert!(
        shown.contains(r#"{"$secret":"one"}"#) && !shown.contains("hush"),
        "{shown}"
    );
    for name in ["jobs.db", "jobs.db-wal", "serve.log"] {
        let bytes = fs::read(lab.data().join(name)).unwrap_or_default();
        let held = String::from_utf8_lossy(&bytes).contains("hush-hush");
        assert!(!held, "in {name}");
    }

    lab.run(&["secret", "remove", "one"]).code(0);
    lab.run(&["secret", "remove", "one"]).code(5);
    let job = lab.run(&["submit", "longhaul.run", args]).code(0).id();
    lab.run(&["watch", &job]).code(1);
    assert_eq!(lab.job(&job)["errorCode"], "unknown_secret");
}

#[test]
fn an_end_is_told_signed_and_by_the_next_server_when_this_one_is_killed() {
    let lab = Lab::new();
    let (port, got) = receiver();
    let set = ["secret", "set", "signs", "--kind", "longhaul.webhook"];
    with_input(&lab, &set, KEY).code(0);
    // Deliveries wait, as if the server were killed before the first attempt.
    lab.run(&["queues", "pause", "webhooks"]).code(0);
    let url = format!("http://127.0.0.1:{port}/");
    let hook = ["--webhook", &url, "--webhook-secret", "signs"];
    let args = r#"{"command":["/bin/true"],"folder":"/"}"#;
    let submit = ["submit", "longhaul.run", args, "--id", "told"];
    lab.run(&[&submit[..], &hook[..]].concat()).code(0);
    lab.run(&["watch", "told"]).code(0);
    lab.kill_server();
    lab.run(&["queues", "resume", "webhooks"]).code(0);
    let (head, body) = got.recv_timeout(PATIENCE).expect("told");
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    assert_eq!(body["type"], "job.completed");
    assert_eq!(body["data"]["jobId"], "told");
    let label = "longhaul.after=told";
    let jobs = lab.run(&["jobs", "--label", label, "--json"]).code(0);
    assert!(jobs.stdout.contains("longhaul.webhook"), "{jobs:?}");
    assert!(!jobs.stdout.contains("MfKQ9r8"), "{jobs:?}");
}

#[test]
fn the_settings_file_names_webhooks_for_all_jobs_of_a_kind() {
    let lab = Lab::new();
    let (port, got) = receiver();
    let config = lab.path("home/.config/longhaul");
    fs::create_dir_all(&config).expect("a folder");
    let write = |text: &str| fs::write(config.join("config.toml"), text).expect("written");
    write("[[webhooks]]\nurl = 'ftp://nowhere'\n");
    let refused = lab.run(&["serve"]).code(2);
    assert!(refused.stderr.contains("ftp://nowhere"), "{refused:?}");
    write(&format!(
        "allow_targets = ['127.0.0.1:{port}']\n[[webhooks]]\nurl = 'http://127.0.0.1:{port}/'\nkinds = ['longhaul.r*']\n"
    ));
    let job = lab.script("exit 3");
    let (_, body) = got.recv_timeout(PATIENCE).expect("told");
    assert_eq!(body["data"]["jobId"], job.as_str());
    assert_eq!(body["type"], "job.failed");
    let refused = lab.run(&["serve", "--allow-target", "nowhere"]).code(2);
    assert!(refused.stderr.contains("HOST:PORT"), "{refused:?}");
}
