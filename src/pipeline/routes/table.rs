//! All routes of a plan, in the form that lookups need.

use std::{collections::HashSet, sync::Arc};

use http::HeaderName;

use super::{
    host_index::HostIndex,
    path_index::PathIndex,
    route_auth::RouteAuth,
    rule::{RouteQuery, Rule, RuleId, TableRoute},
};
use crate::{
    pipeline::rate_limiter::RateLimiter,
    plan::{
        FileSettings, MissingFile, PathPattern, Plan, RateLimitSetting, Route, RouteAction,
        RouteMatcher, RoutePolicies,
    },
    rfc::host,
};

/// All routes, ready for lookups.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct RouteTable {
    routes: Vec<TableRoute>,
    rules: Vec<Rule>,
    hosts: HostIndex,
    /// The paths of each host that some route names. The first is for routes without hosts.
    paths: Vec<PathIndex>,
    guards_access: bool,
    authenticates: bool,
    /// The fields that auth servers set for applications, over all routes.
    auth_headers: Vec<HeaderName>,
}

// === impl RouteTable ===

impl RouteTable {
    /// Creates the table of a plan.
    pub(in crate::pipeline) fn new(plan: &Plan) -> Self {
        Self::after(plan, &Self::default())
    }

    /// Creates the table of a plan that replaces another one. Rate limits whose settings are unchanged keep their
    /// state.
    pub(in crate::pipeline) fn after(plan: &Plan, previous: &Self) -> Self {
        let mut table = Self { paths: vec![PathIndex::default()], ..Self::default() };
        // Of two rules with equal patterns the first one is more specific, so named routes come before sections. Those
        // with ports, methods or clients come before those without.
        let mut named: Vec<_> = plan.routes.iter().collect();
        named.sort_by_key(|route| {
            let RouteMatcher { methods, clients, ports, .. } = &route.matcher;
            (ports.is_empty(), methods.is_empty(), clients.is_empty(), &route.name)
        });
        for route in named {
            let index = table.push(TableRoute {
                name: Some(route.name.as_str().into()),
                methods: route.matcher.methods.clone(),
                clients: route.matcher.clients.clone(),
                ports: route.matcher.ports.clone(),
                action: route.action.clone(),
                policies: route.policies.clone(),
                limiter: previous.limiter(route),
                auth: route.policies.auth.as_ref().map(|auth| Arc::new(RouteAuth::new(auth))),
            });
            table.add(index, &route.matcher.hosts, &route.matcher.paths);
        }
        table.add_files(&plan.files, false);
        table.add_files(&plan.media, true);
        table.paths.iter_mut().for_each(PathIndex::finish);
        table.authenticates = table.routes.iter().any(|route| route.auth.is_some());
        let named = table.routes.iter().filter_map(|route| route.auth.as_deref());
        let named: HashSet<_> = named.flat_map(RouteAuth::response_headers).cloned().collect();
        table.auth_headers = named.into_iter().collect();
        table.guards_access =
            table.authenticates || table.routes.iter().any(|route| route.policies.access.is_some());
        table
    }

    /// Returns the limiter for a route: the one in this table, if its limit is the same.
    fn limiter(&self, route: &Route) -> Option<Arc<RateLimiter>> {
        let Some(RateLimitSetting::Limit(limit)) = &route.policies.rate_limit.limit else {
            return None;
        };
        let is_same = |one: &&TableRoute| one.name.as_deref() == Some(route.name.as_str());
        let known = self.routes.iter().find(is_same).and_then(|one| one.limiter.as_ref());
        let known = known.filter(|known| known.limit() == limit);
        Some(known.cloned().unwrap_or_else(|| Arc::new(RateLimiter::new(limit))))
    }

    /// Adds the prefixes of a section.
    fn add_files(&mut self, files: &FileSettings, is_media: bool) {
        let roots = files.roots.iter().enumerate().filter(|(_, root)| root.route.is_none());
        for (root, settings) in roots {
            let index = self.push(TableRoute {
                name: None,
                methods: Vec::new(),
                clients: Vec::new(),
                ports: Vec::new(),
                action: Some(RouteAction::Files { is_media, root, missing: MissingFile::NotFound }),
                policies: RoutePolicies::default(),
                limiter: None,
                auth: None,
            });
            self.add(index, &[], &[PathPattern::Prefix(settings.prefix.clone())]);
        }
    }

    fn push(&mut self, route: TableRoute) -> usize {
        self.routes.push(route);
        self.routes.len() - 1
    }

    /// Adds the rules of a route: one for each of its patterns, at each of its hosts.
    fn add(&mut self, route: usize, hosts: &[String], patterns: &[PathPattern]) {
        let groups: Vec<usize> = match hosts {
            [] => vec![0],
            hosts => hosts.iter().map(|host| self.group(host)).collect(),
        };
        let everything = [PathPattern::Prefix("/".into())];
        let patterns = if patterns.is_empty() { &everything } else { patterns };
        for pattern in patterns {
            let (prefix, replaced, expression) = match pattern {
                PathPattern::Prefix(prefix) => (prefix.len(), prefix.len(), None),
                PathPattern::Exact(path) => (1, path.len(), None),
                PathPattern::Glob(_) => (1, 1, None),
                PathPattern::Expression(one) => (1, 1, Some(one.clone())),
            };
            let id = self.rules.len();
            let names_path = !matches!(pattern, PathPattern::Prefix(prefix) if prefix == "/");
            self.rules.push(Rule { route, prefix, replaced, expression, names_path });
            for &group in &groups {
                if let Some(paths) = self.paths.get_mut(group) {
                    paths.add(pattern, id);
                }
            }
        }
    }

    /// Returns the index of the paths of a host, which may be new.
    fn group(&mut self, host: &str) -> usize {
        let next = self.paths.len();
        let group = self.hosts.add(host, next);
        if group == next {
            self.paths.push(PathIndex::default());
        }
        group
    }

    /// Whether some route decides who may send a request.
    pub(in crate::pipeline) fn guards_access(&self) -> bool {
        self.guards_access
    }

    /// Whether some route sets how clients authenticate.
    pub(in crate::pipeline) fn authenticates(&self) -> bool {
        self.authenticates
    }

    /// Returns the fields that auth servers set for applications, over all routes.
    pub(super) fn auth_headers(&self) -> &[HeaderName] {
        &self.auth_headers
    }

    /// Collects the rules that match, the most specific first. A route with several matching patterns occurs once for
    /// each.
    pub(super) fn collect(&self, query: &RouteQuery<'_>, found: &mut Vec<RuleId>) {
        found.clear();
        let path = match query.path {
            // `OPTIONS *` is about the server as a whole.
            b"*" => b"/",
            path => path,
        };
        let mut add = |id: RuleId| {
            let rule = self.rules.get(id);
            if rule
                .and_then(|rule| self.routes.get(rule.route))
                .is_some_and(|one| one.accepts(query))
            {
                found.push(id);
            }
        };
        if !self.hosts.is_empty()
            && let Some((host, _)) = query.host.and_then(host::split_port)
        {
            self.hosts.each(host, |group| {
                if let Some(paths) = self.paths.get(group) {
                    paths.each(path, &mut add);
                }
            });
        }
        if let Some(paths) = self.paths.first() {
            paths.each(path, &mut add);
        }
    }

    /// Returns each route of these rules once, the most specific first, with the rule that matched.
    pub(super) fn routes_of<'a>(
        &'a self,
        rules: &'a [RuleId],
    ) -> impl Iterator<Item = (&'a Rule, &'a TableRoute)> {
        let rule = |id: &RuleId| self.rules.get(*id);
        rules.iter().enumerate().filter_map(move |(index, id)| {
            let found = rule(id)?;
            let mut earlier = rules.get(..index)?.iter().filter_map(rule);
            match earlier.any(|earlier| earlier.route == found.route) {
                true => None,
                false => Some((found, self.routes.get(found.route)?)),
            }
        })
    }
}
