//! Addresses of other servers. The application's is `http://host:port`, `https://host:port` or `http+unix:/path.sock`,
//! or begins with `uwsgi`; the fallback's is `http://host:port/base`, or the same with `https`.

use std::net::Ipv6Addr;

use rustls::pki_types::ServerName;

use crate::{plan::UpstreamTarget, rfc::path::normalize};

use super::secret::NO_USER;

/// Length of `sun_path` without its closing NUL.
const MAX_SOCKET_PATH: usize = 107;

/// The scheme of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Uwsgi,
}

/// The server with the files of other releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpOrigin {
    pub(super) scheme: Scheme,
    host: String,
    port: u16,
    /// Empty, or begins with `/` and does not end with one.
    pub(super) base: String,
}

/// Reads the application's address.
pub(super) fn upstream(text: &str) -> Result<(Scheme, UpstreamTarget), String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(no_scheme(text));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => tcp(Scheme::Http, rest),
        "https" => tcp(Scheme::Https, rest),
        "uwsgi" => tcp(Scheme::Uwsgi, rest),
        "http+unix" => unix("http", rest).map(|target| (Scheme::Http, target)),
        "uwsgi+unix" => unix("uwsgi", rest).map(|target| (Scheme::Uwsgi, target)),
        "unix" => Err(format!("write http+unix:{rest}")),
        "https+unix" => Err(format!("TLS over a unix socket is not supported: write http+unix:{rest}")),
        "uwsgis" | "suwsgi" | "uwsgi+tls" => {
            Err("the uwsgi protocol over TLS is not supported: give uWSGI an https socket and write https://, or a \
                 plain one"
                .into())
        }
        _ => Err(no_scheme(text)),
    }
}

/// Reads the address of a server that has files.
pub(super) fn origin(text: &str) -> Result<HttpOrigin, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => return Err(no_fallback_scheme(text)),
    };
    let scheme = match scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("the fallback must begin with http://, https:// or s3://".into()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = host_and_port(scheme, authority)?;
    Ok(HttpOrigin { scheme, host, port, base: base(path)? })
}

/// Returns a text that [`origin`] reads as this.
pub(super) fn show_origin(origin: &HttpOrigin) -> String {
    format!("{}://{}{}", origin.scheme.name(), origin.target(), origin.base)
}

/// Returns a text that [`upstream`] reads as this.
pub(super) fn show(scheme: Scheme, target: &UpstreamTarget) -> String {
    let scheme = scheme.name();
    match target {
        UpstreamTarget::Tcp { .. } => format!("{scheme}://{target}"),
        UpstreamTarget::Unix(path) => format!("{scheme}+unix:{}", path.display()),
    }
}

// === impl Scheme ===

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Uwsgi => "uwsgi",
        }
    }

    /// The port of an address that names none, as in nginx. uwsgi has no default port.
    fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::Uwsgi => 80,
            Self::Https => 443,
        }
    }
}

// === impl HttpOrigin ===

impl HttpOrigin {
    pub(super) fn target(&self) -> UpstreamTarget {
        UpstreamTarget::Tcp { host: self.host.clone(), port: self.port }
    }

    /// Returns the text for `Host`, without the default port of the scheme (RFC 9110, 7.2).
    pub(super) fn name(&self) -> String {
        let name = self.target().to_string();
        let default_port = self.scheme.default_port();
        match name.strip_suffix(&format!(":{default_port}")) {
            Some(host) if self.port == default_port => host.to_owned(),
            _ => name,
        }
    }
}

fn tcp(scheme: Scheme, rest: &str) -> Result<(Scheme, UpstreamTarget), String> {
    let name = scheme.name();
    // There is no TLS over unix sockets.
    let unix_name = if scheme == Scheme::Https { "http" } else { name };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(match rest.starts_with('/') {
            true => format!("write {unix_name}+unix:{rest}"),
            false => format!("the // behind {name}: is missing"),
        });
    };
    // As in nginx.
    if let Some(path) = rest.strip_prefix("unix:") {
        return Err(format!("write {unix_name}+unix:{path}"));
    }
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !matches!(after, "" | "/") {
        return Err(format!(
            "remove the path and the query, because requests keep their own: write {name}://{authority}"
        ));
    }
    let (host, port) = host_and_port(scheme, authority)?;
    // http and https have default ports; uwsgi has none.
    let says_port = authority.rsplit(']').next().is_some_and(|behind| behind.contains(':'));
    if scheme == Scheme::Uwsgi && !says_port {
        return Err(format!("the port is missing, as in uwsgi://{authority}:3031"));
    }
    Ok((scheme, UpstreamTarget::Tcp { host, port }))
}

/// Reads the host, without its brackets, and the port.
fn host_and_port(scheme: Scheme, authority: &str) -> Result<(String, u16), String> {
    let (host, port) = host_and_port_or(authority, scheme.default_port())?;
    if scheme == Scheme::Https && ServerName::try_from(host.as_str()).is_err() {
        return Err(
            "no certificate can be for this host: write a name that DNS allows, or an address"
                .into(),
        );
    }
    Ok((host, port))
}

/// Reads the host, without its brackets, and the port, or this one if there is none.
pub(super) fn host_and_port_or(
    authority: &str,
    default_port: u16,
) -> Result<(String, u16), String> {
    if authority.contains('@') {
        return Err(NO_USER.into());
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or("the closing ] is missing")?;
            host.parse::<Ipv6Addr>().map_err(|_| "between [ and ] there is no IPv6 address")?;
            (host, after)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if port.matches(':').count() > 1 {
                return Err("write an IPv6 address in brackets, as in http://[::1]:8000".into());
            }
            name(host)?;
            (host, port)
        }
    };
    let port = if port.is_empty() { default_port } else { port_of(port)? };
    Ok((host.to_ascii_lowercase(), port))
}

pub(super) fn unix(scheme: &str, rest: &str) -> Result<UpstreamTarget, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(format!(
            "the path of the socket must be absolute, as in {scheme}+unix:/run/app.sock"
        ));
    }
    if path.ends_with('/') {
        return Err("this is the path of a directory, not of a socket".into());
    }
    if path.contains(['\0', '?', '#']) {
        return Err("the path of the socket must not contain ?, # or NUL".into());
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path of a socket has at most {MAX_SOCKET_PATH} bytes: shorten it"
        ));
    }
    Ok(UpstreamTarget::Unix(path.into()))
}

/// Accepts a host name or an IPv4 address. Names in compose files may contain `_`.
fn name(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !host.bytes().all(allowed) || host.len() > 253 || host.starts_with(['.', '-']) {
        return Err("this is not a host name".into());
    }
    if matches!(host, "0.0.0.0") {
        return Err("0.0.0.0 is not an address to connect to: write 127.0.0.1".into());
    }
    Ok(())
}

/// Reads the text after the host: a colon and the port.
fn port_of(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix(':').ok_or("between ] and the port a : is missing")?;
    let number = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().ok(),
        false => None,
    };
    number.filter(|port| *port != 0).ok_or_else(|| "the port must be from 1 to 65535".into())
}

/// Reads the prefix of each request's path, without its last `/` (RFC 3986, 3.3).
fn base(path: &str) -> Result<String, String> {
    if path.contains(['?', '#']) {
        return Err("a query or a fragment (? or #) is not allowed".into());
    }
    let base = path.strip_suffix('/').unwrap_or(path);
    let mut segments = base.split('/').skip(1);
    if segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("in the path, //, . and .. are not allowed as a segment".into());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !base.bytes().all(allowed) || normalize(base).is_none() && !base.is_empty() {
        return Err("the path is not valid in a request: write it percent-encoded".into());
    }
    Ok(base.into())
}

fn no_fallback_scheme(text: &str) -> String {
    if text.is_empty() {
        return "it is empty".into();
    }
    let authority = text.split('/').next().unwrap_or_default();
    match host_and_port(Scheme::Http, authority) {
        Ok(_) => format!("http:// is missing: write http://{text}"),
        Err(_) => "this is not a URL".into(),
    }
}

fn no_scheme(text: &str) -> String {
    if text.is_empty() {
        return "it is empty".into();
    }
    if text.starts_with('/') {
        return format!("write http+unix:{text}");
    }
    if text.contains("://") {
        return "must begin with http://, https://, http+unix:, uwsgi:// or uwsgi+unix:".into();
    }
    let guess = format!("//{text}");
    match tcp(Scheme::Http, &guess) {
        Ok(_) => format!("http:// is missing: write http:{guess}"),
        Err(_) => "this is not a URL".into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: &str) {
        let read = match upstream(text) {
            Ok((Scheme::Http, target)) => target.to_string(),
            Ok((scheme, target)) => format!("{} {target}", scheme.name()),
            Err(fault) => format!("no: {fault}"),
        };
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn tcp_addresses() {
        reads("http://127.0.0.1:8000", "127.0.0.1:8000");
        reads("http://127.0.0.1:8000/", "127.0.0.1:8000");
        reads("HTTP://Web_1.local:8000", "web_1.local:8000");
        reads("http://[::1]:8000", "[::1]:8000");
        reads("http://app", "app:80");
        reads("http:app", "no: the // behind http: is missing");
        reads("http://", "no: the host is missing");
        reads("http://:8000", "no: the host is missing");
        reads("http://a b:8000", "no: this is not a host name");
        reads("http://app:0", "no: the port must be from 1 to 65535");
        reads("http://app:http", "no: the port must be from 1 to 65535");
        reads("http://app:", "no: the port must be from 1 to 65535");
        reads("http://app:70000", "no: the port must be from 1 to 65535");
        reads("http://[::1", "no: the closing ] is missing");
        reads("http://[app]:80", "no: between [ and ] there is no IPv6 address");
        reads("http://[::1]8000", "no: between ] and the port a : is missing");
        reads("http://::1:80", "no: write an IPv6 address in brackets, as in http://[::1]:8000");
        reads("http://me:pw@app:80", "no: a user name or password is not allowed here");
        reads(
            "http://0.0.0.0:8000",
            "no: 0.0.0.0 is not an address to connect to: write 127.0.0.1",
        );
        let no_path = "no: remove the path and the query, because requests keep their own: \
                       write http://app:80";
        reads("http://app:80/api", no_path);
        reads("http://app:80?x", no_path);
    }

    #[test]
    fn unix_sockets() {
        reads("http+unix:/run/app.sock", "unix:/run/app.sock");
        reads("http+unix:///run/app.sock", "unix:/run/app.sock");
        let relative = "no: the path of the socket must be absolute, as in http+unix:/run/app.sock";
        reads("http+unix:app.sock", relative);
        reads("http+unix://run/app.sock", relative);
        reads("http+unix:/run/", "no: this is the path of a directory, not of a socket");
        reads("http+unix:/run/a?b", "no: the path of the socket must not contain ?, # or NUL");
        let long = format!("http+unix:/{}", "x".repeat(107));
        reads(&long, "no: the path of a socket has at most 107 bytes: shorten it");
        reads("unix:/run/app.sock", "no: write http+unix:/run/app.sock");
        reads("/run/app.sock", "no: write http+unix:/run/app.sock");
        reads("http://unix:/run/app.sock", "no: write http+unix:/run/app.sock");
    }

    #[test]
    fn tls_addresses() {
        reads("https://app", "https app:443");
        reads("HTTPS://App.Internal:8443/", "https app.internal:8443");
        reads("https://[::1]", "https [::1]:443");
        reads("https://10.0.0.1:8443", "https 10.0.0.1:8443");
        reads("https:app", "no: the // behind https: is missing");
        reads(
            "https://a..b",
            "no: no certificate can be for this host: write a name that DNS allows, or an address",
        );
        let unix = "no: TLS over a unix socket is not supported: write http+unix:/run/a.sock";
        reads("https+unix:/run/a.sock", unix);
        reads("https:/run/a.sock", "no: write http+unix:/run/a.sock");
        reads("https://unix:/run/a.sock", "no: write http+unix:/run/a.sock");
        reads(
            "https://app/api",
            "no: remove the path and the query, because requests keep their own: write https://app",
        );
    }

    #[test]
    fn uwsgi() {
        reads("uwsgi://app:3031", "uwsgi app:3031");
        reads("UWSGI://[::1]:3031/", "uwsgi [::1]:3031");
        reads("uwsgi+unix:/run/a.sock", "uwsgi unix:/run/a.sock");
        reads("uwsgi://app", "no: the port is missing, as in uwsgi://app:3031");
        reads("uwsgi://[::1]", "no: the port is missing, as in uwsgi://[::1]:3031");
        reads("uwsgi:app:3031", "no: the // behind uwsgi: is missing");
        reads("uwsgi:/run/a.sock", "no: write uwsgi+unix:/run/a.sock");
        reads("uwsgi://unix:/run/a.sock", "no: write uwsgi+unix:/run/a.sock");
    }

    #[test]
    fn other_schemes() {
        let others = "no: must begin with http://, https://, http+unix:, uwsgi:// or uwsgi+unix:";
        reads("ftp://app", others);
        assert!(upstream("suwsgi://app:3031").unwrap_err().contains("write https://"));
        reads("127.0.0.1:8000", "no: http:// is missing: write http://127.0.0.1:8000");
        reads("app", "no: http:// is missing: write http://app");
        reads("a b", "no: this is not a URL");
        reads("", "no: it is empty");
    }

    #[test]
    fn fallbacks() {
        let check = |text: &str, expected: &str| {
            let read = match origin(text) {
                Ok(origin) => {
                    format!("{} {} {:?}", origin.target(), origin.name(), origin.base)
                }
                Err(fault) => format!("no: {fault}"),
            };
            assert_eq!(read, expected, "{text:?}");
        };
        check("http://previous:8080", "previous:8080 previous:8080 \"\"");
        check("http://Previous", "previous:80 previous \"\"");
        check("http://previous:80/", "previous:80 previous \"\"");
        check("http://previous:8080/a/b%20c/", "previous:8080 previous:8080 \"/a/b%20c\"");
        check("http://[::1]/a", "[::1]:80 [::1] \"/a\"");
        check("http://[::1]:8080", "[::1]:8080 [::1]:8080 \"\"");
        check("HTTP://b.s3.eu-west-1.amazonaws.com", &{
            let name = "b.s3.eu-west-1.amazonaws.com";
            format!("{name}:80 {name} \"\"")
        });
        check("https://previous", "previous:443 previous \"\"");
        check("https://previous:80/a", "previous:80 previous:80 \"/a\"");
        check(
            "https://a..b",
            "no: no certificate can be for this host: write a name that DNS allows, or an address",
        );
        let others = "no: the fallback must begin with http://, https:// or s3://";
        check("ftp://previous", others);
        check("http+unix:///run/a.sock", others);
        check("previous:8080/a", "no: http:// is missing: write http://previous:8080/a");
        check("http:previous", "no: this is not a URL");
        check("", "no: it is empty");
        check("a b", "no: this is not a URL");
        check("http://", "no: the host is missing");
        check("http://me@previous", &format!("no: {NO_USER}"));
        check("http://previous:0", "no: the port must be from 1 to 65535");
        check("http://0.0.0.0", "no: 0.0.0.0 is not an address to connect to: write 127.0.0.1");
        let query = "no: a query or a fragment (? or #) is not allowed";
        check("http://previous?a", query);
        check("http://previous/a#b", query);
        let segment = "no: in the path, //, . and .. are not allowed as a segment";
        check("http://previous//", segment);
        check("http://previous/a/../b", segment);
        let encoded = "no: the path is not valid in a request: write it percent-encoded";
        for path in ["/a b", "/\u{e9}", "/a\r\nb", "/%", "/%4", "/%zz", "/%00"] {
            check(&format!("http://previous{path}"), encoded);
        }
    }

    proptest! {
        #[test]
        fn a_shown_fallback_reads_back(
            text in "https?://(a[a-z0-9.-]{0,6}|\\[::1\\])(:[0-9]{1,5})?(/[a-zA-Z0-9%.]{0,3}){0,3}",
        ) {
            if let Ok(read) = origin(&text) {
                prop_assert_eq!(origin(&show_origin(&read)), Ok(read.clone()));
                let base = read.base;
                prop_assert!(base.is_empty() || base.starts_with('/') && !base.ends_with('/'));
            }
        }

        #[test]
        fn a_shown_target_reads_back(host in "[a-z][a-z0-9._-]{0,20}", port in 1..=u16::MAX) {
            let unix = UpstreamTarget::Unix(format!("/run/{host}").into());
            for target in [UpstreamTarget::Tcp { host, port }, unix] {
                for scheme in [Scheme::Http, Scheme::Uwsgi] {
                    let read = upstream(&show(scheme, &target));
                    prop_assert_eq!(read, Ok((scheme, target.clone())));
                }
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>(), rest in any::<String>()) {
            let _ = upstream(&text);
            let _ = origin(&text);
            let _ = origin(&format!("http://{rest}"));
            let _ = upstream(&format!("http://{rest}"));
            let _ = upstream(&format!("https://{rest}"));
            let _ = upstream(&format!("http+unix:{rest}"));
            let _ = upstream(&format!("uwsgi://{rest}"));
        }
    }
}
