//! Hosts, one on each line: each is compared with the others, as a value and as a pattern of the settings.

use crate::rfc::host;

/// Tests a few hosts.
pub fn check(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').take(4).collect();
    for line in &lines {
        if host::is_valid(line) {
            valid(line);
        }
        for other in &lines {
            for scheme in ["http", "https"] {
                let same = host::are_same(line, other, scheme);
                assert_eq!(same, host::are_same(other, line, scheme), "not symmetric");
            }
            if let Ok(pattern) = std::str::from_utf8(other) {
                matching(line, &pattern.to_ascii_lowercase());
            }
        }
    }
}

fn valid(value: &[u8]) {
    let (name, port) = host::split_port(value).expect("a valid host can be split");
    assert!(!name.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit));
    let forbidden = b" \t\r\n\0/?#@,\\<>\"";
    assert!(!value.iter().any(|byte| forbidden.contains(byte) || !byte.is_ascii()));
    for scheme in ["http", "https"] {
        assert!(host::are_same(value, value, scheme));
        assert!(host::are_same(value, &value.to_ascii_uppercase(), scheme));
    }
    let text = std::str::from_utf8(name).expect("ASCII").to_ascii_lowercase();
    if !text.starts_with('.') {
        assert!(host::matches(name, &text), "{text} does not match itself");
        if !text.starts_with('[') && !text.ends_with('.') {
            let below = format!("www.{text}");
            assert!(host::matches(below.as_bytes(), &format!(".{text}")), "{text}");
            assert!(!host::matches(format!("x{text}").as_bytes(), &format!(".{text}")), "{text}");
            assert!(host::matches(format!("{text}.").as_bytes(), &text), "{text}");
        }
    }
}

/// A pattern with a dot in front stands for names that end with it, and one without for itself.
fn matching(name: &[u8], pattern: &str) {
    if !host::matches(name, pattern) || name.starts_with(b"[") {
        return;
    }
    let lower = name.to_ascii_lowercase();
    let bare = lower.strip_suffix(b".").unwrap_or(&lower);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    match pattern.strip_prefix('.') {
        None => assert_eq!(bare, pattern.as_bytes()),
        Some(parent) => {
            assert!(bare == parent.as_bytes() || bare.ends_with(pattern.as_bytes()));
        }
    }
}
