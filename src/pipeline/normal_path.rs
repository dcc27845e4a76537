//! The path of a request, made normal once: decoded, and without dot segments. Routes, files and rules look at this; the
//! application gets the target as it came.

use std::borrow::Cow;

use crate::rfc::path;

/// A path as it came, and what it means.
#[derive(Debug)]
pub(super) struct NormalPath {
    raw: Box<str>,
    /// `None` if it does not decode, or climbs above the root.
    normal: Option<NormalForm>,
}

#[derive(Debug)]
enum NormalForm {
    /// As nearly every path.
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

    /// As it came.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// What it means, if that can be told.
    pub(super) fn normal(&self) -> Option<&[u8]> {
        match self.normal.as_ref()? {
            NormalForm::AsItCame => Some(self.raw.as_bytes()),
            NormalForm::Other(normal) => Some(normal),
        }
    }

    /// The same, or the path as it came: that is the application's to understand.
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
