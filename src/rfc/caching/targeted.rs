//! Fields that speak to this cache alone, and replace `Cache-Control` and `Expires` (RFC 9213):
//! `Sideman-Cache-Control`, then `CDN-Cache-Control`, then nginx's `X-Accel-Expires`.

use super::{
    super::response_lines::ResponseLines,
    directives::{MAX_SECONDS, ResponseDirectives, delta_seconds},
    structured,
};

/// In the order in which they are looked for (RFC 9213, 2.2).
const TARGETED: [&[u8]; 2] = [b"sideman-cache-control", b"cdn-cache-control"];

/// Returns the directives of the first targeted field that is valid and not empty.
pub(super) fn targeted(lines: &ResponseLines) -> Option<ResponseDirectives> {
    TARGETED.iter().find_map(|name| {
        let members = structured::dictionary(lines.get_all(name))?;
        if members.is_empty() {
            return None;
        }
        ResponseDirectives::of_dictionary(&members)
    })
}

/// Whether a field decides about caching and is not stored, so that the policy must remember it.
pub(super) fn is_hidden_control(name: &[u8]) -> bool {
    matches!(name, b"sideman-cache-control" | b"x-accel-expires")
}

/// The value of `X-Accel-Expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccelExpires {
    NoStore,
    /// Seconds from the arrival of the response.
    After(u64),
}

/// Parses `X-Accel-Expires` as nginx does: seconds, 0 for "do not store", or `@` and seconds since 1970. Anything else,
/// such as `off`, counts as absent.
pub(super) fn accel_expires(lines: &ResponseLines, received: u64) -> Option<AccelExpires> {
    let value = lines.get_str(b"x-accel-expires")?;
    if let Some(moment) = value.strip_prefix('@') {
        let is_number = !moment.is_empty() && moment.bytes().all(|byte| byte.is_ascii_digit());
        let moment: u64 = is_number.then(|| moment.parse().unwrap_or(u64::MAX))?;
        return Some(AccelExpires::After(moment.saturating_sub(received).min(MAX_SECONDS)));
    }
    Some(match delta_seconds(value.as_bytes())? {
        0 => AccelExpires::NoStore,
        seconds => AccelExpires::After(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};

    #[test]
    fn first_valid_field_counts() {
        for (fields, expected) in [
            (&["cache-control: max-age=1"][..], None),
            (&["cdn-cache-control: max-age=2"], Some(2)),
            (&["cdn-cache-control: max-age=2", "sideman-cache-control: max-age=3"], Some(3)),
            (&["cdn-cache-control: max-age=2", "sideman-cache-control: max-age=\"3\""], Some(2)),
            (&["cdn-cache-control: max-age=2", "sideman-cache-control:"], Some(2)),
            (&["cdn-cache-control: max-age =2"], None),
            (&["cdn-cache-control: MaX-aGe=2"], None),
            (&["cdn-cache-control: x, max-age=2", "cdn-cache-control: max-age=1"], Some(1)),
        ] {
            let found = targeted(&lines(fields)).map(|directives| directives.max_age);
            assert_eq!(found, expected.map(Some), "{fields:?}");
        }
    }

    #[test]
    fn accel_expires_is_read_as_nginx_does() {
        for (value, expected) in [
            ("60", Some(AccelExpires::After(60))),
            ("0", Some(AccelExpires::NoStore)),
            ("@1060", Some(AccelExpires::After(60))),
            ("@10", Some(AccelExpires::After(0))),
            ("@99999999999999999999999", Some(AccelExpires::After(MAX_SECONDS))),
            ("@", None),
            ("@+5", None),
            ("-1", None),
            ("off", None),
            ("", None),
        ] {
            let lines = lines(&[&format!("x-accel-expires: {value}")]);
            assert_eq!(accel_expires(&lines, 1000), expected, "{value}");
        }
        assert_eq!(accel_expires(&lines(&[]), 1000), None);
    }
}
