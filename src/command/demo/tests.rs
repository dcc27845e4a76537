//! The demo's size, its files, and what it leaves behind. tests/it/demo.rs tries its pages behind Sideman.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use super::*;

/// More would be a second program to read.
const LINES: usize = 300;

#[test]
fn demo_and_its_page_are_short() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("app.rs"),
        include_str!("assets/page.html"),
        include_str!("assets/demo.css"),
        include_str!("assets/demo.js"),
    ];
    let lines: Vec<&str> = sources.into_iter().flat_map(str::lines).collect();
    assert!(lines.len() <= LINES, "{} lines", lines.len());
    for line in lines {
        assert!(line.chars().count() <= 130, "too long: {line}");
    }
}

#[test]
fn static_files_have_the_names_of_djangos_manifest_storage() {
    let demo = Demo::start().unwrap();
    let files = demo.directory.join("static");
    // What `printf one | md5sum` begins with, as Django names files.
    let name = write_hashed(&files, "a", "css", "one").unwrap();
    assert_eq!(name, "a.f97c5d29941b.css");
    assert_eq!(fs::read_to_string(files.join(name)).unwrap(), "one");
}

#[test]
fn directory_is_private_and_removed_on_drop() {
    let demo = Demo::start().unwrap();
    let directory = demo.directory.clone();
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    drop(demo);
    assert_eq!(fs::metadata(&directory).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn page_names_files_that_exist() {
    let demo = Demo::start().unwrap();
    let mut stream = UnixStream::connect(demo.directory.join("app.sock")).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let names = page.split("/static/").skip(1).map(|rest| rest.split(['"', '>']).next().unwrap());
    let names: Vec<&str> = names.collect();
    // The early hint, the stylesheet, the script.
    assert_eq!(names.len(), 3, "{page}");
    for name in names {
        assert!(demo.directory.join("static").join(name).is_file(), "{name}");
    }
}
