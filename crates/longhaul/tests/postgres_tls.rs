//! Encrypted connections to PostgreSQL: to whom, and what is said when not.
#![expect(clippy::expect_used, reason = "a test")]

#[path = "postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write as _,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
};

use longhaul::{
    Store,
    store::{Error, PostgresStore, postgres::Options},
    tokio_postgres::{self, NoTls},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use server::Server;

/// A server on a port of loopback, with a certificate for `localhost`, in a file of its own.
struct Encrypted {
    server: Server,
    port: u16,
    folder: tempfile::TempDir,
}

impl Encrypted {
    fn start(tls: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names).expect("a certificate");
        fs::write(folder.path().join("cert.pem"), cert.pem()).expect("written");
        let other = generate_simple_self_signed(["other".to_owned()]).expect("another");
        fs::write(folder.path().join("other.pem"), other.cert.pem()).expect("written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let server = Server::start_as(|data| {
            let (pem, key) = (data.join("server.crt"), data.join("server.key"));
            fs::write(&pem, cert.pem()).expect("written");
            fs::write(&key, signing_key.serialize_pem()).expect("written");
            for file in [&pem, &key] {
                fs::set_permissions(file, Permissions::from_mode(0o600)).expect("closed");
                like(data, file);
            }
            let conf = data.join("postgresql.conf");
            let mut settings = OpenOptions::new().append(true).open(conf).expect("open");
            let ssl = if tls { "on" } else { "off" };
            write!(
                settings,
                "listen_addresses = '127.0.0.1'\nport = {port}\nssl = {ssl}\n"
            )
            .expect("written");
        });
        Self {
            server,
            port,
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Connects by the name `host`, with these further words.
    async fn connect(&self, host: &str, words: &str) -> Result<PostgresStore, Error> {
        let port = self.port;
        let url = format!("postgres://longhaul@{host}:{port}/postgres?{words}");
        PostgresStore::connect(&url, &Options::default()).await
    }

    /// How many connections over TCP are encrypted, and how many are not.
    async fn connections(&self) -> (i64, i64) {
        let url = format!("{} port={}", self.server.url(), self.port);
        let (db, connection) = tokio_postgres::connect(&url, NoTls).await.expect("there");
        tokio::spawn(connection);
        let ask = "SELECT count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl) \
            FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a ON a.pid = s.pid WHERE a.client_port > 0";
        let row = db.query_one(ask, &[]).await.expect("counted");
        (row.get(0), row.get(1))
    }
}

/// Gives a file to whom a folder belongs.
fn like(folder: &Path, file: &Path) {
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(folder).expect("its owner");
    chown(file, Some(owner.uid()), Some(owner.gid())).expect("given");
}

#[tokio::test]
async fn who_asks_for_encryption_gets_it_from_whom_they_trust() {
    let encrypted = Encrypted::start(true);
    let (own, other) = (encrypted.file("cert.pem"), encrypted.file("other.pem"));
    for mode in ["require", "verify-full"] {
        let words = format!("sslmode={mode}&sslrootcert={own}");
        let store = encrypted.connect("localhost", &words).await.expect(mode);
        store.kinds().await.expect("it answers");
        let (with, without) = encrypted.connections().await;
        assert!(with > 0 && without == 0, "{with} and {without}");
    }
    for (host, words) in [
        ("localhost", "sslmode=require".to_owned()),
        ("localhost", format!("sslmode=require&sslrootcert={other}")),
        // The certificate is not for this name.
        ("127.0.0.1", format!("sslmode=require&sslrootcert={own}")),
    ] {
        let refused = encrypted.connect(host, &words).await.expect_err(&words);
        let said = refused.to_string();
        assert!(said.contains("give sslrootcert=FILE"), "{words}: {said}");
    }
    for (name, why) in [("none.pem", "none.pem"), ("", "no authorities in PEM")] {
        let words = format!("sslmode=require&sslrootcert={}", encrypted.file(name));
        let refused = encrypted.connect("localhost", &words).await;
        let said = refused.expect_err("unreadable").to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn who_asks_for_nothing_gets_what_the_server_offers() {
    let encrypted = Encrypted::start(true);
    let store = encrypted.connect("127.0.0.1", "").await.expect("connected");
    assert_eq!(encrypted.connections().await.1, 0);
    drop(store);
    let plain = encrypted.connect("127.0.0.1", "sslmode=disable").await;
    let plain = plain.expect("connected");
    assert!(encrypted.connections().await.1 > 0);
    drop(plain);
    let without = Encrypted::start(false);
    let store = without.connect("127.0.0.1", "").await.expect("connected");
    store.kinds().await.expect("it answers");
    let refused = without.connect("127.0.0.1", "sslmode=require").await;
    let said = refused.expect_err("refused").to_string();
    assert!(said.contains("does not support TLS"), "{said}");
    assert!(said.contains("sslmode=disable"), "{said}");
}
