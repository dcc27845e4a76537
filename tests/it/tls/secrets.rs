//! Invalid or damaged private keys: readable ones are used, and no message
//! contains a part of any of them.

use super::{Pair, address, shown};
use crate::support::{App, Ended, Settings, TempDir};

/// This many characters or bytes of a key in a row count as a leak.
const RUN: usize = 8;

/// A change to a file with a key, and the expected message.
type Case<'a> = (&'a str, Vec<u8>, &'a str);

/// The base64 of a PEM text.
fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn section(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Fails if a text holds a part of the key, unchanged, as decimal bytes or as hexadecimal ones.
#[track_caller]
fn holds_nothing_of(key: &str, said: &str, case: &str) {
    let bare: String = said.chars().filter(|c| !c.is_whitespace()).collect();
    let base64 = body(key);
    for run in base64.as_bytes().windows(RUN) {
        let run = std::str::from_utf8(run).unwrap();
        assert!(!bare.contains(run), "{case}: {run} in {said}");
        let decimal: Vec<_> = run.bytes().map(|byte| byte.to_string()).collect();
        assert!(!bare.contains(&decimal.join(",")), "{case}: {run} as bytes in {said}");
        let hex: String = run.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!bare.contains(&hex), "{case}: {run} as hex in {said}");
    }
}

/// Keys that cannot be used.
fn damaged(pair: &Pair, other: &Pair) -> Vec<Case<'static>> {
    let key = &pair.key;
    let base64 = body(key);
    let half = &key[..key.len() / 2];
    let utf16: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = |text: String| text.into_bytes();
    vec![
        ("cut in the middle", text(half.to_owned()), "has no -----END line: the file is truncated"),
        (
            "one line, cut",
            text(half.replace('\n', " ")),
            "has no -----END line: the file is truncated",
        ),
        (
            "literal \\n, cut",
            text(half.replace('\n', "\\n")),
            "has no -----END line: the file is truncated",
        ),
        ("the last line lost", text(key.replace("-----END PRIVATE KEY-----", "")), "truncated"),
        (
            "another end",
            text(key.replace("END PRIVATE", "END RSA PRIVATE")),
            "does not match the -----BEGIN",
        ),
        ("a strange character", text(key.replace(&base64[20..24], "\u{2026}")), "is not base64"),
        ("NUL bytes", text(key.replace(&base64[20..24], "\0")), "is not base64"),
        ("a letter lost", text(key.replace(&base64[20..24], &base64[20..23])), "cannot be used"),
        ("a sign of the end in the middle", text(key.replace(&base64[20..24], "=A=A")), "too long"),
        ("no markers", text(base64.clone()), "-----BEGIN PRIVATE KEY----- is missing"),
        ("no spaces", text(key.replace([' ', '\n'], "")), "is damaged"),
        ("long dashes", text(key.replace("-----", "\u{2014}\u{2014}-")), "is damaged"),
        ("UTF-16", utf16, "UTF-16"),
        ("encoded twice", b"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==".to_vec(), "once more"),
        ("nothing", Vec::new(), "it is empty"),
        ("an empty section", text(section("PRIVATE KEY", "")), "is empty between"),
        ("another label", text(section("RSA PRIVATE KEY", &base64)), "cannot be used"),
        ("other contents", text(section("PRIVATE KEY", &base64[8..])), "cannot be used"),
        ("PKCS#8 with a passphrase", text(section("ENCRYPTED PRIVATE KEY", &base64)), "passphrase"),
        (
            "an old form with a passphrase",
            text(section(
                "EC PRIVATE KEY",
                &format!(
                    "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0123456789ABCDEF\n\n{base64}"
                ),
            )),
            "passphrase",
        ),
        (
            "the same in one line",
            text(
                section("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{base64}"))
                    .replace('\n', "\\n"),
            ),
            "passphrase",
        ),
        ("a key of OpenSSH", text(section("OPENSSH PRIVATE KEY", &base64)), "OpenSSH"),
        ("a DSA key", text(section("DSA PRIVATE KEY", &base64)), "DSA"),
        (
            "a public key",
            text(section("PUBLIC KEY", &base64)),
            "a public key instead of a private key",
        ),
        (
            "parameters",
            text(section("EC PARAMETERS", "BggqhkjOPQMBBw==")),
            "parameters instead of a private key",
        ),
        (
            "a request",
            text(section("CERTIFICATE REQUEST", &base64)),
            "a certificate request instead of a private key",
        ),
        ("a strange section", text(section("HUNTER2", &base64)), "contains no private key"),
        (
            "the certificate",
            text(pair.certificate.clone()),
            "a certificate instead of a private key",
        ),
        ("the key of another", text(other.key.clone()), "does not match the certificate"),
    ]
}

/// Changes that leave the key readable.
fn readable(key: &str) -> Vec<(&'static str, String)> {
    vec![
        ("literal \\n", key.replace('\n', "\\n")),
        ("literal \\r\\n", key.replace('\n', "\\r\\n")),
        ("literal \\\\n", key.replace('\n', "\\\\n")),
        ("spaces", key.replace('\n', " ")),
        ("one line", key.replace('\n', "")),
        ("CRLF", key.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{key}")),
        ("quotes", format!("'{}'", key.replace('\n', "\\n"))),
        ("parameters in front", format!("{}{key}", section("EC PARAMETERS", "BggqhkjOPQMBBw=="))),
    ]
}

fn settings(upstream: &str, pair: &str) -> Settings {
    Settings::before(upstream).set("tls.listen", "127.0.0.1:0").set("tls.certificates", pair)
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn damaged_key_is_refused_by_name_and_never_printed() {
    let directory = TempDir::new();
    let (pair, other) = (Pair::new(&["a.test"]), Pair::new(&["a.test"]));
    let files = pair.write(&directory, "a");
    for (case, text, expected) in damaged(&pair, &other) {
        directory.write("a.key", &text);
        let checked = Settings::default()
            .args(&["check", "--upstream", "http://127.0.0.1:8000"])
            .set("tls.listen", "127.0.0.1:0")
            .set("tls.certificates", &files)
            .run_to_end();
        assert_eq!(checked.code, Some(2), "{case}: {checked:?}");
        assert!(checked.stderr.contains(expected), "{case}: {checked:?}");
        holds_nothing_of(&pair.key, &said(&checked), case);
        let ended = settings("http://127.0.0.1:8000", &files).run_to_end();
        assert_eq!(ended.code, Some(1), "{case}: {ended:?}");
        assert!(ended.stderr.contains("a.key"), "{case}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{case}: {ended:?}");
        holds_nothing_of(&pair.key, &said(&ended), case);
        holds_nothing_of(&other.key, &said(&ended), case);
    }
}

#[test]
fn key_in_place_of_the_certificate_is_named_and_never_printed() {
    let directory = TempDir::new();
    let pair = Pair::new(&["a.test"]);
    let files = pair.write(&directory, "a");
    let one_line = pair.key.replace('\n', " ");
    for (case, text, expected) in [
        ("a key", pair.key.clone(), "a private key instead of a certificate"),
        ("a key in one line", one_line, "a private key instead of a certificate"),
        ("a key called a certificate", section("CERTIFICATE", &body(&pair.key)), "cannot be read"),
        ("a truncated key", pair.key[..90].to_owned(), "truncated"),
        (
            "a request",
            section("CERTIFICATE REQUEST", &body(&pair.key)),
            "a certificate request instead of a certificate",
        ),
    ] {
        directory.write("a.pem", &text);
        let ended = settings("http://127.0.0.1:8000", &files).run_to_end();
        assert_eq!(ended.code, Some(1), "{case}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{case}: {ended:?}");
        holds_nothing_of(&pair.key, &said(&ended), case);
    }
}

#[test]
fn key_with_lost_line_ends_is_used() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let pair = Pair::new(&["a.test"]);
    let files = pair.write(&directory, "a");
    let certificate = pair.certificate.replace('\n', "\\n");
    directory.write("a.pem", certificate);
    for (case, text) in readable(&pair.key) {
        directory.write("a.key", &text);
        let sideman = settings(&application.url(), &files).start();
        assert_eq!(shown(address(&sideman), "a.test"), "DNSName(a.test)", "{case}");
    }
}

#[test]
fn reload_and_events_hold_nothing_of_a_damaged_key() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let (pair, other) = (Pair::new(&["a.test"]), Pair::new(&["a.test"]));
    let files = pair.write(&directory, "a");
    let sideman = settings(&application.url(), &files).start().until_ready();
    for (case, text, expected) in damaged(&pair, &other) {
        directory.write("a.key", &text);
        let response = sideman.admin_post("/-/reload");
        assert_eq!(response.status, 422, "{case}: {}", response.text());
        assert!(response.text().contains(expected), "{case}: {}", response.text());
        holds_nothing_of(&pair.key, &response.text(), case);
    }
    // The thread that watches the files sees the last one, too.
    sideman.event("certificate reload failed");
    let (code, events) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    assert!(events.iter().any(|event| event.contains("passphrase")), "{events:?}");
    holds_nothing_of(&pair.key, &events.join("\n"), "events");
    holds_nothing_of(&other.key, &events.join("\n"), "events");
}

#[test]
fn key_where_a_setting_belongs_is_never_printed() {
    let directory = TempDir::new();
    let key = Pair::new(&["a.test"]).key;
    let one_line = key.replace('\n', " ");
    let base64 = body(&key);
    let file = |name: &str, text: &str| directory.write(name, text).display().to_string();
    let (pem, line) = (file("key", &key), file("line", &one_line));
    let (bare, quoted) = (file("bare", &base64), file("quoted", &format!("key = \"{base64}\"\n")));
    let table =
        file("table", &format!("[upstream]\nurl = {{ a = \"{base64}\" }}\nqueue = \"{base64}\"\n"));
    let mut cases: Vec<Settings> = Vec::new();
    for value in [&key, &one_line, &base64] {
        for name in [
            "TLS__CERTIFICATES",
            "UPSTREAM",
            "LISTEN",
            "LOG__LEVEL",
            "UPSTREAM_FILE",
            "CONFIG_FILE",
        ] {
            cases.push(Settings::default().variable(&format!("SIDEMAN_{name}"), value));
        }
        cases.push(Settings::default().args(&["--upstream", value]));
        cases.push(Settings::default().args(&[value]));
    }
    for path in [&pem, &line, &bare, &quoted, &table] {
        for name in
            ["CONFIG", "CONFIG_FILE", "UPSTREAM_FILE", "LISTEN_FILE", "TLS__CERTIFICATES_FILE"]
        {
            cases.push(Settings::default().variable(&format!("SIDEMAN_{name}"), path));
        }
        cases.push(Settings::default().args(&["--config", path]));
    }
    for settings in cases {
        for command in ["check", "run"] {
            let mut settings = settings.clone();
            settings.args.insert(0, command.to_owned());
            let ended = settings.run_to_end();
            assert_eq!(ended.code, Some(2), "{settings:?}: {ended:?}");
            assert!(!ended.stderr.is_empty(), "{settings:?}");
            holds_nothing_of(&key, &said(&ended), command);
        }
    }
}

#[test]
fn password_in_an_address_is_refused_and_never_printed() {
    let directory = TempDir::new();
    for password in ["hunter2", "p/hunter2", "p#hunter2?", "p@hunter2", "p hunter2"] {
        let toml = format!("[upstream]\nurl = [\"http://me:{password}@app:80\", 3]\n");
        let toml = directory.write("a.toml", toml).display().to_string();
        for (name, value) in [
            ("SIDEMAN_UPSTREAM", format!("http://me:{password}@app:80")),
            ("SIDEMAN_UPSTREAM", format!("http://me:{password}@app:80/path")),
            ("SIDEMAN_UPSTREAM", format!("https://me:{password}@app:80")),
            ("SIDEMAN_UPSTREAM", format!("redis://me:{password}@app:80")),
            ("SIDEMAN_UPSTREAM", format!("me:{password}@app:80")),
            ("SIDEMAN_UPSTREAM_FILE", format!("http://me:{password}@app:80")),
            ("SIDEMAN_STATIC__FALLBACK", format!("http://me:{password}@previous")),
            ("SIDEMAN_STATIC__FALLBACK", format!("http://previous/?token={password}")),
            ("SIDEMAN_ROUTE__WS__UPSTREAM", format!("http://me:{password}@ws:80")),
            ("SIDEMAN_ROUTE__WS__PATH", format!("http://me:{password}@ws:80")),
            ("SIDEMAN_SERVER__ALLOWED_HOSTS", format!("https://me:{password}@example.org/")),
            ("SIDEMAN_LISTEN", format!("http://me:{password}@0.0.0.0:80")),
            ("SIDEMAN_ADMIN", format!("http://me:{password}@0.0.0.0:80")),
            ("SIDEMAN_TRUSTED_PROXIES", format!("http://me:{password}@10.0.0.0/8")),
            ("SIDEMAN_CONFIG", toml),
        ] {
            let settings = Settings::default().variable(name, &value);
            for command in ["check", "run"] {
                let ended = settings.clone().args(&[command]).run_to_end();
                assert_eq!(ended.code, Some(2), "{name}={value}: {ended:?}");
                assert!(!said(&ended).contains("hunter2"), "{name}={value}: {ended:?}");
            }
        }
        let url = format!("http://me:{password}@127.0.0.1:1/");
        for args in [&["healthcheck", &url][..], &["run", &url], &["run", "--upstream", &url]] {
            let ended = Settings::default().args(args).run_to_end();
            assert_ne!(ended.code, Some(0), "{args:?}: {ended:?}");
            assert!(!said(&ended).contains("hunter2"), "{args:?}: {ended:?}");
        }
    }
}
