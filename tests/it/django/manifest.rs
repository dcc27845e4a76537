//! The manifest that Django's own storage wrote, and the files that it lists.

use std::{collections::BTreeMap, fs};

use sideman::{
    files::{self, Manifest, VerifyReport, VerifySample},
    plan::Symlinks,
};

use crate::support::Django;

#[test]
fn manifest_of_django_is_read_and_its_hashes_match() {
    let Some(django) = Django::prepared() else { return };
    let text = fs::read(django.static_root.join("staticfiles.json")).unwrap();
    let plain: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let paths: BTreeMap<String, String> = serde_json::from_value(plain["paths"].clone()).unwrap();
    assert!(paths.len() > 100, "the admin has more than {} files", paths.len());

    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!((manifest.len(), manifest.ignored()), (paths.len(), 0));
    assert_eq!(manifest.hash(), plain["hash"].as_str().unwrap());
    for (original, hashed) in &paths {
        assert_eq!(manifest.current(original.as_bytes()), Some(hashed.as_bytes()), "{original}");
        assert!(manifest.is_hashed_value(hashed.as_bytes()), "{hashed}");
        assert!(!manifest.is_hashed_value(original.as_bytes()), "{original}");
        let unhashed = files::unhashed(hashed.as_bytes());
        assert_eq!(unhashed.as_deref(), Some(original.as_bytes()), "{hashed}");
    }

    // Every hash is that of the content.
    let sample = VerifySample { files: usize::MAX, seed: 1 };
    let report =
        files::verify(&django.static_root, &manifest, Symlinks::Never, sample, &|| false).unwrap();
    let expected =
        VerifyReport { listed: paths.len(), checked: paths.len(), ..VerifyReport::default() };
    assert_eq!(report, expected);
}
