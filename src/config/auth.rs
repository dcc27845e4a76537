//! Authentication of a route: `auth` and the settings beside it.

use std::time::Duration;

use http::HeaderName;

use crate::plan::{Auth, AuthPolicy, ForwardAuth, UpstreamTarget};

use super::{
    auth_url::{self, AuthUrl},
    conflict::{Conflict, when},
    format::{MILLISECOND, MINUTE, SECOND, TextFormat, TimeFormat},
};

/// How long an auth server may take, without `auth_timeout`.
const DEFAULT_TIMEOUT: Duration = SECOND.saturating_mul(5);

/// The values of `auth` and of the settings beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthDraft {
    pub(super) method: Option<AuthMethod>,
    pub(super) response_headers: Vec<HeaderName>,
    pub(super) timeout: Option<Duration>,
}

/// The value of `auth`. The settings beside it have the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AuthMethod {
    Off,
    Forward(AuthUrl),
}

/// A way to authenticate, or `off`.
pub(super) const AUTH: TextFormat<AuthMethod> = TextFormat::address(
    "the URL of an auth server, such as http://anubis:8923/check, or off",
    method,
    show_method,
);

/// How long an auth server may take.
pub(super) const TIMEOUT: TimeFormat = TimeFormat(MILLISECOND, MINUTE);

fn method(text: &str) -> Result<AuthMethod, String> {
    match text {
        "off" => Ok(AuthMethod::Off),
        "none" | "false" | "no" => Err("write off".into()),
        _ if text.contains(':') => auth_url::read(text).map(AuthMethod::Forward),
        _ => Err("this is not a way to authenticate".into()),
    }
}

/// Returns a text that [`method`] reads as this.
fn show_method(method: &AuthMethod) -> String {
    match method {
        AuthMethod::Off => "off".into(),
        AuthMethod::Forward(url) => auth_url::show(url),
    }
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
        match self.method.as_ref()? {
            AuthMethod::Forward(url) => Some(&url.server),
            AuthMethod::Off => None,
        }
    }

    /// Returns what the route sets, if it sets something.
    /// `server` returns the index of an auth server.
    pub(super) fn policy(
        &self,
        server: impl FnOnce(&UpstreamTarget) -> usize,
    ) -> Option<AuthPolicy> {
        let auth = match self.method.as_ref()? {
            AuthMethod::Off => Auth::Off,
            AuthMethod::Forward(url) => Auth::Forward(ForwardAuth {
                server: server(&url.server),
                target: url.target.clone(),
                response_headers: self.response_headers.clone(),
                timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            }),
        };
        Some(AuthPolicy { auth, allow: Vec::new() })
    }
}
