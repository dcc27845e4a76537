//! Signed URLs of uploads: `media.signed`, and the keys in the file of `media.signing_keys`.

use std::time::Duration;

use aws_lc_rs::digest;

use crate::plan::{Plan, SignatureKeys, SignedUrls};

use super::{
    format::{DAY, Format as _, HOUR, SECOND, TextFormat, TimeFormat},
    text_file,
    value::show_duration,
};

/// The maximum number of keys: SECRET_KEY and a few fallbacks.
const MAX_KEYS: usize = 16;
/// The shortest key: a signature with a shorter one can be guessed.
const MIN_KEY_LENGTH: usize = 16;
const MAX_SALT_LENGTH: usize = 100;
/// The salt that docs/files.md names. It is not that of a plain `TimestampSigner`, so that signatures which the
/// application makes for something else are not valid for files.
const DEFAULT_SALT: &str = "sideman.media";
const MAX_AGE: TimeFormat = TimeFormat(SECOND, DAY.saturating_mul(365));

/// The signatures that URLs must have.
pub(super) const SIGNED: TextFormat<SignedUrls> = TextFormat::new(
    "timestamp, then max_age=TIME and salt=TEXT if wanted, such as timestamp max_age=1h",
    read,
    show,
);

fn read(text: &str) -> Result<SignedUrls, String> {
    let mut words = text.split_ascii_whitespace();
    if words.next() != Some("timestamp") {
        return Err("must begin with timestamp, the signer of django.core.signing".into());
    }
    let (mut max_age, mut salt) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("max_age", time)) if max_age.is_none() => {
                max_age = Some(self::max_age(time)?);
            }
            Some(("salt", text)) if salt.is_none() => salt = Some(self::salt(text)?),
            Some((name @ ("max_age" | "salt"), _)) => {
                return Err(format!("{name} is written twice: remove one"));
            }
            Some(_) | None => return Err(format!("{word} is none of max_age=TIME and salt=TEXT")),
        }
    }
    Ok(SignedUrls {
        max_age: max_age.unwrap_or(HOUR),
        salt: salt.unwrap_or_else(|| DEFAULT_SALT.into()),
        ..SignedUrls::default()
    })
}

fn max_age(text: &str) -> Result<Duration, String> {
    let time = MAX_AGE.read(text).map_err(|fault| format!("max_age: {fault}"))?;
    match time.subsec_nanos() {
        0 => Ok(time),
        _ => Err("max_age must be whole seconds".into()),
    }
}

fn salt(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_SALT_LENGTH {
        return Err(format!("salt must have 1 to {MAX_SALT_LENGTH} bytes"));
    }
    Ok(text.into())
}

/// Returns a text that [`read`] reads as this.
fn show(signed: &SignedUrls) -> String {
    let salt = match signed.salt.as_str() {
        DEFAULT_SALT => String::new(),
        salt => format!(" salt={salt}"),
    };
    format!("timestamp max_age={}{salt}", show_duration(signed.max_age))
}

/// Reads the keys into the plan. Returns a sentence if the file is unreadable or has a fault.
pub(super) fn read_files(plan: &mut Plan) -> Vec<String> {
    let mut faults = Vec::new();
    for signed in plan.media.roots.iter_mut().filter_map(|root| root.signed.as_mut()) {
        let shown = text_file::shown(&signed.key_file).into_owned();
        let read = text_file::read(&signed.key_file, &shown).and_then(|text| {
            keys(&text, &signed.salt).map_err(|fault| format!("in {shown}: {fault}"))
        });
        match read {
            Ok(keys) => signed.keys = keys,
            Err(fault) => faults.push(format!("media.signing_keys: {fault}")),
        }
    }
    // All prefixes have the same file.
    faults.dedup();
    faults
}

/// Whether a line is a key alone, and not a line of a file for a shell.
fn is_plain(line: &str) -> bool {
    let is_quoted = |quote: char| line.starts_with(quote) && line.ends_with(quote);
    let has_name = line.starts_with("export ")
        || line.split_once('=').is_some_and(|(name, _)| name.trim_end().ends_with("SECRET_KEY"));
    let has_controls = line.contains(char::is_control);
    line.trim() == line && !has_name && !has_controls && !is_quoted('"') && !is_quoted('\'')
}

/// Derives the keys as `django.utils.crypto.salted_hmac` does. No fault contains a part of a key.
fn keys(text: &str, salt: &str) -> Result<SignatureKeys, String> {
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let secret = line.trim_end_matches('\r');
        if secret.is_empty() {
            continue;
        }
        if secret.len() < MIN_KEY_LENGTH {
            return Err(format!(
                "line {number}: the key has less than {MIN_KEY_LENGTH} bytes and can be guessed: set a longer SECRET_KEY"
            ));
        }
        if !is_plain(secret) {
            return Err(format!(
                "line {number}: write only the value of SECRET_KEY, without its name, and without spaces and quotes \
                 around it"
            ));
        }
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [salt, "signer", secret] {
            context.update(part.as_bytes());
        }
        keys.extend(<[u8; 32]>::try_from(context.finish().as_ref()));
        if keys.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_KEYS} keys: remove the oldest"));
        }
    }
    if keys.is_empty() {
        return Err("there is no key: write the value of SECRET_KEY to the file".into());
    }
    Ok(SignatureKeys(keys))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        read(text).expect_err(text)
    }

    #[test]
    fn signatures_are_read() {
        for (text, seconds, salt) in [
            ("timestamp", 3600, DEFAULT_SALT),
            ("timestamp max_age=5m", 300, DEFAULT_SALT),
            ("timestamp salt=media max_age=1s", 1, "media"),
            ("timestamp max_age=365d", 365 * 86_400, DEFAULT_SALT),
        ] {
            let signed = read(text).unwrap();
            assert_eq!((signed.max_age.as_secs(), signed.salt.as_str()), (seconds, salt), "{text}");
            assert_eq!(read(&show(&signed)), Ok(signed));
        }
        for text in ["", "on", "max_age=1h"] {
            assert!(fault(text).starts_with("must begin with timestamp"), "{text}");
        }
        for (text, expected) in [
            ("timestamp max_age=1h max_age=2h", "max_age is written twice: remove one"),
            ("timestamp salt=a salt=a", "salt is written twice: remove one"),
            ("timestamp key=a", "key=a is none of max_age=TIME and salt=TEXT"),
            ("timestamp salt=", "salt must have 1 to 100 bytes"),
            ("timestamp max_age=1500ms", "max_age must be whole seconds"),
        ] {
            assert_eq!(fault(text), expected);
        }
        for text in ["timestamp max_age=0s", "timestamp max_age=366d", "timestamp max_age=60"] {
            assert!(fault(text).starts_with("max_age: "), "{text}");
        }
    }

    #[test]
    fn keys_of_a_file() {
        let count = |text: &str| keys(text, "a").map(|keys| keys.0.len());
        let key = "0123456789abcdef";
        assert_eq!(count(key), Ok(1));
        assert_eq!(count(&format!("{key}\r\n\nother {key}\n")), Ok(2));
        assert_eq!(count(&format!("'{key}\n=SECRET_KEY{key}\n\"a'{key}")), Ok(3));
        assert_ne!(keys(key, "a"), keys(key, "b"));
        assert_eq!(format!("{:?}", keys(key, "a").unwrap()), "1 keys");
        for (text, expected) in [
            (String::new(), "there is no key"),
            ("\n\n".into(), "there is no key"),
            (format!("{key}\nshort"), "line 2: the key has less than 16 bytes"),
            (format!("SECRET_KEY={key}"), "line 1: write only the value"),
            (format!(" {key}"), "line 1: write only the value"),
            (format!("{key}\n\"{key}\""), "line 2: write only the value"),
            (format!("'{key}'"), "line 1: write only the value"),
            (format!("export KEY={key}"), "line 1: write only the value"),
            (format!("DJANGO_SECRET_KEY = {key}"), "line 1: write only the value"),
            (format!("{key}\0"), "line 1: write only the value"),
            (format!("{key}\n").repeat(17), "there are more than 16 keys"),
        ] {
            let fault = keys(&text, "a").unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
            assert!(!fault.contains(key), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(text in "timestamp( (max_age=[0-9]{1,3}[smhd]|salt=[a-z.=]{1,5})){0,2}") {
            if let Ok(signed) = read(&text) {
                prop_assert_eq!(read(&show(&signed)), Ok(signed));
            }
        }
    }
}
