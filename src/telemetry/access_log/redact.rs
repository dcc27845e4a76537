//! Removes secrets from a query: values of parameters with certain names, read as the application would read these
//! names, also within a URL that is a parameter's value; and users with passwords in URLs.

use crate::plan::Redact;

/// The replacement for a value.
pub(super) const MASK: &[u8] = b"***";

/// Longer names are treated as secret.
const MAX_NAME_LENGTH: usize = 64;

/// A name in lower case, decoded.
#[derive(Debug)]
struct ParameterName {
    bytes: [u8; MAX_NAME_LENGTH],
    length: usize,
    is_longer: bool,
}

/// Finds user names and passwords: the text between `//` and the last `@` before the path.
#[derive(Debug, Default)]
struct UserScanner {
    slashes: u8,
    begin: Option<usize>,
    end: Option<usize>,
}

/// Returns the parts of a query in order, with [`MASK`] instead of hidden parts.
pub(super) fn query<'a>(redact: &Redact, query: &'a [u8], mut give: impl FnMut(&'a [u8])) {
    if redact.0.is_empty() {
        return give(query);
    }
    let mut given = 0;
    let mut begin = 0;
    for part in query.split(|byte| *byte == b'&') {
        hide(redact, part, false, |from, to| {
            give(query.get(given..begin + from).unwrap_or_default());
            give(MASK);
            given = begin + to;
        });
        begin += part.len() + 1;
    }
    give(query.get(given..).unwrap_or_default());
}

/// Returns the parts of a URL with hidden parts masked. It may have a user, path parameters, a query and a fragment.
pub(super) fn url<'a>(redact: &Redact, url: &'a [u8], mut give: impl FnMut(&'a [u8])) {
    if redact.0.is_empty() {
        return give(url);
    }
    let end = url.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let (path, rest) = url.split_at_checked(end.map_or(url.len(), |at| at + 1)).unwrap_or_default();
    let mut given = 0;
    let is_plain = |byte: &u8| !matches!(byte, b'@' | b'%' | b'&' | b';' | b'=' | b'+');
    // Such text cannot contain a user or a parameter.
    let inner = path.strip_suffix(b"?").unwrap_or(path);
    let inner = if inner.iter().fold(true, |all, byte| all & is_plain(byte)) { b"" } else { inner };
    hide(redact, inner, true, |from, to| {
        give(path.get(given..from).unwrap_or_default());
        give(MASK);
        given = to;
    });
    give(path.get(given..).unwrap_or_default());
    if end.is_some() {
        query(redact, rest, give);
    }
}

/// Calls back for each range to hide in a part of a query, which has no bare `&`, or in a path, which begins like a
/// value. A value extends to the end of the part, because the rest may belong to it.
fn hide(redact: &Redact, part: &[u8], is_path: bool, mut hide: impl FnMut(usize, usize)) {
    let mut name = ParameterName { bytes: [0; MAX_NAME_LENGTH], length: 0, is_longer: false };
    let mut users = UserScanner::default();
    let mut is_value = is_path;
    let mut at = 0;
    while let Some((byte, length)) = decoded(part, at) {
        if let Some((from, to)) = users.on(byte, at, length) {
            hide(from, to);
        }
        at += length;
        match byte {
            // Encoded separators begin a query within the value, or another parameter of it.
            b'&' if is_path => {}
            b'?' | b'&' | b';' | b'#' => {
                name.clear();
                is_value = false;
            }
            b'=' if !is_value => {
                // An empty value needs no mask.
                if name.is_secret(redact) && at < part.len() {
                    if let Some((from, to)) = users.found() {
                        hide(from, to);
                    }
                    return hide(at, part.len());
                }
                is_value = true;
            }
            byte if !is_value => name.push(byte),
            _ => {}
        }
    }
    if let Some((from, to)) = users.found() {
        hide(from, to);
    }
}

/// Returns the byte at a position, and the number of bytes that encode it. Decodes repeatedly encoded bytes completely.
fn decoded(part: &[u8], at: usize) -> Option<(u8, usize)> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match part.get(at..)? {
        [b'%', rest @ ..] => {
            let mut inner = rest;
            while let Some(after) = inner.strip_prefix(b"25") {
                inner = after;
            }
            let skipped = rest.len() - inner.len();
            match inner {
                [high, low, ..] => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => Some((high << 4 | low, skipped + 3)),
                    _ => Some((b'%', skipped + 1)),
                },
                _ => Some((b'%', skipped + 1)),
            }
        }
        [b'+', ..] => Some((b' ', 1)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

// === impl UserScanner ===

impl UserScanner {
    /// Processes the byte at a position. Returns the range of a user once it is known.
    fn on(&mut self, byte: u8, at: usize, length: usize) -> Option<(usize, usize)> {
        if byte == b'/' {
            self.slashes += 1;
            if self.slashes == 2 {
                self.begin = Some(at + length);
                self.end = None;
                self.slashes = 0;
                return None;
            }
        } else {
            self.slashes = 0;
        }
        match byte {
            b'@' if self.begin.is_some() => self.end = Some(at),
            b'/' | b'?' | b'#' | b'\\' | b'"' | b'<' | b'>' => {
                let found = self.found();
                self.begin = None;
                return found;
            }
            _ => {}
        }
        None
    }

    /// Returns the user that was found. A user without a name and a password has nothing to hide.
    fn found(&mut self) -> Option<(usize, usize)> {
        let (begin, end) = self.begin.zip(self.end.take())?;
        (begin < end).then_some((begin, end))
    }
}

// === impl ParameterName ===

impl ParameterName {
    fn clear(&mut self) {
        self.length = 0;
        self.is_longer = false;
    }

    fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = byte.to_ascii_lowercase();
                self.length += 1;
            }
            None => self.is_longer = true,
        }
    }

    /// Compares the whole name, its parts (`a[token]`, `api.key`), and the name without punctuation (`api_key`).
    fn is_secret(&self, redact: &Redact) -> bool {
        let name = self.bytes.get(..self.length).unwrap_or_default();
        let mut bare = [0; MAX_NAME_LENGTH];
        let mut length = 0;
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        for (place, byte) in bare.iter_mut().zip(letters) {
            *place = *byte;
            length += 1;
        }
        let fits_any = |name: &[u8]| redact.0.iter().any(|pattern| pattern.fits(name));
        if self.is_longer || fits_any(name) {
            return true;
        }
        // Most names have no punctuation, so they are their only part.
        if length == name.len() {
            return false;
        }
        let mut parts = name.split(|byte| matches!(byte, b'[' | b']' | b'.' | b':' | b' '));
        fits_any(bare.get(..length).unwrap_or_default()) || parts.any(fits_any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::NamePattern;

    fn names() -> Redact {
        Redact(vec![
            NamePattern::Exact("key".into()),
            NamePattern::End("token".into()),
            NamePattern::Begin("x-".into()),
            NamePattern::Within("secret".into()),
        ])
    }

    fn redacted(text: &str) -> String {
        let mut out = Vec::new();
        query(&names(), text.as_bytes(), |part| out.extend_from_slice(part));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_secret_names() {
        for (from, to) in [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("key=1", "key=***"),
            ("a=1&key=2&b=3", "a=1&key=***&b=3"),
            ("KEY=1&Access_Token=2&monkey=3", "KEY=***&Access_Token=***&monkey=3"),
            ("x-a=1&my_secret_name=2&ax-=3", "x-a=***&my_secret_name=***&ax-=3"),
            // Decoded as the application does.
            ("%6bey=1&to%4Ben=2&k%65%79=3", "%6bey=***&to%4Ben=***&k%65%79=***"),
            ("token=a=b==&c=d", "token=***&c=d"),
            ("key=1&key=2", "key=***&key=***"),
            ("key&token&key=", "key&token&key="),
            ("key==", "key=***"),
            ("&&key=1&", "&&key=***&"),
            // Some parsers read ; as &, others as a part of the value.
            ("a=1;key=2;b=3", "a=1;key=***"),
            ("key=1;b=3&c=4", "key=***&c=4"),
            ("next=/reset?token=a&b=1", "next=/reset?token=***&b=1"),
            ("next=%2Freset%3Fa%3D1%26token%3Da&b=1", "next=%2Freset%3Fa%3D1%26token%3D***&b=1"),
            ("next=%2Freset%3Fa=1%26b=2", "next=%2Freset%3Fa=1%26b=2"),
            ("%zz=1&%6=2&%=3&keys%=4", "%zz=1&%6=2&%=3&keys%=4"),
            (
                "a[token]=1&a%5Btoken%5D=2&a[b][key][]=3",
                "a[token]=***&a%5Btoken%5D=***&a[b][key][]=***",
            ),
            ("api.key=1&a:key=2&k-e_y=3", "api.key=***&a:key=***&k-e_y=***"),
            ("next=%252Freset%253Ftoken%253Da&b=1", "next=%252Freset%253Ftoken%253D***&b=1"),
            ("%2574oken=1", "%2574oken=***"),
            ("u=https://me:5ec@a/&b=1", "u=https://***@a/&b=1"),
            ("u=https%3A%2F%2Fme%3A5ec%40a%2F%3Fkey=1", "u=https%3A%2F%2F***%40a%2F%3Fkey=***"),
            ("u=a@b&c=//d@e@f", "u=a@b&c=//***@f"),
        ] {
            assert_eq!(redacted(from), to, "{from}");
        }
        let long = "n".repeat(MAX_NAME_LENGTH);
        assert_eq!(redacted(&format!("{long}=1")), format!("{long}=1"));
        assert_eq!(redacted(&format!("{long}n=1")), format!("{long}n=***"));
    }

    #[test]
    fn urls_have_a_query_behind_the_question_mark() {
        for (from, to) in [
            ("https://a.test/?token=1&b=2", "https://a.test/?token=***&b=2"),
            ("https://a.test/key=1", "https://a.test/key=1"),
            ("https://a.test/#key=1", "https://a.test/#key=***"),
            ("https://a.test/;key=1?a=2", "https://a.test/;key=***?a=2"),
            ("https://me:5ec@a.test/?b=2", "https://***@a.test/?b=2"),
            ("https://5ec@a.test", "https://***@a.test"),
            ("https://me:5;e&c@5ec@a.test/@me", "https://***@a.test/@me"),
            ("//me:5ec@a.test/", "//***@a.test/"),
            ("https://a.test/@me/a@b", "https://a.test/@me/a@b"),
            ("https://a.test/https://me:5ec@b.test/", "https://a.test/https://***@b.test/"),
            ("https://@a.test/", "https://@a.test/"),
            (
                "https://a.test?u=https%3A%2F%2Fme%3A5ec%40b",
                "https://a.test?u=https%3A%2F%2F***%40b",
            ),
            ("?", "?"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            url(&names(), from.as_bytes(), |part| out.extend_from_slice(part));
            assert_eq!(String::from_utf8(out).unwrap(), to);
        }
    }

    #[test]
    fn well_known_names_are_built_in() {
        use crate::plan::SECRET_NAMES;
        let pattern = |name: &str| {
            let part = name.trim_matches('*').to_owned();
            match (name.starts_with('*'), name.ends_with('*')) {
                (false, false) => NamePattern::Exact(part),
                (false, true) => NamePattern::Begin(part),
                (true, false) => NamePattern::End(part),
                (true, true) => NamePattern::Within(part),
            }
        };
        let built_in = Redact(SECRET_NAMES.split(' ').map(pattern).collect());
        let logged = |name: &str| {
            let mut out = Vec::new();
            let query_text = format!("{name}=5EC2E7");
            query(&built_in, query_text.as_bytes(), |part| out.extend_from_slice(part));
            out.ends_with(b"5EC2E7")
        };
        for name in [
            "token",
            "a[token]",
            "access_token",
            "token_hint",
            "tokens[]",
            "api.key",
            "api-key",
            "API_KEY",
            "x-api-key",
            "key",
            "secret",
            "client_secret",
            "password",
            "password1",
            "new_password2",
            "old-password",
            "userPass",
            "pass",
            "mysql_pwd",
            "passphrase",
            "pin",
            "user_pin",
            "pin_code",
            "session",
            "session_id",
            "PHPSESSID",
            "sessionid",
            "JSESSIONID",
            "connect.sid",
            "bearer",
            "auth",
            "authcode",
            "auth_code",
            "authorization",
            "oauth",
            "code",
            "code_verifier",
            "jwt",
            "otp",
            "totp",
            "otp_token",
            "mfa_code",
            "signature",
            "sig",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "AWSAccessKeyId",
            "X-Goog-Signature",
            "credentials",
            "private_key",
            "csrfmiddlewaretoken",
            "csrf",
            "cookie",
            "cvv",
            "ssn",
            "assertion",
            "client_assertion",
            "SAMLResponse",
            "%74oken",
            "a%5Btoken%5D",
            "user%5Bpassword%5D%5B%5D",
        ] {
            assert!(!logged(name), "{name}");
        }
        for name in [
            "page",
            "q",
            "author",
            "country_code",
            "postcode",
            "sort",
            "next",
            "email",
            "keyword",
            "shipping",
            "opinion",
            "state",
            "id",
            "a[b]",
            "utm_source",
        ] {
            assert!(logged(name), "{name}");
        }
    }

    proptest! {
        /// However its name is written, whatever stands around it.
        #[test]
        fn redacted_value_is_never_logged(
            before in "([a-z]{0,3}=?[a-z%;?]{0,3}&)?",
            letters in prop::collection::vec((0_u8..3, prop::char::range('a', 'z')), 0..3),
            after in "(&[a-d]{0,3}=?[a-z]{0,3})?",
        ) {
            let begin: String = letters.iter().map(|(_, letter)| *letter).collect();
            let name: String = format!("{begin}token").chars().zip((0..).map(|n| {
                letters.get(n % letters.len().max(1)).map_or(0, |(way, _)| *way)
            })).map(|(letter, way)| match way {
                0 => letter.to_string(),
                1 => letter.to_ascii_uppercase().to_string(),
                _ => format!("%{:02x}", letter as u32),
            }).collect();
            let out = redacted(&format!("{before}{name}=5EC2E7{after}"));
            prop_assert!(!out.contains("5EC2E7"), "{out}");
            let end = format!("{name}=***{after}");
            prop_assert!(out.ends_with(&end), "{}", out);
        }

        #[test]
        fn any_bytes_are_given_in_order(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            query(&Redact(Vec::new()), &bytes, |part| out.extend_from_slice(part));
            prop_assert_eq!(&out, &bytes);
            let mut rest = &bytes[..];
            query(&names(), &bytes, |part| if part != MASK {
                let at = rest.windows(part.len().max(1)).position(|seen| seen == part);
                rest = if part.is_empty() { rest } else { &rest[at.unwrap() + part.len()..] };
            });
        }
    }
}
