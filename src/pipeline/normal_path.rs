//! The path of a request, normalised once: decoded, and without dot segments. Routes, files and rules use this form;
//! the application gets the target as the client sent it.

use std::borrow::Cow;

use crate::rfc::path;

/// A path as the client sent it, with its normal form.
#[derive(Debug)]
pub(super) struct NormalPath {
    raw: Box<str>,
    /// `None` if the path does not decode, or climbs above the root.
    normal: Option<NormalForm>,
}

#[derive(Debug)]
enum NormalForm {
    /// The path is normal already, as nearly every path is.
    AsItCame,
    Other(Box<[u8]>),
}

// === impl NormalPath ===

impl NormalPath {
    pub(super) fn of(raw: &str) -> Self {
        let normal = path::normalize(raw).map(|normal| match normal {
            Cow::Borrowed(same) if same.len() == raw.len() => NormalForm::AsItCame,
            Cow::Borrowed(other) => NormalForm::Other(other.into()),
            Cow::Owned(other) => NormalForm::Other(other.into()),
        });
        Self { raw: raw.into(), normal }
    }

    /// Returns the path as the client sent it.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns the normal form, if there is one.
    pub(super) fn normal(&self) -> Option<&[u8]> {
        match self.normal.as_ref()? {
            NormalForm::AsItCame => Some(self.raw.as_bytes()),
            NormalForm::Other(normal) => Some(normal),
        }
    }

    /// Returns the normal form, or else the path as the client sent it: the application may understand that one.
    pub(super) fn or_raw(&self) -> &[u8] {
        self.normal().unwrap_or(self.raw.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (raw, normal) in [
            ("/a/b.css", Some("/a/b.css")),
            ("/a/../b%20c", Some("/b c")),
            ("//a", Some("/a")),
            ("/../a", None),
            ("/%zz", None),
        ] {
            let path = NormalPath::of(raw);
            assert_eq!(path.raw(), raw);
            assert_eq!(path.normal(), normal.map(str::as_bytes), "{raw}");
            assert_eq!(path.or_raw(), normal.unwrap_or(raw).as_bytes(), "{raw}");
        }
    }
}
