//! The target of a request, in one of four forms (RFC 9112, 3.2), or the pseudo-headers that replace it in HTTP/2.

use std::ops::Range;

use http::Method;

#[derive(Clone, Debug)]
pub struct RequestTarget {
    text: TargetText,
    /// Where its query begins, behind the `?`.
    query: Option<usize>,
    /// Set if the target names an authority. Boxed because that is rare.
    site: Option<Box<TargetAuthority>>,
}

/// The path and the query.
#[derive(Clone, Debug)]
enum TargetText {
    /// A part of the head.
    Within(Range<usize>),
    Own(Box<str>),
}

/// The other parts that a target may name.
#[derive(Clone, Debug)]
struct TargetAuthority {
    scheme: Option<Box<str>>,
    authority: Box<str>,
}

// === impl RequestTarget ===

impl RequestTarget {
    /// Creates a target from a path, perhaps with a query, or from `*`.
    pub fn new(path_and_query: &str) -> Self {
        let query = memchr::memchr(b'?', path_and_query.as_bytes()).map(|at| at + 1);
        Self { text: TargetText::Own(path_and_query.into()), query, site: None }
    }

    /// Adds the scheme and the authority.
    #[must_use]
    pub fn at(self, scheme: Option<&str>, authority: &str) -> Self {
        let site = TargetAuthority { scheme: scheme.map(Into::into), authority: authority.into() };
        Self { site: Some(Box::new(site)), ..self }
    }

    /// Creates the target of a scanned head, at `range`.
    pub(super) fn of_head(head: &[u8], range: Range<usize>, method: &Method) -> Self {
        let raw = head.get(range.clone()).unwrap_or_default();
        if raw.first() == Some(&b'/') {
            let query = memchr::memchr(b'?', raw).map(|at| at + 1);
            return Self { text: TargetText::Within(range), query, site: None };
        }
        Self::parse(std::str::from_utf8(raw).unwrap_or_default(), method)
    }

    /// Parses any other form than a path.
    fn parse(raw: &str, method: &Method) -> Self {
        let Some((scheme, rest)) = raw.split_once("://") else {
            // For CONNECT: no path.
            return if raw == "*" { Self::new(raw) } else { Self::new("").at(None, raw) };
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let target = match path.as_bytes().first() {
            Some(b'/') => Self::new(path),
            // RFC 9112, 3.2.4: `OPTIONS http://host` is about the server as a whole.
            None if method == Method::OPTIONS => Self::new("*"),
            // A path may be left out (RFC 3986, 3.3 path-abempty; RFC 9110, 4.2.3).
            _ => Self::new(&format!("/{path}")),
        };
        // Schemes are case-insensitive (RFC 3986, 3.1).
        target.at(Some(&scheme.to_ascii_lowercase()), authority)
    }

    /// Copies its part of the head, so that the head can be released.
    pub(super) fn detach(&mut self, head: &[u8]) {
        if let TargetText::Within(_) = &self.text {
            self.text = TargetText::Own(self.path_and_query(head).into());
        }
    }

    pub(super) fn path<'a>(&'a self, head: &'a [u8]) -> &'a str {
        let text = self.path_and_query(head);
        let end = self.query.map_or(text.len(), |query| query - 1);
        text.get(..end).unwrap_or_default()
    }

    pub(super) fn query<'a>(&'a self, head: &'a [u8]) -> Option<&'a str> {
        let query = self.query?;
        self.path_and_query(head).get(query..)
    }

    pub(super) fn path_and_query<'a>(&'a self, head: &'a [u8]) -> &'a str {
        match &self.text {
            // The scanner has checked that it is UTF-8.
            TargetText::Within(range) => {
                let raw = head.get(range.clone()).unwrap_or_default();
                std::str::from_utf8(raw).unwrap_or_default()
            }
            TargetText::Own(text) => text,
        }
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.site.as_ref().map(|site| &*site.authority)
    }

    pub(super) fn scheme(&self) -> Option<&str> {
        self.site.as_ref()?.scheme.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (raw, method, path_and_query, authority, scheme) in [
            ("/", Method::GET, "/", None, None),
            ("/a?b=\"<c>\"", Method::GET, "/a?b=\"<c>\"", None, None),
            ("//a/b?", Method::GET, "//a/b?", None, None),
            ("*", Method::OPTIONS, "*", None, None),
            ("http://a/b?c", Method::GET, "/b?c", Some("a"), Some("http")),
            ("http://a?c/d", Method::GET, "/?c/d", Some("a"), Some("http")),
            ("HTTPS://A:80", Method::GET, "/", Some("A:80"), Some("https")),
            ("http://a", Method::OPTIONS, "*", Some("a"), Some("http")),
            ("http://a/", Method::OPTIONS, "/", Some("a"), Some("http")),
            ("http://a?b", Method::OPTIONS, "/?b", Some("a"), Some("http")),
            ("a:80", Method::CONNECT, "", Some("a:80"), None),
        ] {
            let head = format!("{method} {raw} HTTP/1.1\r\n");
            let begin = method.as_str().len() + 1;
            let head = head.as_bytes();
            let target = RequestTarget::of_head(head, begin..begin + raw.len(), &method);
            assert_eq!(target.path_and_query(head), path_and_query, "{raw}");
            assert_eq!((target.authority(), target.scheme()), (authority, scheme), "{raw}");
            let (path, query) = match path_and_query.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path_and_query, None),
            };
            assert_eq!((target.path(head), target.query(head)), (path, query), "{raw}");
        }
    }
}
