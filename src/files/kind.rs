//! The facts that a file's name tells: its media type, the properties of that type, and whether Django put a content
//! hash into the name.

use std::ops::Range;

use super::media_type;
use crate::rfc::{media_type::essence, token::is_token};

/// Returns the `Content-Type` for a name, which may be a path. The site's own `types` come first, by the longest
/// extension that matches. `charset` is added to the types that have such a parameter.
pub(super) fn content_type(
    name: &[u8],
    types: &[(String, String)],
    charset: Option<&str>,
) -> String {
    let name = String::from_utf8_lossy(last_segment(name)).to_ascii_lowercase();
    let own = types
        .iter()
        .filter(|(extension, _)| {
            let stem =
                name.strip_suffix(extension.as_str()).and_then(|stem| stem.strip_suffix('.'));
            stem.is_some_and(|stem| !stem.is_empty())
        })
        .max_by_key(|(extension, _)| extension.len());
    let media_type = match (own, extension(&name)) {
        (Some((_, own)), _) => own.as_str(),
        (None, Some(extension)) => media_type::by_extension(extension),
        (None, None) => media_type::UNKNOWN,
    };
    match charset {
        Some(charset) if takes_charset(media_type) => format!("{media_type}; charset={charset}"),
        _ => media_type.to_owned(),
    }
}

/// Whether a name is a font's. Pages of other origins may load fonts only with permission.
pub(super) fn is_font(name: &[u8]) -> bool {
    const FONTS: &[&str] = &["woff", "woff2", "ttf", "otf", "ttc", "otc", "eot"];
    let name = String::from_utf8_lossy(last_segment(name)).to_ascii_lowercase();
    extension(&name).is_some_and(|extension| FONTS.contains(&extension))
}

/// Whether a browser that navigates to a document of this type would run scripts in it, in the site's origin. User
/// uploads of these types are to be saved, not shown.
///
/// JavaScript itself does not count: browsers show it as text. PDF does not count either: its viewers run scripts in an
/// isolated environment. Invalid media types count, because browsers would guess.
pub(super) fn is_active(content_type: &str) -> bool {
    if !is_single(content_type) {
        return true;
    }
    let essence = essence(content_type);
    let Some((kind, subtype)) = essence.split_once('/') else { return true };
    if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
        return true;
    }
    // Any XML may hold elements of XHTML or SVG, and with them scripts.
    subtype == "xml"
        || subtype.starts_with("xml-")
        || subtype.ends_with("+xml")
        // Pages with their parts in one file.
        || kind == "multipart"
        || matches!(
            essence.as_str(),
            "text/html"
                | "text/xsl"
                | "text/x-component"
                | "text/x-server-parsed-html"
                | "message/rfc822"
                | "application/x-mimearchive"
                | "application/hta"
                | "application/x-shockwave-flash"
                | "application/vnd.adobe.flash.movie"
        )
}

/// Whether this is one type. Browsers take the last one of a list, which may begin within a parameter: there, a comma
/// may be in a quoted value only.
fn is_single(content_type: &str) -> bool {
    let mut before = ' ';
    let mut quoted = false;
    for character in content_type.chars() {
        match character {
            '"' if quoted && before != '\\' => quoted = false,
            '"' if !quoted && before == '=' => quoted = true,
            '"' if !quoted => return false,
            ',' if !quoted => return false,
            _ => {}
        }
        // A backslash that is escaped itself escapes nothing.
        before = if before == '\\' && character == '\\' { ' ' } else { character };
    }
    !quoted
}

/// Whether a browser that navigates to a document of this type shows a player for it.
pub(super) fn is_playable(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.starts_with("audio/") || essence.starts_with("video/") || essence == "application/ogg"
}

/// Whether a name has the form `stem.<12 hex>.ext` or `stem.<12 hex>`, as Django's `ManifestStaticFilesStorage` writes
/// it (`django/contrib/staticfiles/storage.py`).
///
/// `name` may be a path; its last segment counts.
pub fn is_hashed(name: &[u8]) -> bool {
    hash(name).is_some()
}

/// Returns the name without the hash: the file's name before Django collected it.
pub fn unhashed(name: &[u8]) -> Option<Vec<u8>> {
    let Range { start, end } = hash(name)?;
    let stem = name.get(..start)?.strip_suffix(b".")?;
    Some([stem, name.get(end..)?].concat())
}

/// Returns the position of the hash in a name of that form.
pub(super) fn hash(name: &[u8]) -> Option<Range<usize>> {
    let is_hash = |range: &Range<usize>| {
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        range.len() == 12 && name.get(range.clone()).is_some_and(|part| part.iter().all(is_hex))
    };
    let first = name.len() - last_segment(name).len();
    let dot_before = |end: usize| {
        let dot = name.get(first..end)?.iter().rposition(|&byte| byte == b'.')?;
        Some(first + dot)
    };
    let last = dot_before(name.len())?;
    let second = dot_before(last).map(|dot| (dot, dot + 1..last));
    let candidates = [second, Some((last, last + 1..name.len()))];
    let mut candidates = candidates.into_iter().flatten();
    // The part before the dot is not empty, and does not end with another dot.
    let has_stem = |dot: usize| dot_before(dot).map_or(first, |before| before + 1) < dot;
    candidates.find(|(dot, range)| has_stem(*dot) && is_hash(range)).map(|(_, range)| range)
}

/// Whether a type gets a charset: text, and JavaScript under its older names (RFC 9239, section 6). JSON has no such
/// parameter (RFC 8259, section 11). XML names its charset itself and would be overruled (RFC 7303, section 3). Types
/// that are UTF-8 by definition, and values with parameters, are left unchanged.
fn takes_charset(media_type: &str) -> bool {
    const WITHOUT: &[&str] =
        &["text/xml", "text/xml-external-parsed-entity", "text/xsl", "text/vtt", "text/rtf"];
    const OLD_NAMES: &[&str] =
        &["application/javascript", "application/x-javascript", "application/ecmascript"];
    !media_type.contains(';')
        && (media_type.starts_with("text/") || OLD_NAMES.contains(&media_type))
        && !WITHOUT.contains(&media_type)
}

/// Returns the part behind the last dot. A name that only begins with a dot has none.
fn extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty()).then_some(extension)
}

fn last_segment(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{media_type::UNKNOWN, *};
    use crate::rfc::media_type::is_compressible;
    use proptest::prelude::*;

    #[test]
    fn types_by_name() {
        for (name, expected) in [
            ("a.js", "text/javascript; charset=utf-8"),
            ("A.CSS", "text/css; charset=utf-8"),
            ("css/a.0123456789ab.css", "text/css; charset=utf-8"),
            ("a.html", "text/html; charset=utf-8"),
            ("a.vtt", "text/vtt"),
            ("a.xml", "application/xml"),
            ("a.json", "application/json"),
            ("a.css.map", "application/json"),
            ("a.tar.gz", "application/gzip"),
            ("LICENSE", UNKNOWN),
            ("LICENSE.0123456789ab", UNKNOWN),
            ("css.css/LICENSE", UNKNOWN),
            ("a.", UNKNOWN),
            (".css", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(content_type(name.as_bytes(), &[], Some("utf-8")), expected, "{name}");
        }
        assert_eq!(content_type(b"\xff\xfe.css", &[], None), "text/css");
    }

    #[test]
    fn own_types_and_charsets() {
        let own =
            [("css", "text/x-own"), ("md", "text/markdown; variant=GFM"), ("xml", "text/xml")]
                .into_iter()
                .chain([("gz", "a/gz"), ("tar.gz", "a/tar"), ("js", "application/javascript")])
                .map(|(extension, media_type)| (extension.to_owned(), media_type.to_owned()))
                .collect::<Vec<_>>();
        for (name, expected) in [
            ("a.CSS", "text/x-own; charset=koi8-r"),
            ("a.md", "text/markdown; variant=GFM"),
            ("a.xml", "text/xml"),
            ("a.tar.gz", "a/tar"),
            ("atar.gz", "a/gz"),
            (".gz", UNKNOWN),
            ("a.js", "application/javascript; charset=koi8-r"),
            ("a.txt", "text/plain; charset=koi8-r"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
        ] {
            assert_eq!(content_type(name.as_bytes(), &own, Some("koi8-r")), expected, "{name}");
        }
        assert_eq!(content_type(b"a.txt", &own, None), "text/plain");
    }

    #[test]
    fn what_follows_from_a_type() {
        let of = |name: &str| content_type(name.as_bytes(), &[], Some("utf-8"));
        for active in "a.html a.htm a.shtml a.xhtml a.svg a.xml a.xsl a.rss a.mht a.mhtml a.mathml \
                       a.mml a.dtd a.gpx a.xsd a.swf a.hta a.htc a.rdf"
            .split_whitespace()
        {
            assert!(is_active(&of(active)), "{active}");
        }
        for active in
            ["TEXT/HTML ;charset=x", "", "html", "text/plain, text/html", "text/", "a/b/c"]
        {
            assert!(is_active(active), "{active}");
        }
        for several in [
            "video/mp4; a=b, text/html",
            "video/mp4; a=\"b\", text/html",
            "video/mp4; a=\"b\\\\\", text/html",
            "video/mp4; a=\"b, text/html",
            "video/mp4; a=b\", text/html",
            "video/mp4; a=b\"c, text/html\"",
        ] {
            assert!(is_active(several), "{several}");
        }
        for single in [
            "video/mp4; codecs=\"avc1.42E01E, mp4a.40.2\"",
            "video/mp4; a=\"b\\\", text/html\"",
            "text/plain; charset=\"utf-8\"",
        ] {
            assert!(!is_active(single), "{single}");
        }
        for passive in
            "a.txt a.css a.js a.json a.png a.pdf a.docx a.zip a.mp4 a.md a.svgz a".split(' ')
        {
            assert!(!is_active(&of(passive)), "{passive}");
        }
        for text in "a.html a.css a.js a.mjs a.json a.map a.xml a.svg a.webmanifest a.wasm a.ttf \
                     a.otf a.eot a.ico a.csv a.txt a.geojson a.rss a.yaml a.po a.vtt a.bmp a.kml"
            .split_whitespace()
        {
            assert!(is_compressible(&of(text)), "{text}");
        }
        for packed in
            "a.png a.jpg a.webp a.avif a.woff a.woff2 a.mp4 a.zip a.gz a.svgz a.kmz a.pdf \
                       a.docx a.br a.ts a.tar a"
                .split_whitespace()
        {
            assert!(!is_compressible(&of(packed)), "{packed}");
        }
        for font in ["a.woff2", "a.WOFF", "b/a.0123456789ab.ttf", "a.otf", "a.eot", "a.ttc"] {
            assert!(is_font(font.as_bytes()), "{font}");
        }
        for other in ["woff2", ".woff2", "a.woff2/b", "a.svg", "a.woff2.css", ""] {
            assert!(!is_font(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn hashed_names() {
        for (hashed, original) in [
            ("base.0123456789ab.css", "base.css"),
            ("css/base.0123456789ab.css", "css/base.css"),
            ("a.b.0123456789ab.min", "a.b.min"),
            ("LICENSE.0123456789ab", "LICENSE"),
            ("v1.2/LICENSE.0123456789ab", "v1.2/LICENSE"),
            ("a.0123456789ab.ba9876543210", "a.ba9876543210"),
            ("a..b.0123456789ab.c", "a..b.c"),
        ] {
            assert!(is_hashed(hashed.as_bytes()), "{hashed}");
            assert_eq!(
                unhashed(hashed.as_bytes()).as_deref(),
                Some(original.as_bytes()),
                "{hashed}"
            );
        }
        for plain in [
            "base.css",
            "0123456789ab.css",
            ".0123456789ab",
            ".0123456789ab.css",
            "a/.0123456789ab.css",
            "base..0123456789ab",
            "base.0123456789AB.css",
            "base.0123456789abc.css",
            "base.0123456789a.css",
            "base-0123456789ab.css",
            "0123456789ab",
            "base.0123456789ab.css/a",
            "",
        ] {
            assert!(!is_hashed(plain.as_bytes()), "{plain}");
            assert_eq!(unhashed(plain.as_bytes()), None, "{plain}");
        }
    }

    proptest! {
        #[test]
        fn unhashed_undoes_what_django_does(
            stem in "([a-z.]{0,4}/)?[a-z.]{0,6}[a-z]",
            hash in "[0-9a-f]{12}",
            extension in "(\\.[a-z]{0,5})?",
        ) {
            let original = format!("{stem}{extension}");
            let hashed = format!("{stem}.{hash}{extension}");
            prop_assert_eq!(unhashed(hashed.as_bytes()), Some(original.into_bytes()));
        }

        #[test]
        fn any_name_has_a_type_that_a_header_may_hold(name: Vec<u8>) {
            let media_type = content_type(&name, &[], Some("utf-8"));
            prop_assert!(http::HeaderValue::try_from(&media_type).is_ok());
            prop_assert!(media_type.contains('/'));
        }
    }
}
