//! Fuzz targets for settings (see [`crate::fuzzing`]). Every text must give either a plan or problems with remedies.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    environment::{self, Environment},
    file,
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
