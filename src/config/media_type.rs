//! Custom media types, and charsets.

use super::format::TextFormat;
use crate::rfc::token::is_token;

/// A media type for a file extension.
pub(super) const BY_EXTENSION: TextFormat<(String, String)> = TextFormat::new(
    "EXT=TYPE/SUBTYPE, such as gpx=application/gpx+xml",
    by_extension,
    |(extension, media_type)| format!("{extension}={media_type}"),
);

/// A charset.
pub(super) const CHARSET: TextFormat<String> =
    TextFormat::new("a charset, such as utf-8", charset, String::clone);

/// Reads `EXT=TYPE/SUBTYPE`, also with parameters. Returns the extension in lower case without its dot, and the type as
/// it is sent.
fn by_extension(text: &str) -> Result<(String, String), String> {
    let Some((extension, media_type)) = text.split_once('=') else {
        return Err("the = between extension and type is missing".into());
    };
    // The first `=` may belong to a parameter.
    if extension.contains(['/', ';']) {
        return Err("the extension and the = are missing".into());
    }
    Ok((self::extension(extension)?, self::media_type(media_type)?))
}

/// Reads a charset.
fn charset(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("utf8") {
        return Err("write utf-8".into());
    }
    if let Some(name) = text.strip_prefix("charset=") {
        return Err(format!("write {name} alone"));
    }
    match is_token(text.as_bytes()) {
        true => Ok(text.into()),
        false => Err("a charset has letters, digits and - only".into()),
    }
}

fn extension(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('*').unwrap_or(text);
    let bare = bare.strip_prefix('.').unwrap_or(bare);
    if bare.is_empty() {
        return Err("the extension is missing".into());
    }
    if text.starts_with('*') {
        return Err(format!("write the extension only: {bare}"));
    }
    if let Some((_, last)) = bare.rsplit_once('.') {
        return Err(match last {
            "" => "the extension must not end with a dot".into(),
            last => format!("only the part after the last dot of a name counts: write {last}"),
        });
    }
    if !is_token(bare.as_bytes()) {
        return Err("the extension must not contain spaces or punctuation".into());
    }
    Ok(bare.to_ascii_lowercase())
}

/// Normalises a media type (RFC 9110, 8.3.1): lower case, and `; ` before each parameter.
fn media_type(text: &str) -> Result<String, String> {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let Some((kind, subtype)) = essence.split_once('/') else {
        return Err("the type needs two parts, as in text/plain".into());
    };
    if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
        return Err("this is not a type, as in text/plain".into());
    }
    let mut normal = essence.to_ascii_lowercase();
    for parameter in parts {
        let well_formed = |(name, value): (&str, &str)| {
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            is_token(name.as_bytes())
                && inner.map_or_else(|| is_token(value.as_bytes()), is_quotable)
        };
        if !parameter.split_once('=').is_some_and(well_formed) {
            return Err("after the ; of a type write NAME=VALUE, as in charset=utf-8".into());
        }
        normal.push_str("; ");
        normal.push_str(parameter);
    }
    Ok(normal)
}

/// Returns whether text is valid between quotes without escapes (RFC 9110, 5.6.4). Escapes are not supported.
fn is_quotable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: Result<(&str, &str), &str>) {
        let expected = expected.map(|(extension, media)| (extension.into(), media.into()));
        assert_eq!(by_extension(text), expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn types() {
        reads("gpx=application/gpx+xml", Ok(("gpx", "application/gpx+xml")));
        reads(".GPX=Application/GPX+XML", Ok(("gpx", "application/gpx+xml")));
        reads("x=text/x;charset=latin1", Ok(("x", "text/x; charset=latin1")));
        reads(
            "x=text/x ; charset=latin1; a=\"b c\"",
            Ok(("x", "text/x; charset=latin1; a=\"b c\"")),
        );
        reads("7z=application/x-7z-compressed", Ok(("7z", "application/x-7z-compressed")));
        reads("gpx", Err("the = between extension and type is missing"));
        reads("=text/x", Err("the extension is missing"));
        reads(".=text/x", Err("the extension is missing"));
        reads("*.gpx=text/x", Err("write the extension only: gpx"));
        let last = "only the part after the last dot of a name counts: write gz";
        reads("tar.gz=text/x", Err(last));
        reads("a.=text/x", Err("the extension must not end with a dot"));
        reads("a b=text/x", Err("the extension must not contain spaces or punctuation"));
        reads("text/x; charset=utf-8", Err("the extension and the = are missing"));
        reads("gpx=", Err("the type needs two parts, as in text/plain"));
        reads("gpx=xml", Err("the type needs two parts, as in text/plain"));
        for media in ["/x", "text/", "a/b/c", "text/x y", "text/\u{e9}", "text/x\r\nSet-Cookie: a"]
        {
            reads(&format!("x={media}"), Err("this is not a type, as in text/plain"));
        }
        let parameter = "after the ; of a type write NAME=VALUE, as in charset=utf-8";
        for tail in ["", "charset", "a=", "=b", "a=b c", "a=\"b", "a=\"\u{7}\"", "a=b;"] {
            reads(&format!("x=text/x;{tail}"), Err(parameter));
        }
    }

    #[test]
    fn charsets() {
        assert_eq!(charset("utf-8"), Ok("utf-8".into()));
        assert_eq!(charset("ISO-8859-1"), Ok("ISO-8859-1".into()));
        assert_eq!(charset("UTF8"), Err("write utf-8".into()));
        assert_eq!(charset("charset=utf-8"), Err("write utf-8 alone".into()));
        for text in ["", "utf 8", "utf-8;", "\"utf-8\"", "\r\n"] {
            assert_eq!(charset(text), Err("a charset has letters, digits and - only".into()));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_header_value_and_reads_back(
            text in "[.]?[a-zA-Z0-9]{1,4}=[a-zA-Z+.-]{1,6}/[a-z]{1,6}( ?; ?[a-z]{1,3}=[a-z\" ;]{1,5}){0,2}",
        ) {
            if let Ok((extension, media)) = by_extension(&text) {
                prop_assert!(media.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                prop_assert_eq!(by_extension(&format!("{extension}={media}")), Ok((extension, media)));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = by_extension(&text);
            let _ = charset(&text);
        }
    }
}
