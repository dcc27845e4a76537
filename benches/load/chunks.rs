//! The end of a chunked body, for servers that compress a response while they send it (RFC 9112, 7.1).

use std::io;

/// What is known of one body so far.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    place: Place,
    /// The digits of a chunk's size.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Data(usize),
    /// The line break after a chunk's data: this many bytes of it are to come.
    DataEnd(u8),
    /// The line after the last chunk.
    End,
    Done,
}

/// No chunk size has more digits.
const LINE: usize = 32;

// === impl Chunks ===

impl Chunks {
    /// Passes on the data in these bytes, which follow those of the last call.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> io::Result<()> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.place {
                Place::Data(left) => {
                    let (here, after) = rest.split_at(left.min(rest.len()));
                    data(here);
                    rest = after;
                    let left = left - here.len();
                    self.place = if left == 0 { Place::DataEnd(2) } else { Place::Data(left) };
                    continue;
                }
                Place::DataEnd(2) => self.place = Place::DataEnd(1),
                Place::DataEnd(_) => self.place = Place::Size,
                Place::Size if byte == b'\n' => self.place = self.size()?,
                // Trailers have no use here: only an empty line ends a body.
                Place::End if byte == b'\n' && self.line == b"\r" => self.place = Place::Done,
                Place::Size | Place::End if self.line.len() < LINE => self.line.push(byte),
                Place::Size | Place::End => return Err(malformed("a line is too long")),
                Place::Done => return Err(malformed("bytes came after the end of the body")),
            }
            rest = after;
        }
        Ok(())
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// What follows the line with a chunk's size.
    fn size(&mut self) -> io::Result<Place> {
        let line = std::mem::take(&mut self.line);
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
        match usize::from_str_radix(text, 16) {
            Ok(0) => Ok(Place::End),
            Ok(size) => Ok(Place::Data(size)),
            Err(_) => Err(malformed(&format!("`{text}` is no size"))),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a chunked body: {what}"))
}
