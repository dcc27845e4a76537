//! `PATH_INFO`: the path of the request target in the form that the server expects.

use bytes::{BufMut, BytesMut};

use crate::plan::UwsgiFlavour;

/// Appends the path of a target without its query.
///
/// uWSGI passes `PATH_INFO` on to the application unchanged, so it is decoded here: once, like WSGI servers that read
/// HTTP themselves. Slashes are not merged and dot segments are not removed, although nginx's `$document_uri` has
/// neither. An application therefore sees the same path over both protocols, and one that matches `REQUEST_URI`.
/// gunicorn decodes `PATH_INFO` itself.
pub(super) fn append(out: &mut BytesMut, path: &str, flavour: UwsgiFlavour) {
    match flavour {
        UwsgiFlavour::Gunicorn => out.put_slice(path.as_bytes()),
        UwsgiFlavour::Uwsgi => decode(out, path.as_bytes()),
    }
}

/// Decodes like Python's `unquote`: invalid escapes are kept. `%00` is kept too: no URL needs it, and a NUL would end
/// the path early in uWSGI's own code (static maps, mounts, logs).
fn decode(out: &mut BytesMut, path: &[u8]) {
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (plain, escape) = rest.split_at(at);
        out.put_slice(plain);
        let (byte, length) = match escape {
            [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(0), Some(0)) | (None, _) | (_, None) => (b'%', 1),
                (Some(high), Some(low)) => (high << 4 | low, 3),
            },
            _ => (b'%', 1),
        };
        out.put_u8(byte);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.put_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rfc;

    fn path_info(path: &str, flavour: UwsgiFlavour) -> Vec<u8> {
        let mut out = BytesMut::new();
        append(&mut out, path, flavour);
        out.to_vec()
    }

    #[test]
    fn table() {
        for (path, expected) in [
            ("/", &b"/"[..]),
            ("/a%20b/%C3%BC/", b"/a b/\xc3\xbc/"),
            ("/a%2Fb", b"/a/b"),
            ("/a%252Fb", b"/a%2Fb"),
            ("/%ff%FE", b"/\xff\xfe"),
            ("//a/./b/../c", b"//a/./b/../c"),
            ("/%2e%2e/a", b"/../a"),
            ("/a+b;c=d", b"/a+b;c=d"),
            ("/%", b"/%"),
            ("/%4", b"/%4"),
            ("/%zz%41%4", b"/%zzA%4"),
            ("/%%41", b"/%A"),
            ("/a%00b", b"/a%00b"),
            ("/%3Fx", b"/?x"),
            ("*", b"*"),
            ("", b""),
        ] {
            assert_eq!(path_info(path, UwsgiFlavour::Uwsgi), expected, "{path}");
            assert_eq!(path_info(path, UwsgiFlavour::Gunicorn), path.as_bytes(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_decodes_strictly_decodes_the_same(path in "(/|[a-c.%]|%[0-9a-fA-F]{2}){0,16}") {
            let lenient = path_info(&path, UwsgiFlavour::Uwsgi);
            prop_assert!(lenient.len() <= path.len() && !lenient.contains(&0));
            if let Some(strict) = rfc::path::decode(path.as_bytes()) {
                prop_assert_eq!(lenient, strict);
            }
        }
    }
}
