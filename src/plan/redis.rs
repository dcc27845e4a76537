//! The Redis server that several Sidemans share.

use std::fmt;

use super::upstream::UpstreamTarget;

/// The Redis server of `cache.redis`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    pub server: UpstreamTarget,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// The user, if not Redis' default one.
    pub user: Option<String>,
    pub password: Option<String>,
    pub database: u16,
}

// === impl RedisSettings ===

impl fmt::Display for RedisSettings {
    /// Writes the address without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match (&self.user, &self.password) {
            (None, None) => "",
            (_, _) => "***@",
        };
        match &self.server {
            UpstreamTarget::Unix(path) => {
                write!(f, "redis+unix://{user}{}", path.display())
            }
            server @ UpstreamTarget::Tcp { .. } => {
                let scheme = if self.is_tls { "rediss" } else { "redis" };
                write!(f, "{scheme}://{user}{server}/{}", self.database)
            }
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_never_shown() {
        let settings = RedisSettings {
            server: UpstreamTarget::Tcp { host: "cache".into(), port: 6379 },
            is_tls: true,
            user: Some("hunter1".into()),
            password: Some("hunter2".into()),
            database: 3,
        };
        assert_eq!(settings.to_string(), "rediss://***@cache:6379/3");
        assert!(!format!("{settings:?}").contains("hunter"));
    }
}
