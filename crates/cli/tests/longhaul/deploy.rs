//! deploy/: what its files start is started here, with the settings that they give it.

use std::{fs, os::unix::process::CommandExt as _, path::Path, process::Command};

use crate::{
    server::Server,
    support::{Lab, Running, eventually},
};

/// A user that every machine has.
const NOBODY: u32 = 65_534;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name);
    fs::read_to_string(path).expect("a file of deploy")
}

/// The command lines of a file, where `key` stands before a list in JSON.
fn commands(text: &str, key: &str) -> Vec<Vec<String>> {
    let lists = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(key));
    let lists: Vec<Vec<String>> = lists
        .filter_map(|list| serde_json::from_str(list.trim()).ok())
        .collect();
    assert!(!lists.is_empty(), "no {key}");
    lists
}

/// Sees that such a command line serves: with the database, files in a folder, and a port of its own.
fn serves(words: &[String], more: impl FnOnce(&Lab, &mut Command)) -> (Lab, Running) {
    let lab = Lab::new();
    let words: Vec<&str> = words
        .iter()
        .map(|word| {
            if word.ends_with(":4000") && word.starts_with(char::is_numeric) {
                "127.0.0.1:0"
            } else {
                word
            }
        })
        .collect();
    let mut command = lab.longhaul(&words);
    more(&lab, &mut command);
    let running = Running::start(&mut command);
    eventually("the server answers", || lab.server().is_some());
    lab.run(&["doctor"]).code(0);
    (lab, running)
}

#[test]
fn servers_and_workers_of_the_files_share_the_jobs() {
    let database = Server::start();
    let files = tempfile::tempdir().expect("a folder");
    for (name, key) in [("compose.yaml", "command:"), ("kubernetes.yaml", "args:")] {
        let text = file(name);
        let lines = commands(&text, key);
        assert_eq!(lines.len(), 2, "a server and a worker");
        for variable in ["LONGHAUL_DATABASE_URL:", "LONGHAUL_ARTIFACTS:"] {
            assert!(text.contains(variable), "{name}: {variable}");
        }
        let start = |line: &[String]| {
            serves(line, |_, command| {
                command
                    .env("LONGHAUL_DATABASE_URL", database.url())
                    .env("LONGHAUL_ARTIFACTS", files.path());
            })
        };
        let (server, _one) = start(&lines[0]);
        let id = server.script("true");
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(server.state(&id), "pending", "the server runs none");
        let (_worker, _two) = start(&lines[1]);
        eventually("the worker ran it", || server.state(&id) == "completed");
    }
}

#[test]
fn the_image_and_the_unit_serve() {
    let text = file("Containerfile");
    let (_lab, _image) = serves(&commands(&text, "CMD")[0], |_, _| {});
    assert!(text.contains("ENTRYPOINT [\"longhaul\"]"), "{text}");
    let toolchain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rust-toolchain.toml");
    let toolchain = fs::read_to_string(toolchain).expect("the toolchain");
    let (_, version) = toolchain.split_once("channel = \"").expect("a channel");
    let (version, _) = version.split_once('"').expect("its end");
    assert!(text.contains(&format!("rust:{version}")), "not {version}");

    let unit = file("longhaul.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/longhaul "));
    let words: Vec<String> = start
        .expect("a command line")
        .split(' ')
        .map(str::to_owned)
        .collect();
    serves(&words, |_, _| {});
}

#[test]
fn a_token_that_the_machines_administrator_hands_over_is_taken() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can hand one over.
        return;
    }
    let lab = Lab::new();
    let token = lab.write("token", &format!("{}\n", "5e".repeat(32)));
    // That user may not come to where it was built.
    let program = lab.path("longhaul");
    fs::copy(env!("CARGO_BIN_EXE_longhaul"), &program).expect("copied");
    for (mode, taken) in [("644", false), ("440", true)] {
        done(
            "chmod",
            &["-R", "o+rX", &lab.path("").display().to_string()],
        );
        done("chown", &["root:65534", &token.display().to_string()]);
        done("chmod", &[mode, &token.display().to_string()]);
        let data = tempfile::tempdir().expect("a folder");
        done(
            "chown",
            &["65534:65534", &data.path().display().to_string()],
        );
        done("chmod", &["700", &data.path().display().to_string()]);
        let mut command = lab.program(&program);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("LONGHAUL_TOKEN_FILE", &token)
            .env("LONGHAUL_DATA_DIR", data.path())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY);
        let running = Running::start(&mut command);
        if taken {
            eventually("it serves", || {
                running.stderr().contains("listening on http://127")
            });
        } else {
            let said = running.done().code(1).stderr;
            assert!(said.contains("can be used by others (mode 644)"), "{said}");
        }
    }
}

fn done(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).status().expect(program);
    assert!(done.success(), "{program} {args:?}");
}
