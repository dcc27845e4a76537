//! Why Redis cannot be used, with what to do. Nothing that Redis has sent is shown, except for the code of an error.

use std::{fmt, io};

use super::resp::RespFault;

/// Why a connection to Redis was not opened, or is given up.
#[derive(Debug)]
pub(super) enum RedisFault {
    /// No connection, or none with TLS.
    Connect(io::Error),
    /// Sent or received nothing within the time.
    Timeout,
    Closed,
    /// User and password were refused.
    Password,
    /// A command was refused, with this code.
    Refused(Box<str>),
    /// The reply is no valid one, or not to this command.
    Malformed,
    TooLong,
}

/// The longest code of an error that is shown.
const MAX_CODE: usize = 16;

// === impl RedisFault ===

impl RedisFault {
    /// The fault that an error of Redis means.
    pub(super) fn of_error(text: &[u8]) -> Self {
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        match code {
            b"WRONGPASS" | b"NOAUTH" => Self::Password,
            // Redis has no code for this one.
            _ if text.starts_with(b"ERR invalid password") => Self::Password,
            _ if text.starts_with(b"ERR AUTH ") || text.starts_with(b"ERR Client sent AUTH") => {
                Self::Password
            }
            _ => {
                let is_code = code.len() <= MAX_CODE && code.iter().all(u8::is_ascii_uppercase);
                let code = if is_code { String::from_utf8_lossy(code) } else { "ERR".into() };
                Self::Refused(code.into())
            }
        }
    }
}

impl fmt::Display for RedisFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Timeout => f.write_str("it does not respond in time"),
            Self::Closed => f.write_str("it has closed the connection"),
            Self::Password => f.write_str("it refuses user and password: fix those in cache.redis"),
            Self::Refused(code) => match &**code {
                "OOM" => f.write_str("it is full: raise its maxmemory, or let it evict"),
                "READONLY" => f.write_str("it is a replica: name the primary in cache.redis"),
                "MOVED" | "CLUSTERDOWN" => f.write_str(
                    "it is a cluster, which is not supported: name a server without cluster mode",
                ),
                "NOPERM" => f.write_str(
                    "the user has no permission: allow XADD, XRANGE, XREVRANGE, XREAD, SET, TIME, SELECT, EVALSHA, EVAL \
                     and GET for the keys sideman:*",
                ),
                "LOADING" => f.write_str("it is still loading its data"),
                "WRONGTYPE" => f.write_str(
                    "the keys sideman:* have other values: name a database of its own in cache.redis",
                ),
                code => write!(f, "it has refused a command with {code}"),
            },
            Self::Malformed => f.write_str("its reply is not valid: check that cache.redis names a Redis"),
            Self::TooLong => f.write_str("its reply is too long"),
        }
    }
}

impl From<RespFault> for RedisFault {
    fn from(fault: RespFault) -> Self {
        match fault {
            RespFault::Malformed => Self::Malformed,
            RespFault::TooLong => Self::TooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_redis_are_explained_and_not_repeated() {
        let shown = |text: &str| RedisFault::of_error(text.as_bytes()).to_string();
        assert!(
            shown("WRONGPASS invalid username-password pair").contains("fix those in cache.redis")
        );
        assert!(shown("NOAUTH Authentication required.").contains("fix those in cache.redis"));
        assert!(shown("OOM command not allowed").contains("maxmemory"));
        assert!(shown("BUSY hunter2").ends_with("with BUSY"));
        assert!(shown("hunter2 hunter2").ends_with("with ERR"));
        assert!(shown("").ends_with("with "));
    }
}
