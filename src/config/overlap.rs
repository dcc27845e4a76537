//! Warns about two places of files of different kinds if one contains the other: directories, or parts of a bucket.

use std::path::PathBuf;

use crate::plan::{Purpose, Root};

/// A directory of a prefix, or the objects of one.
pub(super) struct ServedPlace<'a> {
    pub(super) root: &'a Root,
    /// The place, with its setting.
    pub(super) shown: String,
    /// A path that begins with that of every place which contains this one.
    pub(super) position: PathBuf,
}

/// Returns a warning for each such pair.
pub(super) fn warnings(places: &[ServedPlace<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let others = places.get(index + 1..).unwrap_or_default();
        warnings.extend(others.iter().filter_map(|other| mixed(place, other)));
    }
    warnings
}

fn mixed(a: &ServedPlace<'_>, b: &ServedPlace<'_>) -> Option<String> {
    // If both are the same, the later section is reported as the inner one.
    let (inner, outer) = if b.position.starts_with(&a.position) {
        (b, a)
    } else if a.position.starts_with(&b.position) {
        (a, b)
    } else {
        return None;
    };
    let danger = danger(inner.root, outer.root)?;
    let relation = if inner.position == outer.position { "is the same as" } else { "is inside" };
    let advice = "give each a place of its own";
    Some(format!("{} {relation} {}: {danger}; {advice}", inner.shown, outer.shown))
}

/// Uploads below a place for X-Accel-Redirect are fine, because they are public anyway, or need a signature.
fn danger(inner: &Root, outer: &Root) -> Option<String> {
    match (inner.purpose, outer.purpose) {
        (Purpose::Media, Purpose::Static) => Some(format!(
            "uploads are also served below {} as the site's own files: a page in them acts in the site's name",
            outer.prefix
        )),
        (Purpose::Static, Purpose::Media) => {
            Some("an upload can replace the site's own files, and acts in the site's name".into())
        }
        (Purpose::Internal, Purpose::Media) if outer.signed.is_some() => None,
        (Purpose::Internal, Purpose::Static | Purpose::Media) => Some(format!(
            "files that only the application may send are public below {}",
            outer.prefix
        )),
        (Purpose::Static, Purpose::Internal) => {
            Some(format!("its files are public below {}, without the application", inner.prefix))
        }
        (Purpose::Media, Purpose::Internal)
        | (Purpose::Static, Purpose::Static)
        | (Purpose::Media, Purpose::Media)
        | (Purpose::Internal, Purpose::Internal) => None,
    }
}

#[test]
fn files_in_signed_media_are_not_public() {
    use crate::plan::SignedUrls;

    let root = |purpose| Root { purpose, ..Root::default() };
    let public = root(Purpose::Media);
    let signed = Root { signed: Some(SignedUrls::default()), ..root(Purpose::Media) };
    assert!(danger(&root(Purpose::Internal), &public).is_some());
    assert_eq!(danger(&root(Purpose::Internal), &signed), None);
    // Static files have no signature.
    assert!(danger(&signed, &root(Purpose::Static)).is_some());
}
