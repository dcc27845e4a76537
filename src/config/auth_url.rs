//! The URL of an auth server: its address, then the path of the requests that it gets.

use crate::{plan::UpstreamTarget, rfc::target};

use super::url::{self, Scheme};

/// An auth server, with path and query of the requests that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthUrl {
    pub(super) scheme: Scheme,
    pub(super) server: UpstreamTarget,
    /// Begins with `/`.
    pub(super) target: String,
}

/// Reads a URL: `http://HOST:PORT/PATH`, the same with `https`, or `http+unix:/SOCKET:/PATH`.
pub(super) fn read(text: &str) -> Result<AuthUrl, String> {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let path_at = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            let authority = rest.strip_prefix("//").unwrap_or(rest);
            authority.find(['/', '?', '#']).map(|at| at + text.len() - authority.len())
        }
        // As in nginx.
        "http+unix" => rest.find(":/").map(|at| at + text.len() - rest.len()),
        "uwsgi" | "uwsgi+unix" => {
            return Err(
                "the auth server must use HTTP: write http://, https:// or http+unix:".into()
            );
        }
        _ => return Err(no_scheme(text)),
    };
    let (address, path) =
        text.split_at_checked(path_at.unwrap_or(text.len())).unwrap_or((text, ""));
    let (scheme, server) = url::upstream(address)?;
    Ok(AuthUrl { scheme, server, target: target_of(path.strip_prefix(':').unwrap_or(path))? })
}

fn no_scheme(text: &str) -> String {
    if text.is_empty() {
        return "it is empty".into();
    }
    let guess = format!("http://{text}");
    match !text.contains("://") && !text.starts_with('/') && read(&guess).is_ok() {
        true => format!("http:// is missing: write {guess}"),
        false => "must begin with http://, https:// or http+unix:".into(),
    }
}

/// Reads path and query.
fn target_of(path: &str) -> Result<String, String> {
    if path.contains('#') {
        return Err("a fragment (#) is not sent to a server: remove it".into());
    }
    if !path.is_ascii() || target::misplaced(path.as_bytes()).is_some() {
        return Err("the path is not valid in a request: write it percent-encoded".into());
    }
    Ok(if path.starts_with('/') { path.into() } else { format!("/{path}") })
}

/// Returns a text that [`read`] reads as this.
pub(super) fn show(auth: &AuthUrl) -> String {
    let address = url::show(auth.scheme, &auth.server);
    match auth.server {
        UpstreamTarget::Tcp { .. } => format!("{address}{}", auth.target),
        UpstreamTarget::Unix(_) => format!("{address}:{}", auth.target),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://anubis:8923/check", "anubis:8923 /check"),
            ("http://anubis:8923", "anubis:8923 /"),
            ("http://Anubis", "anubis:80 /"),
            ("HTTP://[::1]:80/a/b?c=http://d/e:/f", "[::1]:80 /a/b?c=http://d/e:/f"),
            ("http://auth:80?rd=x", "auth:80 /?rd=x"),
            ("http+unix:/run/auth.sock", "unix:/run/auth.sock /"),
            ("http+unix:/run/auth.sock:/check?a", "unix:/run/auth.sock /check?a"),
            ("http+unix:///run/auth.sock:/", "unix:/run/auth.sock /"),
            ("https://auth/check", "auth:443 /check"),
            ("https://auth:8443", "auth:8443 /"),
            (
                "uwsgi://auth:1/check",
                "no: the auth server must use HTTP: write http://, https:// or http+unix:",
            ),
            (
                "uwsgi+unix:/run/a",
                "no: the auth server must use HTTP: write http://, https:// or http+unix:",
            ),
            ("http://a:1/#x", "no: a fragment (#) is not sent to a server: remove it"),
            ("http://a:1/a b", "no: the path is not valid in a request: write it percent-encoded"),
            (
                "http://a:1/\u{e9}",
                "no: the path is not valid in a request: write it percent-encoded",
            ),
            ("http://me:pw@a:1/", "no: a user name or password is not allowed here"),
            ("http:///check", "no: the host is missing"),
            ("http:check", "no: the // behind http: is missing"),
            ("http://a:0/x", "no: the port must be from 1 to 65535"),
            (
                "http+unix:run/a.sock:/check",
                "no: the path of the socket must be absolute, as in http+unix:/run/app.sock",
            ),
            ("anubis:8923/check", "no: http:// is missing: write http://anubis:8923/check"),
            ("ftp://auth/", "no: must begin with http://, https:// or http+unix:"),
            ("/run/auth.sock", "no: must begin with http://, https:// or http+unix:"),
            ("", "no: it is empty"),
        ] {
            let shown = match read(text) {
                Ok(AuthUrl { server, target, .. }) => format!("{server} {target}"),
                Err(fault) => format!("no: {fault}"),
            };
            assert_eq!(shown, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_url_reads_back(
            text in "http(s?://(a[a-z0-9.]{0,3}|\\[::1\\])(:[1-9][0-9]{0,3})?|\\+unix:/[a-z]{1,3}:)(/[a-z:?%=]{0,3}){0,3}",
        ) {
            if let Ok(auth) = read(&text) {
                prop_assert_eq!(read(&show(&auth)), Ok(auth));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            for begin in ["", "http:", "http://", "http+unix:/", "http://a:1/"] {
                let _ = read(&format!("{begin}{text}"));
            }
        }
    }
}
