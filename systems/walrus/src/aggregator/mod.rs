//! The client of a Walrus aggregator's HTTP API.
//!
//! Invariant: a [`Body`] gives exactly the bytes that were asked for, in order, or an error; an answer from elsewhere in
//! the blob, of another length or of a redirected address is never taken for them. That the bytes are right is for the
//! caller to verify against the blob ID.

mod answer;
mod body;
mod error;

use std::{net::SocketAddr, ops::Range, time::Duration};

use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, RANGE},
};

use self::answer::ContentRange;
pub use self::{
    body::Body,
    error::{Error, Reply, Retry},
};
use crate::blob_id::BlobId;

/// Bytes of the largest blob at 1000 shards.
pub const MAX_BLOB: u64 = 14_599_533_452;

/// How to reach an aggregator.
#[derive(Clone, Debug)]
pub struct Options {
    base: String,
    pinned: Option<Vec<SocketAddr>>,
    connect_timeout: Duration,
    stall_timeout: Duration,
    max_blob: u64,
}

impl Options {
    /// The aggregator at this base address, such as `https://aggregator.walrus-testnet.walrus.space`.
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            pinned: None,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            max_blob: MAX_BLOB,
        }
    }

    /// Connects to these addresses alone, whatever the host's name resolves to later.
    #[must_use]
    pub fn pin(mut self, addresses: Vec<SocketAddr>) -> Self {
        self.pinned = Some(addresses);
        self
    }

    /// The longest wait for a connection; 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest time in which no byte comes, be it of the head or of the body; 30 s by default.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Bytes of the largest blob taken; [`MAX_BLOB`] by default.
    #[must_use]
    pub fn max_blob(mut self, bytes: u64) -> Self {
        self.max_blob = bytes;
        self
    }

    /// A client with these options.
    ///
    /// # Errors
    /// [`Error::Address`] when the base address is none of HTTP or HTTPS, and [`Error::Client`].
    pub fn connect(self) -> Result<Aggregator, Error> {
        let base = parse_base(&self.base)?;
        let mut builder = Client::builder()
            .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // Attempts are counted by the caller, and a proxy would undo a pinned address.
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            // Lengths and offsets are those of the blob only where nothing recodes it.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(self.connect_timeout);
        // The process may have chosen its own provider before, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if base.scheme() == "http" {
            // No certificate will be looked at: spare reading the system's.
            builder = builder.tls_certs_only([]);
        }
        if let (Some(addresses), Some(host)) = (&self.pinned, base.host_str()) {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        Ok(Aggregator {
            http: builder.build().map_err(Error::Client)?,
            base,
            stall_timeout: self.stall_timeout,
            max_blob: self.max_blob,
        })
    }
}

/// A client of one aggregator. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Aggregator {
    http: Client,
    base: Url,
    stall_timeout: Duration,
    max_blob: u64,
}

/// What an aggregator answers when asked for a part of a blob.
#[derive(Debug)]
pub enum Ranged {
    /// The bytes asked for.
    Part(Body),
    /// The whole blob from its first byte: the server does not know ranges.
    Whole(Body),
}

/// What is known of a blob before it is fetched.
#[derive(Debug)]
pub enum Probe {
    /// Its length in bytes; it can be fetched in parts.
    Length(u64),
    /// The server sent the blob instead, since it is empty or the server does not know ranges.
    Whole(Body),
}

impl Aggregator {
    /// The base address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Bytes of a blob.
    ///
    /// # Errors
    /// What the server or the network refused.
    pub async fn size(&self, blob: &BlobId) -> Result<u64, Error> {
        match self.probe(blob).await? {
            Probe::Length(length) => Ok(length),
            Probe::Whole(mut body) => match body.length() {
                Some(length) => Ok(length),
                None => {
                    while body.chunk().await?.is_some() {}
                    Ok(body.received())
                }
            },
        }
    }

    /// Learns the length of a blob by asking for its first byte: there is no HEAD route.
    ///
    /// # Errors
    /// What the server or the network refused, and [`Error::TooLarge`].
    pub async fn probe(&self, blob: &BlobId) -> Result<Probe, Error> {
        match self.ranged(blob, 0..1, None).await {
            Ok((Ranged::Part(_), range)) => {
                let length = range.and_then(|range| range.total).ok_or(Error::Answer(
                    "a Content-Range that does not tell the blob's length",
                ))?;
                self.check_size(length)?;
                Ok(Probe::Length(length))
            }
            Ok((Ranged::Whole(body), _)) => Ok(Probe::Whole(body)),
            // An empty blob has no first byte.
            Err(Error::Refused(reply)) if reply.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                self.whole(blob).await.map(Probe::Whole)
            }
            Err(error) => Err(error),
        }
    }

    /// Bytes `range` of a blob of `total` bytes. The range must not be empty.
    ///
    /// # Errors
    /// What the server or the network refused, and an answer that is not about these bytes.
    pub async fn range(
        &self,
        blob: &BlobId,
        range: Range<u64>,
        total: u64,
    ) -> Result<Ranged, Error> {
        let (ranged, _) = self.ranged(blob, range, Some(total)).await?;
        Ok(ranged)
    }

    /// A whole blob.
    ///
    /// # Errors
    /// What the server or the network refused, and [`Error::TooLarge`].
    pub async fn whole(&self, blob: &BlobId) -> Result<Body, Error> {
        let response = self.send(self.get(blob)).await?;
        match response.status() {
            StatusCode::OK => self.whole_body(response),
            _ => Err(Error::Answer("a status other than 200 for a whole blob")),
        }
    }

    async fn ranged(
        &self,
        blob: &BlobId,
        range: Range<u64>,
        total: Option<u64>,
    ) -> Result<(Ranged, Option<ContentRange>), Error> {
        let last = range.end.saturating_sub(1);
        let request = self
            .get(blob)
            .header(RANGE, format!("bytes={}-{last}", range.start));
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => {
                let body = self.whole_body(response)?;
                if let (Some(expected), Some(got)) = (total, body.length())
                    && expected != got
                {
                    return Err(Error::OtherTotal { expected, got });
                }
                Ok((Ranged::Whole(body), None))
            }
            StatusCode::PARTIAL_CONTENT => {
                let got = content_range(response.headers())?;
                let length = got.check(&range, total)?;
                let body = Body::new(response, Some(length), u64::MAX, self.stall_timeout)?;
                // A shorter part is still the right bytes: the body gives them, then the error.
                let body = body.then_short(range.end - range.start);
                Ok((Ranged::Part(body), Some(got)))
            }
            _ => Err(Error::Answer("a status other than 200 or 206 for a range")),
        }
    }

    fn whole_body(&self, response: Response) -> Result<Body, Error> {
        let length = response.content_length();
        if let Some(length) = length {
            self.check_size(length)?;
        }
        Body::new(response, length, self.max_blob, self.stall_timeout)
    }

    fn check_size(&self, size: u64) -> Result<(), Error> {
        if size > self.max_blob {
            return Err(Error::TooLarge {
                limit: self.max_blob,
            });
        }
        Ok(())
    }

    fn get(&self, blob: &BlobId) -> RequestBuilder {
        // A blob ID is base64url: nothing in it needs escaping. The base ends with a slash.
        let mut url = self.base.clone();
        url.set_path(&format!("{}v1/blobs/{blob}", self.base.path()));
        self.http.get(url).header(ACCEPT, "*/*")
    }

    /// Sends a request and waits for the head of a good answer.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = tokio::time::timeout(self.stall_timeout, request.send())
            .await
            .map_err(|_| Error::Stalled(self.stall_timeout))?
            .map_err(|error| Error::Network(error.without_url()))?;
        let status = response.status();
        if !status.is_success() {
            return Err(error::of_response(response, self.stall_timeout).await);
        }
        match response.headers().get(CONTENT_ENCODING) {
            Some(coding) if coding != "identity" => Err(Error::Answer("an encoded body")),
            _ => Ok(response),
        }
    }
}

fn parse_base(text: &str) -> Result<Url, Error> {
    let bad = |reason| Error::Address {
        address: text.chars().take(256).collect(),
        reason,
    };
    let mut url = Url::parse(text).map_err(|_| bad("not an address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("neither http nor https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("a base address has no query or fragment"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn content_range(headers: &HeaderMap) -> Result<ContentRange, Error> {
    headers
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(ContentRange::parse)
        .ok_or(Error::Answer(
            "a 206 without a Content-Range that makes sense",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses() {
        for (text, base) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
            ("https://a.example/walrus", "https://a.example/walrus/"),
            ("https://a.example/walrus/", "https://a.example/walrus/"),
        ] {
            assert_eq!(parse_base(text).expect("an address").as_str(), base);
        }
        for bad in ["", "aggregator", "file:///etc/passwd", "http://a/?x=1"] {
            assert!(
                matches!(parse_base(bad), Err(Error::Address { .. })),
                "{bad}"
            );
        }
    }
}
