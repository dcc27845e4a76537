//! Compares lookups with an obvious model: every pattern of every route is tried, and all matches are sorted.

use std::{cmp::Reverse, net::IpAddr, sync::Arc};

use http::Method;
use proptest::{collection::vec, option, prelude::*, sample};

use super::{Action, Policies, RouteMemo, RouteQuery, RouteTable};
use crate::{
    pipeline::store_kind::StoreKind,
    plan::{
        FileSettings, MissingFile, PathExpression, PathPattern, Plan, Root, Route, RouteAction,
        RouteLog, RouteMatcher, RoutePolicies, Streaming,
    },
    rfc::host,
};

const HOSTS: [&str; 4] = ["a.org", ".a.org", "b.a.org", ".org"];
const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
const CLIENTS: [&str; 3] = ["10.0.0.0/8", "10.1.0.0/16", "::/0"];
const PORTS: [u16; 2] = [80, 8080];

fn pattern() -> impl Strategy<Value = PathPattern> {
    let expression = |text: &str, regex: &str| PathExpression {
        text: text.into(),
        regex: regex::bytes::Regex::new(regex).unwrap(),
    };
    prop_oneof![
        "(/[ab]{0,2}){1,3}".prop_map(PathPattern::Exact),
        "(/[ab]{1,2}){0,2}/".prop_map(PathPattern::Prefix),
        Just(PathPattern::Glob(expression("*b", "^(?:.*/)?[^/]*b$"))),
        Just(PathPattern::Expression(expression("aa", "aa"))),
        Just(PathPattern::Expression(expression("^/b", "^/b"))),
    ]
}

fn route(index: usize) -> impl Strategy<Value = Route> {
    let matcher = (
        vec(sample::select(&HOSTS[..]), 0..2),
        vec(pattern(), 0..3),
        option::weighted(0.3, sample::select(&METHODS[..])),
        option::weighted(0.3, sample::select(&CLIENTS[..])),
        option::weighted(0.3, sample::select(&PORTS[..])),
    );
    let streaming = option::of((any::<bool>(), any::<bool>()));
    let log = option::of(sample::select(&[RouteLog::All, RouteLog::Failing, RouteLog::Off][..]));
    (matcher, any::<bool>(), streaming, log).prop_map(
        move |((hosts, paths, method, client, port), acts, streaming, log)| Route {
            name: format!("r{index}"),
            matcher: RouteMatcher {
                hosts: hosts.into_iter().map(str::to_owned).collect(),
                paths,
                methods: method.into_iter().collect(),
                clients: client.into_iter().map(|one| one.parse().unwrap()).collect(),
                ports: port.into_iter().collect(),
            },
            action: acts.then_some(RouteAction::Upstream(index)),
            policies: RoutePolicies {
                streaming: streaming.map(|(request, response)| Streaming { request, response }),
                log,
                ..RoutePolicies::default()
            },
        },
    )
}

/// Returns the rank of a match, the most specific first.
fn rank(route: &Route, host: Option<&[u8]>, path: &[u8]) -> Option<impl Ord + use<>> {
    let host_rank = match route.matcher.hosts.as_slice() {
        [] => (2, Reverse(0)),
        hosts => hosts
            .iter()
            .filter(|pattern| host.is_some_and(|host| host::matches(host, pattern)))
            .map(|pattern| match pattern.starts_with('.') {
                false => (0, Reverse(0)),
                true => (1, Reverse(pattern.len())),
            })
            .min()?,
    };
    let path_rank = match route.matcher.paths.as_slice() {
        [] => (4, Reverse(0), String::new()),
        paths => paths
            .iter()
            .filter_map(|pattern| match pattern {
                PathPattern::Exact(exact) => {
                    (exact.as_bytes() == path).then(|| (0, Reverse(0), String::new()))
                }
                PathPattern::Prefix(prefix) if prefix == "/" => {
                    Some((4, Reverse(0), String::new()))
                }
                PathPattern::Prefix(prefix) => path
                    .starts_with(prefix.as_bytes())
                    .then(|| (1, Reverse(prefix.len()), String::new())),
                PathPattern::Glob(one) => {
                    one.regex.is_match(path).then(|| (2, Reverse(one.text.len()), one.text.clone()))
                }
                PathPattern::Expression(one) => {
                    one.regex.is_match(path).then(|| (3, Reverse(one.text.len()), one.text.clone()))
                }
            })
            .min()?,
    };
    let matcher = &route.matcher;
    let rest = (
        matcher.ports.is_empty(),
        matcher.methods.is_empty(),
        matcher.clients.is_empty(),
        route.name.clone(),
    );
    Some((host_rank, path_rank, rest))
}

fn model(
    routes: &[Route],
    query: &RouteQuery<'_>,
) -> (Option<Arc<str>>, Action, Streaming, RouteLog) {
    let is_accepted = |route: &&Route| {
        let matcher = &route.matcher;
        let is_method = |one: &Method| {
            one == query.method || (*one == Method::GET && *query.method == Method::HEAD)
        };
        (matcher.methods.is_empty() || matcher.methods.iter().any(is_method))
            && (matcher.clients.is_empty()
                || matcher.clients.iter().any(|one| one.contains(&query.client)))
            && (matcher.ports.is_empty() || matcher.ports.contains(&query.port))
    };
    let mut found: Vec<_> = routes
        .iter()
        .filter(is_accepted)
        .filter_map(|route| Some((rank(route, query.host, query.path)?, route)))
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let action = found.iter().find_map(|(_, route)| match route.action.as_ref()? {
        RouteAction::Upstream(index) => Some(Action::Upstream(Some(*index))),
        RouteAction::Files { .. }
        | RouteAction::File { .. }
        | RouteAction::Redirect(_)
        | RouteAction::Respond(_) => None,
    });
    let streaming = found.iter().find_map(|(_, route)| route.policies.streaming);
    let log = found.iter().find_map(|(_, route)| route.policies.log);
    (
        found.first().map(|(_, route)| route.name.as_str().into()),
        action.unwrap_or(Action::Upstream(None)),
        streaming.unwrap_or_default(),
        log.unwrap_or_default(),
    )
}

proptest! {
    #[test]
    fn lookups_agree_with_the_model(
        routes in (0..8_usize).prop_flat_map(|count| (0..count).map(route).collect::<Vec<_>>()),
        queries in vec(
            (
                option::of(sample::select(&["a.org", "b.a.org", "B.A.ORG.", "c.org", "x"][..])),
                "(/[ab]{0,2}){1,4}",
                sample::select(&METHODS[..]),
                sample::select(&["10.1.2.3", "10.2.2.3", "192.0.2.1", "2001:db8::1"][..]),
                sample::select(&[0, 80, 8080][..]),
            ),
            1..8,
        ),
    ) {
        let plan = Plan { routes: routes.clone(), ..Plan::default() };
        let memo = RouteMemo::new(&Arc::new(RouteTable::new(&plan)));
        // The second round gets what the first one has stored.
        for (host, path, method, client, port) in queries.iter().chain(&queries) {
            let query = RouteQuery {
                host: host.map(str::as_bytes),
                path: path.as_bytes(),
                method,
                client: client.parse::<IpAddr>().unwrap(),
                port: *port,
            };
            let found = memo.find(&query);
            let expected = model(&routes, &query);
            prop_assert_eq!(
                (found.route.clone(), found.actions[0].clone(), found.streaming, found.log),
                expected,
                "{:?}",
                query
            );
        }
    }
}

#[test]
fn prefixes_of_files_are_routes_too() {
    let root = |prefix: &str| Root { prefix: prefix.into(), ..Root::default() };
    let files = |roots: &[&str]| FileSettings {
        roots: roots.iter().map(|prefix| root(prefix)).collect(),
        ..FileSettings::default()
    };
    let upstream = |name: &str, path: &str| Route {
        name: name.into(),
        matcher: RouteMatcher {
            paths: vec![PathPattern::Prefix(path.into())],
            ..RouteMatcher::default()
        },
        action: Some(RouteAction::Upstream(7)),
        ..Route::default()
    };
    let without_action = Route { action: None, ..upstream("headers", "/static/") };
    let plan = Plan {
        files: files(&["/static/", "/static/admin/"]),
        media: files(&["/media/"]),
        routes: vec![upstream("api", "/static/api/"), without_action],
        ..Plan::default()
    };
    let table = Arc::new(RouteTable::new(&plan));
    let memo = RouteMemo::new(&table);
    let find = |path: &str| -> (Action, Option<String>) {
        let query = RouteQuery {
            host: None,
            path: path.as_bytes(),
            method: &Method::GET,
            client: IpAddr::from([127, 0, 0, 1]),
            port: 80,
        };
        let found: &Policies = &memo.find(&query);
        (found.actions[0].clone(), found.route.as_deref().map(str::to_owned))
    };
    let missing = MissingFile::NotFound;
    let own = |root, prefix| Action::Files {
        store_kind: StoreKind::Static,
        root,
        prefix,
        missing: missing.clone(),
    };
    let store_kind = StoreKind::Media;
    let media = Action::Files { store_kind, root: 0, prefix: 7, missing: missing.clone() };
    let (api, headers) = (Some("api".to_owned()), Some("headers".to_owned()));
    assert_eq!(find("/static/a.css"), (own(0, 8), headers.clone()));
    assert_eq!(find("/static/admin/a.css"), (own(1, 14), headers));
    assert_eq!(find("/static/api/a.css"), (Action::Upstream(Some(7)), api));
    assert_eq!(find("/media/a.png"), (media, None));
    assert_eq!(find("/static"), (Action::Upstream(None), None));
}
