//! Threads that the system runs when others leave it time.

use std::{io, thread};

use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::oneshot;

/// How much nicer than the process such a thread is.
const NICER: i32 = 10;
/// As nice as can be.
const NICEST: i32 = 19;

/// Does the work on a thread of its own, at low priority unless it is to go at full speed. Threads that it starts are as low.
/// A shared thread would not do: to rise again is a privilege.
///
/// # Errors
/// When the system gives no thread, or the work panicked.
pub(crate) async fn run_apart<T: Send + 'static>(
    full_speed: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("apart".to_owned())
        .spawn(move || {
            if !full_speed {
                lower();
            }
            // Who asked for it may be gone: then nobody needs the answer.
            let _ = sender.send(work());
        })?;
    receiver
        .await
        .map_err(|_| io::Error::other("the work panicked"))
}

/// On Linux this is of the calling thread alone. Where it is refused, the work is done all the same.
fn lower() {
    if let Ok(nice) = getpriority_process(None) {
        let _ = setpriority_process(None, (nice + NICER).min(NICEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_thread_and_those_it_starts_are_low_and_no_other() {
        let nice = || getpriority_process(None).expect("a number");
        let before = nice();
        let (own, child) = run_apart(false, move || (nice(), thread::spawn(nice).join()))
            .await
            .expect("done");
        let low = (before + NICER).min(NICEST);
        assert_eq!((own, child.expect("joined")), (low, low));
        assert_eq!(nice(), before);
    }
}
