//! How much one owner may ask for, and how often one address may fail to show a token.
//!
//! Invariant: what is kept for it is bounded, however many owners' names and addresses come.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use longhaul::Engine;
use longhaul_types::ErrorCode;

use crate::answer::Refusal;

/// Limits of who comes in with a token that was made, per owner, and of who fails to show one. The local user, the
/// administrator's token of the data folder and open access know no such limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLimits {
    /// Requests a second, of all tokens of an owner together.
    pub requests: NonZeroU32,
    /// Streams of live events at a time.
    pub streams: u32,
    /// Pending jobs.
    pub pending: u64,
    /// Failures to show a valid token, a minute and address; a /64 of IPv6 is one address.
    pub failures: NonZeroU32,
}

impl Default for AccessLimits {
    fn default() -> Self {
        const fn number(value: u32) -> NonZeroU32 {
            match NonZeroU32::new(value) {
                Some(value) => value,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            requests: number(1_000),
            streams: 1_000,
            pending: 1_000_000,
            failures: number(60),
        }
    }
}

/// What the tokens of one owner share.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    limits: AccessLimits,
    requests: DefaultDirectRateLimiter,
    streams: AtomicU32,
    /// Jobs that may still be submitted before the pending ones are counted again.
    room: AtomicU64,
}

impl Owner {
    pub(super) fn new(name: String, limits: AccessLimits) -> Self {
        Self {
            name,
            limits,
            requests: RateLimiter::direct(Quota::per_second(limits.requests)),
            streams: AtomicU32::new(0),
            room: AtomicU64::new(0),
        }
    }

    /// Counts a request, or refuses it.
    pub(super) fn request(&self) -> Result<(), Refusal> {
        let Err(until) = self.requests.check() else {
            return Ok(());
        };
        let wait = until.wait_time_from(DefaultClock::default().now());
        let detail = format!(
            "{} requests a second are what this token's owner may make",
            self.limits.requests
        );
        Err(Refusal::later(ErrorCode::RateLimited, detail, wait))
    }

    /// Counts a stream as open until the answer is dropped, or refuses it.
    pub(super) fn open_stream(self: &Arc<Self>) -> Result<StreamSlot, Refusal> {
        let most = self.limits.streams;
        let more = |open: u32| (open < most).then_some(open + 1);
        let taken = self
            .streams
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        match taken {
            Ok(_) => Ok(StreamSlot(Arc::clone(self))),
            Err(_) => Err(over(format!(
                "{most} streams are open, as many as this token's owner may have; close one"
            ))),
        }
    }

    /// Lets `count` more jobs be submitted, or refuses them. The pending ones are not counted each time: half of what is
    /// left is handed out before the next look, so that the limit holds to within the requests that come at once.
    pub(super) async fn more_jobs(&self, engine: &Engine, count: u64) -> Result<(), Refusal> {
        let take = |room: u64| room.checked_sub(count);
        let taken = self
            .room
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        if taken.is_ok() {
            return Ok(());
        }
        let pending = engine.counts(Some(&self.name)).await?.pending;
        let left = self.limits.pending.saturating_sub(pending);
        if count > left {
            return Err(over(format!(
                "{pending} jobs are pending, and {} are as many as this token's owner may have; wait, or cancel some",
                self.limits.pending
            )));
        }
        self.room.store((left - count) / 2, Ordering::SeqCst);
        Ok(())
    }
}

fn over(detail: String) -> Refusal {
    Refusal::later(ErrorCode::OwnerLimit, detail, Duration::from_secs(1))
}

/// A stream that is counted as its owner's.
#[derive(Debug)]
pub(crate) struct StreamSlot(Arc<Owner>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Failures to show a valid token, by address. Addresses fall into a fixed number of places, by a hash that nobody outside
/// knows: two that share one share its budget, and the places never grow.
#[derive(Debug)]
pub(super) struct Failures {
    places: DefaultKeyedRateLimiter<u16>,
    hasher: RandomState,
}

impl Failures {
    pub(super) fn new(limits: &AccessLimits) -> Self {
        Self {
            places: RateLimiter::keyed(Quota::per_minute(limits.failures)),
            hasher: RandomState::new(),
        }
    }

    /// Counts a failure, or says how long its address is to wait.
    pub(super) fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let checked = self.places.check_key(&self.place(address));
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    fn place(&self, address: IpAddr) -> u16 {
        // Who has one address of IPv6 has the 2^64 beside it.
        let network = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
        };
        let kind = address.to_canonical().is_ipv4();
        let hash = self.hasher.hash_one((kind, network));
        // The lowest bits of a good hash are as good as any.
        u16::try_from(hash & 0xffff).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: u32, failures: u32) -> AccessLimits {
        AccessLimits {
            requests: NonZeroU32::new(requests).expect("some"),
            failures: NonZeroU32::new(failures).expect("some"),
            streams: 2,
            ..AccessLimits::default()
        }
    }

    #[test]
    fn an_owner_waits_after_too_many_requests() {
        let owner = Owner::new("anna".to_owned(), limits(3, 1));
        for _ in 0..3 {
            owner.request().expect("within the limit");
        }
        let refusal = owner.request().expect_err("one too many");
        assert_eq!(refusal.code(), ErrorCode::RateLimited);
    }

    #[test]
    fn streams_that_ended_make_room() {
        let owner = Arc::new(Owner::new("anna".to_owned(), limits(1, 1)));
        let first = owner.open_stream().expect("one");
        let _second = owner.open_stream().expect("two");
        let refusal = owner.open_stream().expect_err("one too many");
        assert_eq!(refusal.code(), ErrorCode::OwnerLimit);
        drop(first);
        owner.open_stream().expect("room again");
    }

    #[test]
    fn an_address_fails_a_few_times_and_its_neighbours_with_it() {
        let failures = Failures::new(&limits(1, 2));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for text in ["2001:db8::1", "2001:db8::2"] {
            failures.count(address(text)).expect("within the limit");
        }
        let wait = failures.count(address("2001:db8::3"));
        assert!(wait.expect_err("one too many") > Duration::from_secs(1));
        // The same host over either family is one address.
        let both = ["192.0.2.1", "::ffff:192.0.2.1"].map(address);
        assert_eq!(failures.place(both[0]), failures.place(both[1]));
        let others = (0..64).map(|n| failures.place(IpAddr::from([192, 0, 2, n])));
        let places: std::collections::BTreeSet<u16> = others.collect();
        assert!(places.len() > 32, "addresses are told apart");
    }
}
