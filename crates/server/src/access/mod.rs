//! Who may come in, and what for: every request passes [`guard`] before a route, or the absence of one, is looked at.
//!
//! Over the unix socket the peer's user was checked when it connected. Over TCP a request needs a token, on loopback
//! too: every local user and every web page can reach it. Host and Origin are compared exactly, so that no page of
//! another site gets an answer. Then the one table of routes says which right is needed; whose jobs are meant is in the
//! store's own questions.

mod audit;
mod caller;
mod limits;
mod right;
mod tokens;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use longhaul::Store;
use longhaul_types::ErrorCode;

pub(crate) use self::{
    audit::Changed,
    caller::{Caller, missing},
    limits::StreamSlot,
    tokens::Tokens,
};
use self::{
    audit::Line,
    caller::Pass,
    limits::Failures,
    right::{Place, place},
};
pub use self::{limits::AccessLimits, right::Right};
use crate::{
    Options,
    answer::{Refusal, no_method, no_route},
    dashboard::Sessions,
    routes::App,
    sockets::{self, Visitor},
    token::AdminToken,
};

/// What a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The unix socket: this machine's user, or root.
    Unix,
    /// TCP.
    Tcp,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A user of this machine, over the unix socket.
    User(u32),
    /// Somebody at this address, over TCP.
    Address(IpAddr),
}

impl Peer {
    /// The door they came in by.
    pub(crate) fn door(self) -> Door {
        match self {
            Self::User(_) => Door::Unix,
            Self::Address(_) => Door::Tcp,
        }
    }
}

/// The rules of the doors.
#[derive(Debug)]
pub(crate) struct Access {
    token: Option<AdminToken>,
    open: bool,
    hosts: Vec<String>,
    pub(crate) tokens: Tokens,
    failures: Failures,
    /// The names of a door that was opened later.
    later: OnceLock<Vec<String>>,
    sessions: Sessions,
}

impl Access {
    /// The rules that `options` say, for a server that listens on `tcp` and whose tokens are in `store`.
    pub(crate) fn new(options: &Options, tcp: Option<SocketAddr>, store: Arc<dyn Store>) -> Self {
        let mut hosts = options.hosts.clone();
        let usual = if options.tls.is_some() { 443 } else { 80 };
        hosts.extend(tcp.into_iter().flat_map(|address| names(address, usual)));
        Self {
            token: options.token.clone(),
            open: options.access_open,
            hosts,
            later: OnceLock::new(),
            sessions: Sessions::new(Arc::clone(&options.clock)),
            tokens: Tokens::new(store, Arc::clone(&options.clock), options.access_limits),
            failures: Failures::new(&options.access_limits),
        }
    }

    /// The sessions of the dashboard.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Answers at the address of a door that is opened later, the only one.
    pub(crate) fn answer_at(&self, address: SocketAddr) {
        self.later.get_or_init(|| names(address, 80));
    }

    /// Whether the server goes by this name.
    fn goes_by(&self, host: &str) -> bool {
        let later = self.later.get().into_iter().flatten();
        self.hosts.iter().chain(later).any(|known| known == host)
    }

    /// Sees whether the door takes this request at all, whoever makes it.
    fn check_door(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
        match peer.door() {
            // No page can reach the socket by itself: one that does was let through by something in between.
            Door::Unix if headers.contains_key(header::ORIGIN) => {
                Err(forbidden("web pages do not speak to the unix socket"))
            }
            Door::Unix => Ok(()),
            Door::Tcp => {
                self.check_host(headers)?;
                self.check_origin(headers)
            }
        }
    }

    /// Who makes a request that the door takes.
    fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match peer {
            Peer::User(uid) => Ok(Caller::new(peer.door(), Pass::User(uid))),
            Peer::Address(_) => self.check_token(headers),
        }
    }

    /// What a stranger is told: after too many failures of an address, how long to wait. A valid token is let in all the
    /// same, so that nobody keeps out who shares their address; trying finds no token, this bounds the noise of it.
    fn refuse_stranger(&self, peer: Peer, refusal: Refusal) -> Refusal {
        let Peer::Address(address) = peer else {
            return refusal;
        };
        match self.failures.count(address) {
            Ok(()) => refusal,
            Err(wait) => {
                let detail = "too many requests of this address came without a valid token";
                Refusal::later(ErrorCode::RateLimited, detail, wait)
            }
        }
    }

    /// Looks at a request of the Socket.IO door, whose token may come later: without one it says who comes in without.
    fn admit_visitor(&self, peer: Peer, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        if peer.door() == Door::Unix || headers.contains_key(header::AUTHORIZATION) {
            return self.admit(peer, headers).map(|caller| Visitor(Ok(caller)));
        }
        Ok(Visitor(self.check_token(headers)))
    }

    /// Who shows this token to the Socket.IO door.
    pub(crate) fn admit_token(&self, peer: Option<Peer>, shown: &[u8]) -> Result<Caller, Refusal> {
        self.by_token(shown).map_err(|refusal| match peer {
            Some(peer) => self.refuse_stranger(peer, refusal),
            None => refusal,
        })
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = only(headers, header::HOST).and_then(|host| host.to_str().ok());
        if host.is_some_and(|host| self.goes_by(host)) {
            return Ok(());
        }
        Err(forbidden(
            "this server does not go by the name in Host; add it to the server's hosts",
        ))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = only(headers, header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let own = origin
            .and_then(|origin| {
                origin
                    .strip_prefix("http://")
                    .or_else(|| origin.strip_prefix("https://"))
            })
            .is_some_and(|host| self.goes_by(host));
        if own {
            return Ok(());
        }
        Err(forbidden(
            "pages of other sites do not speak to this server",
        ))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if let Some(shown) = only(headers, header::AUTHORIZATION) {
            return self.by_token(bearer(shown).unwrap_or_default());
        }
        if !self.open {
            return Err(unauthorised("show a token: Authorization: Bearer …"));
        }
        if headers.keys().any(is_forwarding) {
            return Err(forbidden(
                "access is open for this machine alone, and this request was forwarded; use a token",
            ));
        }
        Ok(Caller::new(Door::Tcp, Pass::Open))
    }

    /// Who shows this token at the TCP door.
    fn by_token(&self, shown: &[u8]) -> Result<Caller, Refusal> {
        let pass = match &self.token {
            Some(admin) if admin.is(shown) => Some(Pass::Administrator),
            _ => self
                .tokens
                .find(shown)
                .map(Pass::Token)
                .or_else(|| self.sessions.find(shown).map(Pass::Session)),
        };
        let pass = pass.ok_or_else(|| unauthorised("the token is not valid, or not any more"))?;
        Ok(Caller::new(Door::Tcp, pass))
    }
}

/// Lets a request in to a route that it may use, or refuses it before anything of it is looked at.
pub(crate) async fn guard<F>(
    app: &App,
    mut request: Request,
    inside: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return Refusal::new(ErrorCode::Internal, "a request came by no door").into_response();
    };
    let access = &app.access;
    if let Err(refusal) = access.check_door(peer, request.headers()) {
        return refusal.into_response();
    }
    if request.uri().path() == sockets::PATH {
        return match access.admit_visitor(peer, request.headers()) {
            Ok(visitor) => {
                request.extensions_mut().insert(visitor);
                inside(request).await
            }
            Err(refusal) => stranger(access, peer, &request, refusal),
        };
    }
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let template = matched.as_ref().map(MatchedPath::as_str);
    let place = place(request.method(), template, request.uri().path());
    if place == Place::Route(Right::None) {
        return inside(request).await;
    }
    let caller = match access.admit(peer, request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => return stranger(access, peer, &request, refusal),
    };
    if let Err(refusal) = caller.count_request() {
        return refusal.into_response();
    }
    let right = match place {
        Place::Route(right) => right,
        Place::NoMethod(taken) => {
            return ([(header::ALLOW, taken)], no_method(&request)).into_response();
        }
        Place::Nothing => return no_route(request.uri()).into_response(),
    };
    let (method, path) = (request.method(), request.uri().path());
    let line = Line::begin(&caller, method, template.unwrap_or_default(), path);
    let response = if caller.has(right) {
        request.extensions_mut().insert(caller);
        inside(request).await
    } else {
        missing(right).into_response()
    };
    if let Some(line) = line {
        line.end(&response);
    }
    response
}

/// Answers somebody who was not let in.
fn stranger(access: &Access, peer: Peer, request: &Request, refusal: Refusal) -> Response {
    if refusal.code() != ErrorCode::Unauthorised {
        return refusal.into_response();
    }
    let refusal = access.refuse_stranger(peer, refusal);
    let unauthorised = refusal.code() == ErrorCode::Unauthorised;
    if unauthorised {
        audit::stranger(peer, request.method(), refusal.code());
    }
    let mut response = refusal.into_response();
    if unauthorised {
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What a server that listens on this address is called by.
fn names(address: SocketAddr, usual: u16) -> Vec<String> {
    let mut names = match address {
        SocketAddr::V4(address) => vec![address.ip().to_string()],
        SocketAddr::V6(address) => vec![format!("[{}]", address.ip())],
    };
    if address.ip().is_unspecified() {
        names.extend(["127.0.0.1".to_owned(), "[::1]".to_owned()]);
    }
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        names.push("localhost".to_owned());
    }
    let port = address.port();
    let with_port = names.iter().map(|name| format!("{name}:{port}"));
    let mut all: Vec<String> = with_port.collect();
    if port == usual {
        // Clients leave the usual port out.
        all.extend(names);
    }
    all
}

fn forbidden(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, detail)
}

fn unauthorised(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::Unauthorised, detail)
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded")
        || matches!(name, "forwarded" | "via" | "x-real-ip")
        || matches!(
            name,
            "cf-connecting-ip" | "true-client-ip" | "x-original-host"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn access(open: bool) -> Access {
        let options = Options::new("1", "1").access_open(open);
        let options = match AdminToken::new(TOKEN) {
            Some(token) => options.token(token),
            None => options,
        };
        let store = Arc::new(longhaul::testing::MemoryStore::default());
        Access::new(&options, Some(([127, 0, 0, 1], 4000).into()), store)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    value.parse().expect("a header"),
                )
            })
            .collect()
    }

    fn enter(
        access: &Access,
        door: Door,
        pairs: &[(&'static str, &str)],
    ) -> Result<Caller, Refusal> {
        let peer = match door {
            Door::Unix => Peer::User(1000),
            Door::Tcp => Peer::Address([127, 0, 0, 1].into()),
        };
        let headers = headers(pairs);
        access.check_door(peer, &headers)?;
        access.admit(peer, &headers)
    }

    fn code(access: &Access, door: Door, pairs: &[(&'static str, &str)]) -> Option<ErrorCode> {
        let entered = enter(access, door, pairs);
        entered.err().map(|refusal| refusal.code())
    }

    #[test]
    fn tcp_needs_the_token() {
        let token = format!("Bearer {TOKEN}");
        let host = ("host", "127.0.0.1:4000");
        let access = access(false);
        let code = |pairs: &[(&'static str, &str)]| code(&access, Door::Tcp, pairs);
        assert_eq!(code(&[host, ("authorization", &token)]), None);
        assert_eq!(code(&[host]), Some(ErrorCode::Unauthorised));
        for wrong in ["", "Bearer", "Bearer x", TOKEN, "Basic eDp5"] {
            let shown = ("authorization", wrong);
            assert_eq!(code(&[host, shown]), Some(ErrorCode::Unauthorised));
        }
    }

    #[test]
    fn host_and_origin_are_compared_exactly() {
        let access = access(true);
        let code = |pairs: &[(&'static str, &str)]| code(&access, Door::Tcp, pairs);
        assert_eq!(code(&[("host", "localhost:4000")]), None);
        for host in [
            "localhost",
            "localhost:4001",
            "evil.example:4000",
            "127.0.0.1:4000.evil",
        ] {
            assert_eq!(
                code(&[("host", host)]),
                Some(ErrorCode::Forbidden),
                "{host}"
            );
        }
        assert_eq!(code(&[]), Some(ErrorCode::Forbidden));
        let host = ("host", "localhost:4000");
        assert_eq!(code(&[host, ("origin", "http://localhost:4000")]), None);
        for origin in [
            "null",
            "http://localhost:4001",
            "http://evil.example",
            "localhost:4000",
        ] {
            let refused = Some(ErrorCode::Forbidden);
            assert_eq!(code(&[host, ("origin", origin)]), refused, "{origin}");
        }
    }

    #[test]
    fn open_access_is_not_for_what_was_forwarded_and_not_for_administrators() {
        let access = access(true);
        let host = ("host", "127.0.0.1:4000");
        for name in [
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
        ] {
            let refused = Some(ErrorCode::Forbidden);
            assert_eq!(code(&access, Door::Tcp, &[host, (name, "x")]), refused);
        }
        let caller = enter(&access, Door::Tcp, &[host]).expect("let in");
        assert!(caller.has(Right::Read) && caller.has(Right::Submit));
        assert!(!caller.has(Right::Admin) && !caller.has(Right::Work));
        assert_eq!(caller.sees(), Some(""));
    }

    #[test]
    fn a_wrong_token_is_refused_where_access_is_open_too() {
        let access = access(true);
        let pairs = [
            ("host", "127.0.0.1:4000"),
            ("authorization", "Bearer wrong"),
        ];
        let refused = Some(ErrorCode::Unauthorised);
        assert_eq!(code(&access, Door::Tcp, &pairs), refused);
    }

    #[test]
    fn the_socket_is_not_for_pages() {
        let access = access(false);
        assert_eq!(code(&access, Door::Unix, &[("host", "any")]), None);
        let page = [("origin", "http://localhost")];
        let refused = Some(ErrorCode::Forbidden);
        assert_eq!(code(&access, Door::Unix, &page), refused);
    }
}
