//! Hides secrets in messages about values: passwords in URLs, keys and tokens. Every message about a value must use
//! these functions (`problem.rs`, `sources.rs`).

use std::borrow::Cow;

/// The replacement for hidden text.
const MASK: &str = "***";
/// A run of this many base64 characters is treated as a key or a token. Parts of directories and hosts are shorter, and
/// hashes use one case.
const MIN_KEY_LENGTH: usize = 48;

pub(super) const NO_USER: &str = "a user name or password is not allowed here";
const NO_QUERY: &str = "a query or a fragment (? or #) is not allowed";
const NO_PEM: &str =
    "this is a key or a certificate: write it to a file, and set the path of that file";
const NO_KEY: &str = "this looks like a key or a token, which is not expected here";

pub(super) const NO_BUCKET_QUERY: &str = "behind the ? of a bucket only region=REGION and endpoint=URL are possible, joined by &; \
    keys come from the environment";
const NO_HASH: &str =
    "this looks like the hash of a password, which belongs into auth_users of a route";
/// The first characters of password hashes.
const HASH_MARKS: [&str; 7] = ["$2a$", "$2b$", "$2y$", "$apr1$", "$5$", "$6$", "{SHA}"];

/// A value with a part that must not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MaskedValue {
    /// The value without the hidden part.
    pub(super) shown: String,
    /// A fault that is safe to show. Other faults repeat parts of the value.
    pub(super) fault: &'static str,
}

/// The kind of a text. It decides which parts are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// An address. An `@` always follows a user name, and a query may be a token.
    Address,
    /// A place of files with its prefix. A query of a server may be a token.
    Place,
    Other,
}

/// Returns the printable form of a value with secrets, or `None` if there are none.
pub(super) fn hidden(text: &str, kind: TextKind) -> Option<MaskedValue> {
    if text.contains("-----BEGIN") || text.contains("PRIVATE KEY") {
        return Some(MaskedValue { shown: "(PEM, not shown)".into(), fault: NO_PEM });
    }
    if let Some(at) = HASH_MARKS.iter().filter_map(|mark| text.find(mark)).min() {
        let shown = format!("{}{MASK}", text.get(..at)?);
        return Some(MaskedValue { shown, fault: NO_HASH });
    }
    let user = match kind {
        TextKind::Address => user_of_address(text),
        TextKind::Place | TextKind::Other => user_of_url(text),
    };
    if let Some((begin, end)) = user {
        let (before, rest) = text.split_at_checked(end)?;
        let (before, user) = before.split_at_checked(begin)?;
        // After a `?` the `@` may belong to a token.
        let rest = if user.contains(['?', '#']) { "" } else { rest };
        let shown = format!("{before}{MASK}{rest}");
        return Some(MaskedValue {
            shown: without_query(&shown, kind).into_owned(),
            fault: NO_USER,
        });
    }
    if let Cow::Owned(shown) = without_query(text, kind) {
        return Some(MaskedValue { shown, fault: NO_QUERY });
    }
    if let Some(shown) = without_bucket_query(text) {
        return Some(MaskedValue { shown, fault: NO_BUCKET_QUERY });
    }
    let key = text.split(|c: char| !is_base64(c)).find(|run| is_key(run))?;
    let shown = text.replace(key, &format!("({} characters, not shown)", key.len()));
    Some(MaskedValue { shown, fault: NO_KEY })
}

/// Hides secrets in text of an unknown kind, such as an argument.
pub fn masked(text: &str) -> Cow<'_, str> {
    match hidden(text, TextKind::Other) {
        // More secrets may follow.
        Some(MaskedValue { shown, .. }) if shown != text => Cow::Owned(masked(&shown).into_owned()),
        Some(_) | None => Cow::Borrowed(text),
    }
}

/// Hides secrets in a URL.
pub fn masked_url(text: &str) -> Cow<'_, str> {
    hidden(text, TextKind::Address).map_or(Cow::Borrowed(text), |hidden| Cow::Owned(hidden.shown))
}

/// Returns the range of the user part of an address. The last `@` counts, because a password may contain any character;
/// only the path of a socket may contain one too.
fn user_of_address(text: &str) -> Option<(usize, usize)> {
    let end = text.rfind('@')?;
    let before = text.get(..end)?;
    if before.contains("unix:") || before.ends_with(MASK) {
        return None;
    }
    let scheme = before.find("//").map(|at| at + 2);
    let prefix = before.find('=').filter(|_| text.starts_with('/')).map(|at| at + 1);
    Some((scheme.or(prefix).unwrap_or_default(), end))
}

/// Hides secrets in URLs within a text.
fn user_of_url(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find("//") {
        let begin = from + at + 2;
        let rest = text.get(begin..)?;
        let end = rest.find(['"', '\'', '\n']);
        let url = rest.get(..end.unwrap_or(rest.len()))?;
        match url.rfind('@') {
            Some(end) if url.get(..end) != Some(MASK) => return Some((begin, begin + end)),
            Some(_) | None => from = begin,
        }
    }
    None
}

/// Returns an address without the text after its `?` or `#`, which may be a token.
fn without_query(text: &str, kind: TextKind) -> Cow<'_, str> {
    let is_hidden = match kind {
        TextKind::Address | TextKind::Place => !text.contains("s3://"),
        TextKind::Other => false,
    };
    let at = text.find(['?', '#']).filter(|_| is_hidden);
    match at.and_then(|at| text.get(..=at)) {
        Some(before) if before.len() < text.len() => Cow::Owned(format!("{before}{MASK}")),
        Some(_) | None => Cow::Borrowed(text),
    }
}

/// Returns the URL of a bucket without its query, if that has anything that is not shown, such as a key.
fn without_bucket_query(text: &str) -> Option<String> {
    let url = text.find("s3://")?;
    let at = url + text.get(url..)?.find('?')? + 1;
    let (before, query) = text.split_at_checked(at)?;
    let is_known = |one: &str| {
        one.is_empty() || ["region=", "endpoint="].iter().any(|name| one.starts_with(name))
    };
    (query != MASK && !query.split('&').all(is_known)).then(|| format!("{before}{MASK}"))
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_')
}

fn is_key(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
    run.len() >= MIN_KEY_LENGTH
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "hunter2";

    fn shown(text: &str, kind: TextKind) -> String {
        hidden(text, kind).map_or_else(|| text.to_owned(), |hidden| hidden.shown)
    }

    #[test]
    fn passwords_are_taken_out_of_addresses() {
        for (text, expected) in [
            ("http://me:hunter2@app:80", "http://***@app:80"),
            ("http://hunter2@app", "http://***@app"),
            ("me:hunter2@app:80", "***@app:80"),
            ("http://me:hun/ter2@app/p", "http://***@app/p"),
            ("http://me:hun/t#er?2@app/p", "http://***"),
            ("http://app/?token=a@hunter2", "http://***"),
            ("http://me:a@hunter2@app", "http://***@app"),
            ("http://me: hunter2@app", "http://***@app"),
            ("http://app:80/?token=hunter2", "http://app:80/?***"),
            ("http://me:hunter2@app/?key=hunter2", "http://***@app/?***"),
            ("http+unix:/run/a@b.sock", "http+unix:/run/a@b.sock"),
            ("http://app:80", "http://app:80"),
        ] {
            assert_eq!(shown(text, TextKind::Address), expected);
        }
        assert_eq!(shown("/ws/=http://me:hunter2@a", TextKind::Address), "/ws/=http://***@a");
        assert_eq!(shown("/ws/=me:hunter2@a", TextKind::Address), "/ws/=***@a");
        assert_eq!(shown("https://me:hunter2@a.test", TextKind::Address), "https://***@a.test");
    }

    #[test]
    fn keys_are_taken_out_of_buckets_and_servers() {
        for (text, expected) in [
            ("/media/=s3://a?key=hunter2", "/media/=s3://a?***"),
            ("s3://a/b?region=x&secret=hunter2", "s3://a/b?***"),
            ("s3://a/b?region=x&endpoint=http://m:1", "s3://a/b?region=x&endpoint=http://m:1"),
            ("s3://me:hunter2@a", "s3://***@a"),
        ] {
            assert_eq!(shown(text, TextKind::Other), expected);
            assert_eq!(shown(text, TextKind::Place), expected);
        }
        for (text, expected) in [
            ("/far/=https://a/b?key=hunter2", "/far/=https://a/b?***"),
            ("/far/=https://me:hunter2@a", "/far/=https://***@a"),
            ("https://a/b?key=hunter2", "https://a/b?***"),
            ("/far/:https://a/b#hunter2", "/far/:https://a/b#***"),
            ("/far/ = https://a/b?key=hunter2", "/far/ = https://a/b?***"),
            ("/private/=/srv/@app", "/private/=/srv/@app"),
        ] {
            assert_eq!(shown(text, TextKind::Place), expected);
        }
    }

    #[test]
    fn other_values_keep_what_is_no_secret() {
        let plain = |text: &str| shown(text, TextKind::Other);
        assert_eq!(plain("/srv/@app"), "/srv/@app");
        assert_eq!(plain("redis://:hunter2@cache:6379/0"), "redis://***@cache:6379/0");
        assert_eq!(plain("-----BEGIN PRIVATE KEY----- hunter2"), "(PEM, not shown)");
        let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
        assert_eq!(
            plain(&format!("key {key}")),
            format!("key ({} characters, not shown)", key.len())
        );
        let path =
            "/var/lib/containers/5f2b6c0e9d7a4f1b8c3e2a1d0f9b8c7d5f2b6c0e9d7a4f1b8c3e2a1d/merged";
        assert_eq!(plain(path), path);
        assert_eq!(plain("alice:$2y$05$hunter2"), "alice:***");
        let two = "unexpected argument 'http://me:hunter2@a', 'http://hunter2@b' found";
        assert_eq!(masked(two), "unexpected argument 'http://***@a', 'http://***@b' found");
    }

    proptest! {
        #[test]
        fn a_password_is_never_shown(
            user in "[a-z:/?#@ =,%]{0,6}",
            behind in "[a-z:/?# =,%]{0,6}",
            host in "[a-z.:/0-9]{0,8}",
        ) {
            let text = format!("http://{user}{SECRET}{behind}@{host}");
            prop_assert!(!shown(&text, TextKind::Address).contains(SECRET), "{}", text);
        }

        #[test]
        fn nothing_panics_or_hangs(text in any::<String>(), words in "[/@:'\" *?-]{0,12}") {
            for text in [&text, &words] {
                let _ = masked(text);
                let _ = hidden(text, TextKind::Address);
                let _ = hidden(text, TextKind::Place);
            }
        }
    }
}
