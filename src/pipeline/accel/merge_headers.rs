//! Merges the application's header fields with those of the file. nginx keeps six of the application's fields and drops
//! its security headers with the rest. Sideman keeps every field that does not describe the dropped body.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::media_type;
use crate::{files, pipeline::response::Response, rfc::vary};

/// The subject of one of the application's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldGroup {
    /// The body that was dropped.
    Dropped,
    /// The content that is sent, as the application describes it.
    Content,
    /// How long the response may be cached.
    Caching,
    /// The request fields on which the choice of a representation depends.
    Choice,
    /// Anything else, such as the client or the site.
    Other,
}

/// Merges the application's fields into the header section of a whole file.
pub(super) fn merge_into_file(head: &mut HeaderMap, upstream_headers: &HeaderMap) {
    leave_to_application(head, upstream_headers);
    let keeps_type = upstream_headers.get(header::CONTENT_TYPE).is_some_and(|upstream_headers| {
        media_type::is_chosen(upstream_headers, head.get(header::CONTENT_TYPE))
    });
    if keeps_type {
        renew_policy(head, upstream_headers);
    }
    for name in upstream_headers.keys() {
        match field_group(name) {
            FieldGroup::Dropped => {}
            FieldGroup::Content if name == header::CONTENT_TYPE && !keeps_type => {}
            FieldGroup::Choice => join_vary(head, upstream_headers),
            FieldGroup::Content | FieldGroup::Caching | FieldGroup::Other => {
                replace(head, name, upstream_headers)
            }
        }
    }
}

/// Removes what the prefix, the bucket or the file server says of caching and sharing: the application decides who gets
/// the file. Without a word of it only the client may keep the file.
pub(super) fn leave_to_application(head: &mut HeaderMap, upstream_headers: &HeaderMap) {
    let is_cached = upstream_headers.contains_key(header::CACHE_CONTROL)
        || upstream_headers.contains_key(header::EXPIRES);
    if !is_cached {
        // The application decided for this client. A cache must not give the response to another client, nor to this
        // one later.
        let asked = HeaderValue::from_static("private, no-cache");
        head.insert(header::CACHE_CONTROL, asked);
    } else {
        head.remove(header::CACHE_CONTROL);
    }
    head.remove(header::EXPIRES);
    head.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
}

/// Merges the application's fields into a response about a file that does not contain it: 304, 406, 412 and 416.
pub(super) fn merge_into_status(response: &mut Response, upstream_headers: &HeaderMap) {
    let is_fresh = response.head.status == StatusCode::NOT_MODIFIED;
    let headers = &mut response.head.headers;
    for name in upstream_headers.keys() {
        match field_group(name) {
            FieldGroup::Other => replace(headers, name, upstream_headers),
            // A 304 renews the caching fields (RFC 9110, 15.4.5).
            FieldGroup::Caching if is_fresh => replace(headers, name, upstream_headers),
            // The response's own fields, if any, were made from a header section that had these already.
            FieldGroup::Dropped
            | FieldGroup::Content
            | FieldGroup::Caching
            | FieldGroup::Choice => {}
        }
    }
}

fn field_group(name: &HeaderName) -> FieldGroup {
    match name.as_str() {
        "content-length" | "content-range" | "content-encoding" | "content-md5"
        | "content-digest" | "repr-digest" | "digest" | "etag" | "last-modified"
        | "accept-ranges" => FieldGroup::Dropped,
        "content-type" | "content-disposition" | "content-language" => FieldGroup::Content,
        "cache-control" | "expires" => FieldGroup::Caching,
        "vary" => FieldGroup::Choice,
        _ => FieldGroup::Other,
    }
}

/// Gives an upload the policy of the type that the application names, which the file's name may not reveal.
fn renew_policy(head: &mut HeaderMap, upstream_headers: &HeaderMap) {
    // Only uploads have a policy.
    if head.remove(header::CONTENT_SECURITY_POLICY).is_none() {
        return;
    }
    // Several values are no valid type.
    let types: Vec<&[u8]> =
        upstream_headers.get_all(header::CONTENT_TYPE).iter().map(HeaderValue::as_bytes).collect();
    let content_type = types.join(&b", "[..]);
    if let Some(policy) = files::media_policy(&String::from_utf8_lossy(&content_type)) {
        head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
}

/// Replaces the file's values by all of the application's.
fn replace(headers: &mut HeaderMap, name: &HeaderName, upstream_headers: &HeaderMap) {
    headers.remove(name);
    for value in upstream_headers.get_all(name) {
        headers.append(name.clone(), value.clone());
    }
}

/// Joins the application's names and the other names of the file's in one value.
fn join_vary(head: &mut HeaderMap, upstream_headers: &HeaderMap) {
    let mut joined = HeaderMap::new();
    for headers in [upstream_headers, head] {
        let values = headers.get_all(header::VARY).iter().map(HeaderValue::as_bytes);
        vary::add(&mut joined, vary::names(values));
    }
    head.extend(joined);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn file() -> HeaderMap {
        map(&[
            ("content-type", "image/png"),
            ("content-length", "10"),
            ("vary", "accept-encoding"),
            ("etag", "\"file\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("cache-control", "public, max-age=60"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox"),
            ("content-disposition", "attachment"),
            ("access-control-allow-origin", "*"),
        ])
    }

    fn joined(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut head = file();
        merge_into_file(&mut head, &map(fields));
        head
    }

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_about_the_dropped_body_is_dropped() {
        let head = joined(&[
            ("content-length", "0"),
            ("content-encoding", "gzip"),
            ("content-range", "bytes 0-0/1"),
            ("etag", "\"empty\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT"),
            ("accept-ranges", "none"),
            ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("content-digest", "sha-256=:x:"),
        ]);
        for name in ["content-length", "etag", "last-modified", "accept-ranges"] {
            assert_eq!(all(&head, name), all(&file(), name), "{name}");
        }
        for name in ["content-encoding", "content-range", "content-md5", "content-digest"] {
            assert_eq!(head.get(name), None, "{name}");
        }
    }

    #[test]
    fn everything_else_is_kept() {
        let head = joined(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-disposition", "inline; filename=a.png"),
            ("content-language", "de"),
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "sandbox allow-scripts"),
            ("x-custom", "1"),
            ("link", "</a>; rel=next"),
        ]);
        assert_eq!(all(&head, "set-cookie"), ["a=1", "b=2"]);
        assert_eq!(all(&head, "content-disposition"), ["inline; filename=a.png"]);
        assert_eq!(all(&head, "content-language"), ["de"]);
        let policies = ["default-src 'none'", "sandbox allow-scripts"];
        assert_eq!(all(&head, "content-security-policy"), policies);
        assert_eq!(all(&head, "x-content-type-options"), ["nosniff"]);
        assert_eq!(all(&head, "x-custom"), ["1"]);
        assert_eq!(all(&head, "link"), ["</a>; rel=next"]);
        assert!(head.get("access-control-allow-origin").is_none());
        let shared = joined(&[("access-control-allow-origin", "https://a.test")]);
        assert_eq!(all(&shared, "access-control-allow-origin"), ["https://a.test"]);
    }

    #[test]
    fn caching() {
        for (upstream_headers, cache_control, expires) in [
            (&[][..], Some("private, no-cache"), None),
            (&[("cache-control", "max-age=5")], Some("max-age=5"), None),
            (&[("expires", "0")], None, Some("0")),
            (&[("cache-control", "no-store"), ("expires", "0")], Some("no-store"), Some("0")),
        ] {
            let head = joined(upstream_headers);
            let get = |name| head.get(name).map(|value| value.to_str().unwrap());
            assert_eq!((get("cache-control"), get("expires")), (cache_control, expires));
        }
    }

    #[test]
    fn vary() {
        for (upstream_headers, expected) in [
            (&[][..], "accept-encoding"),
            (&[("vary", "Cookie")], "Cookie, accept-encoding"),
            (&[("vary", "Accept-Encoding, Cookie")], "Accept-Encoding, Cookie"),
            (&[("vary", "Cookie"), ("vary", "Origin,")], "Cookie, Origin, accept-encoding"),
            (&[("vary", "*")], "*"),
        ] {
            assert_eq!(all(&joined(upstream_headers), "vary"), [expected]);
        }
        let mut head = map(&[("etag", "x")]);
        merge_into_file(&mut head, &map(&[("vary", "Cookie")]));
        assert_eq!(all(&head, "vary"), ["Cookie"]);
    }

    #[test]
    fn responses_without_a_file_drop_content_fields() {
        let upstream_headers = map(&[
            ("content-type", "image/png"),
            ("content-disposition", "attachment"),
            ("content-length", "5"),
            ("etag", "\"empty\""),
            ("set-cookie", "a=1"),
            ("cache-control", "max-age=5"),
            ("expires", "0"),
            ("vary", "Cookie"),
            ("x-custom", "1"),
        ]);
        for (status, names) in [
            (StatusCode::NOT_MODIFIED, &["cache-control", "expires", "set-cookie", "x-custom"][..]),
            (StatusCode::PRECONDITION_FAILED, &["set-cookie", "x-custom"]),
            (StatusCode::RANGE_NOT_SATISFIABLE, &["set-cookie", "x-custom"]),
        ] {
            let mut response = Response::new(status, Body::Empty);
            merge_into_status(&mut response, &upstream_headers);
            let mut received: Vec<&str> =
                response.head.headers.keys().map(HeaderName::as_str).collect();
            received.sort_unstable();
            assert_eq!(received, names, "{status}");
        }
    }
}
