//! Filters: one that is understood is understood again as it is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longhaul_types::JobFilter;

fuzz_target!(|text: &str| {
    let Ok(filter) = text.parse::<JobFilter>() else {
        return;
    };
    let shown = filter.to_string();
    // What is shown may be longer than what may be asked for.
    if let Ok(again) = shown.parse::<JobFilter>() {
        assert_eq!(again, filter, "{shown}");
    } else {
        assert!(shown.len() > text.len(), "{shown} is not understood");
    }
});
