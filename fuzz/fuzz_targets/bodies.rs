//! Bodies of requests: what was read is written as what is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longhaul_types::{
    Event,
    body::{BulkRequest, SubmitRequest},
    schedule::ScheduleRequest,
    token::TokenRequest,
    worker::{JoinRequest, ReportRequest},
};
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|bytes: &[u8]| {
    again::<SubmitRequest>(bytes);
    again::<BulkRequest>(bytes);
    again::<ScheduleRequest>(bytes);
    again::<TokenRequest>(bytes);
    again::<JoinRequest>(bytes);
    again::<ReportRequest>(bytes);
    again::<Event>(bytes);
});

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let written = serde_json::to_value(&read).expect("written");
    let read: T = serde_json::from_value(written.clone()).expect("read again");
    assert_eq!(serde_json::to_value(&read).expect("written"), written);
}
