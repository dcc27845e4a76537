//! Django's `staticfiles.json`: which names carry a content hash, and of which original. The manifest is exact, where a
//! name's form is only a guess.
//!
//! An entry costs its two names and 12 bytes: 50,000 with names of 120 characters together take 6.6 MB.

use std::{cmp::Reverse, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, error::Category};

/// Bytes. Django's own, with all of its admin's files, has 10 KB.
const MAX_SIZE: usize = 64 * 1024 * 1024;

/// The longest path that Linux accepts.
const MAX_NAME_LENGTH: usize = 4095;

/// A manifest, compact and searchable.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Each original name with the hashed one right behind it.
    names: String,
    /// By original name; each name is unique.
    entries: Box<[ManifestEntry]>,
    /// Indices of entries, by hashed name.
    by_hashed: Box<[u32]>,
    hash: String,
    ignored: usize,
}

/// The positions in `names` where the two begin and end.
#[derive(Clone, Copy, Debug)]
struct ManifestEntry {
    begin: u32,
    original: u16,
    hashed: u16,
}

/// The file as it is written.
#[derive(Deserialize)]
struct ManifestText {
    #[serde(default)]
    paths: Option<Manifest>,
    version: Option<Value>,
    hash: Option<Value>,
}

/// Reads `paths` into a manifest without a hash.
struct PathsVisitor;

/// `None` if it is not UTF-8.
struct ManifestName(Option<String>);

struct NameVisitor;

/// The reason why a cannot use the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Its size in bytes.
    TooLarge(u64),
    /// The position of the fault.
    NotJson { line: usize, column: usize },
    /// The version, if it is a text.
    UnknownVersion(Option<String>),
    /// It has no `paths`, or they are no object of texts.
    NoPaths,
}

// === impl Manifest ===

impl Manifest {
    /// Parses the manifest that `ManifestFilesMixin` writes (`django/contrib/staticfiles/storage.py`), versions 1.0 and
    /// 1.1. Entries whose names lead nowhere below the directory are left out.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_SIZE {
            return Err(ManifestError::TooLarge(bytes.len() as u64));
        }
        let text: ManifestText = serde_json::from_slice(bytes)?;
        let version = text.version.as_ref().and_then(Value::as_str);
        if !matches!(version, Some("1.0" | "1.1")) {
            let version = version.map(|version| version.chars().take(32).collect());
            return Err(ManifestError::UnknownVersion(version));
        }
        let mut manifest = text.paths.ok_or(ManifestError::NoPaths)?;
        manifest.hash = text.hash.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(manifest)
    }

    /// Whether the site's pages use a name because it contains the hash of its contents. A name that is also an
    /// original name does not count: a storage may leave some files unhashed.
    pub fn is_hashed_value(&self, name: &[u8]) -> bool {
        let found = self.by_hashed.binary_search_by(|&index| self.hashed_at(index).cmp(name));
        found.is_ok() && self.current(name).is_none()
    }

    /// Returns the hashed name of an original.
    pub fn current(&self, original: &[u8]) -> Option<&[u8]> {
        let found =
            self.entries.binary_search_by(|entry| entry.original(&self.names).cmp(original));
        let entry = self.entries.get(found.ok()?)?;
        Some(entry.hashed(&self.names))
    }

    /// Iterates over the names of the current files, in order and each once.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let mut last = None;
        let names = self.by_hashed.iter().map(|&index| self.hashed_at(index));
        names.filter(move |&name| last.replace(name) != Some(name))
    }

    /// Returns Django's name for this set of files; empty if it has none (version 1.0).
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the number of original names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of entries that were left out because of their names.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Returns the bytes of memory that it takes.
    pub fn cost(&self) -> usize {
        self.names.capacity()
            + self.hash.capacity()
            + size_of_val(&*self.entries)
            + size_of_val(&*self.by_hashed)
    }

    fn hashed_at(&self, index: u32) -> &[u8] {
        self.entries.get(index as usize).map_or(b"", |entry| entry.hashed(&self.names))
    }
}

// === impl PathsVisitor ===

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PathsVisitor)
    }
}

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Manifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names of names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifest, A::Error> {
        let (mut names, mut entries, mut ignored) = (String::new(), Vec::new(), 0);
        while let Some((ManifestName(original), ManifestName(hashed))) = map.next_entry()? {
            let entry = original.zip(hashed).and_then(|(original, hashed)| {
                let entry = ManifestEntry::of(names.len(), &original, &hashed)?;
                names.push_str(&original);
                names.push_str(&hashed);
                Some(entry)
            });
            match entry {
                Some(entry) => entries.push(entry),
                None => ignored += 1,
            }
        }
        names.shrink_to_fit();
        // Of a repeated name the last value counts, as in Python.
        entries.sort_unstable_by_key(|entry| (entry.original(&names), Reverse(entry.begin)));
        entries.dedup_by(|a, b| a.original(&names) == b.original(&names));
        let entries = entries.into_boxed_slice();
        let mut by_hashed: Box<[u32]> = (0..).take(entries.len()).collect();
        let hashed = |index: u32| entries.get(index as usize).map(|entry| entry.hashed(&names));
        by_hashed.sort_unstable_by_key(|&index| hashed(index));
        Ok(Manifest { names, entries, by_hashed, hash: String::new(), ignored })
    }
}

// === impl ManifestName ===

impl<'de> Deserialize<'de> for ManifestName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Parsed as bytes: Python writes a name that is not UTF-8 with half of a surrogate pair, which as text would
        // make the whole manifest invalid.
        deserializer.deserialize_bytes(NameVisitor)
    }
}

impl Visitor<'_> for NameVisitor {
    type Value = ManifestName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<ManifestName, E> {
        Ok(ManifestName(str::from_utf8(bytes).ok().map(str::to_owned)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ManifestName, E> {
        Ok(ManifestName(Some(text.to_owned())))
    }
}

// === impl ManifestEntry ===

impl ManifestEntry {
    /// Returns `None` if no file can have such a name.
    fn of(begin: usize, original: &str, hashed: &str) -> Option<Self> {
        let is_segment = |part: &str| !matches!(part, "" | "." | "..");
        let is_name = hashed.len() <= MAX_NAME_LENGTH
            && !hashed.contains('\0')
            && hashed.split('/').all(is_segment);
        is_name.then_some(Self {
            begin: u32::try_from(begin).ok()?,
            original: u16::try_from(original.len()).ok()?,
            hashed: u16::try_from(hashed.len()).ok()?,
        })
    }

    fn original(self, names: &str) -> &[u8] {
        let begin = self.begin as usize;
        names.as_bytes().get(begin..begin + usize::from(self.original)).unwrap_or_default()
    }

    fn hashed(self, names: &str) -> &[u8] {
        let begin = self.begin as usize + usize::from(self.original);
        names.as_bytes().get(begin..begin + usize::from(self.hashed)).unwrap_or_default()
    }
}

// === impl ManifestError ===

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                f,
                "the manifest has {bytes} bytes, more than {MAX_SIZE}: check that it is the file that \
                 collectstatic writes"
            ),
            Self::NotJson { line, column } => write!(
                f,
                "the manifest is not JSON at line {line}, column {column}, so it may be truncated or edited: \
                 run collectstatic again"
            ),
            Self::UnknownVersion(Some(version)) => write!(
                f,
                "the manifest has version {version:?}, but only 1.0 and 1.1 are supported: \
                 run collectstatic with a release of Django that writes one of these, or update sideman"
            ),
            Self::UnknownVersion(None) => write!(
                f,
                "the manifest has no version: run collectstatic again, with a storage that derives \
                 from Django's ManifestStaticFilesStorage"
            ),
            Self::NoPaths => write!(
                f,
                "the manifest has no \"paths\" of names to names: run collectstatic again, with a \
                 storage that derives from Django's ManifestStaticFilesStorage"
            ),
        }
    }
}

impl std::error::Error for ManifestError {}

impl From<serde_json::Error> for ManifestError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::NoPaths,
            Category::Io | Category::Syntax | Category::Eof => {
                Self::NotJson { line: error.line(), column: error.column() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn manifest(paths: &[(&str, &str)]) -> Manifest {
        let paths: BTreeMap<_, _> = paths.iter().copied().collect();
        let text = serde_json::json!({"paths": paths, "version": "1.1", "hash": "afaa82d1a12e"});
        Manifest::parse(text.to_string().as_bytes()).unwrap()
    }

    /// The form in which `ManifestFilesMixin.save_manifest` writes it.
    #[test]
    fn a_manifest_as_django_writes_it() {
        let text = concat!(
            r#"{"paths": {"css/base.css": "css/base.934aa95f5b5f.css", "#,
            r#""css/\u00e9t\u00e9.css": "css/\u00e9t\u00e9.f38c20b0221b.css", "#,
            r#""LICENSE": "LICENSE.3d79fd3f08db"}, "version": "1.1", "hash": "afaa82d1a12e"}"#,
        );
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((manifest.len(), manifest.ignored(), manifest.hash()), (3, 0, "afaa82d1a12e"));
        assert_eq!(manifest.current(b"css/base.css"), Some(&b"css/base.934aa95f5b5f.css"[..]));
        let accented = "css/été.f38c20b0221b.css".as_bytes();
        assert_eq!(manifest.current("css/été.css".as_bytes()), Some(accented));
        assert!(manifest.is_hashed_value(accented));
        assert!(manifest.is_hashed_value(b"LICENSE.3d79fd3f08db"));
        for other in ["css/base.css", "css/base.934aa95f5b50.css", "base.934aa95f5b5f.css", ""] {
            assert!(!manifest.is_hashed_value(other.as_bytes()), "{other}");
        }
        let names: Vec<_> = manifest.names().collect();
        let expected = [&b"LICENSE.3d79fd3f08db"[..], b"css/base.934aa95f5b5f.css", accented];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_no_manifest_has_a_name() {
        use ManifestError::{NoPaths, NotJson, UnknownVersion};
        let version = |text: &str| UnknownVersion(Some(text.to_owned()));
        for (text, expected) in [
            ("", NotJson { line: 1, column: 0 }),
            ("<html>", NotJson { line: 1, column: 1 }),
            ("{\"paths\": {\"a\": \"a.0", NotJson { line: 1, column: 20 }),
            ("{}", UnknownVersion(None)),
            ("{\"version\": \"1.0\", \"paths\": [1]}", NoPaths),
            ("{\"paths\": {}, \"version\": 1.1}", UnknownVersion(None)),
            ("{\"paths\": {}, \"version\": \"\"}", version("")),
            ("{\"version\": \"1.1\"}", NoPaths),
            ("{\"version\": \"1.0\", \"paths\": null}", NoPaths),
            ("{\"version\": \"1.0\", \"paths\": {\"a\": {\"b\": \"c\"}}}", NoPaths),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
        let long = format!("{{\"version\": \"{}\"}}", "9".repeat(1000));
        let error = Manifest::parse(long.as_bytes()).unwrap_err();
        assert_eq!(error, version(&"9".repeat(32)));
        let error = Manifest::parse(&vec![b' '; MAX_SIZE + 1]).unwrap_err();
        assert_eq!(error, ManifestError::TooLarge(MAX_SIZE as u64 + 1));
        let old = Manifest::parse(br#"{"paths": {"a": "a.0"}, "version": "1.0", "x": [{}, 1e3]}"#);
        assert_eq!(old.map(|old| (old.len(), old.hash().to_owned())), Ok((1, String::new())));
    }

    #[test]
    fn unusable_names_are_ignored() {
        let long = "x/".repeat(3000) + "x";
        let bad =
            ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/./b", "a/", "a\0", ".", &long];
        let paths: Vec<_> = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]
            .into_iter()
            .zip(bad)
            .chain([("good", "a\\b/..c/d..")])
            .collect();
        let manifest = manifest(&paths);
        assert_eq!((manifest.len(), manifest.ignored()), (1, bad.len()));
        assert!(manifest.is_hashed_value(b"a\\b/..c/d.."));
        let text = br#"{"paths": {"a\udcff": "b", "c": "d\udcff"}, "version": "1.1"}"#;
        assert_eq!(Manifest::parse(text).unwrap().ignored(), 2);
    }

    #[test]
    fn an_original_is_never_a_hashed_value() {
        // A storage left one unhashed; another was collected twice.
        let manifest =
            manifest(&[("a.txt", "a.txt"), ("b", "b.1"), ("b.1", "b.1.2"), ("c", "b.1.2")]);
        let hashed = ["a.txt", "b", "b.1", "b.1.2"].map(|n| manifest.is_hashed_value(n.as_bytes()));
        assert_eq!(hashed, [false, false, false, true]);
        assert_eq!(manifest.names().count(), 3);
    }

    #[test]
    fn fifty_thousand_entries_are_small() {
        let paths = (0..50_000_u64).map(|number| {
            let stem = format!("application-{}/images/picture-of-something-{number}", number % 400);
            (
                format!("{stem}.webp"),
                format!("{stem}.{:012x}.webp", number.wrapping_mul(0x5851_f42d)),
            )
        });
        let paths: BTreeMap<String, String> = paths.collect();
        let text = serde_json::json!({"paths": paths, "version": "1.1"}).to_string();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.len(), 50_000);
        assert!(manifest.cost() < 8 * 1024 * 1024, "{} bytes", manifest.cost());
        println!("50,000 entries: {} bytes of JSON, {} of memory", text.len(), manifest.cost());
    }

    proptest! {
        #[test]
        fn finds_what_serde_finds(
            pairs in prop::collection::vec(("[a-e/\"\\\\é]{0,3}", "[a-e./\"\\\\é]{0,4}"), 0..20),
        ) {
            // Written by hand, so that names may be repeated.
            let text = |name: &String| serde_json::to_string(name).unwrap();
            let members: Vec<_> = pairs.iter().map(|(a, b)| format!("{}:{}", text(a), text(b))).collect();
            let json = format!("{{\"paths\":{{{}}},\"version\":\"1.0\"}}", members.join(", "));
            let manifest = Manifest::parse(json.as_bytes()).unwrap();

            let is_name = |name: &str| !name.split('/').any(|part| ["", ".", ".."].contains(&part));
            let sound: Vec<_> = pairs.iter().filter(|(_, hashed)| is_name(hashed)).collect();
            let model: BTreeMap<&str, &str> =
                sound.iter().map(|(original, hashed)| (&**original, &**hashed)).collect();
            prop_assert_eq!(manifest.ignored(), pairs.len() - sound.len());
            prop_assert_eq!(manifest.len(), model.len());
            let mut values: Vec<&[u8]> = model.values().map(|hashed| hashed.as_bytes()).collect();
            values.sort_unstable();
            values.dedup();
            prop_assert_eq!(manifest.names().collect::<Vec<_>>(), values);
            for name in pairs.iter().flat_map(|(original, hashed)| [original, hashed]) {
                let current = model.get(&**name).map(|hashed| hashed.as_bytes());
                prop_assert_eq!(manifest.current(name.as_bytes()), current);
                let is_hashed = current.is_none() && model.values().any(|hashed| hashed == name);
                prop_assert_eq!(manifest.is_hashed_value(name.as_bytes()), is_hashed);
            }
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
