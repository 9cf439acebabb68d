//! TLS on the TCP door: certificates from files, told apart by the commands and by curl.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::support::{Done, Lab, Running, done, eventually};

/// An authority that issues certificates for this machine.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn issue(&self, year: i32) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "server");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Writes the pair where [`serve`] reads it. Each file is replaced as a whole, the certificate first.
fn put(lab: &Lab, certificate: Option<&str>, key: Option<&str>) {
    for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
        let Some(text) = text else { continue };
        let new = lab.write(&format!("{name}.new"), text);
        fs::set_permissions(&new, Permissions::from_mode(0o600)).expect("closed");
        fs::rename(new, lab.path(name)).expect("replaced");
    }
}

fn flags(lab: &Lab) -> [String; 7] {
    let path = |name| lab.path(name).display().to_string();
    [
        "serve".into(),
        "--listen".into(),
        "127.0.0.1:0".into(),
        "--tls-cert".into(),
        path("cert.pem"),
        "--tls-key".into(),
        path("key.pem"),
    ]
}

fn start(lab: &Lab) -> Running {
    let flags = flags(lab);
    lab.start(&flags.each_ref().map(String::as_str))
}

/// The server, and its address.
fn serve(lab: &Lab) -> (Running, String) {
    let server = start(lab);
    let mut address = None;
    eventually("it listens", || {
        let log = server.stderr();
        address = log
            .split_once("listening on https://")
            .and_then(|(_, rest)| Some(rest.split_once(',')?.0.to_owned()));
        address.is_some()
    });
    (server, address.expect("an address"))
}

/// What curl answers, with the status and the version of HTTP on a line of their own.
fn curl(lab: &Lab, authority: Option<&str>, url: &str) -> Done {
    let mut curl = lab.program("curl");
    curl.args(["--silent", "--show-error", "--http2", "--max-time", "20"])
        .args(["--write-out", "\n%{http_code} %{http_version}"]);
    if let Some(pem) = authority {
        curl.arg("--cacert").arg(lab.write("ca.pem", pem));
    }
    done(curl.arg(url))
}

#[test]
fn the_commands_and_curl_speak_tls_to_it() {
    let (lab, authority) = (Lab::new(), Authority::new("one"));
    let pair = authority.issue(2999);
    put(&lab, Some(&pair.certificate), Some(&pair.key));
    let (server, address) = serve(&lab);
    let token = lab.data().join("token").display().to_string();
    let ca = lab
        .write("authority.pem", &authority.pem)
        .display()
        .to_string();
    let url = format!("https://{address}");
    let remote = ["jobs", "--json", "--url", &url, "--token-file", &token];
    let listed = lab
        .run(&[&remote[..], &["--ca-file", &ca]].concat())
        .code(0);
    assert_eq!(listed.json()["jobs"], serde_json::json!([]));
    let mut command = lab.longhaul(&["jobs"]);
    command.env_remove("LONGHAUL_DATA_DIR");
    command
        .env("LONGHAUL_URL", &url)
        .env("LONGHAUL_TOKEN_FILE", &token);
    done(command.env("LONGHAUL_CA_FILE", &ca)).code(0);
    // Whoever does not know the authority is not fooled, and says so.
    let fooled = lab.run(&remote).code(7);
    assert!(fooled.stderr.contains("certificate"), "{fooled:?}");
    assert!(fooled.stderr.contains("--ca-file"), "{fooled:?}");
    let other = lab
        .write("other.pem", &Authority::new("two").pem)
        .display()
        .to_string();
    lab.run(&[&remote[..], &["--ca-file", &other]].concat())
        .code(7);
    let empty = lab.write("empty.pem", "").display().to_string();
    let refused = lab
        .run(&[&remote[..], &["--ca-file", &empty]].concat())
        .code(2);
    assert!(refused.stderr.contains("holds none"), "{refused:?}");

    let answer = curl(&lab, Some(&authority.pem), &format!("{url}/health/ready")).code(0);
    assert!(
        answer.stdout.contains("unauthorised"),
        "the guard stays: {answer:?}"
    );
    assert!(answer.stdout.ends_with("\n401 1.1"), "{answer:?}");
    curl(&lab, None, &url).code(60);
    let plain = curl(&lab, None, &format!("http://{address}/"));
    assert_ne!(plain.code, Some(0), "{plain:?}");
    let strange = curl(
        &lab,
        Some(&authority.pem),
        &format!("{}/health/ready", url.replace("127.0.0.1", "localhost")),
    );
    assert!(strange.stdout.ends_with("\n401 1.1"), "{strange:?}");
    drop(server);
}

#[test]
fn files_that_can_not_be_used_are_told_apart_at_the_start() {
    let (lab, authority) = (Lab::new(), Authority::new("one"));
    let (pair, other) = (authority.issue(2999), authority.issue(2999));
    let refused = |what: &str| {
        let refused = start(&lab).done().code(1);
        assert!(refused.stderr.contains(what), "{what}: {refused:?}");
    };
    refused("cert.pem: No such file");
    put(&lab, Some(&pair.certificate), None);
    refused("key.pem: No such file");
    put(&lab, None, Some("no key"));
    refused("key.pem: ");
    put(&lab, Some("no certificate"), Some(&pair.key));
    refused("cert.pem: no certificate in it");
    put(&lab, Some(&pair.certificate), Some(&other.key));
    refused("is not the key of the first certificate");
    put(&lab, None, Some(&pair.key));
    let open = Permissions::from_mode(0o640);
    fs::set_permissions(lab.path("key.pem"), open).expect("opened");
    refused("chmod go-rwx");
    for (flags, missing) in [
        (&["--tls-cert", "x"][..], "--tls-key"),
        (&["--tls-key", "x"][..], "--tls-cert"),
        (&["--tls-cert", "x", "--tls-key", "x"][..], "--listen"),
    ] {
        let refused = lab.run(&[&["serve"], flags].concat()).code(2);
        assert!(refused.stderr.contains(missing), "{refused:?}");
    }
}

#[test]
fn a_certificate_that_has_expired_is_warned_of() {
    let (lab, authority) = (Lab::new(), Authority::new("one"));
    let pair = authority.issue(2021);
    put(&lab, Some(&pair.certificate), Some(&pair.key));
    let (server, address) = serve(&lab);
    let log = server.stderr();
    assert!(log.contains("WARN") && log.contains("expired"), "{log}");
    let url = format!("https://{address}");
    curl(&lab, Some(&authority.pem), &url).code(60);
}

#[test]
fn a_new_certificate_is_served_without_a_restart() {
    let (lab, first, second) = (Lab::new(), Authority::new("one"), Authority::new("two"));
    let (old, new) = (first.issue(2999), second.issue(2999));
    put(&lab, Some(&old.certificate), Some(&old.key));
    let (server, address) = serve(&lab);
    let url = format!("https://{address}");
    curl(&lab, Some(&first.pem), &url).code(0);
    // The new certificate without its key changes nothing.
    put(&lab, Some(&new.certificate), None);
    eventually("it is seen", || {
        curl(&lab, Some(&first.pem), &url).code(0);
        server.stderr().contains("the one before stays")
    });
    curl(&lab, Some(&first.pem), &url).code(0);
    put(&lab, None, Some(&new.key));
    eventually("the new one is served", || {
        curl(&lab, Some(&second.pem), &url).code == Some(0)
    });
    curl(&lab, Some(&first.pem), &url).code(60);
}
