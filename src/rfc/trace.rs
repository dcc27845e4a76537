//! Identifiers that tie log lines together: `X-Request-ID`, `traceparent` (W3C Trace Context, 3.2)
//! and `X-Amzn-Trace-Id` (AWS X-Ray, "Tracing header").

/// Whether a client's `X-Request-ID` may be kept: 1 to 128 harmless characters.
pub fn is_request_id(value: &[u8]) -> bool {
    (1..=128).contains(&value.len())
        && value.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"._:=/+@-".contains(&byte))
}

/// Returns the trace id of a `traceparent` value: 32 lowercase hex digits, not all zero.
pub fn traceparent_id(value: &str) -> Option<&str> {
    let mut parts = value.split('-');
    let version = parts.next()?;
    let id = parts.next()?;
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_valid = version.len() == 2
        && is_hex(version)
        && id.len() == 32
        && is_hex(id)
        && id.bytes().any(|byte| byte != b'0');
    is_valid.then_some(id)
}

/// Returns the `Root` of an `X-Amzn-Trace-Id` value such as `Self=1-...;Root=1-67891233-abcdef0123456789`.
pub fn amazon_root(value: &str) -> Option<&str> {
    value.split(';').find_map(|part| part.trim().strip_prefix("Root=")).filter(|id| !id.is_empty())
}

/// Returns the `traceparent` with the trace id of an `X-Amzn-Trace-Id` value: OpenTelemetry writes the root
/// `1-67891233-abcdef012345678912345678` as `67891233abcdef012345678912345678`. The parent is that of the value, or
/// else `span`, 16 hex digits. The trace counts as sampled unless the value says `Sampled=0`: load balancers say
/// nothing, and an application that follows its parent would record no trace.
pub fn traceparent_of_amazon(value: &str, span: impl FnOnce() -> [u8; 16]) -> Option<[u8; 55]> {
    let (mut root, mut parent, mut is_unsampled) = (None, None, false);
    for part in value.split(';') {
        match part.trim_ascii_start().split_once('=') {
            Some(("Root", id)) if root.is_none() => root = Some(id),
            Some(("Parent", id)) => parent = Some(id),
            Some(("Sampled", sampled)) => is_unsampled = sampled.trim_ascii_end() == "0",
            _ => {}
        }
    }
    let (epoch, unique) = root?.strip_prefix("1-")?.split_once('-')?;
    if !is_lower_hex(epoch, 8) || !is_lower_hex(unique, 24) {
        return None;
    }
    let parent = parent.filter(|parent| is_lower_hex(parent, 16));
    let own;
    let span = match parent {
        Some(parent) => parent.as_bytes(),
        None => {
            own = span();
            &own
        }
    };
    let is_zero = |id: &[u8]| id.iter().all(|&byte| byte == b'0');
    if (is_zero(epoch.as_bytes()) && is_zero(unique.as_bytes())) || is_zero(span) {
        return None;
    }
    let flags: &[u8] = if is_unsampled { b"00" } else { b"01" };
    let mut made = [b'-'; 55];
    let mut rest = made.as_mut_slice();
    for part in [b"00-", epoch.as_bytes(), unique.as_bytes(), b"-", span, b"-", flags] {
        let (here, behind) = rest.split_at_mut_checked(part.len())?;
        here.copy_from_slice(part);
        rest = behind;
    }
    Some(made)
}

/// Whether an `X-Request-Start` value is a time as APM agents read it: `t=` if anything, then digits, which may have
/// one decimal point.
pub fn is_request_start(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"t=").unwrap_or(value);
    (1..=32).contains(&digits.len())
        && digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && digits.iter().filter(|&&byte| byte == b'.').count() <= 1
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert!(is_request_id(b"a-1_".get(..3).unwrap()));
        assert!(!is_request_id(b"") && !is_request_id(b"a b") && !is_request_id(&[b'a'; 129]));
        let id = "0af7651916cd43dd8448eb211c80319c";
        let parent = format!("00-{id}-b7ad6b7169203331-01");
        assert_eq!(traceparent_id(&parent), Some(id));
        for bad in ["", "00", "00-short-1-01", "zz-0af7651916cd43dd8448eb211c80319c-1-01"] {
            assert_eq!(traceparent_id(bad), None, "{bad}");
        }
        assert_eq!(traceparent_id(&format!("00-{}-1-01", "0".repeat(32))), None);
        assert_eq!(amazon_root("Self=1-a;Root=1-67891233-ab;Sampled=1"), Some("1-67891233-ab"));
        assert_eq!(amazon_root("Self=1-a"), None);
    }

    #[test]
    fn traceparent_has_the_ids_of_amazon() {
        const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
        const SPAN: [u8; 16] = *b"00f067aa0ba902b7";
        for (value, expected) in [
            (ROOT.to_owned(), Some("5759e988bd862e3fe1be46a994272793-00f067aa0ba902b7-01")),
            (
                format!("Self=1-a; {ROOT}"),
                Some("5759e988bd862e3fe1be46a994272793-00f067aa0ba902b7-01"),
            ),
            (
                format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
                Some("5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"),
            ),
            (
                format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"),
                Some("5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00"),
            ),
            (
                format!("{ROOT};Parent=short;Sampled=?"),
                Some("5759e988bd862e3fe1be46a994272793-00f067aa0ba902b7-01"),
            ),
            (format!("{ROOT};Parent={}", "0".repeat(16)), None),
            (
                format!("{ROOT};Sampled=0 ; Lineage=a:1"),
                Some("5759e988bd862e3fe1be46a994272793-00f067aa0ba902b7-00"),
            ),
            (ROOT.to_uppercase().replace("ROOT", "Root"), None),
            (ROOT.replace("1-", "2-"), None),
            (format!("{ROOT}0"), None),
            (format!("Root=1-{}-{}", "0".repeat(8), "0".repeat(24)), None),
            ("Root=1-5759e988".to_owned(), None),
            ("Self=1-5759e988-bd862e3fe1be46a994272793".to_owned(), None),
        ] {
            let made = traceparent_of_amazon(&value, || SPAN);
            let expected = expected.map(|ids| format!("00-{ids}"));
            assert_eq!(
                made.map(|made| String::from_utf8(made.to_vec()).unwrap()),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn request_starts() {
        for value in ["t=1700000000123", "1700000000123", "t=1700000000.123", "t=1700000000123456"]
        {
            assert!(is_request_start(value.as_bytes()), "{value}");
        }
        let long = format!("t={}", "1".repeat(33));
        for value in ["", "t=", "t=.5", "t=1.2.3", "t=-1", "t=1 ", "T=1", "t=t=1", "now", &long] {
            assert!(!is_request_start(value.as_bytes()), "{value}");
        }
    }
}
