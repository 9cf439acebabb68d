//! One run of a download: a producer that fetches and writes pieces, and a committer that syncs and reports them.
//!
//! Invariant: what the producer hands over is written; what the committer reports is synced. Both end together, and the
//! committer reports all that was written even when the producer fails.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Fetched, Observer, Options, Pieces, Retrying,
    file::{Target, Writer},
    progress::Meter,
};
use crate::{
    aggregator::{self, Aggregator, Body, Probe, Ranged, Retry},
    blob_id::BlobId,
};

/// Pieces that may be written and not yet synced.
const UNSYNCED: usize = 64;

pub(super) struct Run<'a, O> {
    aggregator: &'a Aggregator,
    blob: BlobId,
    path: PathBuf,
    options: &'a Options,
    observer: &'a O,
    cancel: &'a CancellationToken,
    meter: Meter<'a, O>,
    /// No request before this time: the server asked for it.
    not_before: Mutex<Option<Instant>>,
    retries: AtomicU32,
}

/// How a download begins.
enum Start {
    /// With these pieces, asked for one by one.
    Pieces(Pieces),
    /// With the whole blob, which the server is sending already.
    Whole(Body),
}

/// Why an attempt ended.
enum Trouble {
    /// The aggregator: another attempt may follow.
    Source(aggregator::Error),
    /// Something that ends the download.
    Stop(Error),
}

impl From<aggregator::Error> for Trouble {
    fn from(error: aggregator::Error) -> Self {
        Self::Source(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Stop(error)
    }
}

impl<'a, O: Observer> Run<'a, O> {
    pub(super) fn new(
        aggregator: &'a Aggregator,
        blob: BlobId,
        path: PathBuf,
        options: &'a Options,
        observer: &'a O,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            aggregator,
            blob,
            path,
            options,
            observer,
            cancel,
            meter: Meter::new(observer),
            not_before: Mutex::default(),
            retries: AtomicU32::new(0),
        }
    }

    pub(super) async fn fetch(&self, saved: Option<Pieces>) -> Result<Fetched, Error> {
        let (start, keep) = match self.usable(saved).await? {
            Some(pieces) => (Start::Pieces(pieces), true),
            None => (until(self.cancel, self.start()).await?, false),
        };
        let pieces = match start {
            Start::Pieces(pieces) => self.fetch_pieces(pieces, None, keep).await?,
            Start::Whole(body) => match body.length() {
                Some(total) => {
                    let pieces = Pieces::plan(self.blob, total);
                    self.fetch_pieces(pieces, Some(body), false).await?
                }
                None => until(self.cancel, self.fetch_unknown(body)).await?,
            },
        };
        Ok(Fetched {
            pieces,
            retries: self.retries.load(Ordering::Relaxed),
        })
    }

    /// The saved state, if the file is as that state left it.
    async fn usable(&self, saved: Option<Pieces>) -> Result<Option<Pieces>, Error> {
        match saved {
            Some(pieces)
                if *pieces.blob() == self.blob
                    && Target::has_length(&self.path, pieces.total()).await? =>
            {
                Ok(Some(pieces))
            }
            _ => Ok(None),
        }
    }

    /// Learns the blob's length, in one request with the blob itself where it is small or the server knows no ranges.
    async fn start(&self) -> Result<Start, Error> {
        let mut attempts = Attempts::new(self);
        let mut small = self.options.small;
        loop {
            self.permitted().await;
            let answer = if small {
                self.aggregator.whole(&self.blob).await.map(Probe::Whole)
            } else {
                self.aggregator.probe(&self.blob).await
            };
            match answer {
                Ok(Probe::Length(total)) => {
                    return Ok(Start::Pieces(Pieces::plan(self.blob, total)));
                }
                Ok(Probe::Whole(body)) => match body.length() {
                    // Not small after all: better several pieces at a time than this one stream.
                    Some(total) if small && Pieces::plan(self.blob, total).count() > 1 => {
                        return Ok(Start::Pieces(Pieces::plan(self.blob, total)));
                    }
                    _ => return Ok(Start::Whole(body)),
                },
                // Too large to be sent whole may still be small enough in pieces.
                Err(aggregator::Error::Refused(reply)) if small && reply.status == 403 => {
                    small = false;
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    /// Fetches the pieces that are missing, from the whole blob if a body with it is there.
    async fn fetch_pieces(
        &self,
        mut pieces: Pieces,
        body: Option<Body>,
        keep: bool,
    ) -> Result<Pieces, Error> {
        self.meter.begin(&pieces);
        let target = Target::open(&self.path, Some(pieces.total()), keep).await?;
        let (sender, receiver) = mpsc::channel(UNSYNCED);
        if !keep && pieces.is_complete() {
            // An empty blob has no piece to be reported.
            target.sync().await?;
            self.report(&pieces).await?;
        }
        // A failed commit ends the producer at once, whatever it waits for.
        let stop = self.cancel.child_token();
        let produce = until(
            &stop,
            self.produce(pieces.clone(), body, target.clone(), sender),
        );
        let commit = async {
            let committed = self.commit(&mut pieces, &target, receiver).await;
            if committed.is_err() {
                stop.cancel();
            }
            committed
        };
        let (produced, committed) = tokio::join!(produce, commit);
        committed?;
        produced?;
        debug_assert!(pieces.is_complete());
        Ok(pieces)
    }

    async fn produce(
        &self,
        mut written: Pieces,
        mut body: Option<Body>,
        target: Target,
        sender: mpsc::Sender<u64>,
    ) -> Result<(), Error> {
        if body.is_none() {
            let missing: Vec<u64> = written.missing().collect();
            let mut active = stream::iter(missing)
                .map(|index| self.piece(index, written.range(index), written.total(), &target))
                .buffer_unordered(self.options.streams);
            let mut finished = Vec::new();
            while let Some(piece) = active.next().await {
                match piece? {
                    Piece::Written(index) => {
                        finished.push(index);
                        send(&sender, index).await?;
                    }
                    Piece::Whole(whole) => {
                        // The others would get the whole as well.
                        body = Some(whole);
                        break;
                    }
                }
            }
            drop(active);
            for index in finished {
                written.mark(index);
            }
        }
        match body {
            Some(body) => self.whole(body, &mut written, &target, &sender).await,
            None => Ok(()),
        }
    }

    /// Syncs what was written, as much at a time as came since the last sync, and reports it.
    async fn commit(
        &self,
        pieces: &mut Pieces,
        target: &Target,
        mut receiver: mpsc::Receiver<u64>,
    ) -> Result<(), Error> {
        let mut batch = Vec::with_capacity(UNSYNCED);
        while receiver.recv_many(&mut batch, UNSYNCED).await > 0 {
            target.sync().await?;
            for index in batch.drain(..) {
                pieces.mark(index);
            }
            self.report(pieces).await?;
        }
        Ok(())
    }

    async fn report(&self, pieces: &Pieces) -> Result<(), Error> {
        self.observer.saved(pieces).await.map_err(Error::Observer)
    }

    /// Fetches one piece. An attempt goes on where the last one broke off.
    async fn piece(
        &self,
        index: u64,
        range: std::ops::Range<u64>,
        total: u64,
        target: &Target,
    ) -> Result<Piece, Error> {
        let mut attempts = Attempts::new(self);
        let mut at = range.start;
        while at < range.end {
            self.permitted().await;
            let answer = self.aggregator.range(&self.blob, at..range.end, total);
            let attempt = match answer.await {
                Ok(Ranged::Part(body)) => {
                    let mut writer = target.writer(at);
                    let copied = self.copy(body, &mut writer, index, at - range.start).await;
                    at = writer.finish().await?;
                    copied
                }
                Ok(Ranged::Whole(body)) => return Ok(Piece::Whole(body)),
                Err(error) => Err(Trouble::Source(error)),
            };
            if attempt.is_ok() {
                // A body that ends well had all that was asked for.
                debug_assert_eq!(at, range.end);
                break;
            }
            attempts.outcome(attempt).await?;
        }
        Ok(Piece::Written(index))
    }

    /// Copies a part of a piece of which `before` bytes are there.
    async fn copy(
        &self,
        mut body: Body,
        writer: &mut Writer,
        index: u64,
        before: u64,
    ) -> Result<(), Trouble> {
        while let Some(bytes) = body.chunk().await? {
            self.meter.piece(index, before + body.received());
            writer.push(bytes).await?;
        }
        Ok(())
    }

    /// Fetches the blob in one stream, from its first byte: never appended where an earlier attempt ended.
    async fn whole(
        &self,
        body: Body,
        written: &mut Pieces,
        target: &Target,
        sender: &mpsc::Sender<u64>,
    ) -> Result<(), Error> {
        let mut attempts = Attempts::new(self);
        let mut body = Some(body);
        while !written.is_complete() {
            let attempt = match body.take() {
                Some(body) => self.copy_whole(body, written, target, sender).await,
                None => match self.whole_again(written.total()).await {
                    Ok(again) => {
                        body = Some(again);
                        Ok(())
                    }
                    Err(error) => Err(Trouble::Source(error)),
                },
            };
            attempts.outcome(attempt).await?;
        }
        Ok(())
    }

    async fn whole_again(&self, total: u64) -> Result<Body, aggregator::Error> {
        self.permitted().await;
        let body = self.aggregator.whole(&self.blob).await?;
        match body.length() {
            Some(got) if got != total => Err(aggregator::Error::OtherTotal {
                expected: total,
                got,
            }),
            _ => Ok(body),
        }
    }

    /// Writes the pieces that are not there as the stream passes them.
    async fn copy_whole(
        &self,
        mut body: Body,
        written: &mut Pieces,
        target: &Target,
        sender: &mpsc::Sender<u64>,
    ) -> Result<(), Trouble> {
        let mut writer = target.writer(0);
        let (mut index, mut at) = (0, 0);
        while let Some(mut bytes) = body.chunk().await? {
            while !bytes.is_empty() {
                let range = written.range(index);
                if range.is_empty() {
                    let expected = written.total();
                    return Err(aggregator::Error::TooLong { expected }.into());
                }
                let room = usize::try_from(range.end - at).unwrap_or(usize::MAX);
                let part = bytes.split_to(bytes.len().min(room));
                at += part.len() as u64;
                if written.is_done(index) {
                    writer.skip(part.len() as u64).await?;
                } else {
                    self.meter.piece(index, at - range.start);
                    writer.push(part).await?;
                }
                if at == range.end {
                    writer.finish().await?;
                    if !written.is_done(index) {
                        written.mark(index);
                        send(sender, index).await?;
                    }
                    index += 1;
                }
            }
        }
        if at < written.total() {
            let expected = written.total();
            return Err(aggregator::Error::TooShort { expected, got: at }.into());
        }
        Ok(())
    }

    /// Fetches a blob whose length the server does not tell: nothing to go on from until it is all here.
    async fn fetch_unknown(&self, body: Body) -> Result<Pieces, Error> {
        let target = Target::open(&self.path, None, false).await?;
        let mut attempts = Attempts::new(self);
        let mut body = Some(body);
        loop {
            let attempt = async {
                let mut body = match body.take() {
                    Some(body) => body,
                    None => {
                        self.permitted().await;
                        self.aggregator.whole(&self.blob).await?
                    }
                };
                let mut writer = target.writer(0);
                while let Some(bytes) = body.chunk().await? {
                    self.meter.bytes(body.received());
                    writer.push(bytes).await?;
                }
                Ok(writer.finish().await?)
            };
            match attempt.await {
                Ok(total) => {
                    target.set_length(total).await?;
                    target.sync().await?;
                    let mut pieces = Pieces::plan(self.blob, total);
                    pieces.mark_all();
                    self.meter.begin(&pieces);
                    self.report(&pieces).await?;
                    return Ok(pieces);
                }
                Err(trouble) => attempts.outcome(Err(trouble)).await?,
            }
        }
    }

    /// Waits until the server permits another request.
    async fn permitted(&self) {
        loop {
            let until = *self
                .not_before
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }
}

/// How the fetch of a piece ended.
enum Piece {
    Written(u64),
    /// The server sends the whole blob instead.
    Whole(Body),
}

/// The attempts at one piece.
struct Attempts<'a, 'b, O> {
    run: &'a Run<'b, O>,
    failed: u32,
}

impl<'a, 'b, O: Observer> Attempts<'a, 'b, O> {
    fn new(run: &'a Run<'b, O>) -> Self {
        Self { run, failed: 0 }
    }

    async fn outcome(&mut self, attempt: Result<(), Trouble>) -> Result<(), Error> {
        match attempt {
            Ok(()) => Ok(()),
            Err(Trouble::Source(error)) => self.failed(error).await,
            Err(Trouble::Stop(error)) => Err(error),
        }
    }

    /// Waits before the next attempt, or gives up.
    async fn failed(&mut self, error: aggregator::Error) -> Result<(), Error> {
        self.failed += 1;
        let options = self.run.options;
        let asked = match error.retry() {
            Retry::After(asked) if self.failed < options.attempts => asked,
            _ => {
                return Err(Error::Fetch {
                    source: error,
                    attempts: self.failed,
                });
            }
        };
        let wait = options.wait(self.failed, asked);
        if asked.is_some() {
            // What a server asks of one request it asks of all.
            let until = Instant::now() + wait;
            let mut not_before = self
                .run
                .not_before
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *not_before = Some(not_before.map_or(until, |earlier| earlier.max(until)));
        }
        self.run.retries.fetch_add(1, Ordering::Relaxed);
        self.run.observer.retrying(&Retrying {
            attempt: self.failed + 1,
            of: options.attempts,
            error: &error,
            wait,
        });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Does the work unless it is cancelled before its end.
async fn until<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    cancel
        .run_until_cancelled(work)
        .await
        .unwrap_or(Err(Error::Cancelled))
}

async fn send(sender: &mpsc::Sender<u64>, index: u64) -> Result<(), Error> {
    // The committer ends before the producer only when it failed, and then its error is the one that is returned.
    sender.send(index).await.map_err(|_| Error::Cancelled)
}
