//! `longhaul dashboard`: a link that opens the page of the server in the background.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

use crate::support::{Lab, done, eventually};

/// The answer of the server that a link leads to.
fn ask(link: &str, request: &str, body: &str) -> String {
    let rest = link.strip_prefix("http://").expect("a link");
    let (host, _) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("a connection");
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_link_opens_the_page_once() {
    let lab = Lab::new();
    let printed = lab.run(&["dashboard", "--print"]).code(0);
    let link = printed.stdout.trim();
    assert_eq!(printed.stdout.lines().count(), 1, "{printed:?}");
    assert!(printed.stderr.contains("works once"), "{printed:?}");
    let page = ask(link, "GET /", "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("<title>Longhaul</title>"), "{page}");
    let (_, code) = link.split_once("#link=").expect("a code");
    let body = format!(r#"{{"code":"{code}"}}"#);
    let redeem = || ask(link, "POST /api/v1/dashboard/sessions", &body);
    let first = redeem();
    assert!(first.starts_with("HTTP/1.1 201"), "{first}");
    assert!(redeem().starts_with("HTTP/1.1 401"));
}

#[test]
fn a_browser_gets_the_link_by_a_private_file_and_never_as_an_argument() {
    let lab = Lab::new();
    let bin = lab.path("bin");
    fs::create_dir(&bin).expect("a folder");
    let opener = lab.write(
        "bin/xdg-open",
        "#!/bin/sh\necho \"$@\" > \"$HOME/opened\"\n",
    );
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o700)).expect("executable");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let open = |args: &[&str]| {
        let mut command = lab.longhaul(args);
        done(command.env("PATH", &path).env("DISPLAY", ":0")).code(0)
    };
    let printed = open(&["dashboard"]);
    let link = printed.stdout.trim();
    eventually("the browser is opened", || {
        lab.read("home/opened").ends_with('\n')
    });
    let argument = lab.read("home/opened");
    let page = lab.data().join("dashboard.html");
    assert_eq!(argument.trim(), page.display().to_string());
    assert!(fs::read_to_string(&page).expect("a page").contains(link));
    let mode = page.metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::remove_file(lab.path("home/opened")).expect("removed");
    open(&["dashboard", "--print"]);
    open(&["dashboard", "--json"]);
    assert!(!lab.path("home/opened").exists(), "only when asked for");
}

#[test]
fn a_browser_that_can_not_be_opened_leaves_the_link() {
    let lab = Lab::new();
    let mut command = lab.longhaul(&["dashboard"]);
    let printed = done(command.env("PATH", "/nowhere").env("DISPLAY", ":0")).code(0);
    assert!(
        printed.stdout.starts_with("http://127.0.0.1:"),
        "{printed:?}"
    );
    assert!(printed.stderr.contains("Open this link"), "{printed:?}");
}
