//! The body of an answer, read from disk as the connection takes it.
//!
//! Invariant: at most one chunk of [`CHUNK`] bytes is held for each answer, and a stopped service ends every body.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Bytes read at a time.
const CHUNK: u64 = 256 * 1024;

/// Chunks a second of a slowed body.
const SLOW_CHUNKS: u64 = 20;

/// What to send, and how.
#[derive(Debug)]
pub(super) struct Plan {
    pub file: Arc<File>,
    /// Offset in the blob of the first byte.
    pub start: u64,
    /// Bytes of the blob to send.
    pub length: u64,
    /// Zero bytes to send after them.
    pub extra: u64,
    /// Whether the headers tell the length.
    pub told: bool,
    /// Offsets in the blob of bytes to flip.
    pub wrong: Vec<u64>,
    /// Bytes after which the connection closes.
    pub disconnect: Option<u64>,
    /// Bytes after which nothing more comes.
    pub stall: Option<u64>,
    /// Bytes a second.
    pub rate: Option<u64>,
}

impl Plan {
    /// The body, which counts the bytes it hands over in `sent` and ends early when `stop` is cancelled.
    pub(super) fn body(self, sent: Arc<AtomicU64>, stop: CancellationToken) -> Body {
        let sender = Sender {
            plan: self,
            sent,
            stop,
            position: 0,
            began: Instant::now(),
            failed: false,
        };
        Body::from_stream(futures_util::stream::unfold(sender, Sender::next))
    }
}

struct Sender {
    plan: Plan,
    sent: Arc<AtomicU64>,
    stop: CancellationToken,
    /// Bytes handed over.
    position: u64,
    began: Instant,
    failed: bool,
}

impl Sender {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.failed || self.position == self.plan.length + self.plan.extra {
            return None;
        }
        let stop = self.stop.clone();
        let chunk = tokio::select! {
            biased;
            () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
            chunk = self.chunk() => chunk,
        };
        match &chunk {
            Ok(bytes) => {
                self.position += bytes.len() as u64;
                self.sent.store(self.position, Ordering::Relaxed);
            }
            Err(_) => self.failed = true,
        }
        Some((chunk, self))
    }

    async fn chunk(&self) -> io::Result<Bytes> {
        if self.plan.disconnect == Some(self.position) {
            // The connection flushes what it has while the body has nothing for it: only then is it cut.
            tokio::task::yield_now().await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.plan.stall == Some(self.position) {
            std::future::pending::<()>().await;
        }
        let mut most = CHUNK;
        if let Some(rate) = self.plan.rate {
            most = most.min((rate / SLOW_CHUNKS).max(1));
            // Seconds as a fraction: exact enough for a rate, and no product that can overflow.
            #[expect(
                clippy::cast_precision_loss,
                reason = "a wait need not be exact to the byte"
            )]
            let wait = Duration::from_secs_f64(self.position as f64 / rate as f64);
            tokio::time::sleep_until(self.began + wait).await;
        }
        for stop in [self.plan.disconnect, self.plan.stall]
            .into_iter()
            .flatten()
        {
            if stop > self.position {
                most = most.min(stop - self.position);
            }
        }
        self.read(most).await
    }

    async fn read(&self, most: u64) -> io::Result<Bytes> {
        let Some(left) = self.plan.length.checked_sub(self.position + 1) else {
            let zeros = most.min(self.plan.length + self.plan.extra - self.position);
            return Ok(vec![0; length(zeros)].into());
        };
        let offset = self.plan.start + self.position;
        let mut buffer = vec![0; length(most.min(left + 1))];
        let file = Arc::clone(&self.plan.file);
        let mut buffer = tokio::task::spawn_blocking(move || {
            file.read_exact_at(&mut buffer, offset)?;
            Ok::<_, io::Error>(buffer)
        })
        .await
        .map_err(io::Error::other)??;
        for at in &self.plan.wrong {
            let index = at
                .checked_sub(offset)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(byte) = index.and_then(|index| buffer.get_mut(index)) {
                *byte = !*byte;
            }
        }
        Ok(buffer.into())
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a chunk fits in memory")
}
