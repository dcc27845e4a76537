//! Absolute paths in the file system: pages, the maintenance flag, and the directory for spill files.

use std::path::PathBuf;

use crate::plan::SpillDirectory;

use super::{format::TextFormat, suggest};

/// A directory for spill files, or one of two words.
pub(super) const SPILL: TextFormat<SpillDirectory> =
    TextFormat::new("auto, memory, or a directory, such as /var/tmp", spill, show_spill);

/// The absolute path of a file.
pub(super) const fn file_format(expected: &'static str) -> TextFormat<PathBuf> {
    TextFormat::new(expected, file, |path| path.display().to_string())
}

/// The absolute path of a directory.
pub(super) const fn directory_format(expected: &'static str) -> TextFormat<PathBuf> {
    TextFormat::new(expected, absolute, |path| path.display().to_string())
}

/// Reads the path of a file.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    match text.rsplit('/').next() {
        Some("" | "." | "..") => {
            Err("this is the path of a directory: write that of a file".into())
        }
        _ => Ok(path),
    }
}

/// Reads `auto`, `memory`, or a directory.
fn spill(text: &str) -> Result<SpillDirectory, String> {
    match text {
        "auto" => Ok(SpillDirectory::Auto),
        "memory" => Ok(SpillDirectory::Memory),
        "none" | "off" | "false" | "no" => {
            Err("for no files at all, set buffers.disk to 0B".into())
        }
        _ => match suggest::did_you_mean(&suggest::nearest(text, ["auto", "memory"], "")) {
            Some(did_you_mean) if !text.starts_with('/') => Err(did_you_mean),
            _ => absolute(text).map(SpillDirectory::Directory),
        },
    }
}

/// Returns a text that [`spill`] reads as this.
fn show_spill(spill: &SpillDirectory) -> String {
    match spill {
        SpillDirectory::Auto => "auto".into(),
        SpillDirectory::Memory => "memory".into(),
        SpillDirectory::Directory(path) => path.display().to_string(),
    }
}

/// Rejects relative paths, which would depend on the working directory of the process.
fn absolute(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if !text.starts_with('/') {
        return Err("the path must be absolute: it must start with /".into());
    }
    if text.contains('\0') {
        return Err("the path must not contain a NUL".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files() {
        let reads = |text: &str, expected: Result<&str, &str>| {
            let expected = expected.map(PathBuf::from).map_err(str::to_owned);
            assert_eq!(file(text), expected, "{text:?}");
        };
        reads("/srv/502.html", Ok("/srv/502.html"));
        reads("/srv/a, b.html", Ok("/srv/a, b.html"));
        reads("", Err("it is empty"));
        reads("502.html", Err("the path must be absolute: it must start with /"));
        for directory in ["/", "/srv/", "/srv/.", "/srv/.."] {
            reads(directory, Err("this is the path of a directory: write that of a file"));
        }
        reads("/a\0b", Err("the path must not contain a NUL"));
    }

    #[test]
    fn spills() {
        assert_eq!(spill("auto"), Ok(SpillDirectory::Auto));
        assert_eq!(spill("memory"), Ok(SpillDirectory::Memory));
        assert_eq!(spill("/var/tmp"), Ok(SpillDirectory::Directory("/var/tmp".into())));
        assert_eq!(spill("Memory"), Err("did you mean memory?".into()));
        assert_eq!(spill("off"), Err("for no files at all, set buffers.disk to 0B".into()));
        let relative = "the path must be absolute: it must start with /";
        assert_eq!(spill("tmp"), Err(relative.into()));
        assert_eq!(spill(""), Err("it is empty".into()));
    }

    proptest! {
        #[test]
        fn what_is_read_is_absolute_and_reads_back(text in "(auto|memory|/?[a-z/.\0]{0,8})") {
            if let Ok(read) = spill(&text) {
                prop_assert_eq!(spill(&show_spill(&read)), Ok(read.clone()));
                if let SpillDirectory::Directory(path) = read {
                    prop_assert!(path.is_absolute());
                }
            }
            if let Ok(path) = file(&text) {
                prop_assert!(path.is_absolute() && path.file_name().is_some());
            }
        }
    }
}
