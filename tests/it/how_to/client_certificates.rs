//! docs/how-to/client-certificates.md. `tls/client_certificates.rs` checks that no client certificate is requested.

use super::Page;
use crate::{
    deploy::Checker,
    support::{App, Settings, TempDir},
};

const SUBJECT: &str = "X-Amzn-Mtls-Clientcert-Subject";

/// An application that shows the received headers.
fn echo() -> App {
    App::start(|request| {
        let fields = request.head.fields.iter().map(|(name, value)| format!("{name}={value}\n"));
        App::reply(fields.collect::<String>().to_lowercase().as_bytes())
    })
}

#[test]
fn named_headers_are_accepted_from_the_load_balancer_only() {
    let (application, page) = (echo(), Page::read("client-certificates.md"));
    let fields = "X-Amzn-Mtls-Clientcert-Subject: CN=machine-7,O=Example\r\n\
                  X-Amzn-Mtls-Clientcert-Serial-Number: 01ab\r\n\
                  X-Amzn-Mtls-Clientcert-Issuer: CN=Other\r\n";
    for (trusted, count) in [("\"127.0.0.1\"", 2), ("\"alb\"", 0)] {
        let home = TempDir::new();
        let changes = [("\"alb\"", trusted)];
        let sideman =
            page.file(SUBJECT, &changes, Settings::before(&application.url()), &home).start();
        let text = sideman.connect().ask("GET", "/", fields).text();
        assert_eq!(text.matches("x-amzn-mtls-clientcert").count(), count, "{trusted}: {text}");
        assert_eq!(text.contains("subject=cn=machine-7,o=example"), count == 2, "{text}");
        assert!(!text.contains("issuer"), "{text}");
    }
}

#[test]
fn headers_that_the_page_calls_identity_are_dropped_unless_named() {
    let (application, page) = (echo(), Page::read("client-certificates.md"));
    let sideman =
        Settings::before(&application.url()).set("server.trusted_proxies", "127.0.0.1").start();
    let names = [
        "X-Amzn-Mtls-Clientcert",
        SUBJECT,
        "X-Forwarded-Client-Cert",
        "Client-Cert",
        "X-Client-Cert",
        "X-Client-Dn",
        "X-Forwarded-Tls-Client-Cert",
    ];
    for name in names {
        page.says(&[&format!("`{name}`")]);
    }
    page.says(&["`Ssl-Client-*`"]);
    let lines: String = names.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let text = sideman.connect().ask("GET", "/", &format!("{lines}Ssl-Client-Verify: forged\r\n"));
    assert!(!text.text().contains("forged"), "{}", text.text());
    assert!(sideman.event("server.trusted_headers").contains("x-amzn-mtls-clientcert"));
}

#[test]
fn long_certificates_are_limited_by_the_header_size() {
    let application = echo();
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .set("server.trusted_headers", "X-Amzn-Mtls-Clientcert")
        .start();
    for (length, status) in [(12_000, 200), (17_000, 431)] {
        let fields = format!("X-Amzn-Mtls-Clientcert: {}\r\n", "a".repeat(length));
        assert_eq!(sideman.connect().ask("GET", "/", &fields).status, status, "{length}");
    }
}

#[test]
fn cloudformation_accepts_the_listener() {
    let Some(checker) = Checker::prepared() else { return };
    let page = Page::read("client-certificates.md");
    let block = page.block("yaml", "MutualAuthentication");
    let template = format!("AWSTemplateFormatVersion: \"2010-09-09\"\n{block}\n");
    assert_eq!(checker.template(&template), [] as [&str; 0]);
}
