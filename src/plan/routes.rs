//! Named routes: the requests that they match, their actions, and their policies.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use regex::bytes::Regex;

use super::{
    auth::AuthPolicy,
    cache::RouteCache,
    log::RouteLog,
    rate_limit::RateLimitPolicy,
    status::{ErrorPage, PageSource, StatusPattern},
};

/// A rule for the requests that it matches. The next less specific route that matches decides the settings that it does
/// not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// Unique.
    pub name: String,
    pub matcher: RouteMatcher,
    /// `None` means the action of the next less specific route.
    pub action: Option<RouteAction>,
    pub policies: RoutePolicies,
}

/// The requests that a route matches: those that satisfy every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteMatcher {
    /// In lower case. A host that begins with a dot matches every name that ends with it, and the name itself.
    pub hosts: Vec<String>,
    pub paths: Vec<PathPattern>,
    /// `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    /// Networks of clients.
    pub clients: Vec<IpNet>,
    /// Ports that clients connect to.
    pub ports: Vec<u16>,
}

/// A pattern for the decoded path without dot segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    Exact(String),
    /// Ends with `/`.
    Prefix(String),
    Glob(PathExpression),
    Expression(PathExpression),
}

/// A compiled expression. Equal texts are equal expressions.
#[derive(Clone, Debug)]
pub struct PathExpression {
    /// The text in the settings, without the mark of its kind.
    pub text: String,
    pub regex: Regex,
}

/// The response of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// An application: the index in [`Plan::routed`](super::Plan::routed).
    Upstream(usize),
    /// The files of a directory: the index of the root in [`Plan::files`](super::Plan::files) or
    /// [`Plan::media`](super::Plan::media). A file is named by the path without the prefix that matched.
    Files {
        is_media: bool,
        root: usize,
        missing: MissingFile,
    },
    /// One file, below a root of [`Plan::files`](super::Plan::files).
    File {
        root: usize,
        name: String,
    },
    Redirect(RouteRedirect),
    Respond(RouteResponse),
}

/// What happens to a request for a file that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MissingFile {
    #[default]
    NotFound,
    /// The action of the next less specific route responds, and to all methods but GET and HEAD.
    Next,
    /// This file is sent, to clients that ask for HTML at a name without an extension.
    SinglePage(String),
}

/// A redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRedirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// Begins with `http://`, `https://`, `/` or a placeholder. Whatever the values of its placeholders are, the host
    /// is the one that is written here, or the requested one.
    pub location: Vec<TemplatePart>,
}

/// A response that needs nothing but the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteResponse {
    Fixed(FixedResponse),
    /// None: the connection is closed.
    Close,
}

/// A response with a fixed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedResponse {
    pub status: StatusCode,
    /// `None` is the page of an error, or no content for other statuses.
    pub text: Option<String>,
}

/// What a route sets besides its action. `None` and an empty list set nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePolicies {
    pub streaming: Option<Streaming>,
    /// In place of [`CompressionSettings::responses`](super::CompressionSettings::responses).
    pub compress: Option<bool>,
    /// `None` is [`RouteCache::On`].
    pub cache: Option<RouteCache>,
    pub access: Option<AccessRules>,
    pub deny_response: Option<DenyResponse>,
    pub auth: Option<AuthPolicy>,
    /// Maximum bytes of a request's body; `Some(None)` is no limit.
    pub max_body: Option<Option<u64>>,
    /// In place of [`UpstreamSettings::read_timeout`](super::UpstreamSettings::read_timeout).
    pub read_timeout: Option<Duration>,
    /// In place of [`UpstreamSettings::total_timeout`](super::UpstreamSettings::total_timeout); `Some(None)` is no
    /// limit.
    pub total_timeout: Option<Option<Duration>>,
    /// The path for the application in place of the path, or of its prefix, that matched.
    pub replaced_prefix: Option<String>,
    /// `SCRIPT_NAME` for the application: begins with `/` and does not end with one.
    pub script_name: Option<String>,
    /// `Host` for the application.
    pub host_header: Option<HostHeader>,
    /// Changes of the header fields that the application gets, in order.
    pub request_headers: Vec<HeaderEdit>,
    /// Changes of the response's header fields, in order.
    pub response_headers: Vec<HeaderEdit>,
    pub rate_limit: RateLimitPolicy,
    pub log: Option<RouteLog>,
    /// Files that replace error pages, those for one status first. Other statuses have the pages of [`PageSettings`].
    pub errors: Vec<ErrorPage>,
    /// The statuses of the application whose responses are replaced by error pages.
    pub intercept: Option<Vec<StatusPattern>>,
}

/// The clients that may send a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// If it is not empty, clients in no network of either list are denied.
    pub allow: Vec<IpNet>,
    pub deny: Vec<IpNet>,
}

/// How a request that [`AccessRules`] exclude is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenyResponse {
    #[default]
    Forbidden,
    /// Not at all: the connection is closed.
    Close,
}

/// The `Host` that an application gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The address of the application's first server.
    Upstream,
    Text(HeaderText),
}

/// The directions to stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// The application gets the request's body while it arrives.
    pub request: bool,
    /// The application is read only as fast as the client reads.
    pub response: bool,
}

/// A change to one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Replaces existing values.
    Set(HeaderName, HeaderText),
    /// Keeps existing values.
    Add(HeaderName, HeaderText),
    /// Sets a header that is missing.
    Default(HeaderName, HeaderText),
    Remove(HeaderName),
}

/// The value of a header that a route sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    Fixed(HeaderValue),
    /// At least one part is a placeholder. Every text is visible ASCII.
    Template(Vec<TemplatePart>),
}

/// A part of a text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    Text(String),
    Value(Placeholder),
}

/// A fact about the request that a template shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The host that was requested, with its port.
    Host,
    /// The path as the client sent it.
    Path,
    /// The query with its `?`, or nothing.
    Query,
    RequestId,
    /// The client's address.
    Client,
    /// `http` or `https`.
    Scheme,
    /// The milliseconds that the request was queued; only in responses.
    QueueTime,
    /// The milliseconds until the first byte of the application's response; only in responses.
    UpstreamTime,
    /// The path without the prefix that matched. It does not begin with `/`.
    Rest,
    /// A group of the expression that matched, from 1 to 9.
    Group(u8),
}

/// Responses that Sideman sends itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSettings {
    /// Pages that replace Sideman's own error pages, by status.
    pub errors: Vec<(StatusCode, PageSource)>,
    /// While this file exists, all requests but those for files and health checks get 503.
    pub maintenance: Option<PathBuf>,
}

// === impl AccessRules ===

impl AccessRules {
    /// Whether a client may send a request. The smallest network that contains it decides; `deny` wins if both lists
    /// have it.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let longest = |networks: &[IpNet]| {
            let containing = networks.iter().filter(|network| network.contains(&client));
            containing.map(IpNet::prefix_len).max()
        };
        match (longest(&self.allow), longest(&self.deny)) {
            (None, None) => self.allow.is_empty(),
            (allowed, denied) => allowed > denied,
        }
    }
}

// === impl HeaderEdit ===

impl HeaderEdit {
    /// Returns the name of the header.
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::Set(name, _)
            | Self::Add(name, _)
            | Self::Default(name, _)
            | Self::Remove(name) => name,
        }
    }
}

// === impl PathExpression ===

impl PartialEq for PathExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathExpression {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_decides_about_access() {
        let networks = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
        for (allow, deny, client, is_allowed) in [
            (&[][..], &[][..], "192.0.2.1", true),
            (&["10.0.0.0/8"], &[], "10.1.2.3", true),
            (&["10.0.0.0/8"], &[], "192.0.2.1", false),
            (&[], &["10.0.0.0/8"], "10.1.2.3", false),
            (&[], &["10.0.0.0/8"], "192.0.2.1", true),
            (&["10.1.0.0/16"], &["10.0.0.0/8"], "10.1.2.3", true),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.2.3", false),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.2.2.3", true),
            (&["10.0.0.0/8"], &["10.0.0.0/8"], "10.1.2.3", false),
            (&["10.0.0.0/8"], &["0.0.0.0/0", "::/0"], "10.1.2.3", true),
            (&["10.0.0.0/8"], &["0.0.0.0/0", "::/0"], "2001:db8::1", false),
            (&["10.0.0.0/8"], &[], "::ffff:10.1.2.3", true),
            (&[], &["2001:db8::/32"], "2001:db8::1", false),
        ] {
            let rules = AccessRules { allow: networks(allow), deny: networks(deny) };
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(rules.allows(client), is_allowed, "{allow:?} {deny:?} {client}");
        }
    }
}
