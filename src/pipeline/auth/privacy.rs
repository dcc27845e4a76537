//! Keeps responses of routes that authenticate clients out of shared caches, which would send them to everybody.

use http::{HeaderMap, HeaderValue, header};

/// Directives for shared caches (RFC 9111, 5.2.2), and the one that takes their place.
const SHARED: [&str; 3] = ["public", "s-maxage", "private"];

/// Makes a response one that only the client may store, unless nobody may.
pub(in crate::pipeline) fn make_private(headers: &mut HeaderMap) {
    let mut directives = vec!["private"];
    for value in headers.get_all(header::CACHE_CONTROL) {
        let all = value.to_str().unwrap_or_default().split(',').map(str::trim);
        directives.extend(all.filter(|directive| !directive.is_empty() && !is_shared(directive)));
    }
    if directives.iter().any(|directive| directive.eq_ignore_ascii_case("no-store")) {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(directives.join(", ")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

fn is_shared(directive: &str) -> bool {
    let name = directive.split('=').next().unwrap_or_default().trim();
    SHARED.iter().any(|shared| name.eq_ignore_ascii_case(shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_client_may_store_a_response() {
        for (given, expected) in [
            (&[][..], "private"),
            (&["max-age=31536000, public, immutable"], "private, max-age=31536000, immutable"),
            (&["Public", "S-MaxAge=60, max-age=5"], "private, max-age=5"),
            (&["no-store"], "no-store"),
            (&["private=\"x-a\", no-cache=\"x-c, x-d\""], "private, no-cache=\"x-c, x-d\""),
            (&["no-cache"], "private, no-cache"),
        ] {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
            }
            make_private(&mut headers);
            let found: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(found, [expected], "{given:?}");
        }
    }
}
