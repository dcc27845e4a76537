//! The protocol of Redis (RESP, version 2): commands as bytes, and replies within fixed limits.

/// The longest reply, with everything in it.
pub(super) const MAX_REPLY: usize = 1024 * 1024;
/// The most values in one reply.
const MAX_VALUES: usize = 64 * 1024;
/// The deepest nesting: a list of streams, of entries, of fields needs 5.
const MAX_DEPTH: usize = 8;
/// The longest line: a number, or the text of an error.
const MAX_LINE: usize = 4096;

/// A value of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Text(Vec<u8>),
    Error(Vec<u8>),
    Number(i64),
    /// No value, or no list.
    Nothing,
    List(Vec<Self>),
}

// === impl Reply ===

impl Reply {
    /// Returns the text, if it is one.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Error(_) | Self::Number(_) | Self::Nothing | Self::List(_) => None,
        }
    }
}

/// Why bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RespFault {
    Malformed,
    TooLong,
}

/// Appends a command.
pub(super) fn push_command<'a>(
    bytes: &mut Vec<u8>,
    words: impl ExactSizeIterator<Item = &'a [u8]>,
) {
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// Reads the first reply, and returns it with its length. `None` if more bytes must arrive first.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, RespFault> {
    let mut reader = ReplyReader { rest: bytes, values: MAX_VALUES };
    match reader.value(MAX_DEPTH)? {
        Some(reply) => Ok(Some((reply, bytes.len() - reader.rest.len()))),
        None if bytes.len() >= MAX_REPLY => Err(RespFault::TooLong),
        None => Ok(None),
    }
}

struct ReplyReader<'a> {
    rest: &'a [u8],
    /// The values that may still follow.
    values: usize,
}

// === impl ReplyReader ===

impl<'a> ReplyReader<'a> {
    fn value(&mut self, depth: usize) -> Result<Option<Reply>, RespFault> {
        self.values = self.values.checked_sub(1).ok_or(RespFault::TooLong)?;
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, text) = line.split_first().ok_or(RespFault::Malformed)?;
        match kind {
            b'+' => Ok(Some(Reply::Text(text.to_vec()))),
            b'-' => Ok(Some(Reply::Error(text.to_vec()))),
            b':' => number(text).map(|number| Some(Reply::Number(number))),
            b'$' => self.bulk(number(text)?),
            b'*' => self.list(number(text)?, depth),
            _ => Err(RespFault::Malformed),
        }
    }

    fn bulk(&mut self, length: i64) -> Result<Option<Reply>, RespFault> {
        if length == -1 {
            return Ok(Some(Reply::Nothing));
        }
        let length = usize::try_from(length).map_err(|_| RespFault::Malformed)?;
        if length > MAX_REPLY {
            return Err(RespFault::TooLong);
        }
        let Some((content, rest)) = self.rest.split_at_checked(length) else { return Ok(None) };
        match rest {
            [b'\r', b'\n', rest @ ..] => {
                self.rest = rest;
                Ok(Some(Reply::Text(content.to_vec())))
            }
            [] | [b'\r'] => Ok(None),
            [..] => Err(RespFault::Malformed),
        }
    }

    fn list(&mut self, length: i64, depth: usize) -> Result<Option<Reply>, RespFault> {
        if length == -1 {
            return Ok(Some(Reply::Nothing));
        }
        let length = usize::try_from(length).map_err(|_| RespFault::Malformed)?;
        if length > self.values {
            return Err(RespFault::TooLong);
        }
        let depth = depth.checked_sub(1).ok_or(RespFault::TooLong)?;
        // Grows as values arrive: the length is only what the other side claims.
        let mut values = Vec::new();
        for _ in 0..length {
            match self.value(depth)? {
                Some(value) => values.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(Reply::List(values)))
    }

    /// Takes a line without its end.
    fn line(&mut self) -> Result<Option<&'a [u8]>, RespFault> {
        let Some(end) = memchr::memchr(b'\n', self.rest) else {
            let is_short = self.rest.len() <= MAX_LINE;
            return if is_short { Ok(None) } else { Err(RespFault::TooLong) };
        };
        let (line, rest) = self.rest.split_at_checked(end + 1).ok_or(RespFault::Malformed)?;
        if line.len() > MAX_LINE {
            return Err(RespFault::TooLong);
        }
        self.rest = rest;
        line.strip_suffix(b"\r\n").map(Some).ok_or(RespFault::Malformed)
    }
}

/// Reads a number: digits, with a minus sign if it is negative.
fn number(text: &[u8]) -> Result<i64, RespFault> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RespFault::Malformed);
    }
    let text = std::str::from_utf8(text).map_err(|_| RespFault::Malformed)?;
    text.parse().map_err(|_| RespFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Text(text.into())
    }

    #[test]
    fn replies_of_every_kind() {
        for (bytes, expected) in [
            ("+OK\r\n", text("OK")),
            ("-ERR no\r\n", Reply::Error(b"ERR no".into())),
            (":-12\r\n", Reply::Number(-12)),
            ("$3\r\na\r\n\r\n", text("a\r\n")),
            ("$0\r\n\r\n", text("")),
            ("$-1\r\n", Reply::Nothing),
            ("*-1\r\n", Reply::Nothing),
            ("*0\r\n", Reply::List(vec![])),
            (
                "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
                Reply::List(vec![Reply::List(vec![Reply::Number(1)]), text("x")]),
            ),
        ] {
            let with_rest = format!("{bytes}+more");
            assert_eq!(parse(with_rest.as_bytes()), Ok(Some((expected, bytes.len()))), "{bytes:?}");
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes.as_bytes()[..end]), Ok(None), "{bytes:?} up to {end}");
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in [
            "\r\n",
            "?\r\n",
            "+a\n",
            ":\r\n",
            ":+1\r\n",
            ":1.5\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "$1\r\nabc\r\n",
        ] {
            assert_eq!(parse(bytes.as_bytes()), Err(RespFault::Malformed), "{bytes:?}");
        }
        assert_eq!(parse(b":99999999999999999999\r\n"), Err(RespFault::Malformed));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_arrives() {
        for bytes in ["$1048577\r\n", "*65536\r\n", &"*1\r\n".repeat(9), &"x".repeat(5000)] {
            assert_eq!(parse(bytes.as_bytes()), Err(RespFault::TooLong), "{:.20}", bytes);
        }
        let many = format!("*60000\r\n{}", ":1\r\n".repeat(60000));
        assert!(matches!(parse(many.as_bytes()), Ok(Some(_))));
        let nested = format!("*2\r\n{many}{many}");
        assert_eq!(parse(nested.as_bytes()), Err(RespFault::TooLong));
    }

    #[test]
    fn commands_have_the_length_of_each_word() {
        let mut bytes = Vec::new();
        push_command(&mut bytes, [b"SET".as_slice(), b"a\r\nb", b""].into_iter());
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }
}
