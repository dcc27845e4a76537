//! How long a check of a file is valid: `static.check_interval`, and missing names.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::Site;
use crate::support::{Client, eventually, pattern, repeat_for};

/// New files are found within a second; this allows for a busy machine.
const SOON: Duration = Duration::from_secs(6);

/// Like a deployment.
fn replace(site: &Site, name: &str, content: &[u8]) {
    let temporary = site.directory.write("temporary", content);
    fs::rename(temporary, site.directory.join(name)).unwrap();
}

#[track_caller]
fn until_there(client: &mut Client, target: &str, content: &str) {
    let begin = Instant::now();
    eventually(target, || (client.get(target).text() == content).then_some(()));
    assert!(begin.elapsed() < SOON, "{target}: {:?}", begin.elapsed());
}

#[test]
fn check_interval_never_keeps_the_first_version() {
    let large = pattern(2 << 20);
    let files: &[(&str, &[u8])] = &[
        ("replaced.css", b"old"),
        ("rewritten.css", b"old"),
        ("removed.css", b"old"),
        ("hashed.0123456789ab.css", b"old"),
        ("large.bin", &large),
        ("packed.css", b"old"),
    ];
    let site = Site::set(files, |settings| settings.set("static.check_interval", "never"));
    let mut client = site.sideman.connect();
    for (name, content) in files {
        assert!(client.get(&format!("/static/{name}")).body == *content, "{name}");
    }
    replace(&site, "replaced.css", b"new");
    replace(&site, "hashed.0123456789ab.css", b"new");
    replace(&site, "large.bin", b"new");
    site.directory.write("rewritten.css", "new");
    site.directory.write("packed.css.gz", "new");
    fs::remove_file(site.directory.join("removed.css")).unwrap();
    repeat_for(Duration::from_millis(1500), || {
        for (name, content) in files {
            let target = format!("/static/{name}");
            let response = client.ask("GET", &target, "Accept-Encoding: gzip, identity;q=0.5\r\n");
            assert!(response.status == 200 && response.body == *content, "{name}: {response:?}");
        }
    });
    // A missing file is looked up again nevertheless.
    for name in ["new.css", "deep/new.css"] {
        let target = format!("/static/{name}");
        assert_eq!(client.get(&target).status, 404);
        site.directory.write(name, "new");
        until_there(&mut client, &target, "new");
    }
}

#[test]
fn new_files_appear_within_a_second_with_any_check_interval() {
    let site = Site::set(&[], |settings| settings.set("static.check_interval", "1h"));
    let mut client = site.sideman.connect();
    let target = "/static/new.css";
    assert_eq!(client.get(target).status, 404);
    site.directory.write("new.css", "new");
    until_there(&mut client, target, "new");
    // Afterwards they are cached for an hour.
    replace(&site, "new.css", b"newer");
    repeat_for(Duration::from_millis(1500), || assert_eq!(client.get(target).text(), "new"));
}

#[test]
fn check_interval_zero_shows_changes_at_once() {
    let site = Site::set(&[], |settings| settings.set("static.check_interval", "0s"));
    let mut client = site.sideman.connect();
    for number in 0..20 {
        let text = number.to_string();
        replace(&site, "alphabet.txt", text.as_bytes());
        // The clock counts in milliseconds: a second check within one may be skipped.
        let looks = (1..).find(|_| client.get("/static/alphabet.txt").text() == text).unwrap();
        assert!(looks <= 100, "{looks} looks");
        site.directory.write(&format!("{number}.css"), "new");
        assert_eq!(client.get(&format!("/static/{number}.css")).text(), "new");
        fs::remove_file(site.directory.join(&format!("{number}.css"))).unwrap();
    }
}

#[test]
fn missing_name_is_looked_up_twice_a_second_at_most() {
    let site = Site::set(&[], |settings| settings.set("static.check_interval", "1s"));
    let mut client = site.sideman.connect();
    let begin = Instant::now();
    for _ in 0..1000 {
        assert_eq!(client.get("/static/none.css").status, 404);
    }
    // Two look-ups a second, and one more at each end.
    let most = begin.elapsed().as_secs_f64() * 2.0 + 2.0;
    let misses = site.sideman.metric("sideman_file_store_misses_total", &[]);
    assert!((1.0..=most).contains(&misses), "{misses} looks in {:?}", begin.elapsed());
    let hits = site.sideman.metric("sideman_file_store_hits_total", &[]);
    assert_eq!(hits + misses, 1000.0);

    site.directory.write("none.css", "here");
    until_there(&mut client, "/static/none.css", "here");
}
