//! Files that are created, changed and removed while they are served.

use std::{
    fs::{self, File},
    time::SystemTime,
};

use super::{ALPHABET, Site};
use crate::support::{ReservedPort, Settings, TempDir, eventually};

#[test]
fn new_file_is_found() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/later/new.css").status, 404);
    site.directory.write("later/new.css", "new");
    let response = eventually("the new file", || {
        Some(client.get("/static/later/new.css")).filter(|response| response.status == 200)
    });
    assert_eq!(response.text(), "new");
}

#[test]
fn replaced_file_is_reloaded() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    let old = client.get("/static/alphabet.txt");
    assert_eq!(old.text(), ALPHABET);
    // collectstatic and editors do this: another file gets the name. The length stays the same.
    let new = ALPHABET.to_uppercase();
    let temporary = site.directory.write("alphabet.txt.new", &new);
    fs::rename(temporary, site.directory.join("alphabet.txt")).unwrap();
    eventually("the new content", || {
        let text = client.get("/static/alphabet.txt").text();
        assert!(text == ALPHABET || text == new, "a mixture: {text}");
        (text == new).then_some(())
    });
    let etag = old.header("etag").unwrap();
    let response = client.ask("GET", "/static/alphabet.txt", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((response.status, response.text()), (200, new));
}

#[test]
fn file_rewritten_in_place_is_reloaded() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/alphabet.txt").text(), ALPHABET);
    site.directory.write("alphabet.txt", "shorter");
    eventually("the new content", || {
        (client.get("/static/alphabet.txt").text() == "shorter").then_some(())
    });
}

#[test]
fn replacement_with_an_older_date_is_reloaded() {
    // A rolled back release: the new file has an earlier date.
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/alphabet.txt").text(), ALPHABET);
    let older = site.directory.write("older", ALPHABET.to_uppercase());
    let file = File::options().write(true).open(&older).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    fs::rename(older, site.directory.join("alphabet.txt")).unwrap();
    eventually("the older content", || {
        (client.get("/static/alphabet.txt").text() == ALPHABET.to_uppercase()).then_some(())
    });
}

#[test]
fn a_removed_file_is_not_found() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/alphabet.txt").status, 200);
    fs::remove_file(site.directory.join("alphabet.txt")).unwrap();
    eventually("404", || (client.get("/static/alphabet.txt").status == 404).then_some(()));
}

#[test]
fn directory_created_after_the_start_is_served() {
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    let directory = parent.join("collected");
    let sideman = Settings::before(&application.url()).files("/static/", &directory).start();
    let warning = sideman.event("collected");
    assert!(warning.contains("WARN"), "{warning}");
    assert_eq!(sideman.get("/static/a.css").status, 404);
    parent.write("collected/a.css", "a{}");
    eventually("the file", || (sideman.get("/static/a.css").text() == "a{}").then_some(()));
}
