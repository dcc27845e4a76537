//! Sends the same requests to both servers, and names what differs.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    adapt::{Location, Site},
    application::ECHO,
};
use crate::support::{Client, Response};

/// More requests are not sent.
const MOST: usize = 30;

/// A request for both.
#[derive(Clone, Debug)]
pub(super) struct Question {
    method: &'static str,
    target: String,
    host: String,
    fields: &'static str,
    body: &'static str,
}

/// One difference; `reason`: why it is meant.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) question: String,
    pub(super) what: String,
    pub(super) reason: Option<&'static str>,
}

/// Makes the requests for a configuration.
pub(super) fn questions(site: &Site) -> Vec<Question> {
    let host = site.hosts.first().cloned().unwrap_or_else(|| "site.example".into());
    let get = |target: &str| Question {
        method: "GET",
        target: target.to_owned(),
        host: host.clone(),
        fields: "",
        body: "",
    };
    let mut asked = vec![get("/"), get("/a/b?c=d")];
    for location in &site.locations {
        asked.extend(samples(location).iter().map(|target| get(target)));
    }
    let spoofed =
        "X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 192.0.2.66\r\n";
    let mut others = vec![
        Question {
            method: "POST",
            body: "name=value",
            fields: "Content-Type: text/plain\r\n",
            ..get("/form?x=1")
        },
        Question { method: "HEAD", ..get("/") },
        Question { method: "PUT", body: "{}", ..get("/api/things/1") },
        Question { method: "OPTIONS", ..get("/api/") },
        Question { fields: spoofed, ..get("/spoofed") },
        Question {
            fields: "Cookie: a=b\r\nAuthorization: Bearer x\r\nX-Own: 1\r\n",
            ..get("/fields")
        },
        Question { fields: "Accept: text/html\r\n", ..get("/some/page") },
        Question { fields: "Content-Length: 99999999999\r\n", method: "POST", ..get("/upload") },
        Question { fields: "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n", ..get("/known") },
        Question { fields: "Authorization: Basic dXNlcjp3cm9uZw==\r\n", ..get("/wrong") },
        get("/status?404"),
        get("/status?503"),
        get("/favicon.ico"),
        get("/a%20b/%C3%A4?q=%20"),
        get("//double/x"),
        get("/x/../y"),
    ];
    others.extend(
        site.hosts.iter().skip(1).map(|host| Question { host: host.clone(), ..get("/of-host") }),
    );
    others.push(Question { host: "unknown.example".into(), ..get("/of-other-host") });
    let mut unique: Vec<Question> = Vec::new();
    let kept = MOST.saturating_sub(others.len());
    for one in asked.into_iter().take(kept.max(12)).chain(others) {
        if !unique.iter().any(|known| known.shown() == one.shown() && known.fields == one.fields) {
            unique.push(one);
        }
    }
    unique.truncate(MOST);
    unique
}

/// Paths that a location matches, and files that it may have.
fn samples(location: &Location) -> Vec<String> {
    let path = &location.path;
    if location.is_internal {
        let inner = format!("{}/app.css", path.trim_end_matches('/'));
        return vec![format!("/send?to={inner}"), inner];
    }
    match location.modifier.as_str() {
        "=" => vec![path.clone()],
        "~" | "~*" => of_expression(path).into_iter().collect(),
        _ if !path.starts_with('/') || path == "/" => Vec::new(),
        _ if path.ends_with('/') => ["", "app.css", "none.css", "sub/b.js", "photo.jpg"]
            .map(|name| format!("{path}{name}"))
            .to_vec(),
        _ if path.rsplit('/').next().is_some_and(|name| name.contains('.')) => vec![path.clone()],
        _ => ["", "/app.css", "/none.css"].map(|name| format!("{path}{name}")).to_vec(),
    }
}

/// A path that a simple expression matches.
fn of_expression(pattern: &str) -> Option<String> {
    let matched = regex::Regex::new(pattern.trim_matches(['"', '\''])).ok()?;
    let paths = [
        "/api/1/x",
        "/media/a",
        "/static/app.css",
        "/proxy/x",
        "/admin/x",
        "/login",
        "/robots.txt",
        "/logo.png",
        "/x.jpg",
        "/app.css",
        "/service-worker.js",
        "/.well-known/x",
        "/x.php",
        "/a.js",
    ];
    paths.iter().find(|path| matched.is_match(path)).map(|path| (*path).to_owned())
}

/// Returns the differences between the responses of both.
pub(super) fn compare(site: &Site, nginx: SocketAddr, sideman: SocketAddr) -> Vec<Difference> {
    let mut differences = Vec::new();
    for question in questions(site) {
        let (one, other) = (question.ask(nginx), question.ask(sideman));
        let found = match (&one, &other) {
            (Some(one), Some(other)) => of_responses(site, &question, one, other),
            (None, None) => Vec::new(),
            (one, other) => {
                let shown = |response: &Option<Response>| {
                    response.as_ref().map_or(0, |response| response.status)
                };
                vec![("connection".into(), shown(one).to_string(), shown(other).to_string())]
            }
        };
        for (what, one, other) in found {
            let reason = reason(site, &question, &what, &one, &other);
            differences.push(Difference {
                question: question.shown(),
                what: format!("{what}: nginx {one:?}, Sideman {other:?}"),
                reason,
            });
        }
    }
    differences
}

type Found = (String, String, String);

fn of_responses(site: &Site, question: &Question, one: &Response, other: &Response) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut differ = |what: &str, one: String, other: String| {
        if one != other {
            found.push((what.to_owned(), one, other));
        }
    };
    differ("status", one.status.to_string(), other.status.to_string());
    if one.status != other.status {
        return found;
    }
    let all = |response: &Response, name: &str| {
        let mut values: Vec<String> =
            response.head.all(name).iter().map(|value| (*value).to_owned()).collect();
        values.dedup();
        values.join(", ")
    };
    let location = |response: &Response| {
        let text = all(response, "location");
        let local = regex::Regex::new(r"^http://(127\.0\.0\.1|localhost|[a-z.-]+)(:\d+)?").unwrap();
        if (300..400).contains(&response.status) {
            local.replace(&text, "").into_owned()
        } else {
            text
        }
    };
    differ("location", location(one), location(other));
    if one.status == 404 && is_echo(one) && !is_echo(other) {
        differ("error page", "application".into(), "file".into());
        return found;
    }
    let is_own_page = one.status >= 400
        && !is_echo(one)
        && !is_echo(other)
        && one.text().contains("<center>nginx");
    if !is_own_page && !(300..400).contains(&one.status) {
        differ("content-type", all(one, "content-type"), all(other, "content-type"));
        differ("cache-control", all(one, "cache-control"), all(other, "cache-control"));
    }
    for name in site.headers.iter().chain([&"x-from".to_owned(), &"www-authenticate".to_owned()]) {
        if !matches!(
            name.as_str(),
            "cache-control"
                | "content-type"
                | "content-length"
                | "x-request-id"
                | "pragma"
                | "vary"
        ) {
            differ(&format!("header {name}"), all(one, name), all(other, name));
        }
    }
    match (is_echo(one), is_echo(other)) {
        (true, true) => found.extend(of_echoes(&one.text(), &other.text())),
        _ if is_own_page || (300..400).contains(&one.status) || question.method == "HEAD" => {}
        _ => differ("body", shortened(&one.text()), shortened(&other.text())),
    }
    found
}

fn is_echo(response: &Response) -> bool {
    response.text().starts_with(ECHO)
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Compares what the application saw. Headers that only Sideman sends are more than nginx was asked for.
fn of_echoes(one: &str, other: &str) -> Vec<Found> {
    let lines = |text: &str| {
        let mut lines = text.lines();
        let first: Vec<String> = lines.by_ref().take(3).map(str::to_owned).collect();
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let known = fields.entry(name.to_owned()).or_default();
            if !known.is_empty() && known != value {
                known.push_str(", ");
            }
            if known != value {
                known.push_str(value);
            }
        }
        (first, fields)
    };
    let ((start, fields), (other_start, other_fields)) = (lines(one), lines(other));
    let mut found = Vec::new();
    for (what, (one, other)) in
        ["application", "target", "request body"].iter().zip(start.iter().zip(&other_start))
    {
        if one != other {
            found.push(((*what).to_owned(), one.clone(), other.clone()));
        }
    }
    for (name, value) in &fields {
        let own = other_fields.get(name).cloned().unwrap_or_default();
        if own != *value
            && !matches!(name.as_str(), "connection" | "content-length" | "x-request-id")
        {
            found.push((format!("request header {name}"), value.clone(), own));
        }
    }
    found
}

/// Why a difference is meant.
fn reason(
    site: &Site,
    question: &Question,
    what: &str,
    one: &str,
    other: &str,
) -> Option<&'static str> {
    let is_spa = site.text.contains(".html");
    let is_page = site.pages.contains(&question.target);
    let is_type = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    match what {
        "content-type" if is_type(one) == is_type(other) => Some("text files are UTF-8"),
        "content-type" if one.contains("javascript") && other.contains("javascript") => {
            Some("text/javascript is the type of RFC 9239")
        }
        "cache-control" if one.matches("max-age").count() == 2 => {
            Some("nginx sends two, of which clients take one")
        }
        "cache-control"
            if question.target.contains("media") || question.target.contains("upload") =>
        {
            Some("uploads have one lifetime: the list of differences says so")
        }
        "request header authorization" if other.is_empty() && site.text.contains("auth_basic") => {
            Some("the password is for Sideman, not for the application")
        }
        "header www-authenticate" if other.starts_with(one.trim_end_matches('"')) => {
            Some("the charset of the password is named")
        }
        "error page" => {
            Some("the page would come from the application: the list of differences says so")
        }
        _ if is_page => Some("the pages of errors have no path of their own"),
        "cache-control" if other == "no-store" && one.contains(other) => {
            Some("no-store says more than the other words")
        }
        "request header x-request-start" if one.starts_with("t=") && other.starts_with("t=") => {
            Some("the time of each request, in milliseconds")
        }
        "cache-control" if one.is_empty() => Some("files have Cache-Control without a setting"),
        "cache-control" if one.contains("max-age") && other.contains("max-age") => {
            let age = |text: &str| {
                let tail = text.split("max-age=").nth(1).unwrap_or_default();
                tail.chars().take_while(char::is_ascii_digit).collect::<String>()
            };
            (age(one) == age(other) || age(one).len() > 8 && age(other).len() == 8)
                .then_some("the same lifetime, at most a year")
        }
        "request header host" if one.contains("127.0.0.1") || !one.contains('.') => Some(
            "without proxy_set_header Host, nginx sends the name of the upstream; Django needs the site's",
        ),
        "request header x-forwarded-for" if one.ends_with(&format!(", {other}")) => {
            Some("only the address is sent that is known, nothing that a client says")
        }
        "request header x-forwarded-host" if !other.contains(question.host.as_str()) => {
            Some("Host has the same name")
        }
        "request header x-real-ip"
        | "request header x-forwarded-proto"
        | "request header x-forwarded-for"
            if question.fields.contains("X-Forwarded-For") =>
        {
            Some("clients cannot say who they are")
        }
        "request header host" if one.split(':').next() == Some(other) => {
            Some("the port is the one that a client names")
        }
        "request header x-scheme" if other == "https" => Some("server.external_scheme says https"),
        "target" if question.target.contains("//") || question.target.contains("..") => {
            Some("the application gets the path as the client wrote it")
        }
        "status" | "connection" if question.target == "/upload" => {
            Some("too large: another part refuses it first")
        }
        "status" if one == "405" && matches!(question.method, "PUT" | "OPTIONS") => {
            Some("nginx knows two methods for files, and an application has its own")
        }
        "status"
            if one == "200" && other == "404" && is_spa && !question.fields.contains("html") =>
        {
            Some("the page of a single-page application is for clients that accept HTML")
        }
        "status" if one == "404" && other == "200" && question.target.ends_with('/') => {
            Some("files have one index for all directories")
        }
        "connection" if one == "0" && other == "421" => Some("unknown hosts get 421"),
        "content-type" if other.is_empty() => Some("a response without a body has no type"),
        "request header path-info"
            if question.target.contains("//") || question.target.contains("..") =>
        {
            Some("the application gets the path as the client wrote it")
        }
        "status" if one == "500" && other == "404" => {
            Some("nginx redirects to itself until it gives up")
        }
        "status" if question.method != "GET" && other == "405" => Some("files have two methods"),
        "status" if one == "403" && other == "404" => {
            Some("a directory without an index does not exist")
        }
        "status" if one == "200" && other == "404" && question.target.ends_with('/') => {
            Some("the files that Django collects have no index")
        }
        "status" if one == "301" && !question.target.ends_with('/') => {
            Some("the directory of files without its slash belongs to the application")
        }
        what if what.starts_with("header ") && one.is_empty() => {
            Some("headers of a less specific route, and of errors, are sent too")
        }
        "status" if question.target.contains("//") || question.target.contains("..") => {
            Some("paths are compared without dot segments")
        }
        _ => None,
    }
}

// === impl Question ===

impl Question {
    fn shown(&self) -> String {
        format!("{} {} of {}", self.method, self.target, self.host)
    }

    /// Sends the request on a connection of its own; `None` if it is closed without a response.
    fn ask(&self, address: SocketAddr) -> Option<Response> {
        let Self { method, target, host, fields, body } = self;
        let length = match body.is_empty() {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        let mut client = Client::try_connect(address).ok()?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}Connection: close\r\n\r\n{body}"
        );
        client.try_send(head).ok()?;
        client.try_response(method).ok()
    }
}
