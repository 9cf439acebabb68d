//! The dashboard in a real browser, used as a person would: the programs of `tests/e2e/dashboard`, each with a server of its
//! own. They say a line for each step that held.

use std::time::Duration;

use super::{Heard, Node, Rig, bodies};

/// How long a program may take on a busy machine; each of its steps has a patience of its own.
const PATIENCE: Duration = Duration::from_secs(170);

impl Rig {
    /// A program of the dashboard, with a link that opens it.
    fn browser(&self, program: &str, more: &[&str]) -> Node {
        let link = self.lab.run(&["dashboard", "--print"]).code(0).id();
        let (url, token) = (self.url(), self.token());
        let mut args = vec![url.as_str(), token.to_str().unwrap(), link.as_str()];
        args.extend(more);
        self.node(&format!("dashboard/{program}.mjs"), &args)
    }
}

/// Waits for its end; every step must have held, of at least so many.
#[track_caller]
fn held(node: Node, steps: usize) -> Heard {
    let (code, heard) = node.end_within(PATIENCE);
    assert_eq!(code, Some(0));
    assert!(bodies(&heard, "step").len() >= steps, "{heard:?}");
    heard
}

#[test]
fn a_link_opens_the_page_once() {
    held(Rig::new().browser("open", &[]), 8);
}

#[test]
fn two_people_watch_the_list_and_act_on_it() {
    held(Rig::new().browser("jobs", &[]), 11);
}

#[test]
fn a_job_is_read_and_acted_on() {
    held(Rig::new().browser("job", &[]), 13);
}

#[test]
fn failures_and_queues_and_every_view_by_keyboard() {
    held(Rig::new().browser("views", &[]), 6);
}

#[test]
fn all_that_a_filter_shows_is_cancelled_and_retried_by_a_job() {
    held(Rig::new().browser("bulk", &[]), 5);
}

#[test]
fn workers_schedules_and_charts_show_what_there_is() {
    held(Rig::new().browser("rest", &[]), 4);
}

#[test]
fn what_jobs_say_stays_text() {
    held(Rig::new().browser("texts", &[]), 8);
}

#[test]
fn a_server_is_replaced_under_open_pages() {
    let mut rig = Rig::new();
    let node = rig.browser("restart", &[]);
    node.hears("ready", 1);
    rig.lab.kill_server();
    node.hears("stale", 1);
    rig.start();
    held(node, 3);
}

#[test]
fn five_thousand_jobs_change_at_once() {
    held(Rig::new().browser("load", &[]), 1);
}

#[test]
fn axe_finds_nothing_in_the_light() {
    held(Rig::new().browser("axe", &["light"]), 23);
}

#[test]
fn axe_finds_nothing_in_the_dark() {
    held(Rig::new().browser("axe", &["dark"]), 23);
}
