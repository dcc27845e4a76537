//! Reads the part of the uwsgi protocol that the origin needs: a packet of variables.

use std::fmt::Write as _;

/// modifier1, the size of the variables in two bytes (little-endian), modifier2.
const PREFIX: usize = 4;

/// The variables of a packet, once they are complete.
pub(crate) fn variables(packet: &[u8]) -> Option<&[u8]> {
    let size = u16::from_le_bytes([*packet.get(1)?, *packet.get(2)?]);
    packet.get(PREFIX..PREFIX + usize::from(size))
}

/// The variables as lines of a head: `HTTP_X_REQUEST_ID` is `x-request-id: ...`, any other is in
/// lower case.
pub(crate) fn as_head(mut variables: &[u8]) -> String {
    let mut text = String::new();
    while let Some((name, rest)) = piece(variables)
        && let Some((value, rest)) = piece(rest)
    {
        variables = rest;
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let name = match name.strip_prefix("http_") {
            Some(header) => header.replace('_', "-"),
            None => name,
        };
        let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value));
    }
    text
}

/// Bytes after their length in two bytes (little-endian).
fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}
