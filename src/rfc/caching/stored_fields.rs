//! The fields that are stored with a response (RFC 9111, 3.1), and how a 304 changes them (3.2).

use super::{
    super::{
        fields::is_hop_by_hop_name,
        request_parts::FieldName,
        response_lines::{ResponseLines, ResponseLinesBuilder},
    },
    policy::ResponsePolicy,
    targeted::is_hidden_control,
};

/// Returns the fields to store. Left out are those of the connection, those that speak to Sideman alone, those that
/// belong to one request, and those that `no-cache="…"` and `private="…"` name.
#[must_use]
pub fn stored_fields(lines: &ResponseLines, policy: &ResponsePolicy) -> ResponseLines {
    let named: Vec<Vec<u8>> = lines
        .get_all(b"connection")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect();
    let directives = &policy.directives;
    lines.filtered(|name| {
        !is_never_stored(name)
            && !named.iter().any(|one| one == name)
            && !directives.no_cache.names(name)
            && !directives.private.names(name)
    })
}

/// Returns the fields of a stored response after a 304: those of the 304 replace the stored ones of the same name,
/// except those that describe the stored content or belong to the 304's own message.
///
/// A stored `Date` does not survive a 304 without one, because the age is counted from it. The result still has the
/// fields of the 304 for [`ResponsePolicy::revalidated`]; [`stored_fields`] of it is what is stored.
#[must_use]
pub fn updated(stored: &ResponseLines, by_304: &ResponseLines) -> ResponseLines {
    let is_new = |name: &[u8]| !describes_content(name) && !is_message_field(name);
    let replaced = |name: &[u8]| is_new(name) && by_304.get_all(name).next().is_some();
    let mut all =
        ResponseLinesBuilder::with_capacity(stored.as_bytes().len() + by_304.as_bytes().len());
    for (name, value) in stored.iter().filter(|(name, _)| *name != b"date" && !replaced(name)) {
        match (FieldName::of(name), stored.length) {
            (FieldName::ContentLength, Some(length)) => all.set_length(length),
            (known, _) => all.push(known, name, value),
        }
    }
    for (name, value) in by_304.iter().filter(|(name, _)| is_new(name)) {
        all.push(FieldName::of(name), name, value);
    }
    all.build()
}

/// `Age` is made anew for each response. The tags are kept apart from the fields, and tell clients about the inside of
/// the application. An id of a request belongs to that request.
fn is_never_stored(name: &[u8]) -> bool {
    is_message_field(name)
        || is_hidden_control(name)
        || name.starts_with(b"x-accel-")
        || matches!(name, b"age" | b"surrogate-key" | b"xkey" | b"cache-tag" | b"x-request-id")
}

/// Whether a field belongs to one message: to its connection, or to the client that it was meant for.
fn is_message_field(name: &[u8]) -> bool {
    is_hop_by_hop_name(FieldName::of(name)) || name == b"set-cookie"
}

/// Whether a field describes the stored content, which a 304 does not change. Servers are known to send wrong ones with
/// it.
fn describes_content(name: &[u8]) -> bool {
    matches!(
        name,
        b"content-length"
            | b"content-encoding"
            | b"content-range"
            | b"content-md5"
            | b"content-digest"
            | b"repr-digest"
            | b"digest"
            | b"etag"
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ExchangeTimes, test_lines::lines},
        *,
    };
    use http::StatusCode;

    fn stored(fields: &[&str]) -> String {
        let lines = lines(fields);
        let policy = ResponsePolicy::of(StatusCode::OK, &lines, ExchangeTimes::default());
        String::from_utf8(stored_fields(&lines, &policy).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn fields_of_one_message_are_not_stored() {
        let kept = &[
            "cache-control: no-cache=\"x-a, X-B\", private=\"x-c\", max-age=60",
            "content-length: 5",
            "etag: \"a\"",
            "x-d: 1",
            "cdn-cache-control: max-age=60;private=\"x-d\"",
            "cache-groups: \"g\"",
            "x-accelerator: 1",
        ][..];
        let dropped = [
            "age: 5",
            "connection: close, X-E",
            "keep-alive: timeout=5",
            "proxy-authenticate: Basic",
            "proxy-authentication-info: x",
            "proxy-connection: close",
            "te: x",
            "transfer-encoding: chunked",
            "upgrade: x",
            "x-e: 1",
            "set-cookie: a=b",
            "sideman-cache-control:",
            "x-accel-buffering: no",
            "x-accel-expires: off",
            "surrogate-key: a b",
            "xkey: a",
            "cache-tag: a,b",
            "x-request-id: 7",
        ];
        // The targeted field is malformed, so that Cache-Control counts.
        let kept: Vec<&str> = kept
            .iter()
            .map(|field| if field.starts_with("cdn") { "cdn-cache-control: A" } else { field })
            .collect();
        let all: Vec<&str> =
            kept.iter().copied().chain(dropped).chain(["x-a: 1", "X-b: 1", "x-C: 1"]).collect();
        let expected: String = kept.iter().map(|field| format!("{field}\r\n")).collect();
        assert_eq!(stored(&all), expected);
        let lines = lines(&all);
        let policy = ResponsePolicy::of(StatusCode::OK, &lines, ExchangeTimes::default());
        let stored = stored_fields(&lines, &policy);
        assert_eq!((stored.length, stored.has_request_id), (Some(5), false));
    }

    #[test]
    fn a_304_replaces_all_fields_but_those_of_the_content() {
        let stored = lines(&[
            "date: Sun, 06 Nov 1994 08:49:37 GMT",
            "content-length: 5",
            "content-type: text/plain",
            "content-encoding: x",
            "etag: \"a\"",
            "link: 1",
            "link: 2",
            "x-b: 1",
            "x-c: 1",
        ]);
        let by_304 = lines(&[
            "x-b: 2",
            "x-b: 3",
            "x-d: 4",
            "link: 3",
            "content-length: 9",
            "content-encoding: y",
            "content-type: text/html",
            "etag: \"b\"",
            "set-cookie: a=b",
            "connection: close",
            "cache-control: max-age=60",
        ]);
        let updated = updated(&stored, &by_304);
        let expected = "content-length: 5\r\ncontent-encoding: x\r\netag: \"a\"\r\nx-c: 1\r\nx-b: 2\r\nx-b: 3\r\nx-d: 4\r\n\
             link: 3\r\ncontent-type: text/html\r\ncache-control: max-age=60\r\n";
        assert_eq!(updated.as_bytes(), expected.as_bytes());
        assert_eq!((updated.length, updated.has_date), (Some(5), false));
        let date = lines(&["date: Sun, 06 Nov 1994 09:49:37 GMT"]);
        assert!(super::updated(&stored, &date).has_date);
    }
}
