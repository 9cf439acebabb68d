//! A connection whose peer must read: a write that makes no way for too long ends it. This holds for what becomes a
//! WebSocket too, of which nothing else here knows.
//!
//! Invariant: a peer that takes nothing holds a connection, and what is buffered for it, for a bounded time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A connection whose peer must read.
pub(crate) struct Stall<T, H> {
    io: T,
    after: Duration,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    _held: H,
}

impl<T, H> Stall<T, H> {
    /// Ends when a write has waited for `after`, and once it is `cut` as soon as it has to wait. Holds `held` for as long as the
    /// connection is open, whatever becomes of it.
    pub(crate) fn new(io: T, after: Duration, cut: CancellationToken, held: H) -> Self {
        Self {
            io,
            after,
            cut: Box::pin(cut.cancelled_owned()),
            waiting: None,
            _held: held,
        }
    }

    fn check<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let after = self.after;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(after)));
        if waiting.as_mut().poll(context).is_ready() || self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin, H: Unpin> AsyncRead for Stall<T, H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_pending() && self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<T: AsyncWrite + Unpin, H: Unpin> AsyncWrite for Stall<T, H> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.check(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.check(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.check(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_reads_keeps_the_connection_and_one_that_does_not_loses_it() {
        let (near, mut far) = duplex(8);
        let cut = CancellationToken::new();
        let mut near = Stall::new(near, Duration::from_millis(20), cut, ());
        for _ in 0..3 {
            let mut bytes = [0; 16];
            let write = near.write_all(b"0123456789abcdef");
            let (written, read) = tokio::join!(write, far.read_exact(&mut bytes));
            written.expect("the peer reads");
            read.expect("all comes");
        }
        let error = near.write_all(b"0123456789abcdef").await;
        let kind = error.expect_err("nobody reads").kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_waits_for_nobody() {
        let (near, mut far) = duplex(8);
        let cut = CancellationToken::new();
        let mut near = Stall::new(near, Duration::from_hours(1), cut.clone(), ());
        let write = near.write_all(b"0123456789abcdef");
        let (written, ()) = tokio::join!(write, async { cut.cancel() });
        let kind = written.expect_err("nobody reads").kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        let mut bytes = [0; 8];
        far.read_exact(&mut bytes).await.expect("what was written");
        let error = near.read_u8().await.expect_err("nobody writes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
