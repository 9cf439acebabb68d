//! The times of a schedule: cron expressions on the wall clocks of a time zone, and intervals.
//!
//! What happens where the clocks change is defined here, and nowhere else:
//! - an expression that names its hours (`30 2 * * *`) means times of the day, and each comes once a day: one that the
//!   clocks leap over comes at the first moment after the leap, one that happens twice comes the first time;
//! - one that leaves the hour open (`*/15 * * * *`, `0 */2 * * *`) means an interval: what is leapt over does not come,
//!   and what happens twice comes twice;
//! - an interval of time (`every`) knows no clocks on walls.
//!
//! Invariant: every time that [`Times::after`] gives is later than the one it was asked with.

use std::time::Duration;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    Zoned,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use longhaul_types::Timestamp;

use super::schedule::{Invalid, Timing};

/// Bytes of a cron expression, and of a zone's name.
const MAX_TEXT: usize = 256;
/// The longest interval: a century.
const LONGEST: Duration = Duration::from_hours(24 * 366 * 100);

/// Times, one after the other.
pub(super) enum Times {
    Every(Duration),
    Cron(Box<Wall>),
}

/// A cron expression on the wall clocks of a zone.
pub(super) struct Wall {
    cron: Cron,
    zone: TimeZone,
    names_hours: bool,
}

impl Times {
    /// The times of a schedule, or what is wrong with them.
    pub(super) fn of(timing: &Timing) -> Result<Self, Invalid> {
        match timing {
            Timing::Every(interval) => {
                if *interval < Duration::from_secs(1) || *interval > LONGEST {
                    return Err(Invalid(
                        "an interval is 1 second at least and a century at most".to_owned(),
                    ));
                }
                Ok(Self::Every(*interval))
            }
            Timing::Cron { expression, zone } => {
                Ok(Self::Cron(Box::new(Wall::new(expression, zone)?)))
            }
        }
    }

    /// The first time after `time`.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => Some(time + *interval),
            Self::Cron(wall) => wall.after(time),
        }
    }

    /// The last time before `time`; of an interval, as one of its times is `known`.
    pub(super) fn before(&self, known: Timestamp, time: Timestamp) -> Option<Timestamp> {
        let before = time - Duration::from_millis(1);
        let found = self.last(known, before);
        (found <= before).then_some(found)
    }

    /// The last time that is not after `time`, `known` when there is none since.
    pub(super) fn last(&self, known: Timestamp, time: Timestamp) -> Timestamp {
        match self {
            Self::Every(interval) => {
                let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
                let steps = time.0.saturating_sub(known.0).max(0) / interval;
                Timestamp(known.0 + steps * interval)
            }
            Self::Cron(wall) => wall.last(time).map_or(known, |last| last.max(known)),
        }
    }
}

impl Wall {
    fn new(expression: &str, zone: &str) -> Result<Self, Invalid> {
        if expression.len() > MAX_TEXT || zone.len() > MAX_TEXT {
            return Err(Invalid(format!(
                "a cron expression and a zone have {MAX_TEXT} bytes at most"
            )));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(expression).map_err(|error| {
            Invalid(format!(
                "'{}' is no cron expression like '30 2 * * *': {error}",
                shown(expression)
            ))
        })?;
        let known = TimeZone::get(zone).map_err(|_| {
            Invalid(format!(
                "there is no time zone '{}'; give an IANA name like Europe/Berlin, or UTC",
                shown(zone)
            ))
        })?;
        Ok(Self {
            names_hours: names_hours(expression),
            cron,
            zone: known,
        })
    }

    fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let start = self.zoned(time)?;
        if !self.names_hours {
            let next = self.cron.find_next_occurrence(&start, false).ok()?;
            return Some(stamp(&next));
        }
        let mut civil = whole_second(&start);
        loop {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            // Times that are leapt over, and those that happen twice, may come to what has passed.
            let found = self.resolve(civil)?;
            if found > time {
                return Some(found);
            }
        }
    }

    fn last(&self, time: Timestamp) -> Option<Timestamp> {
        let end = self.zoned(time)?;
        if !self.names_hours {
            let last = self.cron.find_previous_occurrence(&end, true).ok()?;
            return Some(stamp(&last));
        }
        let mut civil = whole_second(&end);
        let mut inclusive = true;
        loop {
            civil = self.cron.find_previous_occurrence(&civil, inclusive).ok()?;
            inclusive = false;
            let found = self.resolve(civil)?;
            if found <= time {
                return Some(found);
            }
        }
    }

    fn zoned(&self, time: Timestamp) -> Option<Zoned> {
        let time = jiff::Timestamp::from_millisecond(time.0).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }

    /// When the clocks show a time of the day, or first show a later one.
    fn resolve(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_zoned(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                Some(stamp(&ambiguous.compatible().ok()?))
            }
            AmbiguousOffset::Gap { .. } => {
                // An hour before the leap, by the clock that leaps: the next change of the zone is the leap.
                let before = ambiguous.earlier().ok()?;
                let leap = self.zone.following(before.timestamp()).next()?;
                Some(Timestamp(leap.timestamp().as_millisecond()))
            }
        }
    }
}

fn stamp(zoned: &Zoned) -> Timestamp {
    Timestamp(zoned.timestamp().as_millisecond())
}

fn whole_second(zoned: &Zoned) -> DateTime {
    let civil = zoned.datetime();
    civil.with().subsec_nanosecond(0).build().unwrap_or(civil)
}

/// Whether an expression means times of the day: its hours are named, not left open.
fn names_hours(expression: &str) -> bool {
    let expression = expression.trim();
    if expression.starts_with('@') {
        return !expression.eq_ignore_ascii_case("@hourly");
    }
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let hours = if fields.len() > 5 {
        fields.get(2)
    } else {
        fields.get(1)
    };
    hours.is_some_and(|hours| !hours.contains(['*', '?']))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn cron(expression: &str, zone: &str) -> Result<Times, Invalid> {
        Times::of(&Timing::Cron {
            expression: expression.to_owned(),
            zone: zone.to_owned(),
        })
    }

    /// The times after `start`, to the minute.
    fn times(expression: &str, zone: &str, start: &str, count: usize) -> Vec<String> {
        let times = cron(expression, zone).expect("times");
        let after = |at: &Timestamp| times.after(*at);
        let found = std::iter::successors(after(&self::at(start)), after).take(count);
        found.map(|at| at.to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn a_time_of_the_day_that_is_leapt_over_comes_at_the_leap() {
        // In Berlin 2026-03-29 the clocks go from 02:00 to 03:00, at 01:00 UTC.
        let berlin =
            |expression, count| times(expression, "Europe/Berlin", "2026-03-28T12:00:00Z", count);
        assert_eq!(
            berlin("30 2 * * *", 2),
            ["2026-03-29T01:00", "2026-03-30T00:30"]
        );
        assert_eq!(
            berlin("0 2,14 * * *", 3),
            ["2026-03-28T13:00", "2026-03-29T01:00", "2026-03-29T12:00"]
        );
        // Several that are leapt over are one, and so is one that stands at the end of the leap.
        assert_eq!(
            berlin("0,20,40 2-3 * * *", 4),
            [
                "2026-03-29T01:00",
                "2026-03-29T01:20",
                "2026-03-29T01:40",
                "2026-03-30T00:00"
            ]
        );
        // Half an hour on Lord Howe; midnight itself in Havana.
        assert_eq!(
            times(
                "15 2 * * *",
                "Australia/Lord_Howe",
                "2026-10-03T00:00:00Z",
                2
            ),
            ["2026-10-03T15:30", "2026-10-04T15:15"]
        );
        assert_eq!(
            times("@daily", "America/Havana", "2026-03-07T12:00:00Z", 2),
            ["2026-03-08T05:00", "2026-03-09T04:00"]
        );
    }

    #[test]
    fn a_time_of_the_day_that_happens_twice_comes_once() {
        // In Berlin 2026-10-25 the clocks go from 03:00 back to 02:00, at 01:00 UTC.
        let berlin = |start, count| times("30 2 * * *", "Europe/Berlin", start, count);
        assert_eq!(
            berlin("2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30", "2026-10-26T01:30"]
        );
        for between in [
            "2026-10-25T00:30:00Z",
            "2026-10-25T00:59:59.999Z",
            "2026-10-25T01:15:00Z",
        ] {
            assert_eq!(berlin(between, 1), ["2026-10-26T01:30"], "{between}");
        }
    }

    #[test]
    fn an_interval_of_a_clock_skips_what_is_not_and_repeats_what_is_twice() {
        let spring =
            |expression, count| times(expression, "Europe/Berlin", "2026-03-29T00:00:00Z", count);
        assert_eq!(
            spring("*/30 * * * *", 3),
            ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]
        );
        assert_eq!(spring("0 */2 * * *", 1), ["2026-03-29T02:00"]);
        let autumn =
            |expression, count| times(expression, "Europe/Berlin", "2026-10-24T23:59:00Z", count);
        assert_eq!(
            autumn("*/30 * * * *", 5),
            [
                "2026-10-25T00:00",
                "2026-10-25T00:30",
                "2026-10-25T01:00",
                "2026-10-25T01:30",
                "2026-10-25T02:00"
            ]
        );
        assert_eq!(
            autumn("0 */2 * * *", 3),
            ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T03:00"]
        );
    }

    #[test]
    fn expressions_have_five_fields_or_six() {
        let utc = |expression, count| times(expression, "UTC", "2026-01-01T00:00:00.5Z", count);
        assert_eq!(
            utc("0 9 * * MON-FRI", 2),
            ["2026-01-01T09:00", "2026-01-02T09:00"]
        );
        assert_eq!(
            utc("0 0 L * *", 2),
            ["2026-01-31T00:00", "2026-02-28T00:00"]
        );
        assert_eq!(utc("0 0 29 2 *", 1), ["2028-02-29T00:00"]);
        assert_eq!(utc("@hourly", 2), ["2026-01-01T01:00", "2026-01-01T02:00"]);
        let seconds = cron("*/10 * * * * *", "UTC").expect("times");
        assert_eq!(
            seconds.after(at("2026-01-01T00:00:00.5Z")),
            Some(at("2026-01-01T00:00:10Z"))
        );
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_to_write() {
        let why = |expression, zone| cron(expression, zone).err().expect("refused").to_string();
        for expression in [
            "",
            "x",
            "* * * *",
            "61 * * * *",
            "* * * * * * *",
            "0 25 * * *",
        ] {
            let why = why(expression, "UTC");
            assert!(why.contains("'30 2 * * *'"), "{why}");
        }
        let zone = why("0 0 * * *", "Europe/Berln\u{1b}");
        assert_eq!(
            zone,
            "there is no time zone 'Europe/Berln'; give an IANA name like Europe/Berlin, or UTC"
        );
        assert!(why(&"*".repeat(300), "UTC").contains("256 bytes"));
        for interval in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
            assert!(Times::of(&Timing::Every(interval)).is_err());
        }
    }

    #[test]
    fn what_never_comes_is_known_soon() {
        let began = std::time::Instant::now();
        for expression in ["0 0 30 2 *", "0 0 31 4,6 *", "* * * 31 2 *"] {
            let times = cron(expression, "Europe/Berlin").expect("an expression");
            assert_eq!(
                times.after(at("2026-01-01T00:00:00Z")),
                None,
                "{expression}"
            );
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }

    proptest! {
        #[test]
        fn times_rise_and_the_last_one_is_found_again(
            expression in prop::sample::select(vec![
                "30 2 * * *", "*/7 * * * *", "0 2,3 * * *", "15 */3 * * *", "5 1-3 * * SUN", "*/20 30 2 * * *", "59 23 L * *",
            ]),
            zone in prop::sample::select(vec!["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"]),
            millis in 1_700_000_000_000_i64..1_900_000_000_000,
        ) {
            let times = cron(expression, zone).expect("times");
            let start = Timestamp(millis);
            let next = times.after(start).expect("a time");
            prop_assert!(next > start);
            prop_assert_eq!(times.last(Timestamp(0), next), next);
            let before = times.last(Timestamp(0), start);
            prop_assert!(before <= start);
            prop_assert_eq!(times.after(before), Some(next));
        }

        #[test]
        fn no_text_makes_it_stumble(expression in "[-0-9*,/LW#@A-Z? +]{0,24}|\\PC{0,16}", zone in "\\PC{0,8}") {
            let _ = cron(&expression, &zone);
            if let Ok(times) = cron(&expression, "Europe/Berlin") {
                let _ = times.after(Timestamp(1_774_700_000_000));
            }
        }
    }
}
