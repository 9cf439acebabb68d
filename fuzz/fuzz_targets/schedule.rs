//! Cron expressions and time zones: the next time is later, and there is an end to the search.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longhaul::{
    NewJob,
    model::Schedule,
    types::Timestamp,
};

fuzz_target!(|asked: (&str, &str, u32)| {
    let (expression, zone, at) = asked;
    let job = NewJob::new("fuzz.job", &()).expect("a job");
    let mut schedule = Schedule::cron("it", expression, job);
    if !zone.is_empty() {
        schedule = schedule.zone(zone);
    }
    if schedule.validate().is_err() {
        return;
    }
    let now = Timestamp(i64::from(at) * 1_000);
    if let Ok(first) = schedule.some_first(now) {
        assert!(first > now, "{expression} in {zone}: {first:?} after {now:?}");
        let times = schedule.next_times(Some(first), 5);
        assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    }
});
