//! Paths and targets: what files and routes are looked up by never leads above the root, and reading it again changes
//! nothing.

use std::path::{Component, Path};

use crate::fuzz_input as input;
use crate::rfc::{path, target};

/// Tests one target; its path is the part before a question mark.
pub fn check(data: &[u8]) {
    let (data, _) = input::first_line(data);
    let raw = data.split(|&byte| byte == b'?').next().unwrap_or_default();
    if let Some(normal) = path::normalize_bytes(raw) {
        is_normal(&normal);
        assert_eq!(path::literal(&normal).as_deref(), Some(&*normal), "not idempotent");
        // In every spelling.
        let escaped: String = normal.iter().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(path::normalize(&escaped).as_deref(), Some(&*normal));
        let decoded = path::decode(raw).expect("what can be normalised can be decoded");
        assert!(normal.len() <= decoded.len() + 1);
        assert_eq!(path::literal(&decoded).as_deref(), Some(&*normal));
    }
    if let Some(normal) = path::literal(raw) {
        is_normal(&normal);
        assert_eq!(path::literal(&normal).as_deref(), Some(&*normal));
    }
    if let Some(decoded) = path::decode(raw) {
        assert!(decoded.len() <= raw.len() && !decoded.contains(&0));
        if !raw.contains(&b'%') {
            assert_eq!(decoded, raw);
        }
    }
    shown(data);
}

fn is_normal(normal: &[u8]) {
    assert!(normal.starts_with(b"/") && !normal.contains(&0));
    let inner = normal.strip_prefix(b"/").unwrap_or_default();
    let segments: Vec<&[u8]> = inner.split(|&byte| byte == b'/').collect();
    let (last, directories) = segments.split_last().expect("at least one");
    assert!(directories.iter().all(|name| !matches!(*name, b"" | b"." | b"..")), "{segments:?}");
    assert!(!matches!(*last, b"." | b".."));
    // As the standard library sees it.
    if let Ok(text) = std::str::from_utf8(normal) {
        let mut components = Path::new(text).components();
        assert_eq!(components.next(), Some(Component::RootDir));
        assert!(components.all(|component| matches!(component, Component::Normal(_))));
    }
}

/// The target as other parsers read it.
fn shown(data: &[u8]) {
    if let Some(misplaced) = target::misplaced(data) {
        assert_eq!(data.get(misplaced.at), Some(&misplaced.byte));
        return;
    }
    let text = std::str::from_utf8(data).expect("a target without misplaced bytes is text");
    let escaped = target::escape(text);
    assert!(!escaped.contains(['"', '<', '>', ' ', '\r', '\n']), "{escaped:?}");
    assert_eq!(target::escape(&escaped), escaped, "not idempotent");
}
