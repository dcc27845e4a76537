//! A tree of 50,000 files with its manifest: the start does not wait for it, and it uses no more
//! memory than configured.

use std::{collections::BTreeMap, fs};

use super::IMMUTABLE;
use crate::support::{ReservedPort, Settings, TempDir};

const FILES: usize = 50_000;
/// The md5 of `a{}`, in the form that Django writes.
const HASH: &str = "307cc22fa776";

/// Like Django's collected files of a large site: in 400 directories.
fn name(number: usize) -> String {
    format!("app-{}/file-{number}.{HASH}.css", number % 400)
}

#[test]
fn fifty_thousand_listed_files_use_memory_only_when_requested() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let first = directory.write(&name(0), "a{}");
    for number in 1..400 {
        fs::create_dir(directory.join(&format!("app-{number}"))).unwrap();
    }
    for number in 1..FILES {
        fs::hard_link(&first, directory.join(&name(number))).unwrap();
    }
    let paths: BTreeMap<String, String> =
        (0..FILES).map(|number| (format!("file-{number}.css"), name(number))).collect();
    let manifest = serde_json::json!({ "paths": paths, "version": "1.1", "hash": "" });
    directory.write("staticfiles.json", manifest.to_string());

    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.memory", "4MiB")
        .set("static.entries", "2000")
        .start();
    // Requests that need no manifest do not wait for it.
    assert_eq!(sideman.get("/static/").status, 404);
    let event = sideman.late_event("manifest verified");
    assert!(event.contains(&format!("listed={FILES}")), "{event}");
    let answered = sideman.log_of("/static/")["time"].as_str().unwrap().to_owned();
    assert!(answered < event, "it was verified before anything was served: {answered}, {event}");
    assert_eq!(sideman.metric("sideman_manifest_faults_total", &[]), 0.0);
    assert_eq!(sideman.metric("sideman_file_store_entries", &[]), 0.0, "nothing is read before");

    let mut client = sideman.connect();
    for number in (0..FILES).step_by(10) {
        let response = client.get(&format!("/static/{}", name(number)));
        assert_eq!((response.status, response.text().as_str()), (200, "a{}"), "{number}");
        assert_eq!(response.header("cache-control"), Some(IMMUTABLE), "{number}");
    }
    assert!(sideman.metric("sideman_file_store_bytes", &[]) <= f64::from(4 << 20));
    let entries = sideman.metric("sideman_file_store_entries", &[("store", "static")]);
    assert!((1000.0..=2000.0).contains(&entries), "{entries}");
    assert_eq!(sideman.metric("sideman_file_store_evicted_total", &[]), 5000.0 - entries);
}
