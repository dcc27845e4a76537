//! Fuzz targets for settings (see [`crate::fuzzing`]). Every text must give either a plan or problems with remedies.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use crate::plan::User;

use super::{
    environment::{self, Environment},
    file, htpasswd as users_file,
    problem::{Problem, Problems},
    read::read,
    sources::{Sources, ValueOrigin},
};

/// Reads the text of a settings file.
pub fn settings_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut sources, mut problems) = (Sources::defaults(), Vec::new());
    let origin = ValueOrigin::Flag { name: "--config" };
    file::apply_text(Path::new("/etc/sideman.toml"), text, &origin, &mut sources, &mut problems);
    planned(&sources, problems);
}

/// Reads variables, one `NAME=value` on each line.
pub fn settings_environment(data: &[u8]) {
    let mut variables: Environment = BTreeMap::new();
    for line in data.split(|&byte| byte == b'\n').take(32) {
        let end = line.iter().position(|&byte| byte == b'=').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(end).unwrap_or((line, b""));
        // Targets never read files.
        if name.is_empty() || name.ends_with(b"_FILE") || name.contains(&0) {
            continue;
        }
        let value = value.strip_prefix(b"=").unwrap_or(value);
        let owned = |bytes: &[u8]| -> OsString { OsStr::from_bytes(bytes).into() };
        variables.insert(owned(name), owned(value));
    }
    let (mut sources, mut problems) = (Sources::defaults(), Vec::new());
    environment::sort(&variables).apply(&mut sources, &mut problems);
    planned(&sources, problems);
}

/// Reads the text of an htpasswd file.
pub fn htpasswd(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match users_file::users(text) {
        Ok(list) => {
            let shown = format!("{list:?}");
            assert!(list.0.iter().all(|user| !shown.contains(&user.hash.text)), "{shown}");
            let line = |user: &User| format!("{}:{}:comment\n", user.name, user.hash.text);
            // A name may begin like a comment, or with the mark of the byte order.
            let lines: String = list.0.iter().map(line).collect();
            let is_same = !lines.starts_with('\u{feff}');
            let again = users_file::users(&lines);
            assert!(!is_same || again.as_ref() == Ok(&list), "{lines:?}: {again:?}");
            let mut names: Vec<&str> = list.0.iter().map(|user| user.name.as_str()).collect();
            assert!(names.iter().all(|name| (1..=255).contains(&name.len())));
            assert!(
                names.iter().all(|name| !name.contains(':') && !name.contains(char::is_control))
            );
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), list.0.len(), "two users have one name");
        }
        Err(fault) => {
            assert!(!fault.contains(char::is_control), "{fault:?}");
            // The words of all faults are known: none has a part of the text, but the number of a line.
            let words = fault.split(": ").last().unwrap_or_default();
            for hash in text.lines().filter_map(|line| line.split(':').nth(1)) {
                assert!(hash.len() < 20 || !words.contains(hash), "a hash is shown: {fault}");
            }
        }
    }
}

fn planned(sources: &Sources, problems: Vec<Problem>) {
    let result = read(sources, problems, |_| true);
    for setting in result.settings {
        assert!(!setting.text.contains("(from file)"), "{setting:?}");
    }
    if result.problems.is_empty() {
        drop(result.draft.into_plan());
    } else {
        let listed = Problems::new(result.problems).to_string();
        let is_plain = |letter: char| letter == '\n' || !letter.is_control();
        assert!(listed.chars().all(is_plain), "control characters reach the terminal: {listed:?}");
    }
}
