//! What the routes of a request set: each setting by the most specific route that has it.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use super::{
    route_auth::RouteAuth,
    route_limit::RouteLimit,
    rule::{Rule, RuleId},
    table::RouteTable,
};
use crate::{
    pipeline::store_kind::StoreKind,
    plan::{
        AccessRules, DenyResponse, ErrorPage, HeaderEdit, HostHeader, MissingFile, PathExpression,
        RouteAction, RouteCache, RouteLog, RoutePolicies, RouteRedirect, RouteResponse,
        StatusPattern, Streaming,
    },
    upstream::RequestTimeouts,
};

/// The settings for one request.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct Policies {
    /// The most specific named route.
    pub(in crate::pipeline) route: Option<Arc<str>>,
    /// At least one. If a file does not exist, the next one responds.
    pub(in crate::pipeline) actions: Vec<Action>,
    pub(in crate::pipeline) streaming: Streaming,
    /// Whether responses of the application are compressed; `None` if no route says it.
    pub(in crate::pipeline) compress: Option<bool>,
    /// What the cache does with the request and its response.
    pub(in crate::pipeline) cache: RouteCache,
    /// The clients that may send the request; `None` is every client.
    pub(in crate::pipeline) access: Option<AccessRules>,
    pub(in crate::pipeline) deny_response: DenyResponse,
    /// How the client must authenticate; `None` is not at all.
    pub(in crate::pipeline) auth: Option<Arc<RouteAuth>>,
    /// The fields that clients may not send, because an auth server sets them.
    pub(in crate::pipeline) auth_headers: Vec<AuthHeader>,
    /// In place of `server.max_body`.
    pub(in crate::pipeline) max_body: Option<Option<u64>>,
    pub(in crate::pipeline) timeouts: RequestTimeouts,
    pub(in crate::pipeline) forwarding: Forwarding,
    /// Those of less specific routes come first.
    pub(in crate::pipeline) response_headers: Vec<HeaderEdit>,
    pub(in crate::pipeline) rate_limit: Option<RouteLimit>,
    /// Which requests have a line in the access log.
    pub(in crate::pipeline) log: RouteLog,
    /// Files that replace error pages, those for one status first.
    pub(in crate::pipeline) errors: Vec<ErrorPage>,
    /// The statuses of the application whose responses are replaced.
    pub(in crate::pipeline) intercept: Vec<StatusPattern>,
}

/// A field that an auth server sets for an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct AuthHeader {
    pub(in crate::pipeline) name: HeaderName,
    /// Whether the auth server of the request sets it. Otherwise that of other requests does.
    pub(in crate::pipeline) is_here: bool,
}

/// What an application gets in place of parts of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pipeline) struct Forwarding {
    pub(in crate::pipeline) prefix: Option<PrefixReplacement>,
    pub(in crate::pipeline) script_name: Option<String>,
    pub(in crate::pipeline) host: Option<HostHeader>,
    /// Those of less specific routes come first.
    pub(in crate::pipeline) headers: Vec<HeaderEdit>,
}

/// A path in place of the start of the request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct PrefixReplacement {
    /// The length of the prefix in the decoded path.
    pub(in crate::pipeline) length: usize,
    /// Ends with `/`.
    pub(in crate::pipeline) path: String,
}

/// What responds to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Action {
    /// An application: the index in the plan, or `None` for the one of `upstream.url`.
    Upstream(Option<usize>),
    /// A file, named by the path without its first `prefix` bytes.
    Files {
        store_kind: StoreKind,
        root: usize,
        prefix: usize,
        missing: MissingFile,
    },
    /// One file.
    File {
        root: usize,
        name: String,
    },
    Redirect(RedirectAction),
    Respond(RouteResponse),
}

/// A redirect, and what its placeholders need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct RedirectAction {
    pub(in crate::pipeline) redirect: RouteRedirect,
    /// The length of the prefix that matched.
    pub(in crate::pipeline) prefix: usize,
    /// The expression that matched.
    pub(in crate::pipeline) expression: Option<PathExpression>,
}

// === impl Policies ===

impl Policies {
    /// Merges the routes of these rules, which are in the order of [`RouteTable::collect`].
    pub(super) fn resolve(table: &RouteTable, rules: &[RuleId]) -> Self {
        let mut actions: Vec<Action> = Vec::new();
        let mut route = None;
        let mut merged = RoutePolicies::default();
        let mut auth = None;
        let mut prefix = None;
        let mut request_headers: Vec<&[HeaderEdit]> = Vec::new();
        let mut response_headers: Vec<&[HeaderEdit]> = Vec::new();
        for (rule, one) in table.routes_of(rules) {
            route = route.or_else(|| one.name.clone());
            if let Some(action) = &one.action
                && actions.last().is_none_or(Action::falls_through)
            {
                actions.push(Action::of(action, rule));
            }
            let own = &one.policies;
            merged.streaming = merged.streaming.or(own.streaming);
            merged.compress = merged.compress.or(own.compress);
            merged.cache = merged.cache.or(own.cache);
            merged.access = merged.access.or_else(|| own.access.clone());
            merged.deny_response = merged.deny_response.or(own.deny_response);
            auth = auth.or_else(|| one.auth.clone());
            merged.max_body = merged.max_body.or(own.max_body);
            merged.read_timeout = merged.read_timeout.or(own.read_timeout);
            merged.total_timeout = merged.total_timeout.or(own.total_timeout);
            merged.script_name = merged.script_name.or_else(|| own.script_name.clone());
            merged.log = merged.log.or(own.log);
            merged.intercept = merged.intercept.or_else(|| own.intercept.clone());
            if merged.errors.is_empty() {
                merged.errors.clone_from(&own.errors);
            }
            merged.host_header = merged.host_header.or_else(|| own.host_header.clone());
            prefix = prefix.or_else(|| {
                let path = own.replaced_prefix.clone()?;
                Some(PrefixReplacement { length: rule.replaced, path })
            });
            request_headers.push(&own.request_headers);
            response_headers.push(&own.response_headers);
        }
        if actions.last().is_none_or(Action::falls_through) {
            actions.push(Action::Upstream(None));
        }
        let here = auth.as_deref().map_or(&[][..], RouteAuth::response_headers);
        let auth_headers = table
            .auth_headers()
            .iter()
            .map(|name| AuthHeader { name: name.clone(), is_here: here.contains(name) });
        Self {
            auth_headers: auth_headers.collect(),
            route,
            actions,
            streaming: merged.streaming.unwrap_or_default(),
            compress: merged.compress,
            cache: merged.cache.unwrap_or_default(),
            access: merged.access,
            deny_response: merged.deny_response.unwrap_or_default(),
            auth,
            max_body: merged.max_body,
            timeouts: RequestTimeouts { read: merged.read_timeout, total: merged.total_timeout },
            forwarding: Forwarding {
                prefix,
                script_name: merged.script_name,
                host: merged.host_header,
                headers: in_order(&request_headers),
            },
            response_headers: in_order(&response_headers),
            rate_limit: RouteLimit::resolve(table.routes_of(rules)),
            log: merged.log.unwrap_or_default(),
            errors: merged.errors,
            intercept: merged.intercept.unwrap_or_default(),
        }
    }

    /// Whether an error page replaces a response of the application with this status.
    pub(in crate::pipeline) fn intercepts(&self, status: StatusCode) -> bool {
        self.intercept.iter().any(|pattern| pattern.contains(status))
    }

    /// Whether the last action needs no path.
    pub(in crate::pipeline) fn responds_to_any_path(&self) -> bool {
        match self.actions.last() {
            Some(Action::Upstream(_) | Action::Respond(_)) => true,
            None | Some(Action::Files { .. } | Action::File { .. } | Action::Redirect(_)) => false,
        }
    }

    /// Returns the application that the request may reach: the index in the plan, or `None` for the one of
    /// `upstream.url`.
    pub(in crate::pipeline) fn upstream(&self) -> Option<usize> {
        self.actions.iter().find_map(|action| match action {
            Action::Upstream(index) => *index,
            Action::Files { .. }
            | Action::File { .. }
            | Action::Redirect(_)
            | Action::Respond(_) => None,
        })
    }
}

/// Puts the changes of the least specific route first, so that those of the most specific one have the last word.
fn in_order(of_routes: &[&[HeaderEdit]]) -> Vec<HeaderEdit> {
    of_routes.iter().rev().copied().flatten().cloned().collect()
}

// === impl Action ===

impl Action {
    fn of(action: &RouteAction, rule: &Rule) -> Self {
        match action {
            RouteAction::Upstream(index) => Self::Upstream(Some(*index)),
            RouteAction::Files { is_media, root, missing } => Self::Files {
                store_kind: if *is_media { StoreKind::Media } else { StoreKind::Static },
                root: *root,
                prefix: rule.prefix,
                missing: missing.clone(),
            },
            RouteAction::File { root, name } => Self::File { root: *root, name: name.clone() },
            RouteAction::Redirect(redirect) => Self::Redirect(RedirectAction {
                redirect: redirect.clone(),
                prefix: rule.prefix,
                expression: rule.expression.clone(),
            }),
            RouteAction::Respond(response) => Self::Respond(response.clone()),
        }
    }

    /// Whether the next action responds if this one has nothing.
    fn falls_through(&self) -> bool {
        matches!(self, Self::Files { missing: MissingFile::Next, .. })
    }
}
