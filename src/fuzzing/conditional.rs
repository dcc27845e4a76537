//! Preconditions and dates: a first line with method, entity tag and time of change, then header fields.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::fuzz_input as input;
use crate::rfc::{
    client_address,
    conditional::{PreconditionResult, Validators, evaluate, range_allowed},
    date, identity,
    request_parts::Headers,
    trace,
    trace_context::RemoteContext,
    trailers, upgrade,
};

const CONDITIONS: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Tests the fields of one request.
pub fn check(data: &[u8]) {
    let (first, rest) = input::first_line(data);
    let first = String::from_utf8_lossy(first);
    let mut words = first.split(' ');
    let method = words.next().and_then(|word| Method::from_bytes(word.as_bytes()).ok());
    let method = method.unwrap_or(Method::GET);
    let etag = words.next().filter(|word| is_tag(word));
    let modified = words.next().and_then(|word| word.parse().ok()).filter(|time| *time < 1 << 40);
    let current = Validators { etag, modified };
    let mut headers = input::fields(rest);

    let is_read = method == Method::GET || method == Method::HEAD;
    let has = |name: &HeaderName| headers.contains_key(name);
    let verdict = evaluate(&method, &light(&headers), current);
    match verdict {
        PreconditionResult::Proceed => {}
        PreconditionResult::NotModified => {
            assert!(is_read && (has(&header::IF_NONE_MATCH) || has(&header::IF_MODIFIED_SINCE)));
        }
        PreconditionResult::PreconditionFailed => assert!(CONDITIONS.iter().any(has)),
    }
    // Dates are used only if there is no tag.
    if has(&header::IF_MATCH) && has(&header::IF_NONE_MATCH) {
        let mut tags_alone = headers.clone();
        tags_alone.remove(header::IF_MODIFIED_SINCE);
        tags_alone.remove(header::IF_UNMODIFIED_SINCE);
        assert_eq!(evaluate(&method, &light(&tags_alone), current), verdict);
    }
    knows_itself(&method, current, is_read);

    let allowed = range_allowed(&light(&headers), current, 1 << 41);
    let is_weak = etag.is_none_or(|etag| etag.starts_with("W/"));
    if is_weak && modified.is_none() {
        assert_eq!(allowed, !headers.contains_key(header::IF_RANGE));
    }
    if range_allowed(&light(&headers), current, 0) {
        assert!(allowed, "time makes a date stronger");
    }
    headers.remove(header::IF_RANGE);
    assert!(range_allowed(&light(&headers), current, 0));
    values(&headers);
}

/// The same fields in the form that the program uses.
fn light(headers: &HeaderMap) -> Headers {
    headers.iter().collect()
}

/// A client that repeats the validators of a response gets 304.
fn knows_itself(method: &Method, current: Validators<'_>, is_read: bool) {
    let fields = [
        (header::IF_NONE_MATCH, current.etag.map(str::to_owned)),
        (header::IF_MODIFIED_SINCE, current.modified.map(date::format)),
    ];
    for (name, value) in fields {
        let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        if is_read && (current.modified.is_none_or(|time| time < 250_000_000_000)) {
            assert_eq!(
                evaluate(method, &light(&headers), current),
                PreconditionResult::NotModified,
                "{headers:?}"
            );
        }
    }
}

/// Other parsers of single values.
fn values(headers: &HeaderMap) {
    for (name, value) in headers {
        if let Some(moment) = value.to_str().ok().and_then(date::parse) {
            assert_eq!(date::parse(&date::format(moment)), Some(moment));
        }
        if let Some(id) = value.to_str().ok().and_then(trace::traceparent_id) {
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        if let Some(root) = value.to_str().ok().and_then(trace::amazon_root) {
            assert!(value.as_bytes().windows(root.len()).any(|part| part == root.as_bytes()));
        }
        for read in [
            RemoteContext::of_traceparent(value.as_bytes()),
            RemoteContext::of_amazon(value.as_bytes()),
        ] {
            assert!(
                read.is_none_or(|read| read.trace_id != [0; 16] && read.parent != Some([0; 8]))
            );
        }
        if trace::is_request_id(value.as_bytes()) {
            assert!(value.as_bytes().iter().all(u8::is_ascii_graphic), "{value:?}");
        }
        if let Some(names) = trailers::announced(&[value.as_bytes()]) {
            let names = names.to_str().expect("names are ASCII");
            assert!(!names.is_empty() && names.split(", ").all(|one| one != "content-length"));
        }
        let _ = upgrade::lists_websocket(value.as_bytes());
        let _ = identity::is_identity(name.as_str());
        let _ = client_address::is_client_address(name.as_str());
    }
}

/// `entity-tag` of RFC 9110, 8.8.3.
fn is_tag(word: &str) -> bool {
    let opaque = word.strip_prefix("W/").unwrap_or(word);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}
