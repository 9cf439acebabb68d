//! Files that jobs made, streamed.

use std::ops::Range;

use bytes::Bytes;
use longhaul_types::JobId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Response,
    header::{CONTENT_TYPE, ETAG, RANGE},
};

use crate::{Client, Error, jobs::job};

/// What stands for itself in a path. A slash does not: as part of a name it must not make dot segments.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file on its way. The server vouches for [`Self::sha256`]; whoever keeps the bytes compares.
#[derive(Debug)]
pub struct Download {
    client: Client,
    response: Response,
}

impl Client {
    /// A file of a job, all of it or a range of bytes.
    pub async fn artifact(
        &self,
        id: &JobId,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<Download, Error> {
        let name = utf8_percent_encode(name, SEGMENT);
        let mut request = self.get(&job(id, &format!("/artifacts/{name}")));
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        Ok(Download {
            response: self.send(request).await?,
            client: self.clone(),
        })
    }
}

impl Download {
    /// Bytes that come, when the server says.
    pub fn size(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub fn sha256(&self) -> Option<&str> {
        Some(self.header(ETAG)?.trim_matches('"'))
    }

    /// Media type.
    pub fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE)
    }

    /// The next bytes; none at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.client.chunk(&mut self.response).await
    }

    fn header(&self, name: reqwest::header::HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}
