//! Handshakes of TLS: bounded in time and in number.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use longhaul_client::{Client, Token};
use longhaul_server::{AdminToken, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Rig, TOKEN, within};

/// A certificate of its own for this machine; its text.
fn certificate(folder: &Path) -> (Tls, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    (Tls::read(&certificate, &key).unwrap(), cert.pem())
}

#[tokio::test]
async fn who_makes_no_handshake_is_sent_away_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, pem) = certificate(folder.path());
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .tls(tls)
            .handshake_time(Duration::from_secs(2))
    })
    .await;
    let address = rig.handle.tcp().unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let url = format!("https://{address}");
    let token = Token::new(TOKEN).unwrap();
    let client = Client::tcp_trusting(&url, Some(token), Some(pem.as_bytes())).unwrap();
    assert_eq!(client.server().await.unwrap().version, "1.2.3");
    for mut stream in silent {
        let mut rest = Vec::new();
        // The end, or a reset: either way it is over.
        let _ = within(stream.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = within(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/"), "nothing without TLS");
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_waits_for_no_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, _) = certificate(folder.path());
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .tls(tls)
            .handshake_time(Duration::from_hours(1))
    })
    .await;
    let silent = TcpStream::connect(rig.handle.tcp().unwrap()).await.unwrap();
    within(async {
        while rig.handle.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.stop().await;
    drop(silent);
}
