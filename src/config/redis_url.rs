//! The URL of the Redis server: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, `rediss://` with TLS, or
//! `redis+unix:/SOCKET`. No fault contains any part of it, because it may hold a password.

use std::path::PathBuf;

use crate::plan::{RedisSettings, UpstreamTarget};

use super::{
    format::{FormatProperties, OrWord, TextFormat},
    local_path, url,
};

/// The server, or `off`.
pub(super) const REDIS: TextFormat<Option<RedisSettings>> = TextFormat::new(
    "redis://:PASSWORD@HOST:PORT/DATABASE, rediss:// with TLS, redis+unix:/SOCKET, or off",
    read,
    show,
)
.with(FormatProperties { is_secret: true, ..FormatProperties::PLAIN });

/// The file with the authorities, or `default`.
pub(super) const CA: OrWord<TextFormat<PathBuf>> = OrWord {
    format: local_path::file_format("the absolute path of a file with certificates (PEM)"),
    word: "default",
    meant: &["none", "off", "system"],
};

const DEFAULT_PORT: u16 = 6379;
/// Redis has 16 databases unless it is configured otherwise.
const LAST_DATABASE: u16 = 9999;

fn read(text: &str) -> Result<Option<RedisSettings>, String> {
    if text == "off" {
        return Ok(None);
    }
    let (scheme, rest) =
        text.split_once(':').ok_or("must begin with redis://, rediss:// or redis+unix:")?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = match scheme.as_str() {
        "redis" | "rediss" => {
            rest.strip_prefix("//").ok_or("the // behind the scheme is missing")?
        }
        "redis+unix" => rest.strip_prefix("//").unwrap_or(rest),
        _ => return Err("must begin with redis://, rediss:// or redis+unix:".into()),
    };
    // The last @, because a password may contain one, and nothing behind it can.
    let (user, address) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_some() && password.is_none() {
        return Err(
            "the user has no password: write USER:PASSWORD@, or :PASSWORD@ without a user".into()
        );
    }
    let (server, database) = match scheme.as_str() {
        "redis+unix" => (url::unix("redis", address).map_err(|_| SOCKET)?, 0),
        _ => tcp(address)?,
    };
    Ok(Some(RedisSettings { server, is_tls: scheme == "rediss", user, password, database }))
}

const SOCKET: &str = "the path of the socket must be absolute, of at most 107 bytes, as in redis+unix:/run/redis.sock";

fn tcp(address: &str) -> Result<(UpstreamTarget, u16), String> {
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    if address.contains(['?', '#']) {
        return Err("parameters (? or #) are not supported: remove them".into());
    }
    let (host, port) = url::host_and_port_or(authority, DEFAULT_PORT)
        .map_err(|_| "the host or the port is not valid: write HOST:PORT")?;
    let is_number = path.bytes().all(|byte| byte.is_ascii_digit());
    let database = match path {
        "" => Some(0),
        digits => digits.parse().ok().filter(|number| is_number && *number <= LAST_DATABASE),
    };
    let database = database.ok_or("behind the / must be the number of a database, as in /0")?;
    Ok((UpstreamTarget::Tcp { host, port }, database))
}

/// Decodes a percent-encoded part. `None` if it is empty.
fn decoded(text: &str) -> Result<Option<String>, String> {
    const FAULT: &str = "a % in user or password must be written %25";
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2).ok_or(FAULT)?;
        let number = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
        bytes.push(number.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or(FAULT)?);
        rest = behind;
    }
    let text = String::from_utf8(bytes).map_err(|_| FAULT)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn show(settings: &Option<RedisSettings>) -> String {
    settings.as_ref().map_or_else(|| "off".into(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets(text: &str) -> (Option<String>, Option<String>) {
        let settings = read(text).unwrap().unwrap();
        (settings.user, settings.password)
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("off", "off"),
            ("redis://cache", "redis://cache:6379/0"),
            ("REDISS://Cache:1234/5", "rediss://cache:1234/5"),
            ("redis://[::1]:6379/", "redis://[::1]:6379/0"),
            ("redis://:hunter2@cache", "redis://***@cache:6379/0"),
            ("rediss://me:hunter2@cache/1", "rediss://***@cache:6379/1"),
            ("redis+unix:/run/redis.sock", "redis+unix:///run/redis.sock"),
            ("redis+unix://:hunter2@/run/redis.sock", "redis+unix://***@/run/redis.sock"),
        ] {
            let shown = read(text).map(|settings| show(&settings));
            assert_eq!(shown.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(secrets("redis://cache"), (None, None));
        assert_eq!(secrets("redis://:a@b:c@cache"), (None, text("a@b:c")));
        assert_eq!(secrets("redis://me:a%2Fb%25@cache/1"), (text("me"), text("a/b%")));
        assert_eq!(secrets("redis://me:/?#@cache"), (text("me"), text("/?#")));
    }

    #[test]
    fn faults_have_a_remedy_and_no_secret() {
        for (text, fault) in [
            ("", "must begin with redis://"),
            ("hunter2", "must begin with redis://"),
            ("http://hunter2@cache", "must begin with redis://"),
            ("redis:hunter2@cache", "// behind the scheme"),
            ("redis://hunter2@cache", "write USER:PASSWORD@"),
            ("redis://:hunter2@", "write HOST:PORT"),
            ("redis://:hunter2@cache:0", "write HOST:PORT"),
            ("redis://:hunter2@cache/a", "number of a database"),
            ("redis://:hunter2@cache/+1", "number of a database"),
            ("redis://:hunter2@cache/10000", "number of a database"),
            ("redis://:hunter2@cache?db=1", "parameters"),
            ("redis://:hunter2%@cache", "written %25"),
            ("redis://:hunter2%+1@cache", "written %25"),
            ("redis+unix:hunter2", "must be absolute"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(fault) && !found.contains("hunter2"), "{text}: {found}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_shown(
            text in any::<String>(),
            scheme in "(redis|rediss|redis\\+unix)",
            behind in "[a-z@:/?#%.0-9]{0,12}",
        ) {
            let _ = read(&text);
            let text = format!("{scheme}://hunter2:hunter2{behind}@{behind}");
            let shown = match read(&text) {
                Ok(settings) => show(&settings),
                Err(fault) => fault,
            };
            prop_assert!(!shown.contains("hunter"), "{}", shown);
        }
    }
}
