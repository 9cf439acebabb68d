//! TLS for the TCP door: a certificate with its key, from files that are read again when they change.
//!
//! Invariants: what is served is a certificate and the key that fits it, so files that are being replaced change nothing
//! until both fit; a handshake has an end, and only so many are made at a time.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{
    CertificateError, RootCertStore, ServerConfig,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{Error, folder::open_private};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// Handshakes at a time: each costs a signature.
const HANDSHAKES: usize = 256;
/// Bytes of a file that are read: a chain of certificates is far below.
const MAX: u64 = 1 << 20;

/// A certificate and its key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    acceptor: Acceptor,
    handshakes: Semaphore,
}

struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that one, both PEM. The key's file must be
    /// this user's alone. They are read again when the files change; what does not fit then is said in the log, and the
    /// pair before stays.
    ///
    /// Errors: [`Error::Io`], [`Error::NotPrivate`], [`Error::Foreign`], [`Error::BadPem`] and [`Error::KeyMismatch`]. A
    /// certificate that has expired is served, with a warning in the log: clients say so better than a server that is
    /// not there.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let seen = files.seen();
        let pair = files.read(&provider)?;
        let served = Served {
            files,
            provider: Arc::clone(&provider),
            now: Mutex::new(Now {
                pair: Arc::new(pair),
                seen,
                looked: Instant::now(),
            }),
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::BadPem {
                path: certificate.to_owned(),
                why: error.to_string(),
            })?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(served));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Inner {
            acceptor: Acceptor(TlsAcceptor::from(Arc::new(config))),
            handshakes: Semaphore::new(HANDSHAKES),
        })))
    }

    /// Makes the handshake, within `limit`; the wait for a turn counts.
    pub(crate) async fn accept<Io: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: Io,
        limit: Duration,
    ) -> io::Result<TlsStream<Io>> {
        let handshake = async {
            let turn = self.0.handshakes.acquire().await;
            let _turn = turn.map_err(io::Error::other)?;
            self.0.acceptor.0.accept(io).await
        };
        timeout(limit, handshake).await?
    }
}

/// Where the pair lies.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells one version of a file from another.
type Version = Option<(u64, u64, i64, i64)>;

impl Files {
    fn seen(&self) -> [Version; 2] {
        [&self.certificate, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
        })
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let bad = |path: &Path, why: &dyn std::fmt::Display| Error::BadPem {
            path: path.to_owned(),
            why: why.to_string(),
        };
        let file = fs::File::open(&self.certificate).map_err(Error::io(&self.certificate))?;
        let text = read(file).map_err(Error::io(&self.certificate))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(bad(&self.certificate, &"no certificate in it"));
        }
        let text = read(open_private(&self.key)?).map_err(Error::io(&self.key))?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| bad(&self.key, &error))?;
        let expiry =
            expired(&chain[0], provider).map_err(|error| bad(&self.certificate, &error))?;
        if let Some(why) = expiry {
            tracing::warn!(certificate = %self.certificate.display(), "clients will refuse it: {why}");
        }
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::KeyMismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            other => bad(&self.key, &other),
        })
    }
}

fn read(file: fs::File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// Why the certificate is not valid now, if its dates say so. Its dates are looked at before who has signed it, which
/// nobody here can know.
fn expired(
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<Option<String>, rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let verified = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &RootCertStore::empty(),
        &[],
        UnixTime::now(),
        provider.signature_verification_algorithms.all,
    );
    let Err(rustls::Error::InvalidCertificate(error)) = verified else {
        return Ok(None);
    };
    let dated = matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    );
    Ok(dated.then(|| error.to_string()))
}

/// What is served now.
#[derive(Debug)]
struct Served {
    files: Files,
    provider: Arc<CryptoProvider>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    pair: Arc<CertifiedKey>,
    /// The files as they were when they were read last, with or without success.
    seen: [Version; 2],
    looked: Instant,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.looked.elapsed() >= LOOK {
            now.looked = Instant::now();
            let seen = self.files.seen();
            if seen != now.seen {
                now.seen = seen;
                match self.files.read(&self.provider) {
                    Ok(pair) => {
                        now.pair = Arc::new(pair);
                        tracing::info!("the certificate was read again");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the certificate was not read again; the one before stays");
                    }
                }
            }
        }
        Some(Arc::clone(&now.pair))
    }
}
