//! Compares a directory with its manifest: whether every file exists, and whether the hashes in the names match the
//! contents. Blocking, and meant for a background thread.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read},
    path::Path,
};

use md5::{Digest, Md5};
use rustix::fs::FileType;

use super::{
    kind,
    manifest::Manifest,
    open::{LookupEffort, OpenDirectory},
};
use crate::plan::Symlinks;

/// The maximum size in bytes of a file whose content is checked: a sample must stay cheap.
const MAX_SAMPLED_SIZE: u64 = 8 * 1024 * 1024;

/// The maximum number of names of each kind in a report.
const MAX_EXAMPLES: usize = 5;

/// How much is read for the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifySample {
    /// The number of files, chosen at random.
    pub files: usize,
    pub seed: u64,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Names that were looked for; all of the manifest's, unless the check was cancelled.
    pub listed: usize,
    /// Names without a file that would be served.
    pub missing: NameSample,
    /// Files whose contents were compared.
    pub checked: usize,
    /// Files whose content does not match their name.
    pub mismatched: NameSample,
    /// Files that the system refused to open or to read.
    pub unreadable: NameSample,
}

/// A number of names, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSample {
    pub count: usize,
    pub first: Vec<String>,
}

/// The directory of the last name. Names come in order, so most share it with the one before.
struct LastDirectory<'a> {
    root: &'a OpenDirectory,
    symlinks: Symlinks,
    path: &'a [u8],
    /// `None` stands for the root.
    directory: Option<OpenDirectory>,
}

/// Looks for every file of the manifest, and compares a sample of contents with the hashes that Django put into their
/// names. Fails only if the directory itself cannot be opened.
///
/// 50,000 files in 400 directories take 0.2 s once the kernel knows them, in an unoptimised build. `cancelled` is
/// called before each file.
pub fn verify(
    directory: &Path,
    manifest: &Manifest,
    symlinks: Symlinks,
    sample: VerifySample,
    cancelled: &dyn Fn() -> bool,
) -> io::Result<VerifyReport> {
    let root = OpenDirectory::open(directory, LookupEffort::Disk)?;
    let mut report = VerifyReport::default();
    let mut location = LastDirectory { root: &root, symlinks, path: b"", directory: None };
    for name in manifest.names() {
        if cancelled() {
            return Ok(report);
        }
        report.listed += 1;
        match location.is_file(name) {
            Ok(true) => {}
            Ok(false) => report.missing.add(name),
            Err(_) => report.unreadable.add(name),
        }
    }
    let hashed = manifest.names().filter(|name| kind::is_hashed(name));
    let count = sample.files.min(manifest.len());
    for name in fastrand::Rng::with_seed(sample.seed).choose_multiple(hashed, count) {
        if cancelled() {
            break;
        }
        match root.open_file(name, symlinks).and_then(|file| compare(file, name)) {
            Ok(Some(is_same)) => {
                report.checked += 1;
                if !is_same {
                    report.mismatched.add(name);
                }
            }
            Ok(None) => {}
            // A file that could not even be looked for is counted already.
            Err(_) if location.is_file(name).is_err() => {}
            Err(_) => report.unreadable.add(name),
        }
    }
    Ok(report)
}

/// Whether the content matches the name; `None` if there is nothing to compare.
fn compare(file: Option<File>, name: &[u8]) -> io::Result<Option<bool>> {
    let Some(expected) = kind::hash(name).and_then(|range| name.get(range)) else {
        return Ok(None);
    };
    let Some(file) = file else { return Ok(None) };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_SAMPLED_SIZE {
        return Ok(None);
    }
    let mut hasher = Md5::new();
    let mut file = file.take(MAX_SAMPLED_SIZE);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => hasher.update(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut hash = String::with_capacity(32);
    for byte in hasher.finalize() {
        let _ = write!(hash, "{byte:02x}");
    }
    Ok(Some(hash.as_bytes().starts_with(expected)))
}

// === impl VerifySample ===

impl VerifySample {
    /// Returns the usual sample of 64 files. It takes half a second on a slow disk, and a build with wrong hashes has
    /// more than one among many files.
    pub fn new(seed: u64) -> Self {
        Self { files: 64, seed }
    }
}

// === impl LastDirectory ===

impl<'a> LastDirectory<'a> {
    /// Whether a name leads to a file that would be served. Queries each file once, and opens only links.
    fn is_file(&mut self, name: &'a [u8]) -> io::Result<bool> {
        let slash = name.iter().rposition(|&byte| byte == b'/');
        let path = slash.and_then(|slash| name.get(..slash)).unwrap_or_default();
        let segment = name.get(slash.map_or(0, |slash| slash + 1)..).unwrap_or_default();
        if path != self.path {
            // Valid whatever happens next.
            (self.path, self.directory) = (b"", None);
            if !path.is_empty() {
                let Some(directory) = self.root.open_directory(path, self.symlinks)? else {
                    return Ok(false);
                };
                (self.path, self.directory) = (path, Some(directory));
            }
        }
        match self.directory.as_ref().unwrap_or(self.root).kind(segment)? {
            Some(FileType::RegularFile) => Ok(true),
            Some(FileType::Symlink) => {
                let Some(file) = self.root.open_file(name, self.symlinks)? else {
                    return Ok(false);
                };
                Ok(file.metadata()?.is_file())
            }
            _ => Ok(false),
        }
    }
}

// === impl NameSample ===

impl NameSample {
    fn add(&mut self, name: &[u8]) {
        self.count += 1;
        if self.first.len() < MAX_EXAMPLES {
            // The name goes into a log, line by line.
            self.first.push(String::from_utf8_lossy(name).escape_debug().to_string());
        }
    }
}

impl fmt::Display for NameSample {
    /// For a log: `7 (a.css, b.css, ...)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        if self.first.is_empty() {
            return Ok(());
        }
        let more = if self.count > self.first.len() { ", ..." } else { "" };
        write!(f, " ({}{more})", self.first.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::Cell, collections::BTreeMap, fs, os::unix::fs::symlink, path::PathBuf, time::Instant,
    };

    struct CollectedDirectory {
        directory: PathBuf,
        paths: BTreeMap<String, String>,
    }

    impl CollectedDirectory {
        fn new(name: &str) -> Self {
            let name = format!("sideman-verify-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).unwrap();
            Self { directory, paths: BTreeMap::new() }
        }

        /// Collects a file as Django does; returns its hashed name.
        fn collect(&mut self, stem: &str, extension: &str, content: &[u8]) -> String {
            let hash: String =
                Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            let hashed = format!("{stem}.{}{extension}", &hash[..12]);
            self.list(&format!("{stem}{extension}"), &hashed);
            self.write(&hashed, content);
            hashed
        }

        fn list(&mut self, original: &str, hashed: &str) {
            self.paths.insert(original.to_owned(), hashed.to_owned());
        }

        fn write(&self, name: &str, content: &[u8]) {
            let path = self.directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn manifest(&self) -> Manifest {
            let text = serde_json::json!({"paths": self.paths, "version": "1.1"}).to_string();
            Manifest::parse(text.as_bytes()).unwrap()
        }

        fn verify(&self, symlinks: Symlinks) -> VerifyReport {
            verify(&self.directory, &self.manifest(), symlinks, ALL, &|| false).unwrap()
        }
    }

    impl Drop for CollectedDirectory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    const ALL: VerifySample = VerifySample { files: usize::MAX, seed: 1 };

    fn names(count: usize, first: &[&str]) -> NameSample {
        NameSample { count, first: first.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn a_sound_directory() {
        let mut site = CollectedDirectory::new("sound");
        // The last one comes after the others' directories.
        for (stem, extension) in
            [("a", ".css"), ("css/b", ".css"), ("css/d/LICENSE", ""), ("z", ".x")]
        {
            site.collect(stem, extension, stem.as_bytes());
        }
        site.write("plain.css", b"has no hash");
        site.list("plain.css", "plain.css");
        // Larger than the maximum, so its hash is not checked.
        site.write("large.0123456789ab.bin", b"");
        let large = File::options().write(true).open(site.directory.join("large.0123456789ab.bin"));
        large.unwrap().set_len(MAX_SAMPLED_SIZE + 1).unwrap();
        site.list("large.bin", "large.0123456789ab.bin");
        assert_eq!(
            site.verify(Symlinks::Never),
            VerifyReport { listed: 6, checked: 4, ..VerifyReport::default() }
        );
    }

    #[test]
    fn what_is_missing_or_different_is_named() {
        let mut site = CollectedDirectory::new("trouble");
        let changed = site.collect("css/changed", ".css", b"before");
        site.write(&changed, b"after");
        site.collect("css/good", ".css", b"good");
        for number in 0..7 {
            site.list(&format!("n{number}"), &format!("gone-{number}/n.0123456789ab"));
        }
        fs::create_dir(site.directory.join("directory.0123456789ab")).unwrap();
        site.list("directory", "directory.0123456789ab");
        site.list("good.css/below", "css/good.css/below");
        let report = site.verify(Symlinks::Within);
        assert_eq!((report.listed, report.checked), (11, 2));
        assert_eq!(report.mismatched, names(1, &[&changed]));
        let first = ["css/good.css/below", "directory.0123456789ab", "gone-0/n.0123456789ab"];
        let first = [&first[..], &["gone-1/n.0123456789ab", "gone-2/n.0123456789ab"]].concat();
        assert_eq!(report.missing, names(9, &first));
        assert_eq!(report.unreadable, NameSample::default());
        assert_eq!(report.mismatched.to_string(), format!("1 ({changed})"));
        assert_eq!(report.missing.to_string(), format!("9 ({}, ...)", first.join(", ")));
        assert_eq!(report.unreadable.to_string(), "0");
    }

    #[test]
    fn links_count_as_far_as_they_are_followed() {
        let mut site = CollectedDirectory::new("links");
        let target = site.collect("real/a", ".css", b"a");
        let hash = target.split('.').nth(1).unwrap();
        symlink(site.directory.join(&target), site.directory.join(format!("absolute.{hash}")))
            .unwrap();
        symlink(&target, site.directory.join(format!("relative.{hash}"))).unwrap();
        symlink("real", site.directory.join("directory")).unwrap();
        symlink("nothing", site.directory.join(format!("dangling.{hash}"))).unwrap();
        for name in ["absolute", "relative", "dangling"] {
            site.list(name, &format!("{name}.{hash}"));
        }
        site.list("directory/a.css", &format!("directory/a.{hash}.css"));
        for (symlinks, missing, checked) in
            [(Symlinks::Never, 4, 1), (Symlinks::Within, 2, 3), (Symlinks::Anywhere, 1, 4)]
        {
            let report = site.verify(symlinks);
            assert_eq!((report.missing.count, report.checked), (missing, checked), "{symlinks:?}");
        }
    }

    #[test]
    fn verify_stops_on_request_and_reads_only_the_sample() {
        let mut site = CollectedDirectory::new("stop");
        for number in 0..40 {
            site.collect(&format!("file-{number}"), ".css", &[number]);
        }
        for asked in [0_usize, 7, 40, 43] {
            let left = Cell::new(asked);
            let cancelled = || left.replace(left.get().saturating_sub(1)) == 0;
            let report =
                verify(&site.directory, &site.manifest(), Symlinks::Within, ALL, &cancelled);
            let report = report.unwrap();
            let expected = (asked.min(40), asked.saturating_sub(40));
            assert_eq!((report.listed, report.checked), expected, "after {asked}");
        }
        let sampled = |seed| {
            let sample = VerifySample { files: 5, seed };
            // Every file is wrong, so the report shows which were chosen.
            verify(&site.directory, &site.manifest(), Symlinks::Within, sample, &|| false).unwrap()
        };
        assert_eq!(sampled(1).checked, 5);
        for hashed in site.paths.values() {
            site.write(hashed, b"other");
        }
        assert_eq!(sampled(1).mismatched, sampled(1).mismatched);
        assert_ne!(sampled(1).mismatched, sampled(2).mismatched);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let site = CollectedDirectory::new("absent");
        let absent = site.directory.join("absent");
        let error =
            verify(&absent, &site.manifest(), Symlinks::Within, ALL, &|| false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    #[ignore = "writes 50,000 files to measure how long they take"]
    fn fifty_thousand_files() {
        let mut site = CollectedDirectory::new("many");
        for number in 0..50_000 {
            site.collect(&format!("app-{}/file-{number}", number % 400), ".css", &[]);
        }
        let (manifest, sample) = (site.manifest(), VerifySample::new(1));
        let begin = Instant::now();
        let report =
            verify(&site.directory, &manifest, Symlinks::Within, sample, &|| false).unwrap();
        println!("{:?}", begin.elapsed());
        assert_eq!(report, VerifyReport { listed: 50_000, checked: 64, ..VerifyReport::default() });
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }
}
