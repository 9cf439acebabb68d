//! A gate that lets through as many at a time as the throttle allows now.
//!
//! Invariant: who came first goes first, so that one who needs much room is not overtaken for ever.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Door, Notify};

use super::Throttle;

/// Lets through at most so many at a time, and fewer while the machine is busy.
#[derive(Debug)]
pub(crate) struct Gate {
    most: usize,
    throttle: Arc<Throttle>,
    /// One waits at a time, the others behind it.
    door: Door<()>,
    used: Mutex<usize>,
    freed: Notify,
}

/// Leave to go on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    count: usize,
}

impl Gate {
    pub(crate) fn new(most: usize, throttle: Arc<Throttle>) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            throttle,
            door: Door::new(()),
            used: Mutex::new(0),
            freed: Notify::new(),
        })
    }

    /// Waits for room for `wanted`, or for as much as is allowed now where that is less.
    pub(crate) async fn enter(self: &Arc<Self>, wanted: usize) -> Pass {
        let _first = self.door.lock().await;
        let mut level = self.throttle.level();
        loop {
            let freed = self.freed.notified();
            let allowed = level.borrow_and_update().allowed(self.most);
            if let Some(pass) = self.try_enter(wanted, allowed) {
                return pass;
            }
            tokio::select! {
                () = freed => {}
                // The throttle lives as long as this gate.
                _ = level.changed() => {}
            }
        }
    }

    fn try_enter(self: &Arc<Self>, wanted: usize, allowed: usize) -> Option<Pass> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = wanted.clamp(1, allowed);
        (*used + count <= allowed).then(|| {
            *used += count;
            Pass {
                gate: Arc::clone(self),
                count,
            }
        })
    }

    /// How many go on at a time when nothing holds them back.
    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

impl Pass {
    /// For how many it is.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut used = self
            .gate
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *used -= self.count;
        drop(used);
        self.gate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use futures_util::FutureExt as _;

    use super::{super::Load, *};

    /// As busy as the test says, in percent.
    #[derive(Clone, Debug, Default)]
    struct Said(Arc<AtomicU32>);

    impl Load for Said {
        fn others(&mut self) -> Option<f64> {
            Some(f64::from(self.0.load(Ordering::SeqCst)) / 100.0)
        }
    }

    #[tokio::test]
    async fn as_many_as_allowed_and_in_turn() {
        let gate = Gate::new(4, Arc::default());
        let three = gate.enter(3).await;
        let mut all = pin!(gate.enter(9));
        assert!((&mut all).now_or_never().is_none(), "no room for four");
        let mut one = pin!(gate.enter(1));
        assert!((&mut one).now_or_never().is_none(), "others came first");
        drop(three);
        let all = all.now_or_never().expect("room");
        assert_eq!(all.count(), 4);
        assert!((&mut one).now_or_never().is_none());
        drop(all);
        assert_eq!(one.now_or_never().expect("room").count(), 1);
    }

    #[tokio::test]
    async fn fewer_while_the_machine_is_busy_and_more_again() {
        let said = Said::default();
        let throttle = Arc::new(Throttle::new(said.clone(), Duration::from_millis(20)));
        let gate = Gate::new(4, Arc::clone(&throttle));
        let told = Mutex::new(Vec::new());
        let tell = |text| told.lock().expect("told").push(text);
        let mut level = throttle.level();
        let test = async {
            said.0.store(90, Ordering::SeqCst);
            let busy = level.wait_for(|level| level.allowed(4) == 1);
            busy.await.expect("told");
            let first = gate.enter(4).await;
            assert_eq!(first.count(), 1);
            let mut second = pin!(gate.enter(1));
            assert!((&mut second).now_or_never().is_none());
            said.0.store(10, Ordering::SeqCst);
            let second = second.await;
            let calm = level.wait_for(|level| level.allowed(4) == 4);
            calm.await.expect("told");
            drop((first, second));
            assert_eq!(gate.enter(4).await.count(), 4);
        };
        let both = async {
            tokio::select! {
                () = test => {}
                never = throttle.watch((4, 2), tell) => match never {},
            }
        };
        let in_time = tokio::time::timeout(Duration::from_mins(1), both);
        in_time.await.expect("in time");
        let told = told.into_inner().expect("told");
        let first = "Processor busy with other work (90%): 2 items at a time, verified on 1 thread";
        assert_eq!(told[0], first);
    }
}
