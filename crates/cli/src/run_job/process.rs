//! The processes of a run: found, and ended with their whole group.
//!
//! Invariant: no signal goes to a process that is not of the run. Its group is known by the start time of its leader, the
//! processes by the token in their environment; numbers alone are used again by the operating system. What `/proc` does
//! not tell (elsewhere than Linux) counts as not of the run.

use std::{
    fs,
    io::Read as _,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::Child;

/// Time that processes have between the request to end and the end by force, and then to be gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const FORCED: Duration = Duration::from_secs(2);
/// Between two looks at processes that are about to end.
const LOOK: Duration = Duration::from_millis(20);
/// The most that is read of an environment.
const MAX_ENVIRONMENT: u64 = 4 << 20;

/// A process group: the number of its leader, and when that started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: i32,
    /// In the kernel's ticks since the boot, where known.
    started: Option<u64>,
}

impl Group {
    /// The group that a program started with a group of its own leads.
    pub(super) fn led_by(child: &Child) -> Option<Self> {
        let id = i32::try_from(child.id()?).ok()?;
        Some(Self {
            id,
            started: Process::of(id).map(|process| process.started),
        })
    }

    /// Whether the process is the leader that was started, and not a later one of the same number.
    fn is_led_by(self, process: Process) -> bool {
        process.id == self.id && self.started == Some(process.started)
    }
}

/// A living process, as `/proc` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    id: i32,
    group: i32,
    started: u64,
}

impl Process {
    /// The process with this number, unless it has ended and only waits to be reaped.
    fn of(id: i32) -> Option<Self> {
        Self::parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    fn parse(id: i32, stat: &str) -> Option<Self> {
        // The name in brackets may itself hold brackets and blanks.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // A leader that has ended shows so while other threads of its process still run.
        let threads: u32 = fields.get(17)?.parse().ok()?;
        if matches!(*fields.first()?, "Z" | "X") && threads <= 1 {
            return None;
        }
        Some(Self {
            id,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Self::of(entry.ok()?.file_name().to_str()?.parse().ok()?))
    }

    fn carries(self, token: &str) -> bool {
        let Ok(file) = fs::File::open(format!("/proc/{}/environ", self.id)) else {
            return false;
        };
        let mut environment = Vec::new();
        let read = file.take(MAX_ENVIRONMENT).read_to_end(&mut environment);
        let variable = format!("{}={token}", super::TOKEN);
        read.is_ok()
            && environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == variable.as_bytes())
    }
}

/// Changes with every boot of the machine; numbers of processes mean nothing beyond it.
pub(super) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// The living processes of the run with this token and group, wherever they went.
pub(super) fn of_run(token: &str, group: Option<Group>) -> Vec<Process> {
    let all: Vec<Process> = Process::all().collect();
    let carriers: Vec<Process> = all
        .iter()
        .copied()
        .filter(|process| process.carries(token))
        .collect();
    // A group's number is not given away while a process of it lives: one of ours in it makes it ours, and so does its
    // leader when it is the one that was started.
    let ours = |group: &Group| {
        carriers.iter().any(|process| process.group == group.id)
            || all.iter().any(|process| group.is_led_by(*process))
    };
    let group = group.filter(ours);
    let mut found: Vec<Process> = all
        .into_iter()
        .filter(|process| group.is_some_and(|group| group.id == process.group))
        .chain(carriers)
        .filter(|process| process.id > 1)
        .collect();
    found.sort_unstable_by_key(|process| process.id);
    found.dedup();
    found
}

/// Ends every process of the run: asked first, by force when that does not help. Answers how many there were.
pub(super) async fn end_all(token: &str, group: Option<Group>) -> usize {
    let mut most = 0;
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, FORCED)] {
        let end = Instant::now() + patience;
        loop {
            let found = of_run(token, group);
            most = most.max(found.len());
            if found.is_empty() {
                return most;
            }
            if Instant::now() >= end {
                break;
            }
            for pid in found.iter().filter_map(|process| Pid::from_raw(process.id)) {
                // It may have ended meanwhile.
                let _ = kill_process(pid, signal);
            }
            wait_until_gone(&found, end).await;
        }
    }
    most
}

async fn wait_until_gone(processes: &[Process], end: Instant) {
    let lives = |process: &Process| {
        Process::of(process.id).is_some_and(|now| now.started == process.started)
    };
    while processes.iter().any(lives) && Instant::now() < end {
        tokio::time::sleep(LOOK).await;
    }
}

/// Kills the group without waiting: for runs that are dropped.
pub(super) fn kill_now(group: Option<Group>) {
    let Some(group) = group else { return };
    let alive = Process::of(group.id).is_some_and(|process| group.is_led_by(process));
    if let Some(pid) = Pid::from_raw(group.id).filter(|_| alive && group.id > 1) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// How a program ended badly, in words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command ended with exit code {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}{}", name(signal)),
        (None, None) => "the command ended in an unknown way".to_owned(),
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        14 => " (SIGALRM)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let stat = "42 (a) b (c)) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let expected = Process {
            id: 42,
            group: 7,
            started: 12345,
        };
        assert_eq!(Process::parse(42, stat), Some(expected));
        let ended = stat.replace(" S ", " Z ");
        assert_eq!(Process::parse(42, &ended), None);
        let leader_ended = ended.replace("20 0 1 0", "20 0 3 0");
        assert_eq!(Process::parse(42, &leader_ended), Some(expected));
    }

    #[test]
    fn a_number_that_was_given_away_is_left_alone() {
        let own = i32::try_from(std::process::id()).expect("small");
        let own = Process::of(own).expect("alive");
        let other = Group {
            id: own.id,
            started: Some(own.started + 1),
        };
        assert_eq!(of_run("no-such-token", Some(other)), []);
        let same = Group {
            id: own.id,
            started: Some(own.started),
        };
        // A leader of this number exists only if the tests lead a group; what is found is never another's.
        let found = of_run("no-such-token", Some(same));
        assert!(found.iter().all(|process| process.group == own.id));
    }
}
