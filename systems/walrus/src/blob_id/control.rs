//! Threads that share a computation, its progress and its end.
//!
//! Invariant: after a cancel or an error in one thread, every thread stops at its next [`Control::check`]; progress rises
//! and is told by one thread at a time.

use std::{
    num::NonZeroUsize,
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{Error, Options};

/// How often, at most, progress is told: this many times.
const STEPS: u128 = 1000;

/// What the threads of one computation share.
pub(super) struct Control<'a> {
    options: &'a Options<'a>,
    /// Bytes of the blob: the scale of the progress told.
    length: u64,
    /// Work that there is, in any unit.
    total: u64,
    progress: Mutex<Progress>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Progress {
    done: u64,
    step: u128,
}

impl<'a> Control<'a> {
    pub(super) fn new(options: &'a Options<'a>, length: u64, total: u64) -> Self {
        Self {
            options,
            length,
            total,
            progress: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// # Errors
    /// [`Error::Cancelled`] once the computation is to stop.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) || (self.options.cancelled)() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Counts this much more of the total as done.
    pub(super) fn advance(&self, work: usize) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.done += work as u64;
        let scaled = |to: u128| to * u128::from(progress.done) / u128::from(self.total);
        let (step, bytes) = (scaled(STEPS), scaled(u128::from(self.length)));
        if step > progress.step {
            progress.step = step;
            (self.options.progress)(u64::try_from(bytes).unwrap_or(self.length));
        }
    }

    /// Runs `work` for each of `0..units`, on as many threads as the options say, the calling one among them. Each makes
    /// its own state with `start`.
    ///
    /// # Errors
    /// The first error of any thread, [`Error::Cancelled`] only if there is no other.
    pub(super) fn each<T>(
        &self,
        units: usize,
        start: impl Fn() -> Result<T, Error> + Sync,
        work: impl Fn(&mut T, usize) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let all = || {
            let mut state = start()?;
            loop {
                let unit = next.fetch_add(1, Ordering::Relaxed);
                if unit >= units {
                    return Ok(());
                }
                self.check()?;
                work(&mut state, unit)?;
            }
        };
        let run = || {
            let result: Result<(), Error> = all();
            if result.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            result
        };
        let helpers = self
            .options
            .threads
            .min(NonZeroUsize::new(units).unwrap_or(NonZeroUsize::MIN))
            .get()
            - 1;
        thread::scope(|scope| {
            // A thread that the system refuses is no error: the work is done by those there are.
            let spawn = |_| {
                thread::Builder::new()
                    .name("blob-id".to_owned())
                    .spawn_scoped(scope, run)
                    .ok()
            };
            let threads: Vec<_> = (0..helpers).map_while(spawn).collect();
            let own = run();
            threads.into_iter().fold(own, |result, thread| {
                let other = thread
                    .join()
                    .unwrap_or_else(|payload| panic::resume_unwind(payload));
                match result {
                    Ok(()) | Err(Error::Cancelled) if other.is_err() => other,
                    _ => result,
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More units than any thread does before it notices that it should stop.
    const MANY: usize = 1_000_000;

    fn options<'a>(
        cancelled: &'a (dyn Fn() -> bool + Sync),
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Options<'a> {
        Options {
            threads: NonZeroUsize::new(3).expect("not zero"),
            cancelled,
            progress,
            ..Options::default()
        }
    }

    #[test]
    fn every_unit_is_done_once_and_progress_rises_to_the_length() {
        let told = Mutex::new(Vec::new());
        let tell = |bytes| told.lock().expect("unharmed").push(bytes);
        let options = options(&|| false, &tell);
        let control = Control::new(&options, 5000, 200);
        let done = Mutex::new(Vec::new());
        let work = |(): &mut (), unit| {
            done.lock().expect("unharmed").push(unit);
            control.advance(2);
            Ok(())
        };
        control.each(100, || Ok(()), work).expect("done");
        let mut done = done.into_inner().expect("unharmed");
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
        let told = told.into_inner().expect("unharmed");
        assert!(
            told.is_sorted() && told.last() == Some(&5000) && told.len() == 100,
            "{told:?}"
        );
    }

    #[test]
    fn an_error_stops_the_others_and_is_the_result() {
        let options = options(&|| false, &|_| ());
        let control = Control::new(&options, 1, 1);
        let done = AtomicUsize::new(0);
        let work = |(): &mut (), unit| {
            if unit == 7 {
                return Err(Error::TextLength(7));
            }
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let result = control.each(MANY, || Ok(()), work);
        assert!(matches!(result, Err(Error::TextLength(7))), "{result:?}");
        assert!(done.into_inner() < MANY - 1, "the others did not stop");
    }

    #[test]
    fn a_cancel_stops_all() {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) > 20;
        let options = options(&cancelled, &|_| ());
        let control = Control::new(&options, 1, 1);
        let result = control.each(MANY, || Ok(()), |(): &mut (), _| Ok(()));
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    }
}
