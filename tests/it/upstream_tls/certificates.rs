//! Which certificates of servers are accepted, and what is said about the others. The servers are those of OpenSSL.

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};

use super::{
    authority::{Authority, Issued},
    before,
    openssl::OpensslServer,
    trusting,
};
use crate::support::{TempDir, Tool};

/// A server, and what becomes of a request.
struct Case {
    what: &'static str,
    issued: Issued,
    /// The host in the URL.
    host: &'static str,
    /// The parts of the event; none if the request succeeds.
    parts: &'static [&'static str],
}

#[test]
fn each_certificate_is_judged_and_explained() {
    let (authority, unknown) = (Authority::new("Our authority"), Authority::new("A stranger"));
    let intermediate = authority.intermediate("In between");
    let of = |issued: Issued, what, host, parts| Case { what, issued, host, parts };
    let mut without_chain = intermediate.issue(&["localhost"]);
    without_chain.chain.clone_from(&without_chain.certificate);
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    };
    let future = |params: &mut rcgen::CertificateParams| {
        params.not_before = date_time_ymd(2100, 1, 1);
        params.not_after = date_time_ymd(2101, 1, 1);
    };
    let client_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let self_signed = {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Issued { certificate: pem.clone(), chain: pem, key: key.serialize_pem() }
    };
    let cases = [
        of(authority.issue(&["localhost"]), "a good one", "localhost", &[][..]),
        of(authority.issue(&["127.0.0.1"]), "one for an address", "127.0.0.1", &[]),
        of(intermediate.issue(&["localhost"]), "one with its chain", "localhost", &[]),
        of(
            authority.issue(&["a.test", "*.b.test", "10.0.0.1"]),
            "a wrong name",
            "localhost",
            &["not for localhost, but for a.test, *.b.test, 10.0.0.1", "upstream.tls_server_name"],
        ),
        of(
            authority.issue(&["localhost"]),
            "a name in place of an address",
            "127.0.0.1",
            &["not for 127.0.0.1, but for localhost"],
        ),
        of(
            authority.issue_with(&["localhost"], past),
            "an expired one",
            "localhost",
            &["expired on Sat, 01 Feb 2020", "renew it"],
        ),
        of(
            authority.intermediate_with("Too old", past).issue(&["localhost"]),
            "one of an authority that has expired",
            "localhost",
            &["an authority in its chain expired on Sat, 01 Feb 2020", "fullchain.pem"],
        ),
        of(
            authority.issue_with(&["localhost"], future),
            "one of the future",
            "localhost",
            &["not valid before Fri, 01 Jan 2100", "clocks"],
        ),
        of(
            authority.issue_with(&["localhost"], client_only),
            "one for clients",
            "localhost",
            &["not for servers", "serverAuth"],
        ),
        of(
            self_signed,
            "a self-signed one",
            "localhost",
            &["self-signed", "add its file there", "upstream.tls_ca"],
        ),
        of(
            without_chain,
            "one without its chain",
            "localhost",
            &["unknown authority (In between)", "fullchain.pem"],
        ),
        of(
            unknown.issue(&["localhost"]),
            "an unknown authority",
            "localhost",
            &["unknown authority (A stranger)", "upstream.tls_ca"],
        ),
    ];
    for Case { what, issued, host, parts } in cases {
        let Some(server) = OpensslServer::start(&issued, &[]) else { return };
        let directory = TempDir::new();
        let sideman = trusting(&authority, &directory, &server.url(host)).start();
        let response = sideman.get("/a");
        let line = sideman.log_of("/a");
        if parts.is_empty() {
            assert_eq!(response.status, 200, "{what}: {line}");
            assert!(response.text().contains("Ciphers supported in s_server"), "{what}");
            continue;
        }
        assert_eq!(response.status, 502, "{what}: {line}");
        assert_eq!(line["error"], "upstream_certificate", "{what}");
        let event = sideman.event("upstream server unavailable");
        assert!(event.contains("server=127.0.0.1:"), "{what}: {event}");
        for part in parts {
            assert!(event.contains(part), "{what}: {part:?} is not in {event}");
        }
        let errors = [("error", "upstream_certificate")];
        sideman.until_metric("sideman_errors_total", &errors, 1.0);
    }
}

/// The certificate of `openssl req -x509` is marked as an authority, which most verifiers refuse for a server.
#[test]
fn self_signed_certificate_that_is_listed_is_accepted() {
    let directory = TempDir::new();
    let (certificate, key) = (directory.join("own.pem"), directory.join("own.key"));
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        certificate.to_str().unwrap(),
    ];
    let Some(output) = Tool::Openssl.run(&arguments, "") else { return };
    assert!(output.status.success());
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let issued = Issued {
        certificate: pem.clone(),
        chain: pem,
        key: std::fs::read_to_string(&key).unwrap(),
    };
    let Some(server) = OpensslServer::start(&issued, &[]) else { return };
    let listed = certificate.display().to_string();
    for (host, status, part) in
        [("localhost", 200, ""), ("127.0.0.1", 502, "not for 127.0.0.1, but for localhost")]
    {
        let settings = before(&server.url(host)).set("upstream.tls_ca", &listed);
        let sideman = settings.start();
        assert_eq!(sideman.get("/").status, status, "{host}");
        if status != 200 {
            sideman.event(part);
        }
    }
    // The public authorities alone do not know it.
    let sideman = before(&server.url("localhost")).start();
    assert_eq!(sideman.get("/").status, 502);
    sideman.event("the certificate is self-signed");
}

#[test]
fn insecure_accepts_any_certificate_with_a_warning() {
    let issued = Authority::new("A stranger").issue(&["other.test"]);
    let Some(server) = OpensslServer::start(&issued, &[]) else { return };
    let sideman = before(&server.url("localhost")).set("upstream.tls_verify", "insecure").start();
    let warning = sideman.event("upstream.tls_verify is insecure");
    assert!(warning.contains("tls_ca") && warning.contains("localhost:"), "{warning}");
    assert_eq!(sideman.get("/").status, 200);
}

#[test]
fn another_name_can_be_demanded() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let issued = authority.issue(&["app.internal"]);
    let Some(server) = OpensslServer::start(&issued, &[]) else { return };
    let settings = trusting(&authority, &directory, &server.url("127.0.0.1"));
    let sideman = settings.set("upstream.tls_server_name", "app.internal").start();
    assert_eq!(sideman.get("/").status, 200);
}
