//! Authentication of a route: `auth` and the settings beside it.

use crate::plan::{Auth, AuthPolicy};

use super::format::TextFormat;

/// The values of `auth` and of the settings beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthDraft {
    pub(super) method: Option<AuthMethod>,
}

/// The value of `auth`. The settings beside it have the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthMethod {
    Off,
}

/// A way to authenticate, or `off`.
pub(super) const AUTH: TextFormat<AuthMethod> = TextFormat::new("off", method, show_method);

fn method(text: &str) -> Result<AuthMethod, String> {
    match text {
        "off" => Ok(AuthMethod::Off),
        "none" | "false" | "no" => Err("write off".into()),
        _ => Err("this is not a way to authenticate".into()),
    }
}

/// Returns a text that [`method`] reads as this.
fn show_method(method: &AuthMethod) -> String {
    match method {
        AuthMethod::Off => "off".into(),
    }
}

// === impl AuthDraft ===

impl AuthDraft {
    /// Returns what the route sets, if it sets something.
    pub(super) fn policy(&self) -> Option<AuthPolicy> {
        let auth = match self.method? {
            AuthMethod::Off => Auth::Off,
        };
        Some(AuthPolicy { auth, allow: Vec::new() })
    }
}
