//! The scratch directory: the static files of the rows, and one directory for each started server.

use std::{
    cell::Cell,
    collections::HashMap,
    fs::{self, File},
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::{Advice, fadvise, syncfs};

use crate::{
    content,
    rows::{ExpectedResponse, Row},
};

const STYLESHEET: usize = 60 << 10;

/// The age of a file whose name has no content hash.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory below the build directory, removed when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    directory: PathBuf,
    servers: Cell<u32>,
    /// The URLs for the path of each row: one, or those of a tree.
    urls: HashMap<&'static str, Vec<String>>,
}

/// The size of each tree and of each large file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// Small, for a check that everything works.
    Smoke,
}

// === impl Site ===

impl Site {
    /// Makes the directory and the files of these rows.
    pub(crate) fn make(rows: &[&Row], scale: Scale) -> io::Result<Self> {
        let name = format!("load-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut site = Self { directory, servers: Cell::new(0), urls: HashMap::new() };
        fs::create_dir_all(site.root().join("static"))?;
        for get in rows.iter().flat_map(|row| row.gets()) {
            if !site.urls.contains_key(get.path) {
                let urls = site.add(get.path, scale.of(get.answer))?;
                site.urls.insert(get.path, urls);
            }
        }
        // Dirty pages would be written during the runs, and only clean pages can be dropped.
        syncfs(File::open(&site.directory)?)?;
        Ok(site)
    }

    /// The directory itself, for files that belong to no server.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The document root; its one entry, `static`, is the directory of the static files.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The URLs for the path of a row.
    pub(crate) fn urls(&self, path: &str) -> io::Result<&[String]> {
        self.urls
            .get(path)
            .map(Vec::as_slice)
            .ok_or_else(|| io::Error::other(format!("the site was made without {path}")))
    }

    /// The file with the expected bytes of `url`.
    pub(crate) fn file(&self, url: &str) -> PathBuf {
        self.root().join(url.trim_start_matches('/'))
    }

    /// Drops the contents of these files from the page cache; names and inodes stay.
    pub(crate) fn chill(&self, urls: &[String]) -> io::Result<()> {
        for url in urls {
            fadvise(File::open(self.file(url))?, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    /// A fresh empty directory for one server's logs and temporary files.
    pub(crate) fn server_directory(&self) -> io::Result<PathBuf> {
        self.servers.set(self.servers.get() + 1);
        let directory = self.directory.join(format!("server-{}", self.servers.get()));
        fs::create_dir(&directory)?;
        Ok(directory)
    }

    /// Writes the files of an expected response; returns the URLs to request.
    fn add(&self, path: &str, answer: ExpectedResponse) -> io::Result<Vec<String>> {
        let url = match answer {
            ExpectedResponse::Any
            | ExpectedResponse::Origin { .. }
            | ExpectedResponse::Stored(_)
            | ExpectedResponse::Text { .. }
            | ExpectedResponse::Missing => path.to_owned(),
            ExpectedResponse::File(size)
            | ExpectedResponse::Unchanged(size)
            | ExpectedResponse::Part { size, .. } => {
                self.write(path, &content::noise(size as u64, size))?
            }
            ExpectedResponse::Encoded(_) => self.write_encoded(path)?,
            ExpectedResponse::Tree { files, least, most } => {
                return self.write_tree(path, files, least..=most);
            }
        };
        Ok(vec![url])
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<String> {
        let url = path.replacen('@', &content::digits(content), 1);
        let file = self.file(&url);
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&file, content)?;
        if url == path {
            // Sideman verifies a large file again if it was changed recently.
            let modified = SystemTime::now() - AGE;
            File::options().write(true).open(&file)?.set_modified(modified)?;
        }
        Ok(url)
    }

    /// The original first: an older precompressed file would be stale.
    fn write_encoded(&self, path: &str) -> io::Result<String> {
        let content = content::stylesheet(STYLESHEET);
        let url = self.write(path, &content)?;
        fs::write(self.file(&format!("{url}.gz")), content::gzip(&content)?)?;
        fs::write(self.file(&format!("{url}.br")), content::brotli(&content)?)?;
        Ok(url)
    }

    /// Nested like the assets of many applications; the URLs are in an order that no directory
    /// or read-ahead favours, the same in every run.
    fn write_tree(
        &self,
        path: &str,
        files: usize,
        sizes: RangeInclusive<usize>,
    ) -> io::Result<Vec<String>> {
        let mut urls = Vec::with_capacity(files);
        let mut random = fastrand::Rng::with_seed(*sizes.end() as u64);
        for index in 0..files {
            let size = random.usize(sizes.clone());
            let content = content::noise((size as u64) << 32 | index as u64, size);
            let digits = content::digits(&content);
            let (app, kind, version) = (index % 40, index / 40 % 5, index / 200 % 7);
            let directory = format!("{path}/app{app}/kind{kind}/v{version}");
            let url = format!("{directory}/file{index}.{digits}.bin");
            // The directory nearly always exists.
            if let Err(error) = fs::write(self.file(&url), &content) {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                fs::create_dir_all(self.file(&directory))?;
                fs::write(self.file(&url), &content)?;
            }
            urls.push(url);
        }
        fastrand::Rng::with_seed(files as u64).shuffle(&mut urls);
        Ok(urls)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A directory that cannot be removed is in the build directory, where `cargo clean` removes it.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

// === impl Scale ===

impl Scale {
    fn of(self, answer: ExpectedResponse) -> ExpectedResponse {
        const FILES: usize = 16;
        const SIZE: usize = 4 << 20;
        match (self, answer) {
            (Self::Smoke, ExpectedResponse::File(size)) => ExpectedResponse::File(size.min(SIZE)),
            (Self::Smoke, ExpectedResponse::Tree { files, least, most }) => {
                ExpectedResponse::Tree { files: files.min(FILES), least, most }
            }
            (_, answer) => answer,
        }
    }
}
