//! Patterns for names: of query parameters, of cookies.

use std::fmt;

/// A pattern for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    Exact(String),
    /// Names that begin with this text.
    Begin(String),
    /// Names that end with this text.
    End(String),
    /// Names that contain this text.
    Within(String),
}

/// Patterns for names. A name fits if one of them fits.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NamePatterns(pub Vec<NamePattern>);

// === impl NamePattern ===

impl NamePattern {
    /// Returns the pattern for a text with `*` only at its ends.
    pub fn of(text: &str) -> Self {
        let part = text.trim_matches('*').to_owned();
        match (text.starts_with('*'), text.ends_with('*')) {
            (false, false) => Self::Exact(part),
            (false, true) => Self::Begin(part),
            (true, false) => Self::End(part),
            (true, true) => Self::Within(part),
        }
    }

    /// Returns its text without `*`.
    pub fn text(&self) -> &str {
        let (Self::Exact(text) | Self::Begin(text) | Self::End(text) | Self::Within(text)) = self;
        text
    }

    /// Whether these bytes fit. Letters of another case do not.
    #[inline]
    pub fn fits(&self, name: &[u8]) -> bool {
        let text = self.text().as_bytes();
        // Most names are shorter than most patterns.
        if name.len() < text.len() {
            return false;
        }
        match self {
            Self::Exact(_) => name == text,
            Self::Begin(_) => name.starts_with(text),
            Self::End(_) => name.ends_with(text),
            Self::Within(_) => name.windows(text.len().max(1)).any(|part| part == text),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Begin(part) => write!(f, "{part}*"),
            Self::End(part) => write!(f, "*{part}"),
            Self::Within(part) => write!(f, "*{part}*"),
        }
    }
}

// === impl NamePatterns ===

impl NamePatterns {
    /// Whether one of the patterns fits.
    pub fn fit(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.fits(name))
    }
}

impl fmt::Debug for NamePatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "NamePatterns({})", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_bytes() {
        let all = ["id", "_ga_*", "*_mixpanel", "*trk*"].map(NamePattern::of);
        let patterns = NamePatterns(all.to_vec());
        for name in ["id", "_ga_", "_ga_X", "mp_1_mixpanel", "trk", "a-trk-b"] {
            assert!(patterns.fit(name.as_bytes()), "{name}");
        }
        for name in ["", "Id", "ids", "_ga", "_GA_X", "_mixpanels", "tr", "TRK"] {
            assert!(!patterns.fit(name.as_bytes()), "{name}");
        }
        assert!(!NamePatterns::default().fit(b"id"));
        assert_eq!(format!("{patterns:?}"), "NamePatterns(id, _ga_*, *_mixpanel, *trk*)");
    }
}
