//! Where checks fall after a crash: spread over their interval, so that a process with many monitors does not look at
//! everything at once.

use std::time::Duration;

use super::Seq;

/// 2^64 divided by the golden ratio: multiples of it, taken modulo 2^64, lie as evenly as can be.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// How long after a rescue the check of `job`, done `every` so often, is due: less than `every`, whole milliseconds, the
/// same whenever it is asked, and even over neighbouring jobs.
pub fn spread(job: Seq, every: Duration) -> Duration {
    let place = u128::from(job.unsigned_abs().wrapping_mul(GOLDEN));
    let millis = (every.as_millis().min(u128::from(u64::MAX)) * place) >> 64;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_fall_into_different_parts_of_the_interval() {
        let every = Duration::from_secs(10);
        let mut tenths = [0_u32; 10];
        for job in 1..=1_000 {
            let wait = spread(job, every);
            assert!(wait < every);
            tenths[usize::try_from(wait.as_secs()).expect("below 10")] += 1;
        }
        assert!(tenths.iter().all(|jobs| (95..=105).contains(jobs)));
        assert_eq!(spread(7, Duration::ZERO), Duration::ZERO);
        assert!(spread(7, Duration::MAX) < Duration::MAX);
    }
}
