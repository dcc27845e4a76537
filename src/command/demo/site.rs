//! The static site on disk: what `collectstatic` leaves behind (each file under its own and under
//! its hashed name, and the manifest), in a private directory that goes away with its owner.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::assets;

/// How many unlucky names are believed before the temporary directory is.
const ATTEMPTS: usize = 8;

/// A directory of static files; removed when this is dropped.
#[derive(Debug)]
pub(super) struct Site {
    directory: PathBuf,
}

// === impl Site ===

impl Site {
    /// Writes the files into a fresh directory below the system's temporary one.
    pub(super) fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        let site = Self { directory: fresh_directory(&parent).map_err(|e| explain(&parent, &e))? };
        site.write().map_err(|e| explain(&site.directory, &e))?;
        Ok(site)
    }

    /// Where the files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The files' own names and their hashed ones.
    #[cfg(test)]
    fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        assets::all().iter().map(|asset| (asset.name, asset.hashed.as_str()))
    }

    fn write(&self) -> io::Result<()> {
        let mut paths = String::new();
        for asset in assets::all() {
            fs::write(self.directory.join(asset.name), &asset.content)?;
            fs::write(self.directory.join(&asset.hashed), &asset.content)?;
            let comma = if paths.is_empty() { "" } else { ", " };
            let _ = write!(paths, r#"{comma}"{}": "{}""#, asset.name, asset.hashed);
        }
        let manifest = format!(r#"{{"paths": {{{paths}}}, "version": "1.1", "hash": ""}}"#);
        fs::write(self.directory.join("staticfiles.json"), manifest)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "the demo's static files were left behind");
        }
    }
}

/// Makes a directory that was not there and that only this user may enter.
fn fresh_directory(parent: &Path) -> io::Result<PathBuf> {
    let mut outcome = Err(io::ErrorKind::AlreadyExists.into());
    for _ in 0..ATTEMPTS {
        let name = format!("sideman-demo-{:012x}", fastrand::u64(..) >> 16);
        let directory = parent.join(name);
        outcome = DirBuilder::new().mode(0o700).create(&directory).map(|()| directory);
        if !matches!(&outcome, Err(e) if e.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    outcome
}

fn explain(place: &Path, error: &io::Error) -> io::Error {
    let place = place.display();
    io::Error::new(
        error.kind(),
        format!(
            "cannot write the demo's static files to {place}: {error}; \
             set TMPDIR to a directory with a free megabyte or two that can be written"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_written_under_both_names_and_removed_on_drop() {
        let site = Site::new().unwrap();
        let directory = site.directory().to_owned();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        for (name, hashed) in site.names() {
            let plain = fs::read(directory.join(name)).unwrap();
            assert_eq!(fs::read(directory.join(hashed)).unwrap(), plain);
            assert!(!plain.is_empty());
        }
        drop(site);
        assert_eq!(fs::metadata(&directory).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_manifest_has_djangos_form() {
        let site = Site::new().unwrap();
        let text = fs::read_to_string(site.directory().join("staticfiles.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (name, hashed) in site.names() {
            assert_eq!(manifest["paths"][name], hashed);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let missing = Path::new("/nonexistent-place");
        let error = explain(missing, &fresh_directory(missing).unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent-place"), "{error}");
    }
}
