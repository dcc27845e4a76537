//! `Max-Forwards` of an OPTIONS request: how many servers may still forward it (RFC 9110, 7.6.2). TRACE, the other
//! method that uses the field, is always refused. For all other methods the field has no meaning.

use http::Method;

use super::{own_response, request_context::RequestContext, response::Response};
use crate::rfc::request_parts::{FieldName, RequestParts};

/// Returns how often the request may still be forwarded; `None` if the field does not apply, or is no number.
pub(super) fn left(parts: &RequestParts) -> Option<u64> {
    if parts.method != Method::OPTIONS {
        return None;
    }
    let mut values = parts.headers.get_all(FieldName::MaxForwards);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let digits = std::str::from_utf8(value).ok().filter(|text| !text.is_empty())?;
    // A larger number becomes the largest that fits.
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    digits
        .bytes()
        .try_fold(0_u64, |sum, byte| Some(sum.saturating_mul(10).saturating_add(digit(byte)?)))
}

/// Returns the response to a request that must not be forwarded: Sideman is its final recipient.
pub(super) fn respond(context: &RequestContext) -> Option<Response> {
    if left(&context.parts)? > 0 {
        return None;
    }
    Some(own_response::methods())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::request_parts::RequestTarget;
    use http::Version;

    #[test]
    fn table() {
        for (method, values, expected) in [
            ("OPTIONS", &["0"][..], Some(0)),
            ("OPTIONS", &["007"], Some(7)),
            ("OPTIONS", &["18446744073709551615"], Some(u64::MAX)),
            ("OPTIONS", &["99999999999999999999999"], Some(u64::MAX)),
            ("OPTIONS", &[], None),
            ("OPTIONS", &[""], None),
            ("OPTIONS", &["-1"], None),
            ("OPTIONS", &["+1"], None),
            ("OPTIONS", &["1.5"], None),
            ("OPTIONS", &["0", "0"], None),
            ("options", &["0"], None),
            ("GET", &["0"], None),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let target = RequestTarget::new("/");
            let mut parts = RequestParts::new(method.clone(), Version::HTTP_11, target);
            parts.headers = values.iter().map(|value| ("max-forwards", value)).collect();
            assert_eq!(left(&parts), expected, "{method} {values:?}");
        }
    }
}
