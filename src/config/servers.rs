//! The servers of one application, which must use one protocol.

use crate::plan::UpstreamTarget;

use super::{
    conflict::{self, Conflict},
    format::{FormatProperties, TextFormat},
    url::{self, Scheme},
};

/// The address of a server. A single address needs no array.
pub(super) const SERVER: TextFormat<ServerWithScheme> = TextFormat::new(
    "http://HOST:PORT, such as http://127.0.0.1:8000, https://HOST:PORT, http+unix:/PATH, uwsgi://HOST:PORT or \
               uwsgi+unix:/PATH",
    server,
    show,
)
.with(FormatProperties { stands_alone: true, ..FormatProperties::ADDRESS });

/// The address of a server of a route.
pub(super) const OF_ROUTE: TextFormat<ServerWithScheme> = TextFormat { read: of_route, ..SERVER };

/// A server, and what its address begins with.
pub(super) type ServerWithScheme = (Scheme, UpstreamTarget);

/// Reads one server's address.
pub(super) fn server(text: &str) -> Result<ServerWithScheme, String> {
    url::upstream(text).map_err(|fault| match text.contains(',') {
        true => {
            "commas separate values only in the environment: repeat the flag, or write an array of \
                 strings in the file"
                .into()
        }
        false => fault,
    })
}

/// Reads the address of a server of a route. In nginx, a path after the address replaces that of the location.
fn of_route(text: &str) -> Result<ServerWithScheme, String> {
    let path = text.split_once("://").and_then(|(_, rest)| Some(rest.split_at(rest.find('/')?).1));
    let Some(path) = path.filter(|_| !text.contains('@')) else { return server(text) };
    let address = text.strip_suffix(path).unwrap_or(text);
    server(address)?;
    Err(match path {
        "/" => format!(
            "write {address}, and strip_prefix = true if the application shall get the path without the route's prefix"
        ),
        path => format!(
            "write {address}, and replace_prefix = {:?}",
            format!("{}/", path.trim_end_matches('/'))
        ),
    })
}

/// Returns a text that [`server`] reads as this.
pub(super) fn show((scheme, target): &ServerWithScheme) -> String {
    url::show(*scheme, target)
}

/// Returns the conflicts between servers of one application.
pub(super) fn conflicts(servers: &[ServerWithScheme]) -> Vec<Conflict> {
    let mut conflicts =
        conflict::twice(servers.iter().map(show), "a server is listed twice: remove one");
    let first = servers.first();
    let other = servers.iter().find(|server| first.is_some_and(|first| first.0 != server.0));
    if let Some((first, other)) = first.zip(other) {
        let (first, other) = (show(first), show(other));
        let fault = format!(
            "{first} and {other} use two protocols, but all servers of an application must use one: \
             remove some, or give them their own route"
        );
        let plain = "these use two protocols: use one protocol for all servers of an application";
        conflicts.push(Conflict::new(fault, plain));
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_explained() {
        assert!(
            server("http://a:1, http://b:2").unwrap_err().starts_with("commas separate values")
        );
        assert!(server("http+unix:/run/a,b.sock").is_ok());
        assert_eq!(server("").unwrap_err(), "it is empty");
    }

    #[test]
    fn servers_of_one_application_are_alike() {
        let uwsgi = Scheme::Uwsgi;
        let at = |scheme, host: &str| (scheme, UpstreamTarget::Tcp { host: host.into(), port: 80 });
        let (a, b) = (at(Scheme::Http, "a"), at(Scheme::Http, "b"));
        let texts = |servers: &[ServerWithScheme]| -> Vec<String> {
            conflicts(servers).into_iter().map(|conflict| conflict.text).collect()
        };
        assert!(texts(&[]).is_empty());
        assert!(texts(&[a.clone(), b.clone()]).is_empty());
        assert!(texts(&[at(uwsgi, "a"), at(uwsgi, "b")]).is_empty());
        let found = texts(&[a.clone(), b.clone(), a.clone(), a.clone()]);
        assert_eq!(found, ["http://a:80 is listed twice: remove one"]);
        let found = texts(&[a.clone(), at(Scheme::Https, "b")]);
        assert!(
            found[0].starts_with("http://a:80 and https://b:80 use two protocols"),
            "{found:?}"
        );
        let found = texts(&[a, b, at(uwsgi, "c")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("http://a:80 and "), "{found:?}");
        assert!(found[0].contains("use two protocols"), "{found:?}");
    }
}
