//! Flags, environment, files, and what is written where.

use std::{fs, time::Instant};

use longhaul_sandbox::aggregator::{Fault, Rule};
use serde_json::Value;

use crate::support::{Lab, done, read};

/// The args of a new job of `source`, with these variables and flags.
fn args(lab: &Lab, variables: &[(&str, &str)], flags: &[&str]) -> Value {
    let mut command = lab.waltodo(&["retrieve", "nothing", "-b", "--json"]);
    command.args(flags).envs(variables.iter().copied());
    let id = done(&mut command).code(0).json()["jobId"].clone();
    lab.job(id.as_str().expect("an id"))["args"].clone()
}

#[test]
fn a_flag_beats_a_variable_and_that_the_built_in_value() {
    let lab = Lab::new();
    let built_in = args(&lab, &[], &[]);
    assert_eq!(
        (&built_in["chunkSize"], &built_in["attempts"]),
        (&5.into(), &3.into())
    );
    assert_eq!(built_in["lists"], lab.path("lists").to_str().expect("text"));
    let variables = [
        ("WALTODO_BACKGROUND_CHUNK_SIZE", "7"),
        ("WALTODO_BACKGROUND_RETRY_ATTEMPTS", "5"),
        ("WALTODO_CACHE_SIZE", "20"),
    ];
    let set = args(&lab, &variables, &[]);
    assert_eq!(built_in["cacheBytes"], 1_000_000_000);
    assert_eq!(set["cacheBytes"], 20_000_000);
    assert_eq!(
        (&set["chunkSize"], &set["attempts"]),
        (&7.into(), &5.into())
    );
    let flags = [
        "--chunk-size",
        "10",
        "--retry-attempts",
        "1",
        "--output",
        "out",
    ];
    let flagged = args(&lab, &variables, &flags);
    assert_eq!(
        (&flagged["chunkSize"], &flagged["attempts"]),
        (&10.into(), &1.into())
    );
    let out = lab.path("home").join("out");
    assert_eq!(
        flagged["output"],
        out.to_str().expect("text"),
        "made absolute"
    );
}

#[test]
fn the_time_limit_comes_from_the_environment_too() {
    let lab = Lab::new();
    let mut command = lab.waltodo(&["retrieve", "nothing", "-b"]);
    command.env("WALTODO_BACKGROUND_TIMEOUT", "600");
    let text = done(&mut command).code(0).stdout;
    assert!(text.contains("\nTimeout: 600s\n"), "{text}");
    command.args(["--timeout", "900"]);
    let text = done(&mut command).code(0).stdout;
    assert!(text.contains("\nTimeout: 900s\n"), "{text}");
    command
        .env("WALTODO_BACKGROUND_TIMEOUT", "soon")
        .args(["--job-id", "x"]);
    done(&mut command).code(0);
    let mut command = lab.waltodo(&["retrieve", "nothing"]);
    command.env("WALTODO_BACKGROUND_TIMEOUT", "soon");
    let wrong = done(&mut command).code(2).stderr;
    assert!(
        wrong.contains("WALTODO_BACKGROUND_TIMEOUT") && wrong.contains("'soon'"),
        "{wrong}"
    );
}

#[test]
fn the_aggregator_is_a_flag_a_variable_a_file_or_the_networks() {
    let lab = Lab::new();
    let file = lab.path("home").join(".waltodo.json");
    let kept = r#"{"network":"testnet","aggregator":"http://127.0.0.1:3"}"#;
    let at = |variables: &[(&str, &str)], flags: &[&str]| {
        args(&lab, variables, flags)["aggregator"]
            .as_str()
            .map(str::to_owned)
    };
    let none = [("WALRUS_AGGREGATOR_URL", "")];
    let some = [("WALRUS_AGGREGATOR_URL", "http://127.0.0.1:2")];
    let public = |network: &str| Some(format!("https://aggregator.walrus-{network}.walrus.space"));
    assert_eq!(at(&none, &[]), public("testnet"));
    assert_eq!(at(&none, &["--network", "mainnet"]), public("mainnet"));
    fs::write(file, kept).expect("written");
    assert_eq!(at(&none, &[]).as_deref(), Some("http://127.0.0.1:3"));
    assert_eq!(at(&none, &["--network", "mainnet"]), public("mainnet"));
    assert_eq!(at(&some, &[]).as_deref(), Some("http://127.0.0.1:2"));
    let flag = ["--aggregator", "http://127.0.0.1:1"];
    assert_eq!(at(&some, &flag).as_deref(), Some("http://127.0.0.1:1"));
    let mut command = lab.waltodo(&["retrieve", "x", "--network", "devnet"]);
    command.env_remove("WALRUS_AGGREGATOR_URL");
    let wrong = done(&mut command).code(2).stderr;
    assert!(
        wrong.contains("devnet has no public Walrus aggregator"),
        "{wrong}"
    );
}

#[test]
fn what_is_no_terminal_gets_plain_lines_at_the_interval() {
    let lab = Lab::new();
    let blob = lab.blob(&vec![7; 3_000_000]);
    let slow = Fault::Slow {
        bytes_per_second: 400_000,
    };
    lab.fault(Rule::new(slow));
    let begun = Instant::now();
    let done = lab.run(&["retrieve", &blob, "-b", "-w", "--progress-interval", "0.5"]);
    let done = done.code(0);
    let most = begun.elapsed().as_millis() / 500 + 1;
    let text = &done.stdout;
    assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    let bars: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
    assert!(
        bars.len() >= 3 && bars.len() as u128 <= most,
        "{most}: {text}"
    );
    assert!(bars.windows(2).all(|pair| pair[0] != pair[1]), "{text}");
    assert!(bars[0].ends_with("% - Retrieving data..."), "{text}");
    assert!(!done.stderr.contains('['), "{done:?}");
}

#[test]
fn a_terminal_gets_one_line_that_is_redrawn() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    let blob = lab.blob(&vec![7; 1_000_000]);
    let slow = Fault::Slow {
        bytes_per_second: 500_000,
    };
    lab.fault(Rule::new(slow));
    let line = format!(
        "stty cols 100; '{}' retrieve {blob} -b -w --progress-interval 0.3",
        env!("CARGO_BIN_EXE_waltodo")
    );
    let script = |term: &str| {
        let mut command = lab.program("/usr/bin/script", &["-qec", &line, "/dev/null"]);
        command.env("TERM", term);
        done(&mut command).code(0).stdout
    };
    let rich = script("xterm");
    assert!(rich.contains("\u{1b}["), "{rich:?}");
    assert!(rich.contains("% - Retrieving data..."), "{rich:?}");
    assert!(
        rich.contains("100% - Finalizing...\r\n✓ Background"),
        "{rich:?}"
    );
    let dumb = script("dumb");
    assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
}

#[test]
fn json_for_programs() {
    let lab = Lab::new();
    lab.todos("mylist", 3);
    let started = lab.run(&["retrieve", "mylist", "-b", "--json"]).code(0);
    assert_eq!(started.json()["status"], "accepted");
    let followed = lab.run(&["retrieve", "mylist", "-w", "--json", "--job-id", "j"]);
    let lines: Vec<Value> = followed
        .code(0)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let last = lines.last().expect("a line");
    assert_eq!(last["event"], "job");
    assert_eq!(last["job"]["state"], "completed");
    assert_eq!(last["job"]["results"]["items"], 3);
    let jobs = lab.run(&["jobs", "--json"]).code(0).json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(jobs["jobs"][1]["jobId"], "j", "the newest is last");
    let status = lab.run(&["status", "j", "--verbose", "--json"]).code(0);
    assert_eq!(
        status.json()["log"][0]["text"],
        "Starting retrieval operation"
    );
    lab.run(&["status", "j", "--wait", "--json"]).code(0);
}

#[test]
fn completions_for_shells() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = lab.run(&["completions", shell]).code(0).stdout;
        assert!(
            text.contains("retrieve") && text.contains("chunk-size"),
            "{shell}"
        );
    }
}

#[test]
fn a_manual_page_for_each_command() {
    let lab = Lab::new();
    let pages = lab.path("man");
    let written = lab.longhaul(&["man", "--dir", pages.to_str().expect("text")]);
    written.code(0);
    let mut expected = Vec::new();
    for (program, help) in [
        ("longhaul", lab.longhaul(&["--help"])),
        ("waltodo", lab.run(&["--help"])),
    ] {
        let help = help.code(0).stdout;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let commands = commands.take_while(|line| line.starts_with("  "));
        let names = commands.filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| *name != "help") {
            let page = read(&pages.join(format!("{program}-{name}.1")));
            let about = format!(".SH NAME\n{program}\\-{name}");
            assert!(page.contains(&about), "{about:?} in {page}");
            expected.push(format!("{program}-{name}.1"));
        }
        let page = read(&pages.join(format!("{program}.1")));
        assert!(page.contains("Exit codes: 0 done"), "{page}");
        expected.push(format!("{program}.1"));
    }
    let files = lab.files("man");
    assert!(expected.len() > 20, "{expected:?}");
    assert!(
        expected.iter().all(|page| files.contains(page)),
        "{expected:?} in {files:?}"
    );
    assert!(!files.contains(&"waltodo-serve.1".to_owned()), "hidden");
    let page = read(&pages.join("waltodo-jobs.1"));
    assert!(page.contains("max\\-age"), "{page}");
    let wrong = lab.longhaul(&["man", "--dir", "/proc/nowhere"]);
    assert!(wrong.stderr.contains("/proc/nowhere"), "{wrong:?}");
}
