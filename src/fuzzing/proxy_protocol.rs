//! The header of the PROXY protocol, in front of whatever a client sends.

use crate::rfc::proxy_protocol::{MAX_HEADER, ProxyHeader, parse};

/// Parses the bytes as they arrive: one more each time. The result must not depend on where they were cut.
pub fn check(data: &[u8]) {
    let whole = parse(data);
    for end in 0..=data.len().min(MAX_HEADER + 1) {
        match parse(&data[..end]) {
            Ok(ProxyHeader::Partial) => assert!(end < MAX_HEADER, "no end"),
            Ok(complete @ ProxyHeader::Complete { length, .. }) => {
                assert_eq!(length, end, "complete, but not at its last byte");
                assert_eq!(whole, Ok(complete));
                return;
            }
            Err(fault) => {
                assert_eq!(whole, Err(fault));
                return;
            }
        }
    }
    assert_eq!(whole, Ok(ProxyHeader::Partial));
}
