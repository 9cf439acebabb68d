//! When a failed attempt is tried again: exponential backoff with full jitter and a cap.

use std::time::Duration;

/// Backoff between attempts of a job or an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait.
    pub first: Duration,
    /// Upper bound of every wait.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            cap: Duration::from_mins(10),
        }
    }
}

impl Backoff {
    /// Upper bound of the wait after `failed` failed attempts (1 after the first): it doubles each time, up to the cap.
    pub fn bound(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The wait: anything up to the bound, so that what failed together does not come back together.
    pub fn wait(&self, failed: u32) -> Duration {
        self.bound(failed).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_cap() {
        let backoff = Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(9),
        };
        let bounds: Vec<u64> = (1..=4).map(|n| backoff.bound(n).as_secs()).collect();
        assert_eq!(bounds, [2, 4, 8, 9]);
        assert_eq!(backoff.bound(u32::MAX), backoff.cap);
        for failed in 1..=6 {
            let (wait, bound) = (backoff.wait(failed), backoff.bound(failed));
            assert!(wait <= bound, "{wait:?} of {bound:?}");
        }
    }
}
