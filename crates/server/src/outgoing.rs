//! Calls to addresses that a job names.
//!
//! Invariants: a name is resolved once, and the connection goes to an address that was looked at; no redirect is followed
//! and no proxy asked, as either would lead elsewhere. Private addresses are for those who could reach them anyway;
//! link-local ones, and those under which clouds give away credentials, must be allowed by name and port.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// Time in which a name must be resolved.
const RESOLVE: Duration = Duration::from_secs(10);
/// Time in which a connection must be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Which addresses may be called for whoever submitted a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Those that everybody can reach.
    Public,
    /// Private and loopback ones too: the submission came over the unix socket, with an admin token, or while access is open.
    Private,
}

/// Why a target is not called.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no address of this sort.
    #[error(
        "'{0}' is no address to call: http://HOST… or https://HOST…, without a user or a password"
    )]
    Address(String),
    /// An entry of the list of allowed targets is none.
    #[error("'{0}' is no target: it is HOST:PORT")]
    Target(String),
    /// The name leads nowhere, now.
    #[error("{host} can not be resolved: {why}")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        why: String,
    },
    /// The target may not be reached.
    #[error("{host}:{port} may not be called: it is {what}; {hint}")]
    Refused {
        /// As the job names it.
        host: String,
        /// The port.
        port: u16,
        /// What sort of address it is.
        what: &'static str,
        /// What can be done.
        hint: String,
    },
    /// No client can be made: the machine has no certificates, say.
    #[error(transparent)]
    Client(reqwest::Error),
}

/// How names are resolved.
type Lookup =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The guard of calls to addresses that jobs name. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    allowed: Arc<BTreeSet<(String, u16)>>,
    lookup: Lookup,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// A guard that lets everybody reach these targets, each `HOST:PORT`, compared exactly with what a job names.
    pub fn new<T: AsRef<str>>(allow_targets: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let targets = allow_targets.into_iter();
        let allowed = targets.map(|target| listed(target.as_ref()));
        Ok(Self {
            allowed: Arc::new(allowed.collect::<Result<_, _>>()?),
            lookup: Arc::new(|host, port| {
                Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
            }),
        })
    }

    /// Where a call to `host` and `port` may go. Resolves the name: once.
    pub async fn target(&self, host: &str, port: u16, reach: Reach) -> Result<Target, Error> {
        let host = plain(host);
        let allowed = self.allowed.contains(&(host.clone(), port));
        let found = timeout(RESOLVE, (self.lookup)(host.clone(), port)).await;
        let resolve = |why: String| Error::Resolve {
            host: host.clone(),
            why,
        };
        let found = found
            .map_err(|_| resolve(format!("no answer within {RESOLVE:?}")))?
            .map_err(|error| resolve(error.to_string()))?;
        let mut addresses = Vec::new();
        let mut refused = None;
        for address in found {
            match sort(address.ip()) {
                Sort::Private if !allowed && reach == Reach::Public => {
                    refused = refused.max(Some(Sort::Private));
                }
                Sort::Listed if !allowed => refused = Some(Sort::Listed),
                _ => addresses.push(address),
            }
        }
        if !addresses.is_empty() {
            return Ok(Target {
                host,
                addresses,
                secure: true,
            });
        }
        let list = format!("the server's administrator can allow it: --allow-target {host}:{port}");
        let (what, hint) = match refused {
            None => return Err(resolve("it has no address".to_owned())),
            Some(Sort::Listed) => ("a link-local or metadata address", list),
            Some(_) => (
                "a private, loopback or reserved address",
                format!("submit over the unix socket or with an admin token, or {list}"),
            ),
        };
        Err(Error::Refused {
            host,
            port,
            what,
            hint,
        })
    }

    /// Where a request to `url` may go.
    pub async fn target_of(&self, url: &Url, reach: Reach) -> Result<Target, Error> {
        let wrong = || Error::Address(url.to_string());
        let host = url.host_str().ok_or_else(wrong)?;
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let mut target = self.target(host, port, reach).await?;
        target.secure = url.scheme() != "http";
        Ok(target)
    }

    #[cfg(test)]
    fn with_lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }
}

/// The address in `text`: of a web server, without credentials, as those would be shown with the job.
pub fn parse(text: &str) -> Result<Url, Error> {
    const LONGEST: usize = 2048;
    let wrong = || Error::Address(text.chars().filter(|c| !c.is_control()).take(200).collect());
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let sound = text.len() <= LONGEST
        && matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    url.set_fragment(None);
    sound.then_some(url).ok_or_else(wrong)
}

/// A target that may be called, at the addresses that were looked at.
#[derive(Clone, Debug)]
pub struct Target {
    host: String,
    addresses: Vec<SocketAddr>,
    /// Whether certificates may have to be looked at.
    secure: bool,
}

impl Target {
    /// Its addresses, never none: for connections that are not HTTP.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A client for requests to this target, each answered whole within `time`. It finds no other address by whatever name.
    pub fn client(&self, time: Duration) -> Result<Client, Error> {
        // The process may have chosen its own provider before, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder();
        if !self.secure {
            // Spares reading the system's.
            builder = builder.tls_certs_only([]);
        }
        builder
            .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Pinned(self.addresses.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(time)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(Error::Client)
    }

    /// As the job names it.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Knows one target's addresses and no name.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(async move { Ok(addresses) })
    }
}

/// A host as it is compared: lower case, addresses in their one form, without brackets and the dot of the root.
fn plain(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host).to_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host,
    }
}

fn listed(target: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Target(target.to_owned());
    let (host, port) = target.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let sound = !host.is_empty()
        && port != 0
        && (bracketed || !host.contains(':'))
        && !host.contains(['/', '@', '*', ' ']);
    sound.then(|| (plain(host), port)).ok_or_else(wrong)
}

/// What sort of address it is, the more careful sort the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// Everybody can reach it.
    Public,
    /// Of this machine, of its network, of several, or of nobody.
    Private,
    /// Of the link, where routers and clouds answer without asking who calls.
    Listed,
}

fn sort(address: IpAddr) -> Sort {
    match address {
        IpAddr::V4(address) => sort_v4(address),
        IpAddr::V6(address) => sort_v6(address),
    }
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "a range a line, as the registry lists them"
)]
fn sort_v4(address: Ipv4Addr) -> Sort {
    match address.octets() {
        // Where clouds answer beside the link-local range: Alibaba, Azure, Oracle.
        [169, 254, ..] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => {
            Sort::Listed
        }
        [0 | 10 | 127, ..]
        | [100, 64..=127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Sort::Private,
        _ => Sort::Public,
    }
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "a range a line, as the registry lists them"
)]
fn sort_v6(address: Ipv6Addr) -> Sort {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        sort_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0xfe80..=0xfebf, ..]
        // Where clouds answer: Amazon, Google.
        | [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254]
        | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Sort::Listed,
        // A name whose IPv4 address a gateway makes reachable.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // IPv4 in another form: no name that is meant well leads there.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low).max(Sort::Private),
        // Special purposes, Teredo, documentation.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Sort::Private,
        [0x2000..=0x3fff, ..] => Sort::Public,
        _ => Sort::Private,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn of(text: &str) -> Sort {
        sort(text.parse().expect(text))
    }

    #[test]
    fn addresses_are_sorted() {
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert_eq!(of(text), Sort::Public, "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "ff02::1",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "::1.1.1.1",
            "64:ff9b::10.0.0.1",
            "2002:0101:0101::1",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "4000::1",
        ] {
            assert_eq!(of(text), Sort::Private, "{text}");
        }
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            assert_eq!(of(text), Sort::Listed, "{text}");
        }
    }

    #[tokio::test]
    async fn a_target_is_refused_by_who_names_it_and_allowed_by_the_list() {
        let guard = Outgoing::new(["[fe80::1]:80", "LOCALHOST:4000"]).expect("a list");
        let refused = async |host: &str, port, reach| {
            let target = guard.target(host, port, reach).await;
            matches!(target, Err(Error::Refused { .. }))
        };
        for host in ["127.0.0.1", "localhost", "localhost.", "[::1]", "10.0.0.1"] {
            assert!(refused(host, 80, Reach::Public).await, "{host}");
            assert!(!refused(host, 80, Reach::Private).await, "{host}");
        }
        assert!(!refused("localhost", 4000, Reach::Public).await);
        assert!(refused("127.0.0.1", 4000, Reach::Public).await);
        for reach in [Reach::Public, Reach::Private] {
            assert!(refused("169.254.169.254", 80, reach).await);
            assert!(refused("fe80::1", 81, reach).await);
            assert!(!refused("[fe80::1]", 80, reach).await);
        }
        for wrong in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:99999",
            "::1:80",
            "a/b:80",
            "*:80",
        ] {
            assert!(Outgoing::new([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_in_disguise_are_seen_through() {
        for text in [
            "http://0x7f.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://0177.0.0.1/",
        ] {
            let url = parse(text).expect(text);
            assert_eq!(url.host_str(), Some("127.0.0.1"), "{text}");
        }
        for text in [
            "",
            "host",
            "ftp://host/",
            "file:///etc/passwd",
            "http://",
            "http://me@host/",
            "http://me:secret@host/",
            "unix:/x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    /// A name that leads to another address each time it is asked for.
    #[tokio::test]
    async fn a_name_is_resolved_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let guard = Outgoing::new([format!("rebinds.example:{port}")]).expect("a list");
        let guard = guard.with_lookup(Arc::new(move |_, port| {
            let last = if count.fetch_add(1, Ordering::SeqCst) == 0 {
                1
            } else {
                2
            };
            Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, last], port))]) })
        }));
        let answer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).await.expect("a request") > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
            stream.write_all(answer).await.expect("written");
            stream
        });
        let target = guard.target("rebinds.example", port, Reach::Public).await;
        let client = target.expect("allowed").client(Duration::from_secs(5));
        // In another form than was looked at: it leads nowhere else.
        let url = format!("http://rebinds.example.:{port}/");
        let got = client.expect("a client").get(url).send().await;
        assert_eq!(got.expect("an answer").text().await.expect("text"), "hi");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        drop(answer.await.expect("answered"));
    }
}
