//! Counts what a browser's upload form sends (`multipart/form-data`), piece by piece, and keeps
//! none of it: only the head of each part is held, within a bound.

use memchr::memmem;

/// A part's head may be this long.
const MAX_HEAD: usize = 8 * 1024;
/// A form may have this many parts.
const MAX_PARTS: usize = 64;

/// One part of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The file's name, as the client tells it.
    pub(super) file_name: Option<String>,
    /// Its type, as the client tells it.
    pub(super) content_type: Option<String>,
    /// Its length, as it arrived.
    pub(super) bytes: u64,
}

/// The form as far as it has arrived.
#[derive(Debug)]
pub(super) struct Form {
    /// The parts so far; the last may still grow.
    pub(super) parts: Vec<Part>,
    delimiter: Vec<u8>,
    pending: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// Right behind a delimiter: another part or the end.
    Delimiter,
    /// In a part's head.
    Head,
    /// In a part's content.
    Content,
    /// Behind the last delimiter.
    Done,
    /// It is no form.
    Broken,
}

// === impl Form ===

impl Form {
    /// A form, if the `Content-Type` announces one.
    pub(super) fn new(content_type: &str) -> Option<Self> {
        let (essence, parameters) = content_type.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        })?;
        // RFC 2046, section 5.1.1.
        if boundary.is_empty() || boundary.len() > 70 {
            return None;
        }
        Some(Self {
            parts: Vec::new(),
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // The first delimiter may open the body, with no line break of its own before it.
            pending: b"\r\n".to_vec(),
            state: State::Preamble,
        })
    }

    /// Whether the form was understood to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Done
    }

    /// Takes in the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        while self.step() {}
    }

    /// Does what can be done with the bytes at hand; false when more are needed.
    fn step(&mut self) -> bool {
        match self.state {
            State::Preamble | State::Content => {
                let found = memmem::find(&self.pending, &self.delimiter);
                // A delimiter may have begun at the end of what is here.
                let open = self.pending.len().saturating_sub(self.delimiter.len() - 1);
                let content = found.unwrap_or(open);
                if let (State::Content, Some(part)) = (self.state, self.parts.last_mut()) {
                    part.bytes += content as u64;
                }
                if found.is_some() {
                    self.state = State::Delimiter;
                    self.pending.drain(..content + self.delimiter.len());
                } else {
                    self.pending.drain(..content);
                }
                found.is_some()
            }
            State::Delimiter => {
                let Some(mark) = self.pending.get(..2) else { return false };
                self.state = match mark {
                    b"--" => State::Done,
                    b"\r\n" if self.parts.len() < MAX_PARTS => State::Head,
                    _ => State::Broken,
                };
                self.pending.drain(..2);
                true
            }
            State::Head => {
                let Some(end) = memmem::find(&self.pending, b"\r\n\r\n") else {
                    if self.pending.len() > MAX_HEAD {
                        self.state = State::Broken;
                        return true;
                    }
                    return false;
                };
                let head: Vec<u8> = self.pending.drain(..end + 4).collect();
                self.parts.push(Part::from_head(&String::from_utf8_lossy(&head)));
                self.state = State::Content;
                true
            }
            State::Done | State::Broken => {
                self.pending.clear();
                false
            }
        }
    }
}

// === impl Part ===

impl Part {
    /// Name, type and length, with words where the client told none.
    pub(super) fn row(&self) -> (&str, &str, u64) {
        let name = self.file_name.as_deref().filter(|name| !name.is_empty());
        (name.unwrap_or("no name"), self.content_type.as_deref().unwrap_or("no type"), self.bytes)
    }

    fn from_head(head: &str) -> Self {
        let mut part = Self::default();
        for line in head.split("\r\n") {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-type") {
                part.content_type = Some(value.trim().to_owned());
            } else if name.eq_ignore_ascii_case("content-disposition") {
                let name =
                    value.split_once("filename=\"").and_then(|(_, rest)| rest.split_once('"'));
                part.file_name = name.map(|(name, _)| name.to_owned());
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8], pieces: usize) -> Form {
        let mut form = Form::new("multipart/form-data; boundary=\"xx\"").unwrap();
        for piece in body.chunks(pieces) {
            form.push(piece);
        }
        form
    }

    #[test]
    fn other_types_are_no_forms() {
        for other in ["text/plain", "text/plain; boundary=xx", "multipart/form-data; boundary="] {
            assert!(Form::new(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_cut_or_wrong_is_not_complete() {
        assert!(!read(b"--xx\r\nA: b\r\n\r\ncontent", 5).is_complete());
        assert!(!read(b"--xxyy", 5).is_complete());
        let long = [b"--xx\r\n".as_slice(), &[b'a'; MAX_HEAD + 8]].concat();
        let form = read(&long, 1000);
        assert_eq!(form.state, State::Broken);
        assert!(form.pending.is_empty());
        assert_eq!(
            read("--xx\r\nA: b\r\n\r\n\r\n".repeat(99).as_bytes(), 7).parts.len(),
            MAX_PARTS
        );
    }

    proptest! {
        #[test]
        fn parts_are_counted_however_the_body_is_cut(
            contents in prop::collection::vec("[\r\n x-]{0,40}", 0..4),
            pieces in 1usize..60,
        ) {
            // A content that holds the delimiter is another form.
            prop_assume!(contents.iter().all(|content| !format!("\r\n{content}").contains("\r\n--xx")));
            let mut body = String::from("--xx");
            for content in &contents {
                body.push_str("\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.txt\"");
                body.push_str("\r\nContent-Type: text/plain\r\n\r\n");
                body.push_str(content);
                body.push_str("\r\n--xx");
            }
            body.push_str("--\r\n");
            let form = read(body.as_bytes(), pieces);
            prop_assert!(form.is_complete());
            let counted: Vec<u64> = form.parts.iter().map(|part| part.bytes).collect();
            let sent: Vec<u64> = contents.iter().map(|content| content.len() as u64).collect();
            prop_assert_eq!(counted, sent);
            prop_assert!(form.parts.iter().all(|p| p.file_name.as_deref() == Some("n.txt")));
        }
    }
}
