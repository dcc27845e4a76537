//! Identifiers that tie log lines together: `X-Request-ID`, `traceparent` (W3C Trace Context, 3.2)
//! and `X-Amzn-Trace-Id`.

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
}
