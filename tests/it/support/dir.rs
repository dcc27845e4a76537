//! Temporary directories that are deleted at the end of the test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A new directory; its path is short enough for a unix socket inside.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

// === impl TempDir ===

impl TempDir {
    pub(crate) fn new() -> Self {
        let name = format!("sideman-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A directory that cannot be deleted does not fail the test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
