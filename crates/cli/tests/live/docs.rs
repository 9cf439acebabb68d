//! The clients of docs/events.md, run as they stand there.

use std::{fs, path::Path};

use super::{Rig, e2e, support::done};

/// The blocks of code in a language.
fn blocks(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let page = fs::read_to_string(page).unwrap();
    let begin = format!("```{language}\n");
    let blocks = page.split(begin.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_clients_of_the_page_follow_a_job_to_its_end() {
    let clients = blocks("js");
    assert_eq!(clients.len(), 2);
    for client in clients {
        assert!(client.lines().count() <= 12, "{client}");
        let rig = Rig::new();
        let id = rig.job();
        rig.let_go();
        let mut command = rig.lab.program("node");
        command
            .args(["--input-type=module", "--eval", &client])
            .current_dir(e2e())
            .env("LONGHAUL_URL", rig.url())
            .env(
                "LONGHAUL_TOKEN",
                fs::read_to_string(rig.token()).unwrap().trim(),
            )
            .env("JOB", &id);
        let done = done(&mut command).code(0);
        assert!(
            done.stdout.trim_end().ends_with("completed"),
            "{done:?}\n{client}"
        );
    }
}

#[test]
fn the_curl_line_of_the_page_follows_a_job_to_its_end() {
    let rig = Rig::new();
    let id = rig.job();
    rig.let_go();
    let lines = blocks("sh");
    let mut command = rig.lab.program("sh");
    command
        .args(["-ec", &lines[0]])
        .env("LONGHAUL_URL", rig.url())
        .env(
            "LONGHAUL_TOKEN",
            fs::read_to_string(rig.token()).unwrap().trim(),
        )
        .env("JOB", &id);
    let done = done(&mut command).code(0);
    assert!(done.stdout.contains("\"state\":\"completed\""), "{done:?}");
}
