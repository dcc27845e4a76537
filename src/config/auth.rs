//! Authentication of a route: `auth` and the settings beside it.

use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use crate::plan::{Auth, AuthPolicy, BasicAuth, ForwardAuth, UpstreamTarget, UserSource};

use super::{
    auth_url::{self, AuthUrl},
    conflict::{Conflict, when},
    format::{FormatProperties, MILLISECOND, MINUTE, SECOND, TextFormat, TimeFormat},
    htpasswd, local_path,
};

/// How long an auth server may take, without `auth_timeout`.
const DEFAULT_TIMEOUT: Duration = SECOND.saturating_mul(5);

/// The text that browsers show without `auth_realm`.
const DEFAULT_REALM: &str = "Restricted";
const LONGEST_REALM: usize = 128;

/// The values of `auth` and of the settings beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthDraft {
    pub(super) method: Option<AuthMethod>,
    pub(super) users: Option<UserSource>,
    pub(super) realm: Option<String>,
    pub(super) allow: Vec<IpNet>,
    pub(super) response_headers: Vec<HeaderName>,
    pub(super) timeout: Option<Duration>,
}

/// The value of `auth`. The settings beside it have the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AuthMethod {
    Off,
    Basic,
    Forward(AuthUrl),
}

/// A way to authenticate, or `off`.
pub(super) const AUTH: TextFormat<AuthMethod> = TextFormat::address(
    "basic, the URL of an auth server, such as http://anubis:8923/check, or off",
    method,
    show_method,
);

/// How long an auth server may take.
pub(super) const TIMEOUT: TimeFormat = TimeFormat(MILLISECOND, MINUTE);

/// The users: a file of them, or the users themselves.
pub(super) const USERS: TextFormat<UserSource> = TextFormat::new(
    "the absolute path of a file that htpasswd has written, such as /run/secrets/htpasswd, or its lines: NAME:HASH",
    users,
    show_users,
)
.with(FormatProperties { is_secret: true, ..FormatProperties::PLAIN });

/// The text that browsers show when they ask for a password.
pub(super) const REALM: TextFormat<String> = TextFormat::new(
    "a text of at most 128 visible ASCII characters, without \" and \\",
    realm,
    String::clone,
);

fn method(text: &str) -> Result<AuthMethod, String> {
    match text {
        "off" => Ok(AuthMethod::Off),
        "basic" => Ok(AuthMethod::Basic),
        "Basic" | "BASIC" => Err("write basic".into()),
        "none" | "false" | "no" => Err("write off".into()),
        _ if text.contains(':') => auth_url::read(text).map(AuthMethod::Forward),
        _ => Err("this is not a way to authenticate".into()),
    }
}

/// Returns a text that [`method`] reads as this.
fn show_method(method: &AuthMethod) -> String {
    match method {
        AuthMethod::Off => "off".into(),
        AuthMethod::Basic => "basic".into(),
        AuthMethod::Forward(url) => auth_url::show(url),
    }
}

/// Reads the path of a file, or users. The faults contain no part of a secret.
fn users(text: &str) -> Result<UserSource, String> {
    if text.starts_with('/') && !text.contains('\n') {
        return local_path::file(text).map(UserSource::File);
    }
    if !text.contains(':') {
        return Err("this is neither an absolute path nor a line of htpasswd".into());
    }
    htpasswd::users(text).map(UserSource::List)
}

fn show_users(users: &UserSource) -> String {
    match users {
        UserSource::File(path) => path.display().to_string(),
        UserSource::List(list) => match list.0.len() {
            1 => "(1 user, not shown)".into(),
            count => format!("({count} users, not shown)"),
        },
    }
}

fn realm(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.trim().is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > LONGEST_REALM || !text.bytes().all(is_plain) {
        return Err("browsers cannot show this text".into());
    }
    Ok(text.into())
}

/// Returns a conflict if there are no users, unless they have a fault that was reported.
pub(super) fn incomplete(auth: &AuthDraft, has_fault: bool) -> Vec<Conflict> {
    let is_basic = auth.method == Some(AuthMethod::Basic);
    when(
        is_basic && auth.users.is_none() && !has_fault,
        "auth_users is not set in this route: set it, or nobody could log in",
    )
}

/// Returns a conflict if the setting belongs to a way to authenticate that the route does not set.
pub(super) fn without_basic(auth: &AuthDraft) -> Vec<Conflict> {
    let is_basic = auth.method == Some(AuthMethod::Basic);
    when(
        !is_basic,
        "auth is not basic in this route, so this would not protect it: set auth = \"basic\", or remove this",
    )
}

/// Returns a conflict if the route sets no way to authenticate.
pub(super) fn without_auth(auth: &AuthDraft) -> Vec<Conflict> {
    let is_needless = auth.method.as_ref().is_none_or(|method| *method == AuthMethod::Off);
    when(is_needless, "auth is not set in this route: set it, or remove this")
}

/// Returns a conflict if the setting belongs to an auth server that the route does not have.
pub(super) fn without_server(auth: &AuthDraft) -> Vec<Conflict> {
    let fault = "auth of this route is not the URL of an auth server: set it here, or remove this";
    when(auth.server().is_none(), fault)
}

// === impl AuthDraft ===

impl AuthDraft {
    /// Returns the auth server, if the route has one.
    pub(super) fn server(&self) -> Option<&UpstreamTarget> {
        self.url().map(|url| &url.server)
    }

    /// Returns the URL of the auth server, if the route has one.
    pub(super) fn url(&self) -> Option<&AuthUrl> {
        match self.method.as_ref()? {
            AuthMethod::Forward(url) => Some(url),
            AuthMethod::Off | AuthMethod::Basic => None,
        }
    }

    /// Returns what the route sets, if it sets something. `server` returns the index of an auth server.
    pub(super) fn policy(&self, server: impl FnOnce(&AuthUrl) -> usize) -> Option<AuthPolicy> {
        let auth = match (self.method.as_ref()?, &self.users) {
            (AuthMethod::Basic, Some(users)) => Auth::Basic(BasicAuth {
                users: users.clone(),
                realm: self.realm.clone().unwrap_or_else(|| DEFAULT_REALM.into()),
            }),
            (AuthMethod::Forward(url), _) => Auth::Forward(ForwardAuth {
                server: server(url),
                target: url.target.clone(),
                response_headers: self.response_headers.clone(),
                timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            }),
            (AuthMethod::Basic, None) | (AuthMethod::Off, _) => Auth::Off,
        };
        Some(AuthPolicy { auth, allow: self.allow.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ways_to_authenticate() {
        assert_eq!(method("basic"), Ok(AuthMethod::Basic));
        assert_eq!(method("off"), Ok(AuthMethod::Off));
        assert_eq!(method("Basic"), Err("write basic".into()));
        assert_eq!(method("none"), Err("write off".into()));
        assert!(method("digest").is_err() && method("").is_err());
    }

    #[test]
    fn users_are_a_path_or_lines() {
        let line = "alice:$2y$05$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3AmK";
        assert_eq!(users("/etc/htpasswd"), Ok(UserSource::File("/etc/htpasswd".into())));
        let list = users(line).unwrap();
        assert_eq!(show_users(&list), "(1 user, not shown)");
        assert_eq!(
            show_users(&users(&format!("{line}\nb{line}")).unwrap()),
            "(2 users, not shown)"
        );
        for (text, fault) in [
            ("htpasswd", "this is neither an absolute path nor a line of htpasswd"),
            ("", "this is neither an absolute path nor a line of htpasswd"),
            ("/etc/", "this is the path of a directory: write that of a file"),
        ] {
            assert_eq!(users(text), Err(fault.into()), "{text:?}");
        }
        assert!(users("alice:hunter2").is_err_and(|fault| !fault.contains("hunter2")));
    }

    proptest! {
        #[test]
        fn realms_need_no_escaping(text in "[ -~\u{80}-\u{ff}]{0,140}") {
            if let Ok(realm) = realm(&text) {
                prop_assert!(!realm.contains(['"', '\\']) && realm.is_ascii());
            }
        }
    }
}
