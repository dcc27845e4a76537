//! Logs once, at the start, how many files each prefix has. A directory that is empty, or one level off, then shows in
//! the log and not only as a 404.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt as _, path::Path};

use super::tree::{MANIFEST_NAME, PrefixTree};
use crate::plan::Purpose;

/// Further entries of a directory are not counted.
const MAX_ENTRIES: usize = 10_000;

/// The counts of a directory.
#[derive(Debug, PartialEq, Eq)]
struct FileCount {
    files: usize,
    is_whole: bool,
}

/// Logs one event for each directory of a prefix. An unreadable directory is a warning of the settings instead.
pub(super) fn report(tree: &PrefixTree) {
    if tree.root.purpose == Purpose::Internal {
        return;
    }
    for location in &tree.locations {
        let Ok(FileCount { files, is_whole }) = count(&location.path, MAX_ENTRIES) else {
            continue;
        };
        let (prefix, directory) = (&tree.root.prefix, location.path.display());
        let is_static = tree.root.purpose == Purpose::Static;
        if files == 0 && is_whole && is_static {
            tracing::warn!(
                prefix, %directory, files,
                "directory has no files; check that it is STATIC_ROOT and that collectstatic has run"
            );
            continue;
        }
        let files = if is_whole { files.to_string() } else { format!("{files}+") };
        let manifest =
            is_static.then(|| location.path.join(OsStr::from_bytes(MANIFEST_NAME)).is_file());
        tracing::info!(prefix, %directory, %files, manifest, "serving files");
    }
}

/// Counts the files of a directory and of those below it, without following links to directories.
fn count(directory: &Path, max: usize) -> io::Result<FileCount> {
    let (mut files, mut seen) = (0, 0);
    let mut open = vec![fs::read_dir(directory)?];
    while let Some(entries) = open.last_mut() {
        let Some(entry) = entries.next() else {
            open.pop();
            continue;
        };
        seen += 1;
        if seen > max {
            return Ok(FileCount { files, is_whole: false });
        }
        let Ok(entry) = entry else { continue };
        match entry.file_type() {
            // An unreadable directory has nothing to serve.
            Ok(kind) if kind.is_dir() => open.extend(fs::read_dir(entry.path())),
            Ok(_) => files += 1,
            Err(_) => {}
        }
    }
    Ok(FileCount { files, is_whole: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_has_a_bound() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let whole = count(&sources, MAX_ENTRIES).unwrap();
        assert!(whole.is_whole && whole.files > 100, "{whole:?}");
        let part = count(&sources, 50).unwrap();
        assert!(!part.is_whole && part.files <= 50, "{part:?}");
        assert!(count(&sources.join("none"), MAX_ENTRIES).is_err());
    }
}
