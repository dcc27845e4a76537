//! Settings for path prefixes: `PREFIX=URL` for another application, `PREFIX=DIRECTION` for streaming.

use crate::plan::{Streaming, UnbufferedPrefix};

use super::{
    format::TextFormat,
    path,
    servers::{self, ServerWithProtocol},
    value,
};

const DIRECTIONS: &[(&str, Streaming)] = &[
    ("request", Streaming { request: true, response: false }),
    ("response", Streaming { request: false, response: true }),
    ("both", Streaming { request: true, response: true }),
];

/// A server of another application.
pub(super) const UPSTREAM: TextFormat<(String, ServerWithProtocol)> =
    TextFormat::address("PREFIX=URL, such as /ws/=http://127.0.0.1:9000", upstream, show_upstream);

/// The directions that are not buffered below a prefix.
pub(super) const UNBUFFERED: TextFormat<UnbufferedPrefix> = TextFormat::new(
    "PREFIX=request, PREFIX=response or PREFIX=both, such as /events/=response",
    unbuffered,
    show_unbuffered,
);

/// Reads a server of another application, with its prefix.
fn upstream(text: &str) -> Result<(String, ServerWithProtocol), String> {
    let Some((prefix, url)) = text.split_once('=') else {
        return Err(match servers::server(text) {
            Ok(_) => format!("the prefix is missing: write /PREFIX/={text}"),
            Err(_) => "the = between prefix and address is missing".into(),
        });
    };
    let prefix = self::prefix(prefix)?;
    if prefix == "/" {
        return Err(
            "requests that match no prefix go to upstream.url: write the address there".into()
        );
    }
    let server = servers::server(url).map_err(|fault| format!("in the address: {fault}"))?;
    Ok((prefix, server))
}

/// Returns a text that [`upstream`] reads as this.
fn show_upstream((prefix, server): &(String, ServerWithProtocol)) -> String {
    format!("{prefix}={}", servers::show(server))
}

/// Reads the unbuffered directions of a prefix.
fn unbuffered(text: &str) -> Result<UnbufferedPrefix, String> {
    let Some((prefix, word)) = text.rsplit_once('=') else {
        return Err(match text.starts_with('/') {
            true => format!("the direction is missing: write {text}=response"),
            false => "the = between prefix and direction is missing".into(),
        });
    };
    let prefix = self::prefix(prefix)?;
    Ok(UnbufferedPrefix { prefix, streaming: value::choice(word, DIRECTIONS)? })
}

/// Returns a text that [`unbuffered`] reads as this.
pub(super) fn show_unbuffered(UnbufferedPrefix { prefix, streaming }: &UnbufferedPrefix) -> String {
    format!("{prefix}={}", value::word_of(streaming, DIRECTIONS))
}

fn prefix(text: &str) -> Result<String, String> {
    path::beginning(text).map_err(|fault| format!("in the prefix: {fault}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn upstreams() {
        let reads = |text: &str, expected: &str| {
            let read = upstream(text).map(|read| show_upstream(&read));
            assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
        };
        reads("/ws/=http://127.0.0.1:9000", "/ws/=http://127.0.0.1:9000");
        reads("/ws=http+unix:/run/a=b.sock", "/ws=http+unix:/run/a=b.sock");
        reads("/ws/=http://Asgi", "/ws/=http://asgi:80");
        reads(
            "/=http://a",
            "no: requests that match no prefix go to upstream.url: write the address there",
        );
        reads("ws/=http://a", "no: in the prefix: must start with /");
        reads("/a/../b/=http://a", "no: in the prefix: //, . and .. are not possible as a segment");
        reads("/ws/=", "no: in the address: it is empty");
        reads("/ws/=a:80", "no: in the address: http:// is missing: write http://a:80");
        reads("http://a", "no: the prefix is missing: write /PREFIX/=http://a");
        reads("/ws/", "no: the = between prefix and address is missing");
        reads("", "no: the = between prefix and address is missing");
    }

    #[test]
    fn directions() {
        let reads = |text: &str, expected: Result<(bool, bool), &str>| {
            let read =
                unbuffered(text).map(|read| (read.streaming.request, read.streaming.response));
            assert_eq!(read, expected.map_err(str::to_owned), "{text:?}");
        };
        reads("/upload/=request", Ok((true, false)));
        reads("/events=response", Ok((false, true)));
        reads("/=both", Ok((true, true)));
        reads("/a/=respons", Err("did you mean response?"));
        reads("/a/=off", Err("this is not one of the choices"));
        reads("/a/", Err("the direction is missing: write /a/=response"));
        reads("events", Err("the = between prefix and direction is missing"));
        reads("a=both", Err("in the prefix: must start with /"));
        assert_eq!(unbuffered("/events=response").unwrap().prefix, "/events");
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(
            prefix in "/?[a-z/.%]{0,5}",
            url in "http://[a-z0-9.]{0,4}(:[0-9]{1,4})?",
            direction in "(request|response|both)",
        ) {
            if let Ok(read) = upstream(&format!("{prefix}={url}")) {
                prop_assert_eq!(&read.0, &prefix);
                prop_assert_eq!(upstream(&show_upstream(&read)), Ok(read));
            }
            if let Ok(read) = unbuffered(&format!("{prefix}={direction}")) {
                prop_assert_eq!(unbuffered(&show_unbuffered(&read)), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = upstream(&text);
            let _ = unbuffered(&text);
            let _ = upstream(&format!("/{text}"));
        }
    }
}
