//! The client itself: where the server is, and one path by which every request goes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};

use bytes::Bytes;
use longhaul_types::Problem;
use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use serde::de::DeserializeOwned;

use crate::Error;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for a whole answer that is no stream.
const ANSWER: Duration = Duration::from_mins(1);
/// Time without a byte on a stream: three heartbeats of the server.
const QUIET: Duration = Duration::from_secs(45);
/// Connections that are not used are given up before the server does.
const KEEP: Duration = Duration::from_secs(15);
/// Bytes of an answer: a page of jobs or lines is far below.
const MAX_ANSWER: usize = 64 << 20;

/// A secret that opens a server's TCP door. Never shown.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A token of this text; white space around it does not count.
    pub fn new(text: &str) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
            .map_err(|_| Error::Setup("the token has characters that no token has".to_owned()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// A client of one server. Cheap to clone; connections are shared.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    at: Arc<str>,
    token: Option<Token>,
}

impl Client {
    /// A client of the server that listens on this unix socket.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path: PathBuf = path.as_ref().to_owned();
        let at: Arc<str> = path.display().to_string().into();
        let http = builder(false).no_proxy().unix_socket(path).build();
        Ok(Self {
            http: http.map_err(|error| Error::of(&at, &error))?,
            base: "http://localhost".into(),
            at,
            token: None,
        })
    }

    /// A client of the server at this address: `http://127.0.0.1:4000`, or `https://` with a path before the API's.
    pub fn tcp(url: &str, token: Option<Token>) -> Result<Self, Error> {
        Self::tcp_trusting(url, token, None)
    }

    /// The same, trusting the certificates of this PEM text and no others: those of a team's own authority, or the
    /// server's own.
    pub fn tcp_trusting(
        url: &str,
        token: Option<Token>,
        certificates: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let base = url.trim_end_matches('/');
        let url = reqwest::Url::parse(base)
            .map_err(|error| Error::Setup(format!("'{base}' is no address: {error}")))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(Error::Setup(format!(
                    "'{other}' is no scheme of a server; use http or https"
                )));
            }
        };
        if url.cannot_be_a_base() || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::Setup(format!("'{base}' is no address of a server")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Setup(
                "an address holds no password; use a token".to_owned(),
            ));
        }
        let mut builder = builder(secure && certificates.is_none());
        if let Some(text) = certificates.filter(|_| secure) {
            builder = builder.tls_certs_only(certificates_of(text)?);
        }
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(|error| Error::of(base, &error))?,
            base: base.into(),
            at: base.into(),
            token,
        })
    }

    /// Where the server is, in words: its socket's path or its address.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// A request for `path`, which begins with a slash.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.0.clone()),
            None => request,
        }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        let request = request.timeout(ANSWER).header(ACCEPT, "application/json");
        let body = self.body(self.send(request).await?).await?;
        serde_json::from_slice(&body).map_err(|error| self.unexpected(&error.to_string()))
    }

    /// Asks, and answers with what came if it is a success.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request
            .send()
            .await
            .map_err(|error| Error::of(&self.at, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Error::Refused(Box::new(problem))),
            Err(_) => Err(self.unexpected(&format!("status {status} without a problem document"))),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Bytes, Error> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk(&mut response).await? {
            if body.len() + bytes.len() > MAX_ANSWER {
                return Err(self.unexpected(&format!("more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.into())
    }

    /// The next bytes of an answer.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Error> {
        response
            .chunk()
            .await
            .map_err(|error| Error::of(&self.at, &error))
    }

    pub(crate) fn unexpected(&self, what: &str) -> Error {
        Error::Unexpected {
            at: self.at.to_string(),
            what: what.to_owned(),
        }
    }
}

/// Has every part of this process that speaks TLS do so with what the client does it with, unless the program has chosen
/// something else. A client does this by itself.
pub fn install_crypto() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails only when the program has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// What all clients have in common. The certificates of the system are read only for `secure` ones: that takes longer
/// than everything else a short command does.
fn builder(secure: bool) -> reqwest::ClientBuilder {
    install_crypto();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(QUIET)
        .pool_idle_timeout(KEEP)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")));
    if secure {
        builder
    } else {
        builder.tls_certs_only([])
    }
}

fn certificates_of(text: &[u8]) -> Result<Vec<reqwest::Certificate>, Error> {
    let found = reqwest::Certificate::from_pem_bundle(text)
        .map_err(|error| Error::Setup(format!("the certificates can not be read: {error}")))?;
    if found.is_empty() {
        return Err(Error::Setup(
            "the file of certificates holds none; it must be PEM".to_owned(),
        ));
    }
    Ok(found)
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_can_not_be_are_refused() {
        for url in [
            "",
            "127.0.0.1:4000",
            "ftp://host",
            "http://me:secret@host",
            "http://host/?a=b",
            "unix:/path",
        ] {
            assert!(Client::tcp(url, None).is_err(), "{url}");
        }
        assert!(Client::tcp("http://host:4000/prefix/", None).is_ok());
        let none = Client::tcp_trusting("https://host", None, Some(b"no certificate"));
        assert!(matches!(none, Err(Error::Setup(_))), "{none:?}");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new("hush-hush\n").expect("a token");
        let client = Client::tcp("http://localhost:1", Some(token)).expect("a client");
        assert!(!format!("{client:?}").contains("hush"));
        assert!(Token::new("a\nb").is_err());
    }
}
