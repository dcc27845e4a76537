//! The settings file that is written: sections, routes, and the lines of nginx that each setting comes from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    parser::Directive,
    report::{Report, comment},
};

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Yes,
    Number(u32),
}

/// What a route does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    Upstream(Vec<String>),
    Files(Vec<String>),
    Media(Vec<String>),
    File(String),
    Redirect(String),
    Respond(String),
    /// That of the next less specific route.
    #[default]
    None,
}

/// Settings of a route by key. Policies of equal routes are equal.
pub(super) type Policies = BTreeMap<&'static str, Value>;

/// A named route.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub(super) name: String,
    /// The lines that it comes from, and what is to be known about it.
    pub(super) comments: Vec<String>,
    pub(super) hosts: Vec<String>,
    /// Empty: every path.
    pub(super) paths: Vec<String>,
    pub(super) methods: Vec<String>,
    /// Empty: every port.
    pub(super) ports: Vec<String>,
    pub(super) action: Action,
    pub(super) policies: Policies,
    /// Why the route refuses every request: something that restricts access was not translated.
    pub(super) closed: Option<String>,
    /// Whether other routes have all of its paths.
    pub(super) is_void: bool,
}

/// The action and the policies of `location /` of the first server, which every route inherits.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    pub(super) action: Action,
    pub(super) policies: Policies,
    /// How the application is asked over TLS.
    pub(super) tls: Policies,
    pub(super) closed: bool,
}

/// A setting of a section.
#[derive(Debug)]
struct Entry {
    value: Value,
    comments: Vec<String>,
}

/// Everything that is written.
#[derive(Debug, Default)]
pub(super) struct Settings {
    sections: BTreeMap<usize, BTreeMap<String, Entry>>,
    routes: Vec<Route>,
    /// Whether some requests are refused or limited by the address of the client.
    pub(super) depends_on_clients: bool,
}

/// The sections in their order.
const SECTIONS: [&str; 9] =
    ["server", "tls", "upstream", "static", "media", "accel", "health", "errors", "maintenance"];

// === impl Action ===

impl Action {
    /// The key and the value of the action.
    fn setting(&self) -> Option<(&'static str, Value)> {
        Some(match self {
            Self::Upstream(servers) => ("upstream", Value::List(servers.clone())),
            Self::Files(directories) => ("files", Value::List(directories.clone())),
            Self::Media(directories) => ("media", Value::List(directories.clone())),
            Self::File(path) => ("file", Value::Text(path.clone())),
            Self::Redirect(text) => ("redirect", Value::Text(text.clone())),
            Self::Respond(text) => ("respond", Value::Text(text.clone())),
            Self::None => return None,
        })
    }

    /// Whether it sends files.
    pub(super) fn is_of_files(&self) -> bool {
        matches!(self, Self::Files(_) | Self::Media(_) | Self::File(_))
    }
}

// === impl Route ===

impl Route {
    /// Whether two routes would match the same requests on equal paths.
    fn meets(&self, other: &Self) -> bool {
        let share = |one: &[String], other: &[String]| match (one.is_empty(), other.is_empty()) {
            (true, true) => true,
            (false, false) => one.iter().any(|item| other.contains(item)),
            (true, false) | (false, true) => false,
        };
        share(&self.hosts, &other.hosts)
            && share(&self.methods, &other.methods)
            && share(&self.ports, &other.ports)
    }

    /// Whether it refuses some requests.
    fn refuses(&self) -> bool {
        let is_refusal = match &self.action {
            Action::Respond(text) => text.starts_with(['4', '5']) || text == "close",
            _ => false,
        };
        let has = |key: &str| self.policies.contains_key(key);
        is_refusal || self.closed.is_some() || has("deny") || has("auth")
    }
}

// === impl Settings ===

impl Settings {
    /// Trusts proxies in private networks because the real ones are not known, where nginx trusts everybody. Returns
    /// whether proxies are trusted: not if something depends on the address of the client.
    pub(super) fn trust_private(
        &mut self,
        from: String,
        directive: &Directive,
        report: &mut Report,
    ) -> bool {
        const NAME: &str = "server.trusted_proxies";
        if self.get(NAME).is_some() {
            return true;
        }
        if self.depends_on_clients {
            return false;
        }
        self.push(NAME, "private", from);
        report.differs(
            directive,
            "headers of a load balancer are trusted from private networks only: name its own in server.trusted_proxies",
        );
        true
    }

    /// Sets a key. The first value of a key stays; returns whether it is this one.
    pub(super) fn set(&mut self, name: &str, value: Value, from: impl Into<String>) -> bool {
        let Some(section) = self.section(name) else { return false };
        let key = key(name);
        let from = from.into();
        match section.get_mut(key) {
            Some(entry) => {
                if entry.value == value && !entry.comments.contains(&from) {
                    entry.comments.push(from);
                }
                entry.value == value
            }
            None => {
                section.insert(key.into(), Entry { value, comments: vec![from] });
                true
            }
        }
    }

    /// Adds an item to a list, once.
    pub(super) fn push(&mut self, name: &str, item: impl Into<String>, from: impl Into<String>) {
        let Some(section) = self.section(name) else { return };
        let empty = || Entry { value: Value::List(Vec::new()), comments: Vec::new() };
        let entry = section.entry(key(name).into()).or_insert_with(empty);
        let (item, from) = (item.into(), from.into());
        if let Value::List(items) = &mut entry.value
            && !items.contains(&item)
        {
            items.push(item);
        }
        if !entry.comments.contains(&from) {
            entry.comments.push(from);
        }
    }

    /// Removes the items of one list from another.
    pub(super) fn without_items(&mut self, name: &str, of: &str) {
        let Some(Value::List(others)) = self.get(of).cloned() else { return };
        let Some(section) = self.section(name) else { return };
        if let Some(Entry { value: Value::List(items), .. }) = section.get_mut(key(name)) {
            items.retain(|item| !others.contains(item));
            if items.is_empty() {
                section.remove(key(name));
            }
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let (section, key) = name.split_once('.')?;
        let index = SECTIONS.iter().position(|known| *known == section)?;
        self.sections.get(&index)?.get(key).map(|entry| &entry.value)
    }

    fn section(&mut self, name: &str) -> Option<&mut BTreeMap<String, Entry>> {
        let (section, _) = name.split_once('.')?;
        let index = SECTIONS.iter().position(|known| *known == section)?;
        Some(self.sections.entry(index).or_default())
    }

    /// Adds a route under a name that no other has. Of two that match the same, the one that refuses requests stays,
    /// else the first.
    pub(super) fn add_route(&mut self, mut route: Route) {
        let had_paths = !route.paths.is_empty();
        for other in &mut self.routes {
            if !other.meets(&route) || other.paths.is_empty() == had_paths {
                continue;
            }
            let keeps_other = !route.refuses() || other.refuses();
            let (from, of) = match keeps_other {
                true => (&mut route, &mut *other),
                false => (&mut *other, &mut route),
            };
            from.paths.retain(|path| !of.paths.contains(path));
            from.is_void = from.paths.is_empty();
            if route.is_void {
                return;
            }
        }
        self.routes.retain(|other| !other.is_void);
        let taken: BTreeSet<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
        let base = route_name(&route.name);
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let mut names = std::iter::once(base.clone()).chain(numbered);
        route.name = names.find(|name| !taken.contains(name.as_str())).unwrap_or(base);
        self.routes.push(route);
    }

    /// The routes in their order.
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Writes the settings in TOML.
    pub(super) fn write(&self, text: &mut String) {
        for (index, section) in &self.sections {
            let name = SECTIONS.get(*index).copied().unwrap_or_default();
            let _ = writeln!(text, "\n[{name}]");
            for (key, Entry { value, comments }) in section {
                for line in comments {
                    let _ = writeln!(text, "# {}", comment(line));
                }
                let _ = writeln!(text, "{key} = {}", value_text(value));
            }
        }
        for route in &self.routes {
            write_route(route, text);
        }
    }
}

fn write_route(route: &Route, text: &mut String) {
    text.push('\n');
    for line in &route.comments {
        let _ = writeln!(text, "# {}", comment(line));
    }
    let _ = writeln!(text, "[route.{}]", route.name);
    let lists = [
        ("host", &route.hosts),
        ("port", &route.ports),
        ("path", &route.paths),
        ("method", &route.methods),
    ];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(text, "{key} = {}", list_text(list));
    }
    let setting = route.action.setting();
    match (&route.closed, setting) {
        (None, Some((key, value))) => {
            let _ = writeln!(text, "{key} = {}", value_text(&value));
        }
        (None, None) => {}
        (Some(reason), setting) => {
            let _ = writeln!(text, "# Closed: {}", comment(reason));
            if let Some((key, value)) = setting {
                let open = comment(&format!("{key} = {}", value_text(&value)));
                let _ = writeln!(text, "# Once that is solved, replace `respond` by: {open}");
            }
            let _ = writeln!(text, "respond = \"403\"");
        }
    }
    // Those of files mean nothing to a closed route.
    let mark = if route.closed.is_some() { "# " } else { "" };
    for (key, value) in &route.policies {
        let line = format!("{key} = {}", value_text(value));
        let line = if route.closed.is_some() { comment(&line) } else { line };
        let _ = writeln!(text, "{mark}{line}");
    }
}

fn key(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, key)| key)
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(items) => list_text(items),
        Value::Yes => "true".into(),
        Value::Number(number) => number.to_string(),
    }
}

fn list_text(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    match quoted.iter().map(String::len).sum::<usize>() > 90 {
        true => format!("[\n    {},\n]", quoted.join(",\n    ")),
        false => format!("[{}]", quoted.join(", ")),
    }
}

/// Writes a string of TOML.
fn quoted(text: &str) -> String {
    // Expressions are easier to read without escapes.
    if text.contains(['\\', '"']) && !text.contains('\'') && !text.contains(char::is_control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Makes a name for a route of the words of a path: `[a-z][a-z0-9_]{0,31}`, without `__` and a final `_`.
fn route_name(text: &str) -> String {
    // Leaves room for a number.
    const LONGEST: usize = 28;
    let mut name = String::new();
    for letter in super::template::restore(text).chars().map(|letter| letter.to_ascii_lowercase()) {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
        if name.len() >= LONGEST {
            break;
        }
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, if name.is_empty() { "route" } else { "route_" });
    }
    let end = name.len().min(LONGEST);
    name.get(..end).unwrap_or_default().trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_grouped_by_section_with_their_lines() {
        let mut settings = Settings::default();
        assert!(settings.set("upstream.url", Value::List(vec!["http://a:1".into()]), "f:3"));
        assert!(settings.set("server.max_body", Value::Text("1MiB".into()), "f:1"));
        assert!(!settings.set("server.max_body", Value::Text("2MiB".into()), "f:9"));
        assert!(settings.set("server.max_body", Value::Text("1MiB".into()), "f:10"));
        settings.push("server.listen", "0.0.0.0:80", "f:2");
        settings.push("server.listen", "0.0.0.0:80", "f:4");
        assert_eq!(settings.get("server.max_body"), Some(&Value::Text("1MiB".into())));
        let mut text = String::new();
        settings.write(&mut text);
        assert_eq!(
            text,
            "\n[server]\n# f:2\n# f:4\nlisten = [\"0.0.0.0:80\"]\n# f:1\n# f:10\nmax_body = \"1MiB\"\n\
             \n[upstream]\n# f:3\nurl = [\"http://a:1\"]\n"
        );
    }

    #[test]
    fn a_closed_route_responds_403_whatever_its_action_is() {
        let mut settings = Settings::default();
        let action = Action::Upstream(vec!["http://a:1".into()]);
        let closed = Some("f:2: auth_jwt".into());
        settings.add_route(Route { name: "/A/b".into(), action, closed, ..Route::default() });
        let mut text = String::new();
        settings.write(&mut text);
        assert_eq!(
            text,
            "\n[route.a_b]\n# Closed: f:2: auth_jwt\n\
             # Once that is solved, replace `respond` by: upstream = [\"http://a:1\"]\n\
             respond = \"403\"\n"
        );
    }

    #[test]
    fn names_of_routes_are_valid_and_unique() {
        for (text, name) in [
            ("/api/v1/", "api_v1"),
            ("/", "route"),
            ("", "route"),
            ("/404.html", "route_404_html"),
            ("/502.html/and/many/more/words", "route_502_html_and_many_more"),
            ("~^/(?:A|b)--c_", "a_b_c"),
            (&"/x".repeat(40), "x_x_x_x_x_x_x_x_x_x_x_x_x_x"),
        ] {
            assert_eq!(route_name(text), name);
        }
        let mut settings = Settings::default();
        for path in ["/a", "/b", "/c", "/b"] {
            let paths = vec![path.to_owned()];
            settings.add_route(Route { name: "/a".into(), paths, ..Route::default() });
        }
        let names: Vec<_> = settings.routes().iter().map(|route| route.name.as_str()).collect();
        assert_eq!(names, ["a", "a_2", "a_3"]);
    }

    #[test]
    fn strings_are_those_of_toml() {
        for text in ["a", "\"b\"", r"~\.php$", "it's", "a\nb\u{1}'\"", "\\'\u{7f}"] {
            let read: toml::Table = toml::from_str(&format!("a = {}", quoted(text))).unwrap();
            assert_eq!(read["a"].as_str(), Some(text));
        }
    }
}
