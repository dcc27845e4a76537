//! The static files of the demo's pages, embedded in the binary, under the names that Django's
//! ManifestStaticFilesStorage would give them: changing a file's content changes its name.

use std::{borrow::Cow, sync::LazyLock};

use md5::{Digest as _, Md5};

use super::sound;

/// The one stylesheet.
pub(super) const STYLE: &str = "demo.css";
/// The one script.
pub(super) const SCRIPT: &str = "demo.js";
/// The favicon.
pub(super) const ICON: &str = "favicon.svg";
/// Something to listen to, and to seek in.
pub(super) const BASS: &str = "walking-bass.wav";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new(STYLE, include_bytes!("assets/demo.css").as_slice()),
        Asset::new(SCRIPT, include_bytes!("assets/demo.js").as_slice()),
        Asset::new(ICON, include_bytes!("assets/favicon.svg").as_slice()),
        Asset::new(BASS, sound::walking_bass()),
    ]
});

/// One static file.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its name in the source.
    pub(super) name: &'static str,
    /// The same with twelve hexadecimal digits of the content's hash before the extension.
    pub(super) hashed: String,
    /// What is in it.
    pub(super) content: Cow<'static, [u8]>,
}

/// Every static file.
pub(super) fn all() -> &'static [Asset] {
    &ASSETS
}

/// The address of a static file, by its name in the source.
pub(super) fn url(name: &'static str) -> String {
    let file = all().iter().find(|asset| asset.name == name).map_or(name, |asset| &asset.hashed);
    format!("/static/{file}")
}

// === impl Asset ===

impl Asset {
    fn new(name: &'static str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        let content = content.into();
        let digits: String =
            Md5::digest(&content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, hashed: format!("{stem}.{digits}.{extension}"), content }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_of_djangos_manifest_storage() {
        for asset in all() {
            let parts: Vec<&str> = asset.hashed.split('.').collect();
            let [stem, hash, extension] = parts[..] else { panic!("{}", asset.hashed) };
            assert_eq!(format!("{stem}.{extension}"), asset.name);
            assert_eq!(hash.len(), 12, "{}", asset.hashed);
            assert!(hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        }
    }

    #[test]
    fn another_content_has_another_name() {
        let one = Asset::new("a.css", b"one".as_slice());
        let two = Asset::new("a.css", b"two".as_slice());
        assert_ne!(one.hashed, two.hashed);
        // What `printf one | md5sum` begins with, as Django names files: others are reported as wrong.
        assert_eq!(one.hashed, "a.f97c5d29941b.css");
    }
}
