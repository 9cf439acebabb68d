//! `longhaul token` against a real server, the limits it is started with, and the audit in its log.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    safety::serve,
    support::{Done, Lab, done, eventually},
};

const TRUE: &str = r#"{"command":["/bin/true","hush"],"folder":"/"}"#;

/// A file that holds this token, of its user alone.
fn keep(lab: &Lab, name: &str, token: &str) -> PathBuf {
    let path = lab.write(name, token);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("closed");
    path
}

/// Runs a command over TCP with the token in this file.
fn far(lab: &Lab, url: &str, token: &Path, args: &[&str]) -> Done {
    let token = token.to_str().expect("text");
    let all = [&["--url", url, "--token-file", token], args].concat();
    lab.run(&all)
}

/// The lines of the audit so far.
fn audit(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("audit who="))
        .collect()
}

#[test]
fn a_token_is_printed_once_lets_in_and_is_revoked() {
    let lab = Lab::new();
    let (_server, url) = serve(&lab, &[]);
    let made = lab
        .run(&[
            "token",
            "create",
            "ci",
            "--scope",
            "read",
            "--expires",
            "30d",
        ])
        .code(0);
    let secret = made.stdout.trim_end().to_owned();
    assert!(secret.starts_with("lh_") && !secret.contains(char::is_whitespace));
    assert!(made.stderr.contains("chmod 600"), "{made:?}");
    assert!(!made.stderr.contains(&secret), "{made:?}");
    let file = keep(&lab, "ci", &secret);
    far(&lab, &url, &file, &["jobs"]).code(0);
    let refused = far(&lab, &url, &file, &["token", "list"]).code(4);
    assert!(refused.stderr.contains("admin token"), "{refused:?}");
    let listed = lab.run(&["token", "list"]).code(0);
    assert!(!listed.stdout.contains(&secret), "{listed:?}");
    assert!(listed.stdout.contains("ci"), "{listed:?}");
    let page = lab.run(&["token", "list", "--json"]).code(0).json();
    let token = &page["tokens"][0];
    assert_eq!(token["owner"], "ci");
    assert_eq!(token["scopes"], serde_json::json!(["read"]));
    assert!(token["expiresAt"].is_string() && token["lastUsedAt"].is_string());
    let id = token["id"].as_str().expect("an id");
    lab.run(&["token", "revoke", id]).code(0);
    far(&lab, &url, &file, &["jobs"]).code(4);
    lab.run(&["token", "revoke", id]).code(5);
    let empty = lab.run(&["token", "list", "--json"]).code(0).json();
    assert_eq!(empty["tokens"], serde_json::json!([]));
}

#[test]
fn tokens_outlive_a_server_that_is_killed() {
    let lab = Lab::new();
    let (server, _) = serve(&lab, &[]);
    let made = lab.run(&["token", "create", "x", "--scope", "read", "--json"]);
    let made: Value = made.code(0).json();
    let file = keep(&lab, "x", made["token"].as_str().expect("a secret"));
    lab.kill_server();
    drop(server);
    let (_server, url) = serve(&lab, &[]);
    far(&lab, &url, &file, &["jobs"]).code(0);
}

#[test]
fn wrong_words_are_refused_with_what_to_do() {
    let lab = Lab::new();
    let scope = lab
        .run(&["token", "create", "x", "--scope", "write"])
        .code(2);
    assert!(
        scope.stderr.contains("read, submit, work or admin"),
        "{scope:?}"
    );
    lab.run(&["token", "create", "x"]).code(2);
    let time = [
        "token",
        "create",
        "x",
        "--scope",
        "read",
        "--expires",
        "soon",
    ];
    lab.run(&time).code(2);
    let kind = lab.run(&["token", "create", "x", "--scope", "read", "--kind", "a"]);
    let kind = kind.code(2);
    assert!(kind.stderr.contains("submit and work"), "{kind:?}");
    let unknown = lab.run(&["token", "revoke", "no\u{1b}such"]).code(5);
    assert!(
        unknown.stderr.contains("longhaul token list"),
        "{unknown:?}"
    );
}

#[test]
fn the_log_says_who_changed_what_and_holds_no_secret() {
    let lab = Lab::new();
    let mut command = lab.longhaul(&["serve", "--listen", "127.0.0.1:0"]);
    // Less of everything else.
    command.env("LONGHAUL_LOG", "warn");
    let server = crate::support::Running::start(&mut command);
    eventually("it answers", || lab.server().is_some());
    let made = lab.run(&[
        "token",
        "create",
        "c\u{202e}i",
        "--scope",
        "submit",
        "--json",
    ]);
    let made = made.code(0).json();
    let (id, secret) = (&made["id"], made["token"].as_str().expect("a secret"));
    let id = id.as_str().expect("an id");
    let held = ["submit", "longhaul.run", TRUE, "--held"];
    let job = lab.run(&held).code(0).id();
    lab.run(&["cancel", &job]).code(0);
    lab.run(&["cancel", "no-such"]).code(5);
    lab.run(&["cancel", "--all", "--yes"]).code(0);
    lab.run(&["queues", "pause", "default"]).code(0);
    lab.run(&["jobs"]).code(0);
    lab.run(&["token", "revoke", id]).code(0);
    let log = server.stderr();
    let lines = audit(&log);
    let uid = rustix::process::geteuid().as_raw();
    let expected = [
        ("POST /api/v1/tokens", id, "201"),
        ("POST /api/v1/jobs", &job, "202"),
        ("POST /api/v1/jobs/{id}/cancel", &job, "200"),
        ("POST /api/v1/jobs/{id}/cancel", "no-such", "404 not_found"),
        ("POST /api/v1/jobs/{id}", "0 jobs", "200"),
        ("POST /api/v1/queues/{queue}/pause", "default", "200"),
        ("DELETE /api/v1/tokens/{token}", id, "200"),
    ];
    for (what, which, result) in expected {
        let line = lines.iter().find(|line| {
            line.contains(&format!("who=\"uid:{uid}\""))
                && line.contains(&format!("what=\"{what}\""))
                && line.contains(&format!("which=\"{which}\""))
                && line.contains(&format!("result=\"{result}\""))
        });
        assert!(line.is_some(), "{what} {which} {result} in {log}");
    }
    assert_eq!(lines.len(), expected.len(), "changes alone: {log}");
    for hidden in [secret, "hush", "\u{202e}"] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}

#[test]
fn the_audit_names_the_token_and_strangers() {
    let lab = Lab::new();
    let (server, url) = serve(&lab, &[]);
    let made = lab.run(&["token", "create", "ci", "--scope", "submit", "--json"]);
    let made = made.code(0).json();
    let file = keep(&lab, "ci", made["token"].as_str().expect("a secret"));
    far(&lab, &url, &file, &["queues", "pause", "default"]).code(4);
    let wrong = keep(&lab, "wrong", &"x".repeat(40));
    far(&lab, &url, &wrong, &["cancel", "x"]).code(4);
    let log = server.stderr();
    let id = made["id"].as_str().expect("an id");
    for line in [
        format!(
            "who=\"token:{id}\" name=\"ci\" what=\"POST /api/v1/queues/{{queue}}/pause\" which=\"default\" result=\"403 forbidden\""
        ),
        "who=\"address:127.0.0.1\" what=POST result=\"401 unauthorised\"".to_owned(),
    ] {
        assert!(
            audit(&log).iter().any(|one| one.contains(&line)),
            "{line} in {log}"
        );
    }
    assert!(!log.contains(&"x".repeat(40)), "{log}");
}

#[test]
fn limits_come_from_flags_the_environment_and_the_users_file() {
    let lab = Lab::new();
    let wrong = keep(&lab, "wrong", &"x".repeat(40));
    let waits = |url: &str| {
        far(&lab, url, &wrong, &["jobs"]).code(4);
        let waits = far(&lab, url, &wrong, &["jobs"]).code(1);
        assert!(waits.stderr.contains("without a valid token"), "{waits:?}");
    };
    let (server, url) = serve(&lab, &["--auth-failures", "1"]);
    waits(&url);
    lab.kill_server();
    drop(server);

    let config = lab.path("home/.config/longhaul");
    fs::create_dir_all(&config).expect("a folder");
    let write = |text: &str| fs::write(config.join("config.toml"), text).expect("written");
    write("[serve]\nowner_rate = 0");
    let zero = lab.run(&["serve", "--listen", "127.0.0.1:0"]).code(2);
    assert!(zero.stderr.contains("serve.owner_rate: '0'"), "{zero:?}");
    write("[serve]\nauth_failures = 1");
    let (_server, url) = serve(&lab, &[]);
    waits(&url);
    let mut command = lab.longhaul(&["serve"]);
    let bad = done(command.env("LONGHAUL_OWNER_RATE", "fast")).code(2);
    assert!(
        bad.stderr.contains("LONGHAUL_OWNER_RATE: 'fast'"),
        "{bad:?}"
    );
}

/// One request with the administrator's token; its status, and its body as JSON.
fn ask(lab: &Lab, url: &str, method: &str, path: &str, body: &str) -> (u32, Value) {
    let token = fs::read_to_string(lab.data().join("token")).expect("a token");
    lab.write("body", body);
    // In a file: other users read command lines.
    let header = format!("header = \"Authorization: Bearer {}\"\n", token.trim());
    let config = keep(lab, "curl", &header);
    let mut curl = lab.program("curl");
    curl.args([
        "-s",
        "-w",
        "\n%{http_code}",
        "-X",
        method,
        "-H",
        "Content-Type: application/json",
    ])
    .arg("-K")
    .arg(config)
    .arg("--data-binary")
    .arg(format!("@{}", lab.path("body").display()))
    .arg(format!("{url}/api/v1/workers{path}"));
    let done = done(&mut curl).code(0);
    let (body, status) = done.stdout.rsplit_once('\n').expect("a status");
    let status = status.parse().expect("a number");
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn an_owners_files_take_as_much_as_they_may() {
    let lab = Lab::new();
    let (_server, url) = serve(&lab, &["--owner-disk", "1"]);
    let (status, joined) = ask(
        &lab,
        &url,
        "POST",
        "",
        r#"{"name":"w","kinds":[{"name":"demo.files"}]}"#,
    );
    assert_eq!(status, 201, "{joined}");
    let me = format!("/{}", joined["workerId"].as_str().expect("an id"));
    let create = [
        "token", "create", "anna", "--scope", "submit", "--scope", "read",
    ];
    let anna = lab.run(&create).code(0);
    let anna = keep(&lab, "anna", anna.stdout.trim_end());
    let run = |id: &str| {
        far(
            &lab,
            &url,
            &anna,
            &["submit", "demo.files", "{}", "--id", id],
        )
        .code(0);
        let (_, given) = ask(&lab, &url, "POST", &format!("{me}/claim"), r#"{"wait":5}"#);
        let claim = given["jobs"][0]["claim"]
            .as_str()
            .expect("a job")
            .to_owned();
        format!("{me}/jobs/{claim}")
    };
    let put = |run: &str, name: &str, size: usize| {
        let path = format!("{run}/artifacts/{name}");
        ask(&lab, &url, "PUT", &path, &"x".repeat(size))
    };
    let first = run("first");
    assert_eq!(put(&first, "one", 900_000).0, 201);
    let (status, refused) = put(&first, "two", 100_001);
    assert_eq!(
        (status, &refused["code"]),
        (429, &Value::from("owner_limit")),
        "{refused}"
    );
    let detail = refused["detail"].as_str().expect("text");
    assert!(detail.contains("'anna' may take 1000000 bytes"), "{detail}");
    assert_eq!(put(&first, "two", 100_000).0, 201);
    let end = r#"{"end":{"outcome":"completed"}}"#;
    assert_eq!(
        ask(&lab, &url, "POST", &format!("{first}/report"), end).0,
        200
    );
    // The files of another of hers count too, until the first job goes.
    let second = run("second");
    assert_eq!(put(&second, "one", 1).0, 429);
    far(&lab, &url, &anna, &["remove", "first"]).code(0);
    assert_eq!(put(&second, "one", 1_000_000).0, 201);
    assert_eq!(
        ask(&lab, &url, "POST", &format!("{second}/report"), end).0,
        200
    );
    // The local user has no such limit.
    lab.run(&["submit", "demo.files", "{}"]).code(0);
    let (_, given) = ask(&lab, &url, "POST", &format!("{me}/claim"), r#"{"wait":5}"#);
    let claim = given["jobs"][0]["claim"].as_str().expect("a job");
    assert_eq!(put(&format!("{me}/jobs/{claim}"), "one", 1_000_001).0, 201);
}
