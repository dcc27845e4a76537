//! Certificates: which one a client gets, reloading changed files, and warnings about expiry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Pair, address,
    client::{Tls, Trust},
    connect, self_signed, shown,
};
use crate::support::{App, Settings, Sideman, TempDir, eventually_is, pace};

/// Sideman with these certificates.
fn settings(application: &App, certificates: &[String]) -> Settings {
    Settings::before(&application.url())
        .set("tls.listen", "127.0.0.1:0")
        .set("tls.certificates", &certificates.join(","))
}

fn expiry(sideman: &Sideman, certificate: &str) -> f64 {
    let path = certificate.split('=').next().unwrap();
    sideman.metric("sideman_tls_certificate_expiry_seconds", &[("certificate", path)])
}

#[test]
fn certificate_follows_the_requested_name() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let first = Pair::new(&["first.test", "www.first.test"]).write(&directory, "a");
    let wild = Pair::new(&["*.wild.test"]).write(&directory, "b");
    let exact = Pair::new(&["exact.wild.test"]).write(&directory, "c");
    let sideman = settings(&application, &[first, wild, exact]).start();
    let address = address(&sideman);
    for (host, name) in [
        ("first.test", "first.test"),
        ("www.first.test", "first.test"),
        ("a.wild.test", "*.wild.test"),
        ("EXACT.wild.test", "exact.wild.test"),
        ("a.b.wild.test", "first.test"),
        ("stranger.test", "first.test"),
        // An address is not a name: the client requests none.
        ("127.0.0.1", "first.test"),
    ] {
        assert_eq!(shown(address, host), format!("DNSName({name})"), "{host}");
    }
}

#[test]
fn self_signed_certificate_is_made_at_the_start() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start();
    assert_eq!(shown(address(&sideman), "anything.test"), "DNSName(localhost)");
    let labels = [("certificate", "self-signed")];
    let end = sideman.metric("sideman_tls_certificate_expiry_seconds", &labels);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(end > now + 9.0 * 365.0 * 86_400.0, "{end}");
    // Another start makes another certificate.
    let again = self_signed(&application.url()).start();
    assert_ne!(connect(&sideman).certificate(), connect(&again).certificate());
}

#[test]
fn changed_certificate_is_reloaded_while_serving() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let setting = Pair::new(&["old.test"]).write(&directory, "a");
    let sideman = settings(&application, &[setting]).start().until_ready();
    let address = address(&sideman);
    let (ends, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = [true, false]
        .map(|keeps| {
            let (ends, served) = (Arc::clone(&ends), Arc::clone(&served));
            thread::spawn(move || {
                let config = Trust::Anyone.config();
                let mut kept = Tls::connect(address, &config, "old.test");
                while !ends.load(Ordering::Relaxed) {
                    if !keeps {
                        kept = Tls::connect(address, &config, "old.test");
                    }
                    assert_eq!(kept.get("/", "").text(), "hello");
                    served.fetch_add(1, Ordering::Relaxed);
                    pace();
                }
            })
        })
        .into_iter()
        .collect();
    for round in 1..=3 {
        let name = format!("new-{round}.test");
        Pair::new(&[&name]).write(&directory, "a");
        eventually_is("the name", &format!("DNSName({name})"), || shown(address, "old.test"));
        let before = served.load(Ordering::Relaxed);
        eventually_is("requests go on", &true, || served.load(Ordering::Relaxed) > before + 10);
    }
    ends.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let changes =
        |result| sideman.metric("sideman_tls_certificate_changes_total", &[("result", result)]);
    assert_eq!((changes("used"), changes("rejected")), (3.0, 0.0));
}

#[test]
fn bad_certificate_keeps_the_current_one() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let setting = Pair::new(&["old.test"]).write(&directory, "a");
    let sideman = settings(&application, &[setting]).start().until_ready();
    let old = connect(&sideman).certificate();
    directory.write("a.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let labels = [("result", "rejected")];
    sideman.until_metric("sideman_tls_certificate_changes_total", &labels, 1.0);
    let line = sideman.event("certificate reload failed");
    assert!(line.contains("a.pem") && line.contains("fix the files"), "{line}");
    assert_eq!(connect(&sideman).certificate(), old);
    Pair::new(&["new.test"]).write(&directory, "a");
    eventually_is("the name", &"DNSName(new.test)".to_owned(), || {
        shown(address(&sideman), "x.test")
    });
    let (code, lines) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    let told = lines.iter().filter(|line| line.contains("certificate reload failed")).count();
    assert_eq!(told, 1, "{lines:?}");
}

#[test]
fn invalid_certificate_files_fail_the_start() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    Pair::new(&["a.test"]).write(&directory, "a");
    Pair::new(&["b.test"]).write(&directory, "b");
    let path = |name: &str| directory.join(name).display().to_string();
    let (certificate, key) = (path("a.pem"), path("b.key"));
    let ended = settings(&application, &[format!("{certificate}={key}")]).run_to_end();
    assert_eq!(ended.code, Some(1));
    let expected = format!("the key in {key} does not match the certificate in {certificate}: ");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    let none = path("none.pem");
    let ended = settings(&application, &[format!("{none}={key}")]).run_to_end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("{none} cannot be read: ")), "{}", ended.stderr);
}

#[test]
fn certificate_expiry_is_reported_and_warned_about() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ending = |name: &str, days: i64| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let seconds = now.as_secs().saturating_add_signed(days * 86_400);
        params.not_after = epoch + Duration::from_secs(seconds);
        (Pair::of(&params).write(&directory, name), seconds as f64)
    };
    let (long, long_end) = ending("long", 20);
    let (short, short_end) = ending("short", 13);
    let (over, over_end) = ending("over", -1);
    let all = [long.clone(), short.clone(), over.clone()];
    let sideman = settings(&application, &all).start();
    for (certificate, end) in [(&long, long_end), (&short, short_end), (&over, over_end)] {
        assert_eq!(expiry(&sideman, certificate), end);
    }
    assert!(sideman.event("certificate expires soon").contains("short.pem"));
    assert!(sideman.event("certificate has expired").contains("over.pem"));
    let (_, lines) = sideman.stop_for_events();
    let told =
        lines.iter().filter(|line| line.contains("certificate ") && line.contains("replace it"));
    assert_eq!(told.count(), 2, "{lines:?}");
}
