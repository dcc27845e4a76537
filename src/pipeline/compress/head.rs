//! The header fields of a compressed response.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{compression::MadeCoding, rfc::vary};

/// Fields about the bytes of the form without a coding: its length, its digests (RFC 9530, RFC 1864), and that parts of
/// it may be asked for.
const OF_IDENTITY: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Changes the fields of a response whose body gets this coding.
pub(super) fn encode(headers: &mut HeaderMap, coding: MadeCoding) {
    for name in OF_IDENTITY {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token(coding)));
    weaken_tag(headers);
    vary_by_coding(headers);
}

/// Says that other clients may get another form.
pub(super) fn vary_by_coding(headers: &mut HeaderMap) {
    vary::add(headers, std::iter::once(&b"Accept-Encoding"[..]));
}

/// Makes a strong tag weak: the bytes of this form are not those that it stands for (RFC 9110, 8.8.1).
pub(super) fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))
    else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

fn token(coding: MadeCoding) -> &'static str {
    match coding {
        MadeCoding::Gzip => "gzip",
        MadeCoding::Brotli => "br",
        MadeCoding::Zstd => "zstd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = fields
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn fields_of_the_other_form_go() {
        let mut headers = map(&[
            ("content-length", "5000"),
            ("accept-ranges", "bytes"),
            ("content-md5", "x"),
            ("digest", "x"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("etag", "\"a\""),
            ("vary", "Cookie"),
            ("x-a", "b"),
        ]);
        encode(&mut headers, MadeCoding::Zstd);
        let expected = map(&[
            ("etag", "W/\"a\""),
            ("vary", "Cookie, Accept-Encoding"),
            ("x-a", "b"),
            ("content-encoding", "zstd"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn weak_and_invalid_tags_stay() {
        for tag in ["W/\"a\"", "a", ""] {
            let mut headers = map(&[("etag", tag)]);
            weaken_tag(&mut headers);
            assert_eq!(headers[header::ETAG], tag);
        }
    }
}
