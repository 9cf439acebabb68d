//! The body of an answer, as a bounded stream.
//!
//! Invariant: a body ends well only after all bytes that were asked for, and never gives more; no wait for the next byte
//! is without end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Response;

use super::Error;

/// Bytes of a blob on their way.
#[derive(Debug)]
pub struct Body {
    response: Response,
    /// Bytes the head of the answer promises; unknown for an answer without a length.
    promised: Option<u64>,
    /// Bytes that were asked for, where the answer promises fewer.
    wanted: Option<u64>,
    limit: u64,
    received: u64,
    stall_timeout: Duration,
}

impl Body {
    /// The body of an answer that promises so many bytes, or at most `limit` where it does not tell.
    ///
    /// # Errors
    /// [`Error::TooLong`] and [`Error::TooShort`] when `Content-Length` says something else.
    pub(super) fn new(
        response: Response,
        promised: Option<u64>,
        limit: u64,
        stall_timeout: Duration,
    ) -> Result<Self, Error> {
        if let (Some(expected), Some(got)) = (promised, response.content_length()) {
            if got > expected {
                return Err(Error::TooLong { expected });
            }
            if got < expected {
                return Err(Error::TooShort { expected, got });
            }
        }
        Ok(Self {
            response,
            promised,
            wanted: None,
            limit,
            received: 0,
            stall_timeout,
        })
    }

    /// Ends with [`Error::TooShort`] after the promised bytes when they are fewer than `wanted`.
    pub(super) fn then_short(mut self, wanted: u64) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Bytes that the whole body has, if the server told.
    pub fn length(&self) -> Option<u64> {
        self.promised
    }

    /// Bytes given so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes, or nothing at the end.
    ///
    /// # Errors
    /// [`Error::Stalled`], [`Error::Disconnected`], [`Error::TooShort`], [`Error::TooLong`] and [`Error::TooLarge`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let next = tokio::time::timeout(self.stall_timeout, self.response.chunk())
            .await
            .map_err(|_| Error::Stalled(self.stall_timeout))?;
        match next {
            Ok(Some(bytes)) => {
                self.received += bytes.len() as u64;
                self.check_not_more()?;
                Ok(Some(bytes))
            }
            Ok(None) => {
                self.check_not_less()?;
                Ok(None)
            }
            Err(error) => Err(Error::Disconnected {
                received: self.received,
                expected: self.promised,
                source: error.without_url(),
            }),
        }
    }

    /// The body as a stream, which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        futures_util::stream::try_unfold(self, async |mut body| {
            Ok(body.chunk().await?.map(|bytes| (bytes, body)))
        })
    }

    fn check_not_more(&self) -> Result<(), Error> {
        match self.promised {
            Some(expected) if self.received > expected => Err(Error::TooLong { expected }),
            None if self.received > self.limit => Err(Error::TooLarge { limit: self.limit }),
            _ => Ok(()),
        }
    }

    fn check_not_less(&self) -> Result<(), Error> {
        match self.wanted.or(self.promised) {
            Some(expected) if self.received < expected => Err(Error::TooShort {
                expected,
                got: self.received,
            }),
            _ => Ok(()),
        }
    }
}
