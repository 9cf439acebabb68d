//! What the system knows of this process.

use std::{fs, time::Duration};

/// Processor time used so far; zero where the system does not tell.
pub(super) fn cpu_time() -> Duration {
    // Fields 14 and 15 after the name, which may have spaces: user and system time in ticks of 10 ms.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Bytes of memory that are resident now.
pub(super) fn resident() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:") * 1024
}

/// Bytes this process has had written to disk.
pub(super) fn written() -> u64 {
    kilobytes("/proc/self/io", "write_bytes:")
}

fn kilobytes(file: &str, field: &str) -> u64 {
    fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .find_map(|line| {
            line.strip_prefix(field)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}
