//! Settings and files with faults. No message shows anything of a key.

use super::authority::Authority;
use crate::support::{Settings, TempDir};

#[test]
fn faults_name_setting_file_and_remedy() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let (certificate, key) = authority.issue(&["a.test"]).write(&directory, "a");
    let (_, other_key) = authority.issue(&["b.test"]).write(&directory, "b");
    let empty = directory.write("empty.pem", "").display().to_string();
    let missing = directory.join("missing.pem").display().to_string();
    let url = "https://127.0.0.1:1";
    for (setting, value, parts) in [
        ("tls_ca", missing, &["upstream.tls_ca: cannot read", "missing.pem"][..]),
        ("tls_ca", empty, &["upstream.tls_ca:", "empty.pem is not valid PEM: it is empty"]),
        (
            "tls_ca",
            key,
            &[
                "a.key contains a private key instead of a certificate: name the certificate of the authority",
            ],
        ),
        ("tls_ca", "ca.pem".into(), &["upstream.tls_ca", "the path must be absolute"]),
        ("tls_ca", "system".into(), &["write public"]),
        (
            "tls_client_certificate",
            format!("{certificate}={other_key}"),
            &["upstream.tls_client_certificate:", "b.key does not match the certificate in"],
        ),
        (
            "tls_client_certificate",
            format!("{certificate}={certificate}"),
            &["contains a certificate instead of a private key"],
        ),
        ("tls_client_certificate", certificate, &["the = between"]),
        ("tls_verify", "off".into(), &["upstream.tls_verify", "full, insecure"]),
        ("tls_server_name", "https://a".into(), &["without scheme and port"]),
    ] {
        let settings = Settings::before(url).set(&format!("upstream.{setting}"), &value);
        let ended = settings.run_to_end();
        assert!(matches!(ended.code, Some(1 | 2)), "{setting} = {value}: {}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("MIG"), "{}", ended.stderr);
    }
}

#[test]
fn route_without_tls_has_no_settings_of_tls() {
    let ended = Settings::before("http://127.0.0.1:1")
        .route(
            "api",
            &[("path", "/api/"), ("upstream", "http://127.0.0.1:2"), ("tls_verify", "full")],
        )
        .run_to_end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("upstream of this route does not begin with https://"),
        "{}",
        ended.stderr
    );
}

#[test]
fn settings_without_an_address_warn() {
    let sideman =
        Settings::before("http://127.0.0.1:1").set("upstream.tls_server_name", "a.test").start();
    let warning = sideman.event("upstream.tls_server_name");
    assert!(warning.contains("no address of an application begins with https://"), "{warning}");
}
