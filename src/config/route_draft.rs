//! The draft of a named route: the values of its settings, before they become a [`Route`](crate::plan::Route).

use std::{path::PathBuf, time::Duration};

use http::StatusCode;
use ipnet::IpNet;

use crate::plan::{
    AccessRules, BucketObjects, MissingFile, PathPattern, Placeholder, Purpose, Root, RouteAction,
    RouteMatcher, RoutePolicies, RouteRedirect, RouteResponse, TemplatePart,
};

use super::{
    auth::AuthDraft, buckets::BucketList, file_place::FilePlace, path_pattern,
    servers::ServerWithScheme, upstream_tls::TlsDraft,
};

/// Maximum length of a name.
const LONGEST: usize = 32;

/// The values of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteDraft {
    pub(super) name: String,
    /// Whether one of its settings is invalid, and blank here.
    pub(super) has_fault: bool,
    pub(super) matcher: RouteMatcher,
    pub(super) servers: Vec<ServerWithScheme>,
    pub(super) tls: TlsDraft,
    pub(super) files: Vec<FilePlace>,
    pub(super) media: Vec<FilePlace>,
    pub(super) file: Option<PathBuf>,
    pub(super) redirect: Option<RouteRedirect>,
    pub(super) respond: Option<RouteResponse>,
    pub(super) falls_through: bool,
    /// The file for missing names.
    pub(super) spa: Option<String>,
    pub(super) max_age: Option<Duration>,
    pub(super) strips_prefix: bool,
    pub(super) max_in_flight: Option<usize>,
    pub(super) allow: Vec<IpNet>,
    pub(super) deny: Vec<IpNet>,
    pub(super) auth: AuthDraft,
    pub(super) policies: RoutePolicies,
}

/// Checks the name of a route. It must be possible in a variable: `SIDEMAN_ROUTE__NAME__PATH`.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > LONGEST {
        return Err("must have at most 32 characters");
    }
    if !name.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) {
        return Err("must begin with a lower-case letter");
    }
    if !name.bytes().all(is_letter) {
        return Err("only lower-case letters, digits and _ are possible");
    }
    if name.contains("__") || name.ends_with('_') {
        return Err("__ and a final _ are not possible: they part names in the environment");
    }
    Ok(())
}

/// Returns the route that redirects `www.example.org` to `example.org`, or the reverse. 308 keeps method and body.
pub(super) fn canonical_host(host: &str) -> RouteDraft {
    let other = match host.strip_prefix("www.") {
        Some(parent) => parent.to_owned(),
        None => format!("www.{host}"),
    };
    let text = |text: &str| TemplatePart::Text(text.to_owned());
    let value = TemplatePart::Value;
    let location = vec![
        value(Placeholder::Scheme),
        text("://"),
        text(host),
        value(Placeholder::Path),
        value(Placeholder::Query),
    ];
    RouteDraft {
        matcher: RouteMatcher { hosts: vec![other], ..RouteMatcher::default() },
        redirect: Some(RouteRedirect { status: StatusCode::PERMANENT_REDIRECT, location }),
        ..RouteDraft::new("server.canonical_host")
    }
}

/// Returns the route with the files at the root of the site, such as `/robots.txt`. Only names with a dot are looked
/// for, because nearly all pages have none.
pub(super) fn root_files(directory: PathBuf) -> RouteDraft {
    RouteDraft {
        matcher: RouteMatcher {
            paths: path_pattern::pattern("/*.*").into_iter().collect(),
            ..RouteMatcher::default()
        },
        files: vec![FilePlace::Directory(directory)],
        falls_through: true,
        ..RouteDraft::new("static.root_files")
    }
}

// === impl RouteDraft ===

impl RouteDraft {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the policies.
    pub(super) fn policies(&self) -> RoutePolicies {
        let mut policies = self.policies.clone();
        if self.strips_prefix {
            policies.replaced_prefix = Some("/".into());
        }
        if !self.allow.is_empty() || !self.deny.is_empty() {
            let (allow, deny) = (self.allow.clone(), self.deny.clone());
            policies.access = Some(AccessRules { allow, deny });
        }
        policies
    }

    /// Returns the names of the actions that are set.
    pub(super) fn actions(&self) -> Vec<&'static str> {
        let all = [
            ("upstream", !self.servers.is_empty()),
            ("files", !self.files.is_empty()),
            ("media", !self.media.is_empty()),
            ("file", self.file.is_some()),
            ("redirect", self.redirect.is_some()),
            ("respond", self.respond.is_some()),
        ];
        all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }

    /// Whether no request is left for less specific routes or the application.
    pub(super) fn responds_to_everything(&self) -> bool {
        let RouteMatcher { hosts, paths, methods, clients, ports } = &self.matcher;
        let is_root =
            |path: &PathPattern| matches!(path, PathPattern::Prefix(prefix) if prefix == "/");
        hosts.is_empty()
            && methods.is_empty()
            && clients.is_empty()
            && ports.is_empty()
            && (paths.is_empty() || paths.iter().any(is_root))
            && !self.actions().is_empty()
            && !self.falls_through
    }

    /// Returns the root of the site's own files, if the route has some: its directories, or that of its one file.
    pub(super) fn static_root(&self, template: &Root, buckets: &mut BucketList) -> Option<Root> {
        let places = match &self.file {
            Some(file) => vec![FilePlace::Directory(file.parent()?.to_owned())],
            None if self.files.is_empty() => return None,
            None => self.files.clone(),
        };
        Some(self.root(template, Purpose::Static, buckets.places(places)))
    }

    /// Returns the root of uploads, if the route has some.
    pub(super) fn uploads_root(&self, template: &Root, buckets: &mut BucketList) -> Option<Root> {
        let has_some = !self.media.is_empty();
        has_some.then(|| self.root(template, Purpose::Media, buckets.places(self.media.clone())))
    }

    fn root(
        &self,
        template: &Root,
        purpose: Purpose,
        (directories, bucket): (Vec<PathBuf>, Option<BucketObjects>),
    ) -> Root {
        let prefix = self.matcher.paths.iter().find_map(|path| match path {
            PathPattern::Prefix(prefix) => Some(prefix.clone()),
            PathPattern::Exact(_) | PathPattern::Glob(_) | PathPattern::Expression(_) => None,
        });
        Root {
            prefix: prefix.unwrap_or_else(|| "/".into()),
            route: Some(self.name.clone()),
            directories,
            bucket,
            purpose,
            max_age: self.max_age.unwrap_or(template.max_age),
            ..template.clone()
        }
    }

    /// Returns the action of the root with this index.
    pub(super) fn action_of_files(&self, root: usize) -> RouteAction {
        if let Some(name) = self.file.as_ref().and_then(|file| file.file_name()) {
            return RouteAction::File { root, name: name.to_string_lossy().into_owned() };
        }
        let missing = match &self.spa {
            _ if self.falls_through => MissingFile::Next,
            Some(name) => MissingFile::SinglePage(name.clone()),
            None => MissingFile::NotFound,
        };
        RouteAction::Files { is_media: !self.media.is_empty(), root, missing }
    }

    /// Returns the action that needs neither another server nor a file, if the route has one.
    pub(super) fn own_response(&self) -> Option<RouteAction> {
        let redirect = self.redirect.clone().map(RouteAction::Redirect);
        redirect.or_else(|| self.respond.clone().map(RouteAction::Respond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "api", "api_v2", "a1_b"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "1a", "Api", "a-b", "a__b", "a_", "_a", "caf\u{e9}", &"a".repeat(33)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
