//! Writes the planned routes of a server into the settings: what is a setting of a section, what is a route, and what a
//! route must repeat because another one that matches too sets it.

use super::{
    accel, auth,
    matcher::RoutePath,
    plan::Planned,
    settings::{Action, Base, Policies, Route, Settings, Value},
    upstream_tls,
};

/// The server whose routes are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Owner {
    /// Empty for the server that gets every host that no other has.
    pub(super) hosts: Vec<String>,
    /// Its ports, if there is another server for the same hosts on other ports.
    pub(super) ports: Vec<String>,
    /// What precedes the names of its routes.
    pub(super) name: String,
}

/// Policies of a section. All others are those of a route.
const OF_SECTIONS: [(&str, &str); 2] =
    [("max_body", "server.max_body"), ("read_timeout", "upstream.read_timeout")];

/// Policies that a route inherits, and what they are where nothing sets them: nginx's defaults.
const DEFAULTS: [(&str, &str); 3] =
    [("max_body", "1MiB"), ("read_timeout", "60s"), ("stream", "none")];

/// Writes the location `/` of the first server. Returns what the others inherit. Its restrictions hold on every port;
/// its headers do not, if other ports have sites of their own.
pub(super) fn base(root: &Planned, ports: &[String], settings: &mut Settings) -> Base {
    let mut route = Route { name: "main".into(), ..root.route.clone() };
    let has_own_headers = !ports.is_empty() && route.closed.is_none();
    if has_own_headers && let Some(headers) = route.policies.remove("response_headers") {
        settings.add_route(Route {
            name: "main headers".into(),
            comments: route.comments.clone(),
            ports: ports.to_vec(),
            policies: Policies::from([("response_headers", headers)]),
            ..Route::default()
        });
    }
    let mut base = Base {
        action: root.route.action.clone(),
        policies: root.route.policies.clone(),
        tls: root.tls.clone(),
        closed: root.route.closed.is_some(),
    };
    let from = root.source.clone();
    if let Action::Upstream(urls) = &root.route.action {
        settings.set("upstream.url", Value::List(urls.clone()), from.clone());
        if let Some(number) = root.max_in_flight {
            settings.set("upstream.max_in_flight", Value::Number(number), from.clone());
        }
        upstream_tls::set_section(&root.tls, settings, &from);
        for (key, setting) in OF_SECTIONS {
            if let Some(value) = route.policies.remove(key) {
                let line = root.policy_sources.get(key).unwrap_or(&from);
                settings.set(setting, value, line.clone());
            }
        }
        if root.route.closed.is_none() {
            route.action = Action::None;
        }
    }
    if let Action::None = &base.action {
        base.action = Action::Respond("404".into());
        route.action = base.action.clone();
    }
    if root.has_index && (base.action.is_of_files() || !root.files_first.is_empty()) {
        settings.set("static.index", Value::Text("index.html".into()), from);
    }
    let needs_route = route.closed.is_some()
        || route.action != Action::None
        || !route.policies.is_empty()
        || root.methods.is_some();
    let owner = Owner::default();
    // A prefix can only be replaced where there is one.
    let changes_path = |key: &str| matches!(key, "strip_prefix" | "replace_prefix");
    if route.policies.keys().any(|key| changes_path(key)) {
        route.paths.push("/".into());
    }
    method_routes(root, &[], &owner, settings);
    if !root.files_first.is_empty() && root.methods.is_none() {
        settings.add_route(files_before(root, &route, &[], &owner));
    }
    if needs_route {
        if let (Some((methods, _)), Action::None, None) =
            (&root.methods, &route.action, &route.closed)
        {
            route.methods.clone_from(methods);
            route.action = root.route.action.clone();
        }
        settings.add_route(route);
    }
    base
}

/// Writes the other locations of a server.
pub(super) fn locations(planned: &[Planned], owner: &Owner, base: &Base, settings: &mut Settings) {
    for one in planned {
        if one.paths.is_empty() {
            continue;
        }
        if one.is_internal && internal(one, base, settings) {
            continue;
        }
        // Directories of a section would take the restrictions of the whole site.
        let is_open =
            !["allow", "deny", "auth", "log"].iter().any(|key| base.policies.contains_key(key));
        let is_everywhere = owner.hosts.is_empty() && owner.ports.is_empty();
        if is_everywhere && is_open && is_plain(one) && section_roots(one, settings) {
            continue;
        }
        location(one, planned, owner, base, settings);
    }
}

/// Writes the location `/` of another server.
pub(super) fn root_of_host(root: &Planned, owner: &Owner, base: &Base, settings: &mut Settings) {
    location(root, &[], owner, base, settings);
}

fn location(
    one: &Planned,
    planned: &[Planned],
    owner: &Owner,
    base: &Base,
    settings: &mut Settings,
) {
    let is_root =
        one.paths.iter().any(|path| matches!(path, RoutePath::Prefix(path) if path == "/"));
    // A prefix can only be replaced where there is one.
    let changes_path =
        ["strip_prefix", "replace_prefix"].iter().any(|key| one.route.policies.contains_key(key));
    let paths: Vec<String> = match is_root {
        true if changes_path => vec!["/".into()],
        true => Vec::new(),
        false => one.paths.iter().map(RoutePath::setting).collect(),
    };
    let mut route = one.route.clone();
    route.name = format!("{} {}", owner.name, if is_root { "main" } else { &route.name });
    route.hosts.clone_from(&owner.hosts);
    route.ports.clone_from(&owner.ports);
    route.paths = paths.clone();
    if one.is_internal {
        route.action = Action::Respond("404".into());
        route.policies = Policies::new();
    }
    if route.action == Action::None {
        route.action = Action::Respond("404".into());
    }
    if is_root && one.has_index && matches!(route.action, Action::Files(_)) {
        settings.set("static.index", Value::Text("index.html".into()), one.source.clone());
    }
    if let Some(number) = one.max_in_flight {
        route.policies.insert("max_in_flight", Value::Number(number));
    }
    let ancestor = ancestor(one, planned);
    let inherited = ancestor.map_or(&base.policies, |outer| &outer.route.policies);
    inherit(&mut route, inherited);
    let inherits_action = !base.closed
        && owner_inherits(ancestor, owner, planned)
        && matches!(&route.action, Action::Upstream(_))
        && route.action == base.action
        && one.tls == base.tls
        && route.closed.is_none();
    if inherits_action {
        // The same application has one queue.
        route.action = Action::None;
        route.policies.remove("max_in_flight");
        let sets_nothing =
            route.policies.is_empty() && one.methods.is_none() && one.files_first.is_empty();
        let is_shielded = one.is_final || !owner.hosts.is_empty() || !owner.ports.is_empty();
        if sets_nothing && one.by_method.is_empty() && !is_shielded {
            return;
        }
        if one.methods.is_some() || one.is_final {
            route.action = base.action.clone();
        }
    }
    let has_tls = |url: &String| url.starts_with("https");
    if matches!(&route.action, Action::Upstream(urls) if urls.iter().any(has_tls)) {
        upstream_tls::add_to_route(&one.tls, &base.tls, &mut route.policies);
    }
    method_routes(one, &paths, owner, settings);
    if !one.files_first.is_empty() && one.methods.is_none() {
        settings.add_route(files_before(one, &route, &paths, owner));
    }
    if let (Some((methods, _)), None) = (&one.methods, &route.closed) {
        route.methods.clone_from(methods);
    }
    without_prefix(one, &mut route, settings);
    settings.add_route(route);
}

/// A prefix can only be stripped where there is one: of `/api`, `/api` and `/api/` have it, and `/apix` has not.
fn without_prefix(one: &Planned, route: &mut Route, settings: &mut Settings) {
    let changes_path = |key: &str| matches!(key, "strip_prefix" | "replace_prefix");
    if route.closed.is_some() || !route.policies.keys().any(|key| changes_path(key)) {
        return;
    }
    // An exact path alone can become any other.
    let is_whole = matches!(
        route.policies.get("replace_prefix"), Some(Value::Text(path)) if !path.ends_with('/')
    );
    let is_prefix = |path: &RoutePath| match path {
        RoutePath::Exact(_) => true,
        RoutePath::Prefix(_) => !is_whole,
        RoutePath::Beginning(_) | RoutePath::Expression(_) => false,
    };
    let (with, without): (Vec<&RoutePath>, Vec<&RoutePath>) =
        one.paths.iter().partition(|path| is_prefix(path));
    if without.is_empty() {
        return;
    }
    let paths = without.iter().map(|path| path.setting()).collect();
    if with.is_empty() {
        route.action = Action::Respond("404".into());
        route.policies.clear();
        return;
    }
    route.paths = with.iter().map(|path| path.setting()).collect();
    settings.add_route(Route {
        name: format!("{} other paths", route.name),
        comments: route.comments.clone(),
        hosts: route.hosts.clone(),
        ports: route.ports.clone(),
        paths,
        action: Action::Respond("404".into()),
        ..Route::default()
    });
}

/// Whether the next less specific route of a location is that of the first server's `/`.
fn owner_inherits(ancestor: Option<&Planned>, owner: &Owner, planned: &[Planned]) -> bool {
    let root = planned.iter().any(|one| {
        one.paths.iter().any(|path| matches!(path, RoutePath::Prefix(path) if path == "/"))
    });
    let is_everywhere = owner.hosts.is_empty() && owner.ports.is_empty();
    ancestor.is_none() && (is_everywhere || planned.is_empty() || root)
}

/// Routes for other methods, and for methods with a response of their own.
fn method_routes(one: &Planned, paths: &[String], owner: &Owner, settings: &mut Settings) {
    // A closed route responds to every method.
    if one.route.closed.is_some() {
        return;
    }
    for by_method in &one.by_method {
        let mut route = by_method.clone();
        route.name = format!("{} {} {}", owner.name, one.route.name, by_method.name);
        route.hosts.clone_from(&owner.hosts);
        route.ports.clone_from(&owner.ports);
        route.paths = paths.to_vec();
        route.closed.clone_from(&one.route.closed);
        let responds = matches!(&route.action, Action::Respond(_) | Action::Redirect(_));
        if responds && one.route.policies.contains_key("auth") {
            // nginx responds before it asks for a password.
            route.policies.insert("auth", Value::Text("off".into()));
        }
        settings.add_route(route);
    }
    if let Some((_, status)) = &one.methods {
        settings.add_route(Route {
            name: format!("{} {} other methods", owner.name, one.route.name),
            comments: one.route.comments.clone(),
            hosts: owner.hosts.clone(),
            ports: owner.ports.clone(),
            paths: paths.to_vec(),
            action: Action::Respond(status.clone()),
            ..Route::default()
        });
    }
}

/// A route for files that are looked for before the application is asked.
fn files_before(one: &Planned, of: &Route, paths: &[String], owner: &Owner) -> Route {
    let mut policies = Policies::new();
    policies.insert("fallthrough", Value::Yes);
    Route {
        name: format!("{} {} files", owner.name, one.route.name),
        comments: of.comments.clone(),
        hosts: of.hosts.clone(),
        ports: of.ports.clone(),
        paths: paths.to_vec(),
        // A route with a method is more specific than the one without.
        methods: vec!["GET".into()],
        action: Action::Files(one.files_first.clone()),
        policies,
        closed: of.closed.clone(),
        ..Route::default()
    }
}

/// The location with the longest prefix around another.
fn ancestor<'p>(one: &Planned, planned: &'p [Planned]) -> Option<&'p Planned> {
    let own = one.paths.iter().find_map(|path| match path {
        RoutePath::Prefix(text) | RoutePath::Exact(text) => Some(text.as_str()),
        RoutePath::Beginning(_) | RoutePath::Expression(_) => None,
    })?;
    let prefix = |other: &Planned| {
        other.paths.iter().find_map(|path| match path {
            RoutePath::Prefix(text)
                if text != "/" && own.starts_with(text.as_str()) && own != text =>
            {
                Some(text.len())
            }
            _ => None,
        })
    };
    planned.iter().filter(|other| prefix(other).is_some()).max_by_key(|other| prefix(other))
}

/// Removes what a route inherits anyway, and sets what it would inherit wrongly.
fn inherit(route: &mut Route, inherited: &Policies) {
    let own = std::mem::take(&mut route.policies);
    let is_application = matches!(route.action, Action::Upstream(_));
    for (key, default) in DEFAULTS {
        if is_application && inherited.contains_key(key) && !own.contains_key(key) {
            route.policies.insert(key, Value::Text(default.into()));
        }
    }
    let mut own = own;
    if let (Some(Value::List(outer)), Some(Value::List(edits))) =
        (inherited.get("response_headers"), own.get_mut("response_headers"))
    {
        // Both routes change the response: the header must not come twice.
        let name = |edit: &str| edit.split_once(' ').map(|(_, field)| header_name(field));
        for edit in edits.iter_mut().filter(|edit| !outer.contains(edit)) {
            let is_twice = outer.iter().any(|other| name(other) == name(edit));
            if let Some(field) = edit.strip_prefix("add ").filter(|_| is_twice) {
                *edit = format!("set {field}");
            }
        }
    }
    // A limit is not one of files.
    if inherited.contains_key("rate_limit")
        && !own.contains_key("rate_limit")
        && !route.action.is_of_files()
        && route.closed.is_none()
    {
        route.policies.insert("rate_limit", Value::Text("off".into()));
    }
    if inherited.contains_key("log") && !own.contains_key("log") && route.closed.is_none() {
        route.policies.insert("log", Value::Text("all".into()));
    }
    if inherited.contains_key("intercept") && !own.contains_key("intercept") && is_application {
        route.policies.insert("intercept", Value::List(vec!["none".into()]));
    }
    if inherited.contains_key("errors") && !own.contains_key("errors") {
        route.comments.push("The error pages of the less specific route hold here too.".into());
    }
    if inherited.contains_key("response_headers") && !own.contains_key("response_headers") {
        route
            .comments
            .push("The response headers of the less specific route hold here too.".into());
    }
    // Both lists count together.
    let lists = ["allow", "deny"];
    let is_other = |key: &&str| own.get(*key) != inherited.get(*key);
    if lists.iter().any(is_other) {
        for key in lists {
            if let Some(value) = own.get(key) {
                route.policies.insert(key, value.clone());
            }
        }
        if !lists.iter().any(|key| own.contains_key(key)) {
            route.policies.insert("allow", Value::List(vec!["all".into()]));
        }
    }
    // So do the settings of authentication.
    if auth::KEYS.iter().any(is_other) && route.closed.is_none() {
        for key in auth::KEYS {
            if let Some(value) = own.get(key) {
                route.policies.insert(key, value.clone());
            }
        }
        if !own.contains_key("auth") {
            route.policies.insert("auth", Value::Text("off".into()));
        }
    }
    // These belong to the action.
    let of_action = ["spa", "strip_prefix", "replace_prefix", "fallthrough"];
    let is_own =
        |key: &str, value: &Value| of_action.contains(&key) || inherited.get(key) != Some(value);
    route.policies.extend(own.into_iter().filter(|(key, value)| is_own(key, value)));
}

fn header_name(field: &str) -> String {
    field.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a location has nothing but files.
fn is_plain(one: &Planned) -> bool {
    one.route.policies.is_empty()
        && one.route.closed.is_none()
        && one.methods.is_none()
        && one.by_method.is_empty()
        && !one.is_internal
        && one.paths.iter().all(|path| matches!(path, RoutePath::Prefix(_) | RoutePath::Exact(_)))
}

/// Writes files below prefixes as directories of a section. Returns whether that is possible.
fn section_roots(one: &Planned, settings: &mut Settings) -> bool {
    let (name, directories) = match &one.route.action {
        Action::Files(directories) => ("static.roots", directories),
        Action::Media(directories) => ("media.roots", directories),
        _ => return false,
    };
    let prefixes = one.paths.iter().filter_map(|path| match path {
        RoutePath::Prefix(prefix) if prefix != "/" => Some(prefix),
        _ => None,
    });
    let prefixes: Vec<&String> = prefixes.collect();
    for prefix in &prefixes {
        for directory in directories {
            settings.push(name, format!("{prefix}={directory}"), one.source.clone());
        }
    }
    if one.has_index && !prefixes.is_empty() && name == "static.roots" {
        settings.set("static.index", Value::Text("index.html".into()), one.source.clone());
    }
    !prefixes.is_empty()
}

/// Writes files that only the application may send. Returns whether that is possible.
fn internal(one: &Planned, base: &Base, settings: &mut Settings) -> bool {
    let roots = accel::roots(one, base);
    for root in &roots {
        settings.push("accel.roots", root, one.source.clone());
    }
    !roots.is_empty()
}
