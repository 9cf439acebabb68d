//! How busy the machine is with what is not ours.

use std::{fmt, fs};

/// What tells how busy the machine is.
pub trait Load: fmt::Debug + Send + 'static {
    /// The part of its processors' time, from 0 to 1, that other processes used since the last call. None when that is
    /// not known: the first time, or where the system does not tell.
    fn others(&mut self) -> Option<f64>;
}

/// What Linux tells in `/proc`. Our own time does not count: whoever works hard must not take himself for others.
#[derive(Debug, Default)]
pub struct SystemLoad {
    before: Option<Ticks>,
}

/// Clock ticks since the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    total: u64,
    idle: u64,
    own: u64,
}

impl Load for SystemLoad {
    fn others(&mut self) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let now = Ticks::parse(&stat, &own)?;
        self.before.replace(now)?.others_until(now)
    }
}

impl Ticks {
    /// From the texts of `/proc/stat` and `/proc/self/stat`.
    fn parse(stat: &str, own: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // User, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
        let ticks = numbers(line, 0, 8)?;
        // The name of the program, in brackets, may have anything in it.
        let own = numbers(own.rsplit_once(')')?.1, 11, 2)?;
        Some(Self {
            total: ticks.iter().sum(),
            idle: ticks[3] + ticks[4],
            own: own.iter().sum(),
        })
    }

    fn others_until(self, now: Self) -> Option<f64> {
        let total = now
            .total
            .checked_sub(self.total)
            .filter(|total| *total > 0)?;
        let idle = now.idle.saturating_sub(self.idle);
        let own = now.own.saturating_sub(self.own);
        let others = total.saturating_sub(idle).saturating_sub(own);
        #[expect(clippy::cast_precision_loss, reason = "ticks of seconds")]
        let part = others as f64 / total as f64;
        Some(part)
    }
}

/// So many numbers of a line, after leaving out some words.
fn numbers(line: &str, skip: usize, count: usize) -> Option<Vec<u64>> {
    let words = line.split_ascii_whitespace().skip(skip).take(count);
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == count).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 20 30 800 40 1 2 7 0 0\ncpu0 1 2 3 4\n";
    const OWN: &str = "42 (a ) b) R 1 1 1 0 -1 4194304 1 0 0 0 15 5 99 99 20 0 1 0";

    #[test]
    fn the_time_of_others_is_what_is_neither_idle_nor_ours() {
        let before = Ticks::parse(STAT, OWN).expect("ticks");
        let parsed = Ticks {
            total: 1000,
            idle: 840,
            own: 20,
        };
        assert_eq!(before, parsed);
        let now = |total, idle, own| before.others_until(Ticks { total, idle, own });
        assert_eq!(now(1200, 940, 70), Some(0.25));
        assert_eq!(now(1200, 840, 220), Some(0.0));
        assert_eq!(now(1200, 840, 900), Some(0.0));
        assert_eq!(now(1000, 840, 20), None);
        assert_eq!(now(900, 840, 20), None);
    }

    #[test]
    fn texts_that_tell_nothing_are_no_load() {
        assert_eq!(Ticks::parse("", OWN), None);
        assert_eq!(Ticks::parse("cpu  1 2 3\n", OWN), None);
        assert_eq!(Ticks::parse(STAT, "42 (a) R 1"), None);
        assert_eq!(Ticks::parse(STAT, "x"), None);
    }

    #[test]
    fn this_machine_tells() {
        let mut load = SystemLoad::default();
        assert_eq!(load.others(), None);
        let part = std::iter::repeat_with(|| load.others())
            .find_map(|part| part)
            .expect("it tells");
        assert!((0.0..=1.0).contains(&part), "{part}");
    }
}
