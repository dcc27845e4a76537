//! Fuzz targets of [`crate::fuzzing`]: replies of Redis, and entries of the stream.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use super::{
    follower::entries,
    purge_message::{MAX_NAME, MAX_NAMES, PurgeName, StreamEntry},
    resp::{MAX_REPLY, Reply, parse},
};

/// Parses the bytes as they arrive. The result must not depend on where they were cut.
pub fn redis_reply(data: &[u8]) {
    let whole = parse(data);
    for end in 0..=data.len().min(256) {
        match parse(&data[..end]) {
            Ok(None) => {}
            Ok(Some((reply, length))) => {
                assert_eq!(length, end, "complete, but not at its last byte");
                assert_eq!(whole, Ok(Some((reply, length))));
                break;
            }
            Err(fault) => {
                assert_eq!(whole, Err(fault));
                break;
            }
        }
    }
    if let Ok(Some((reply, length))) = whole {
        assert!(size(&reply) <= length.min(MAX_REPLY));
        for read in entries(&reply).unwrap_or_default() {
            entry(&read.fields);
        }
    }
}

/// Parses fields of an entry, one on each line.
pub fn redis_purge(data: &[u8]) {
    let fields: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    entry(&fields);
}

fn entry(fields: &[&[u8]]) {
    let Ok(StreamEntry::Purge { from, message }) = StreamEntry::parse(fields) else { return };
    assert!(!message.names.is_empty() && message.names.len() <= MAX_NAMES);
    assert!(message.fields(from).iter().eq(fields.iter()), "another entry");
    for name in &message.names {
        let length = match name {
            PurgeName::Everything => 0,
            PurgeName::Tag(tag) => tag.len(),
            PurgeName::Prefix { host, path: target } | PurgeName::Url { host, target } => {
                assert!(std::str::from_utf8(target).is_ok_and(|target| target.starts_with('/')));
                host.len() + target.len()
            }
        };
        assert!(length <= MAX_NAME);
    }
}

/// The bytes that a reply has at least.
fn size(reply: &Reply) -> usize {
    match reply {
        Reply::Text(text) | Reply::Error(text) => text.len(),
        Reply::Number(_) | Reply::Nothing => 1,
        Reply::List(values) => values.iter().map(size).sum(),
    }
}
