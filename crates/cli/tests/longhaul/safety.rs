//! Whose folder, whose token, whose settings.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use crate::support::{Lab, Running, done, eventually};

#[test]
fn a_folder_open_to_others_is_refused() {
    let lab = Lab::new();
    fs::create_dir(lab.data()).expect("a folder");
    fs::set_permissions(lab.data(), Permissions::from_mode(0o755)).expect("opened");
    let refused = lab.run(&["jobs"]).code(1);
    assert!(
        refused.stderr.contains("open to other users (mode 0755)"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("chmod 700"), "{refused:?}");
    lab.run(&["serve"]).code(1);
    let doctor = lab.run(&["doctor"]).code(1);
    assert!(doctor.stdout.contains("✗ data folder"), "{doctor:?}");
    fs::set_permissions(lab.data(), Permissions::from_mode(0o700)).expect("closed");
    lab.run(&["jobs"]).code(0);
}

#[test]
fn a_folder_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a folder away; the check itself has a test of its own.
        return;
    }
    let lab = Lab::new();
    fs::create_dir(lab.data()).expect("a folder");
    fs::set_permissions(lab.data(), Permissions::from_mode(0o700)).expect("closed");
    chown(lab.data(), Some(1), None).expect("given away");
    let refused = lab.run(&["jobs"]).code(1);
    assert!(
        refused.stderr.contains("belongs to another user (uid 1"),
        "{refused:?}"
    );
}

#[test]
fn what_lies_in_the_folder_is_the_users_alone() {
    let lab = Lab::new();
    lab.run(&["run", "--", "true"]).code(0);
    assert_eq!(
        fs::metadata(lab.data()).expect("there").mode() & 0o777,
        0o700
    );
    for name in [
        "jobs.db",
        "jobs.db-wal",
        "longhaul.sock",
        "serve.log",
        "start.lock",
    ] {
        let mode = fs::metadata(lab.data().join(name)).expect(name).mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn a_projects_file_can_not_choose_the_server() {
    let lab = Lab::new();
    lab.write("home/longhaul.toml", "url = 'http://evil.example'");
    let refused = lab.run(&["jobs"]).code(2);
    assert!(
        refused
            .stderr
            .contains("can not be set by a project's file"),
        "{refused:?}"
    );
    lab.write("home/longhaul.toml", "queue = 'slow'");
    let id = lab
        .run(&[
            "submit",
            "longhaul.run",
            r#"{"command":["/bin/true"],"folder":"/"}"#,
            "--held",
        ])
        .code(0)
        .id();
    assert_eq!(lab.job(&id)["queue"], "slow");
    let mut command = lab.longhaul(&[
        "submit",
        "longhaul.run",
        r#"{"command":["/bin/true"],"folder":"/"}"#,
        "--held",
    ]);
    let id = done(command.env("LONGHAUL_QUEUE", "fast")).code(0).id();
    assert_eq!(
        lab.job(&id)["queue"],
        "fast",
        "the environment beats the file"
    );
}

#[test]
fn a_flag_beats_the_environment() {
    let lab = Lab::new();
    let other = lab.path("other");
    let mut command = lab.longhaul(&["submit", "longhaul.run", "--held"]);
    command.arg(r#"{"command":["/bin/true"],"folder":"/"}"#);
    command.arg("--data-dir").arg(&other);
    let done = done(&mut command).code(0);
    assert!(
        done.stderr.contains("--data-dir"),
        "the hints name the folder: {done:?}"
    );
    assert!(other.join("jobs.db").exists());
    assert!(!lab.data().exists());
    // Its server is another one: stop it as a guest of its own lab would.
    let client = longhaul_client::Client::unix(other.join("longhaul.sock")).expect("a client");
    crate::support::block_on(client.stop_server()).expect("stopped");
    eventually("it is gone", || !other.join("longhaul.sock").exists());
}

/// A server on TCP; its address.
pub(crate) fn serve(lab: &Lab, args: &[&str]) -> (Running, String) {
    let all = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let server = lab.start(&all);
    let mut url = None;
    eventually("it says its address", || {
        let said = server.stderr();
        url = said
            .split_whitespace()
            .find(|word| word.starts_with("http://127.0.0.1:"))
            .map(|word| word.trim_end_matches(',').to_owned());
        url.is_some()
    });
    (server, url.expect("an address"))
}

#[test]
fn over_tcp_the_token_opens_and_nothing_else_does() {
    let lab = Lab::new();
    let (_server, url) = serve(&lab, &[]);
    let token = lab.data().join("token");
    assert_eq!(fs::metadata(&token).expect("made").mode() & 0o777, 0o600);
    let token = token.to_str().expect("text");
    lab.run(&["--url", &url, "--token-file", token, "jobs"])
        .code(0);
    let stranger = lab.run(&["--url", &url, "jobs"]).code(4);
    assert!(stranger.stderr.contains("--token-file"), "{stranger:?}");
    let wrong = lab.write("wrong", &"x".repeat(40));
    fs::set_permissions(&wrong, Permissions::from_mode(0o600)).expect("closed");
    let wrong = wrong.to_str().expect("text");
    lab.run(&["--url", &url, "--token-file", wrong, "jobs"])
        .code(4);
    fs::set_permissions(wrong, Permissions::from_mode(0o644)).expect("opened");
    let open = lab
        .run(&["--url", &url, "--token-file", wrong, "jobs"])
        .code(4);
    assert!(open.stderr.contains("chmod 600"), "{open:?}");
}

#[test]
fn programs_are_not_run_for_who_comes_over_tcp() {
    let lab = Lab::new();
    let (_server, url) = serve(&lab, &["--access", "open"]);
    let made = lab.path("made");
    let args = serde_json::json!({
        "command": ["/usr/bin/touch", made.to_str()],
        "folder": "/",
    });
    let refused = lab.run(&["--url", &url, "submit", "longhaul.run", &args.to_string()]);
    assert!(refused.code(4).stderr.contains("unix socket alone"));
    lab.run(&["--url", &url, "run", "--", "true"]).code(2);
    assert_eq!(
        lab.run(&["jobs", "--json"]).code(0).json()["jobs"],
        serde_json::json!([])
    );
    assert!(!made.exists());
}

#[test]
fn every_test_that_a_list_of_promises_names_is_there() {
    fn sources(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|end| end == "rs") {
                *into += &fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut code = String::new();
    sources(&root.join("crates"), &mut code);
    sources(&root.join("systems"), &mut code);
    sources(&root.join("tests"), &mut code);
    for (page, least) in [("safety", 60), ("guarantees", 30)] {
        let text = fs::read_to_string(root.join(format!("docs/{page}.md"))).expect("the list");
        // Lower case alone: others are variables of the environment.
        let is_test = |name: &&str| {
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            name.contains('_') && name.chars().all(letters)
        };
        let names: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
        assert!(names.len() > least, "{page}: {names:?}");
        for name in names {
            assert!(code.contains(&format!("fn {name}(")), "there is no {name}");
        }
    }
}
