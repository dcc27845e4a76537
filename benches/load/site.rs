//! The scratch directory: the static files of the rows, and one directory for each started server.

use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
};

use crate::rows::{Body, Row, Scenario};

/// A directory of our own under the build directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    directory: PathBuf,
    servers: Cell<u32>,
}

// === impl Site ===

impl Site {
    /// Makes the directory and the files that these rows ask for.
    pub(crate) fn make(rows: &[&Row]) -> io::Result<Self> {
        let name = format!("load-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let site = Self { directory, servers: Cell::new(0) };
        fs::create_dir_all(site.root().join("static"))?;
        for row in rows {
            match &row.scenario {
                Scenario::KeepAlive(get) => {
                    if let Body::File(size) = get.body {
                        fs::write(site.file(get.path), content(size))?;
                    }
                }
            }
        }
        Ok(site)
    }

    /// The document root; its one entry, `static`, is the directory of the static files.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The bytes that a right answer for `path` holds.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.file(path))
    }

    /// A fresh empty directory for one server's logs and temporary files.
    pub(crate) fn server_directory(&self) -> io::Result<PathBuf> {
        self.servers.set(self.servers.get() + 1);
        let directory = self.directory.join(format!("server-{}", self.servers.get()));
        fs::create_dir(&directory)?;
        Ok(directory)
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What cannot be removed lies in the build directory, where `cargo clean` finds it.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Bytes that no compression and no page of zeros makes cheaper; the same in every run.
fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(size as u64).fill(&mut bytes);
    bytes
}
