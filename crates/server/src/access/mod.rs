//! Who may come in: every request passes [`guard`] before a route, or the absence of one, is looked at.
//!
//! Over the unix socket the peer's user was checked when it connected. Over TCP a request needs the token, on loopback
//! too: every local user and every web page can reach it. Host and Origin are compared exactly, so that no page of
//! another site gets an answer.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use longhaul_types::ErrorCode;

use crate::{Options, answer::Refusal, routes::App, token::AdminToken};

/// What a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The unix socket: this machine's user, or root.
    Unix,
    /// TCP.
    Tcp,
}

/// Who asks, and what they may see and do.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// What they came in by.
    pub(crate) door: Door,
    /// Whose the jobs are that they submit.
    pub(crate) owner: String,
    /// Whose jobs they see; everybody's when none.
    sees: Option<String>,
    /// Whether they may change the server itself.
    admin: bool,
}

impl Caller {
    /// Whose jobs they see; everybody's when none.
    pub(crate) fn sees(&self) -> Option<&str> {
        self.sees.as_deref()
    }

    /// Lets administrators alone go on.
    pub(crate) fn must_be_admin(&self) -> Result<(), Refusal> {
        if self.admin {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::Forbidden,
            "this needs the unix socket or an admin token",
        ))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Only a route outside the guard could lack it.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Refusal::new(ErrorCode::Unauthorised, "nobody was let in"))
    }
}

/// The rules of the doors.
#[derive(Debug)]
pub(crate) struct Access {
    token: Option<AdminToken>,
    open: bool,
    hosts: Vec<String>,
}

impl Access {
    /// The rules that `options` say, for a server that listens on `tcp`.
    pub(crate) fn new(options: &Options, tcp: Option<SocketAddr>) -> Self {
        let mut hosts = options.hosts.clone();
        if let Some(address) = tcp {
            let mut add = |name: &str| {
                hosts.push(format!("{name}:{}", address.port()));
                // Clients leave the usual port out.
                if address.port() == 80 {
                    hosts.push(name.to_owned());
                }
            };
            match address {
                SocketAddr::V4(address) => add(&address.ip().to_string()),
                SocketAddr::V6(address) => add(&format!("[{}]", address.ip())),
            }
            if address.ip().is_unspecified() {
                add("127.0.0.1");
                add("[::1]");
            }
            if address.ip().is_loopback() || address.ip().is_unspecified() {
                add("localhost");
            }
        }
        Self {
            token: options.token.clone(),
            open: options.access_open,
            hosts,
        }
    }

    fn admit(&self, door: Door, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match door {
            Door::Unix => {
                // No page can reach the socket by itself: one that does was let through by something in between.
                if headers.contains_key(header::ORIGIN) {
                    return Err(forbidden("web pages do not speak to the unix socket"));
                }
                Ok(Caller {
                    door,
                    owner: String::new(),
                    sees: None,
                    admin: true,
                })
            }
            Door::Tcp => {
                self.check_host(headers)?;
                self.check_origin(headers)?;
                self.check_token(headers)
            }
        }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = only(headers, header::HOST).and_then(|host| host.to_str().ok());
        if host.is_some_and(|host| self.hosts.iter().any(|known| known == host)) {
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
            .is_some_and(|host| self.hosts.iter().any(|known| known == host));
        if own {
            return Ok(());
        }
        Err(forbidden(
            "pages of other sites do not speak to this server",
        ))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if let Some(shown) = only(headers, header::AUTHORIZATION) {
            let token = bearer(shown);
            if let (Some(token), Some(admin)) = (token, &self.token)
                && admin.is(token)
            {
                return Ok(Caller {
                    door: Door::Tcp,
                    owner: String::new(),
                    sees: None,
                    admin: true,
                });
            }
            return Err(unauthorised("the token is not valid"));
        }
        if !self.open {
            return Err(unauthorised("show a token: Authorization: Bearer …"));
        }
        if headers.keys().any(is_forwarding) {
            return Err(forbidden(
                "access is open for this machine alone, and this request was forwarded; use a token",
            ));
        }
        Ok(Caller {
            door: Door::Tcp,
            owner: String::new(),
            sees: Some(String::new()),
            admin: false,
        })
    }
}

/// Lets a request in, or refuses it before anything of it is looked at.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(door) = request.extensions().get::<Door>().copied() else {
        return Refusal::new(ErrorCode::Internal, "a request came by no door").into_response();
    };
    match app.access.admit(door, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            let unauthorised = refusal.code() == ErrorCode::Unauthorised;
            let mut response = refusal.into_response();
            if unauthorised {
                let challenge = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
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
        Access::new(&options, Some(([127, 0, 0, 1], 4000).into()))
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

    fn code(access: &Access, door: Door, pairs: &[(&'static str, &str)]) -> Option<ErrorCode> {
        access
            .admit(door, &headers(pairs))
            .err()
            .map(|refusal| refusal.code())
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
        let caller = access.admit(Door::Tcp, &headers(&[host])).expect("let in");
        assert!(caller.must_be_admin().is_err());
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
