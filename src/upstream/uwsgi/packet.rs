//! Builds a packet, and checks it against the limits of the server.

use std::io;

use bytes::{BufMut, BytesMut};

use crate::{
    error::{Error, FailureKind},
    plan::{UwsgiFlavour, UwsgiSettings},
};

/// The bytes of `modifier1`, the size and `modifier2`.
const HEADER_SIZE: usize = 4;
/// The largest size that the header can hold.
const MAX_PACKET: usize = u16::MAX as usize;
/// uWSGI has room for 128 variables (`--max-vars` 64, two for each), and with `--manage-script-name` it uses one
/// itself.
const UWSGI_MAX_VARIABLES: usize = 127;
/// gunicorn's MAX_UWSGI_VARS.
const GUNICORN_MAX_VARIABLES: usize = 1000;

/// Appends one packet to a buffer.
pub(super) struct UwsgiPacket<'a> {
    out: &'a mut BytesMut,
    begin: usize,
    variables: usize,
}

// === impl UwsgiPacket ===

impl<'a> UwsgiPacket<'a> {
    pub(super) fn begin(out: &'a mut BytesMut) -> Self {
        let begin = out.len();
        out.put_bytes(0, HEADER_SIZE);
        Self { out, begin, variables: 0 }
    }

    /// Adds a variable.
    pub(super) fn add(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.add_with(key, |out| out.put_slice(value.as_ref()));
    }

    /// Adds a number, or an empty value if it is unknown.
    pub(super) fn add_number(&mut self, key: &str, value: Option<u16>) {
        let mut digits = itoa::Buffer::new();
        self.add(key, value.map_or("", |number| digits.format(number)));
    }

    /// Adds a variable whose value is written in place.
    pub(super) fn add_with(&mut self, key: &str, value: impl FnOnce(&mut BytesMut)) {
        self.variables += 1;
        self.sized(|out| out.put_slice(key.as_bytes()));
        self.sized(value);
    }

    /// Adds a field of the request. Whatever its name is, the variable begins with `HTTP_`. If a client could set
    /// `UWSGI_FILE`, uWSGI would run that file.
    pub(super) fn add_field(&mut self, name: &[u8], value: impl FnOnce(&mut BytesMut)) {
        self.variables += 1;
        self.sized(|out| {
            out.put_slice(b"HTTP_");
            out.extend(name.iter().map(|byte| match byte {
                b'-' => b'_',
                byte => byte.to_ascii_uppercase(),
            }));
        });
        self.sized(value);
    }

    /// Completes the packet. If the server would not accept it, the error names the limit, and the buffer is left
    /// unchanged.
    pub(super) fn finish(self, server: UwsgiSettings) -> Result<(), Error> {
        let size = self.out.len() - self.begin - HEADER_SIZE;
        if let Some(limit) = exceeded(size, self.variables, server) {
            self.out.truncate(self.begin);
            return Err(Error::io(FailureKind::HeadTooLarge, io::Error::other(limit)));
        }
        patch(self.out, self.begin + 1, size);
        Ok(())
    }

    /// Writes a value behind its length.
    fn sized(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let at = self.out.len();
        self.out.put_u16_le(0);
        write(self.out);
        let length = self.out.len() - at - 2;
        patch(self.out, at, length);
    }
}

/// Returns which limit a packet exceeds, and a remedy.
fn exceeded(size: usize, variables: usize, server: UwsgiSettings) -> Option<String> {
    let limit = server.buffer_size;
    let (name, max) = match server.flavour {
        UwsgiFlavour::Uwsgi => ("uWSGI", UWSGI_MAX_VARIABLES),
        UwsgiFlavour::Gunicorn => ("gunicorn", GUNICORN_MAX_VARIABLES),
    };
    // A key or a value that is too long for its length field makes the packet too long as well.
    if size > MAX_PACKET {
        return Some(format!(
            "the request's variables take {size} bytes, and a uwsgi packet holds at most {MAX_PACKET}: use HTTP for \
             the application if its requests have such heads"
        ));
    }
    if size > limit {
        let advice = match server.flavour {
            UwsgiFlavour::Uwsgi => format!(
                "uWSGI's buffer-size is {limit}: raise --buffer-size there and \
                 upstream.uwsgi_buffer_size here"
            ),
            UwsgiFlavour::Gunicorn => format!("upstream.uwsgi_buffer_size is {limit}: raise it"),
        };
        return Some(format!("the request's variables take {size} bytes, {advice}"));
    }
    (variables > max).then(|| {
        format!("the request makes {variables} variables, {name} accepts at most {max}: send fewer headers")
    })
}

/// Writes a size into the space that was reserved for it. A size that does not fit is never sent, because `finish`
/// refuses the packet.
fn patch(out: &mut BytesMut, at: usize, size: usize) {
    let size = u16::try_from(size).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&size.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UWSGI: UwsgiSettings = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 4096 };
    const WIDE: UwsgiSettings = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 65_535 };
    const GUNICORN: UwsgiSettings =
        UwsgiSettings { flavour: UwsgiFlavour::Gunicorn, buffer_size: 65_535 };

    #[test]
    fn bytes_on_the_wire() {
        let mut out = BytesMut::from("before");
        let mut packet = UwsgiPacket::begin(&mut out);
        packet.add("A", "bc");
        packet.add_field(b"x-y", |out| out.put_slice(b""));
        packet.finish(UWSGI).unwrap();
        assert_eq!(&out[..], b"before\0\x13\0\0\x01\0A\x02\0bc\x08\0HTTP_X_Y\0\0");
    }

    #[test]
    fn limits_are_named() {
        // One variable `A` with a value of this many bytes: 5 more bytes are its key and the lengths.
        let check = |server, length, expected: Option<&str>| {
            let mut out = BytesMut::from("before");
            let mut packet = UwsgiPacket::begin(&mut out);
            packet.add("A", vec![b'x'; length]);
            match (packet.finish(server), expected) {
                (Ok(()), None) => assert_eq!(out.len(), "before".len() + HEADER_SIZE + 5 + length),
                (Err(error), Some(expected)) => {
                    assert_eq!(error.kind(), FailureKind::HeadTooLarge);
                    let text = error.to_string();
                    assert!(text.contains(expected), "{text}");
                    assert_eq!(&out[..], b"before");
                }
                (result, expected) => panic!("{length} bytes: {result:?}, not {expected:?}"),
            }
        };
        check(UWSGI, 4091, None);
        check(UWSGI, 4092, Some("take 4097 bytes, uWSGI's buffer-size is 4096: raise"));
        check(WIDE, 65_530, None);
        check(WIDE, 65_531, Some("take 65536 bytes, and a uwsgi packet holds at most 65535"));
        check(WIDE, 70_000, Some("take 70005 bytes, and a uwsgi packet holds at most 65535"));
        let wider = UwsgiSettings { buffer_size: 1 << 20, ..UWSGI };
        check(wider, 65_531, Some("take 65536 bytes, and a uwsgi packet holds at most 65535"));
        check(GUNICORN, 65_530, None);
        check(GUNICORN, 65_531, Some("take 65536 bytes, and a uwsgi packet"));
        let narrow = UwsgiSettings { buffer_size: 4096, ..GUNICORN };
        check(narrow, 4092, Some("take 4097 bytes, upstream.uwsgi_buffer_size is 4096: raise it"));
    }

    #[test]
    fn variables_are_counted() {
        for (server, max, text) in [
            (UWSGI, 127, "makes 128 variables, uWSGI accepts at most 127"),
            (GUNICORN, 1000, "accepts at most 1000"),
        ] {
            let fill = |count| {
                let mut out = BytesMut::new();
                let mut packet = UwsgiPacket::begin(&mut out);
                (0..count).for_each(|_| packet.add("A", ""));
                packet.finish(server)
            };
            assert!(fill(max).is_ok());
            let error = fill(max + 1).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
