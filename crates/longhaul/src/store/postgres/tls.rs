//! Encrypted connections, by rustls.
//!
//! Invariant: who asks for encryption gets it, from a server whose certificate names it and comes from an authority that is
//! trusted. Who asks for nothing gets it where the server offers it, whoever that is, as with other clients of PostgreSQL.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::Error;

/// The words of an address that say whom to trust; the database's client knows the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// A file of authorities, PEM, instead of the system's.
    pub(super) authorities: Option<PathBuf>,
}

impl Trust {
    /// Takes them out of an address, and leaves what the client understands.
    pub(super) fn of(address: &str) -> (Self, String) {
        let mut trust = Self::default();
        let is_url = address.starts_with("postgres://") || address.starts_with("postgresql://");
        let (start, words, between) = match address.split_once('?') {
            Some((start, words)) if is_url => (format!("{start}?"), words, '&'),
            _ if is_url => return (trust, address.to_owned()),
            _ => (String::new(), address, ' '),
        };
        let mut left = Vec::new();
        for word in words.split(between) {
            match word.split_once('=') {
                Some(("sslrootcert", file)) => {
                    let file = if is_url {
                        decoded(file)
                    } else {
                        file.trim_matches('\'').to_owned()
                    };
                    trust.authorities = Some(file.into());
                }
                // Whoever is asked for encryption is checked as a whole.
                Some(("sslmode", "verify-full" | "verify-ca")) => left.push("sslmode=require"),
                Some(("sslmode", "allow")) => left.push("sslmode=prefer"),
                _ => left.push(word),
            }
        }
        let mut text = start;
        text.push_str(&left.join(&between.to_string()));
        (trust, text)
    }

    /// How connections are encrypted where the address asks for `mode`.
    pub(super) fn connector(&self, mode: SslMode) -> Result<MakeRustlsConnect, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Internal(error.to_string()))?;
        let trusting = match (&self.authorities, mode) {
            (Some(file), _) => builder.with_root_certificates(read(file)?),
            (None, SslMode::Require) => builder.with_platform_verifier().map_err(|error| {
                Error::Unavailable(format!(
                    "the authorities that this system trusts can not be read ({error}); give sslrootcert=FILE"
                ))
            })?,
            (None, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider))),
        };
        Ok(MakeRustlsConnect::new(trusting.with_no_client_auth()))
    }
}

/// What `%XX` stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let hex = others
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &others[2..];
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(file: &PathBuf) -> Result<RootCertStore, Error> {
    let refused = |why: String| {
        Error::Unavailable(format!(
            "sslrootcert names {}, which has no authorities in PEM ({why})",
            file.display()
        ))
    };
    let mut store = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| refused(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(refused("no certificate in it".to_owned()));
    }
    Ok(store)
}

/// Trusts whoever answers: against those who only listen.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_trust_is_taken_out_of_an_address() {
        let file = |name: &str| Trust {
            authorities: Some(name.into()),
        };
        for (address, trust, left) in [
            ("postgres://h/d", Trust::default(), "postgres://h/d"),
            (
                "postgres://h/d?sslmode=verify-full&sslrootcert=%2Fa%20b.pem&user=u",
                file("/a b.pem"),
                "postgres://h/d?sslmode=require&user=u",
            ),
            (
                "host=h sslrootcert='/a.pem' sslmode=verify-ca dbname=d",
                file("/a.pem"),
                "host=h sslmode=require dbname=d",
            ),
            (
                "host=h sslmode=allow",
                Trust::default(),
                "host=h sslmode=prefer",
            ),
        ] {
            assert_eq!(Trust::of(address), (trust, left.to_owned()), "{address}");
        }
    }
}
