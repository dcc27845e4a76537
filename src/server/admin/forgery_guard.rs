//! Decides which requests may start a reload or purge all sites: only those that a web page cannot make a browser send.
//! A page of another site must ask before it can send the header (CORS). A name that its owner points to this machine
//! after the page was loaded (DNS rebinding) is not a name of this machine.

use std::{net::IpAddr, str};

use http::{HeaderMap, header};

use crate::rfc::host;

/// The header that a reload request must have, with any value.
const HEADER: &str = "sideman-reload";

/// Returns why a reload request is refused, as text for people.
pub(super) fn of_reload(fields: &HeaderMap) -> Option<String> {
    if !fields.contains_key(HEADER) {
        return Some(
            "the header Sideman-Reload is missing: \
             curl -X POST -H 'Sideman-Reload: 1' http://127.0.0.1:9180/-/reload\n"
                .to_owned(),
        );
    }
    of_host(fields)
}

/// Returns why a request is refused whose method a page of another site cannot send.
pub(super) fn of_host(fields: &HeaderMap) -> Option<String> {
    let mut hosts = fields.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some("there must be one Host header\n".to_owned());
    };
    if is_of_this_machine(host.as_bytes(), &own_name()) {
        return None;
    }
    Some(format!(
        "this listener does not accept the Host {:?}: use its IP address, localhost, or a name without a dot\n",
        String::from_utf8_lossy(host.as_bytes())
    ))
}

/// Whether nobody else can own this name: an IP address, `localhost`, a name without a dot (such as that of a compose
/// service), or the name of the machine.
fn is_of_this_machine(value: &[u8], own: &str) -> bool {
    let Some((host, _)) = host::split_port(value).filter(|_| host::is_valid(value)) else {
        return false;
    };
    if host.starts_with(b"[") {
        return true;
    }
    let Ok(host) = str::from_utf8(host) else { return false };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_own = !own.is_empty() && host.eq_ignore_ascii_case(own);
    is_own || !host.is_empty() && !host.contains('.') || host.parse::<IpAddr>().is_ok()
}

fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_can_own_are_refused() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:9180", true),
            ("127.0.0.1:9180", true),
            ("[::1]:9180", true),
            ("[fd00::1]", true),
            ("sideman:9180", true),
            ("ip-10-0-0-1.ec2.internal:9180", true),
            ("other.ec2.internal", false),
            ("example.org", false),
            ("example.org:9180", false),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org", false),
            ("localhost.", true),
            ("", false),
            (".", false),
            ("a b", false),
        ] {
            let is = is_of_this_machine(host.as_bytes(), "ip-10-0-0-1.ec2.internal");
            assert_eq!(is, expected, "{host:?}");
            assert!(!is_of_this_machine(b"example.org", ""));
        }
    }

    #[test]
    fn header_and_host_are_both_needed() {
        let fields = |list: &[(&'static str, &'static str)]| {
            let mut fields = HeaderMap::new();
            for (name, value) in list {
                fields.append(*name, http::HeaderValue::from_static(value));
            }
            of_reload(&fields).is_none()
        };
        assert!(fields(&[("sideman-reload", "1"), ("host", "127.0.0.1")]));
        assert!(!fields(&[("host", "127.0.0.1")]));
        assert!(!fields(&[("sideman-reload", "1")]));
        assert!(!fields(&[("sideman-reload", "1"), ("host", "a"), ("host", "b")]));
        assert!(!fields(&[("sideman-reload", "1"), ("host", "example.org")]));
    }
}
