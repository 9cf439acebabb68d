//! The dashboard: the page's files, which hold nothing secret, and the sessions of whoever opened it.
//!
//! Invariant: the page does nothing that the API does not offer to everybody, and its policy lets it run no script, show no
//! style and reach no place but this server's own.

mod sessions;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use longhaul_types::ErrorCode;
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};

pub(crate) use sessions::{Session, Sessions};

use crate::{access::Access, answer::Refusal};

/// What the page may do. Artifacts are shown as images from memory; everything else comes from this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! assets {
    ($($name:literal: $media:literal,)*) => {
        [$(($name, $media, include_str!(concat!("assets/", $name))),)*]
    };
}

/// The page itself.
const SHELL: &str = "index.html";
/// Name, media type and text of every file. Served as they lie here: what is read is what runs.
const FILES: [(&str, &str, &str); 28] = assets! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "js/main.js": "text/javascript; charset=utf-8",
    "js/api.js": "text/javascript; charset=utf-8",
    "js/artifacts.js": "text/javascript; charset=utf-8",
    "js/bulk.js": "text/javascript; charset=utf-8",
    "js/chart.js": "text/javascript; charset=utf-8",
    "js/charts.js": "text/javascript; charset=utf-8",
    "js/dom.js": "text/javascript; charset=utf-8",
    "js/failures.js": "text/javascript; charset=utf-8",
    "js/format.js": "text/javascript; charset=utf-8",
    "js/items.js": "text/javascript; charset=utf-8",
    "js/job.js": "text/javascript; charset=utf-8",
    "js/jobs.js": "text/javascript; charset=utf-8",
    "js/keys.js": "text/javascript; charset=utf-8",
    "js/live.js": "text/javascript; charset=utf-8",
    "js/log.js": "text/javascript; charset=utf-8",
    "js/query.js": "text/javascript; charset=utf-8",
    "js/queues.js": "text/javascript; charset=utf-8",
    "js/row.js": "text/javascript; charset=utf-8",
    "js/schedules.js": "text/javascript; charset=utf-8",
    "js/table.js": "text/javascript; charset=utf-8",
    "js/theme.js": "text/javascript; charset=utf-8",
    "js/timeline.js": "text/javascript; charset=utf-8",
    "js/tree.js": "text/javascript; charset=utf-8",
    "js/virtual.js": "text/javascript; charset=utf-8",
    "js/workers.js": "text/javascript; charset=utf-8",
};

/// Entity tags by name.
static TAGS: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let tag = |text: &str| {
        let hash = Sha256::digest(text);
        let digits: String = hash[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("\"{digits}\"")
    };
    FILES
        .iter()
        .map(|(name, _, text)| (*name, tag(text)))
        .collect()
});

/// `GET /`.
pub(crate) async fn shell(headers: HeaderMap) -> Result<Response, Refusal> {
    file(SHELL, &headers)
}

/// `GET /assets/{name}`.
pub(crate) async fn asset(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    file(&name, &headers)
}

fn file(name: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let Some((name, media, text)) = found else {
        let detail = "the page has no such file; reload it";
        return Err(Refusal::new(ErrorCode::NotFound, detail));
    };
    let tag = TAGS.get(name).map_or("", String::as_str);
    let described = [
        (header::ETAG, tag),
        // Kept and asked for again: a new version of the server shows at the next load.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known.filter_map(|value| value.to_str().ok());
    if known.any(|value| {
        value
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
    }) {
        return Ok((StatusCode::NOT_MODIFIED, described).into_response());
    }
    let media = [(header::CONTENT_TYPE, *media)];
    Ok((described, media, *text).into_response())
}

/// Where the page is found: by the server's TCP door, or by one that is opened for it.
#[derive(Debug)]
pub(crate) struct Place {
    address: Mutex<Option<SocketAddr>>,
    scheme: &'static str,
    /// Who serves a door that is opened later.
    doors: mpsc::Sender<TcpListener>,
}

impl Place {
    /// Of a server that listens on `tcp`, and takes further doors.
    pub(crate) fn new(
        tcp: Option<SocketAddr>,
        tls: bool,
        doors: mpsc::Sender<TcpListener>,
    ) -> Self {
        Self {
            address: Mutex::new(tcp),
            scheme: if tls { "https" } else { "http" },
            doors,
        }
    }

    /// The origin of this server by the name that somebody called it.
    pub(crate) fn named(&self, name: &str) -> String {
        format!("{}://{name}", self.scheme)
    }

    /// The address that a browser on this machine uses. A server without a TCP door opens one, for this machine alone,
    /// by which only the dashboard's sessions are let in.
    pub(crate) async fn origin(&self, access: &Access) -> Result<String, Refusal> {
        let mut address = self.address.lock().await;
        let at = match *address {
            Some(at) => at,
            None => *address.insert(self.open(access).await?),
        };
        let ip = match at.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Ok(self.named(&SocketAddr::new(ip, at.port()).to_string()))
    }

    async fn open(&self, access: &Access) -> Result<SocketAddr, Refusal> {
        let refused = |why: &str| {
            let detail = format!("no port for the dashboard could be opened on 127.0.0.1: {why}");
            Refusal::new(ErrorCode::Unavailable, detail)
        };
        let any = (Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(any).await;
        let listener = listener.map_err(|error| refused(&error.to_string()))?;
        let at = listener
            .local_addr()
            .map_err(|error| refused(&error.to_string()))?;
        access.answer_at(at);
        let sent = self.doors.send(listener).await;
        sent.map_err(|_| refused("the server stops"))?;
        tracing::info!("listening on http://{at}, for the dashboard");
        Ok(at)
    }
}
