//! Ids, times and the small words of requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longhaul_types::{JobId, Scope, State, Timestamp, filter::Moment, statistics::Span};

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<JobId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse::<Timestamp>().expect("a time"), time);
    }
    let _ = text.parse::<Moment>();
    let _ = text.parse::<Scope>();
    let _ = text.parse::<Span>();
    let _ = text.parse::<State>();
});
