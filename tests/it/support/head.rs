//! The head of a request or response as it came over the wire: the start line and its fields.

/// Bytes are kept one by one as `char`s of the same number, so that nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: String,
    /// In the order and the spelling in which they arrived.
    pub(crate) fields: Vec<(String, String)>,
}

/// Where the body that follows a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

// === impl Head ===

impl Head {
    /// Reads a head that ends with an empty line; strict, as a peer in a test ought to be.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, String> {
        let text: String = raw.iter().map(|&byte| char::from(byte)).collect();
        let text = text.strip_suffix("\r\n\r\n").ok_or("the head has no end")?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .map(|line| match line.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
                }
                _ => Err(format!("no header field: {line:?}")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { start, fields })
    }

    /// The values of every field with this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the value of a field that may occur at most once.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} comes {} times: {self:?}", values.len());
        values.first().copied()
    }

    /// Whether there is a field with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// A response's status.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let mut words = self.start.split(' ');
        match (words.next(), words.next().map(str::parse)) {
            (Some("HTTP/1.1" | "HTTP/1.0"), Some(Ok(status))) => Ok(status),
            _ => Err(format!("no status line: {:?}", self.start)),
        }
    }

    /// The length of a request's body (RFC 9112, 6.3).
    pub(crate) fn framing_of_request(&self) -> Result<Framing, String> {
        match (self.has("transfer-encoding"), self.length()?) {
            (true, None) => Ok(Framing::Chunked),
            (true, Some(_)) => Err("Content-Length and Transfer-Encoding together".into()),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::None),
        }
    }

    /// The length of a response's body (RFC 9112, 6.3).
    pub(crate) fn framing_of_response(&self, method: &str) -> Result<Framing, String> {
        let status = self.status()?;
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return Ok(Framing::None);
        }
        match self.framing_of_request()? {
            Framing::None => Ok(Framing::UntilClose),
            framing @ (Framing::Length(_) | Framing::Chunked | Framing::UntilClose) => Ok(framing),
        }
    }

    fn length(&self) -> Result<Option<usize>, String> {
        match self.all("content-length").as_slice() {
            [] => Ok(None),
            [one] => one.parse().map(Some).map_err(|_| format!("Content-Length: {one}")),
            several => Err(format!("several Content-Lengths: {several:?}")),
        }
    }
}
