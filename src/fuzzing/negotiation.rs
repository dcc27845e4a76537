//! `Accept-Encoding` and `Accept`: header fields, one on each line.

use http::{HeaderMap, HeaderValue, header};

use crate::fuzz_input as input;
use crate::rfc::{
    accept::prefers_json,
    encoding::{AcceptedCodings, Coding, choose},
    request_parts::Headers,
};

const CODINGS: [Coding; 4] = [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd];

/// Tests the fields of one request.
pub fn check(data: &[u8]) {
    let headers = input::fields(data);
    let accepted = AcceptedCodings::of(&light(&headers));
    assert_eq!(accepted, AcceptedCodings::of(&light(&joined(&headers))), "one field or several");
    assert!(CODINGS.iter().all(|coding| accepted.quality(*coding) <= 1000));
    let sizes = [1000, 400, 300, 350];
    let available = || CODINGS.into_iter().zip(sizes);
    match choose(accepted, available()) {
        None => assert!(CODINGS.iter().all(|coding| accepted.quality(*coding) == 0)),
        Some(index) => {
            let quality = accepted.quality(CODINGS[index]);
            assert!(quality > 0, "a coding that is refused");
            for (coding, size) in available() {
                let other = accepted.quality(coding);
                assert!(other < quality || other == quality && size >= sizes[index]);
            }
        }
    }
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        assert_eq!(choose(accepted, available()), Some(0));
    }
    assert_eq!(prefers_json(&light(&headers)), prefers_json(&light(&joined(&headers))));
    if !headers.contains_key(header::ACCEPT) {
        assert!(!prefers_json(&light(&headers)));
    }
}

/// The same fields in the form that the program uses.
fn light(headers: &HeaderMap) -> Headers {
    headers.iter().collect()
}

/// The same values in one field instead of several (RFC 9110, 5.3).
fn joined(headers: &HeaderMap) -> HeaderMap {
    let mut joined = HeaderMap::new();
    for name in headers.keys() {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let value = HeaderValue::from_bytes(&values.join(&b", "[..]));
        joined.insert(name, value.expect("values joined are a value"));
    }
    joined
}
