//! The locations of a server, with the directories of their files.

use super::{
    matcher::Matcher, parser::Directive, problem::Place, report::Report, scope::Scope, template,
    text,
};

/// A location, nested ones included.
#[derive(Clone, Debug)]
pub(super) struct Location<'a> {
    pub(super) matcher: Matcher,
    pub(super) place: Place,
    /// The line that begins it, as it was written.
    pub(super) line: String,
    pub(super) scope: Scope<'a>,
    pub(super) root: Option<Root<'a>>,
    /// The prefix of the location around it.
    pub(super) outer: Option<String>,
}

/// Where the files of a location are.
#[derive(Clone, Debug)]
pub(super) struct Root<'a> {
    pub(super) directive: &'a Directive,
    /// The path that `alias` replaces; `None` for `root`.
    replaced: Option<String>,
}

// === impl Location ===

impl Location<'_> {
    /// Returns the line that begins it, for the report.
    pub(super) fn directive(&self) -> Directive {
        Directive {
            name: "location".into(),
            args: vec![self.matcher.text().to_owned()],
            block: None,
            place: self.place.clone(),
        }
    }
}

/// Returns the locations of a server. Its own block comes first, as the location `/`, if it has no other.
pub(super) fn locations<'a>(server: &Scope<'a>, report: &mut Report) -> Vec<Location<'a>> {
    let mut found = Vec::new();
    let root = of_scope(server);
    collect(server, root.as_ref(), None, &mut found, report);
    found
}

fn collect<'a>(
    scope: &Scope<'a>,
    root: Option<&Root<'a>>,
    outer: Option<&str>,
    found: &mut Vec<Location<'a>>,
    report: &mut Report,
) {
    for directive in scope.own_named(&["location"]) {
        let Some(matcher) = Matcher::read(directive) else {
            report.lost(directive, "the location has no path");
            continue;
        };
        let inner = scope.within(directive.children());
        let root = own_root(&inner, Some(&matcher)).or_else(|| root.cloned());
        found.push(Location {
            matcher: matcher.clone(),
            place: directive.place.clone(),
            line: super::report::shown(directive),
            scope: inner.clone(),
            root: root.clone(),
            outer: outer.map(str::to_owned),
        });
        let prefix = match &matcher {
            Matcher::Prefix { path, .. } => Some(path.as_str()),
            Matcher::Exact(_) | Matcher::Expression { .. } | Matcher::Named(_) => outer,
        };
        collect(&inner, root.as_ref(), prefix, found, report);
    }
}

fn own_root<'a>(scope: &Scope<'a>, matcher: Option<&Matcher>) -> Option<Root<'a>> {
    let directive = scope.own_named(&["root", "alias"]).pop()?;
    let replaced = (directive.name == "alias").then(|| match matcher {
        Some(Matcher::Prefix { path, .. } | Matcher::Exact(path)) => path.clone(),
        Some(Matcher::Expression { .. } | Matcher::Named(_)) | None => String::new(),
    });
    Some(Root { directive, replaced })
}

fn inherited_root<'a>(scope: &Scope<'a>) -> Option<Root<'a>> {
    scope.last(&["root"]).map(|directive| Root { directive, replaced: None })
}

/// The directory of a server's own block.
pub(super) fn of_scope<'a>(server: &Scope<'a>) -> Option<Root<'a>> {
    own_root(server, None).or_else(|| inherited_root(server))
}

// === impl Root ===

impl Root<'_> {
    /// Whether it is an `alias`.
    pub(super) fn is_alias(&self) -> bool {
        self.replaced.is_some()
    }

    /// Returns the file or directory for a path.
    pub(super) fn for_path(&self, path: &str, scope: &Scope<'_>) -> Result<String, String> {
        let base = self.base(scope)?;
        let rest = match &self.replaced {
            Some(replaced) => path.strip_prefix(replaced.as_str()).unwrap_or_default(),
            None => path,
        };
        Ok(joined(&base, rest))
    }

    /// Returns a directory in which whole paths are looked up, for an expression that matches below a prefix.
    pub(super) fn for_whole_paths(&self, prefix: &str, scope: &Scope<'_>) -> Option<String> {
        let directory = self.for_path(prefix, scope).ok()?;
        let tail = prefix.trim_end_matches('/');
        directory.strip_suffix(tail).filter(|base| !base.is_empty()).map(str::to_owned)
    }

    /// The directory as it is written.
    pub(super) fn base(&self, scope: &Scope<'_>) -> Result<String, String> {
        let written = text::with_constants(self.directive.arg(0), scope);
        if let Some(placeholder) = template::first_placeholder(&written) {
            return Err(text::unknown_placeholder(placeholder));
        }
        if text::has_variable(&written) {
            return Err(
                "the directory is made of variables: serve these files from the application, with \
                        X-Accel-Redirect"
                    .into(),
            );
        }
        if !written.starts_with('/') && !template::begins_with_mark(&written) {
            return Err(
                "the path is relative to nginx's own directory: write an absolute path".into()
            );
        }
        Ok(written)
    }
}

/// Joins two paths without doubled slashes, and without one at the end.
pub(super) fn joined(base: &str, rest: &str) -> String {
    let whole = format!("{base}/{rest}");
    let parts: Vec<&str> = whole.split('/').filter(|part| !part.is_empty()).collect();
    let first = if template::begins_with_mark(base) { "" } else { "/" };
    format!("{first}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    #[test]
    fn directories_follow_alias_and_root() {
        let tree = parser::parse(
            "root /srv; location /static/ { alias /data/s/; location /static/a/ { } }
             location /media { } location = /f.ico { alias /x/f.ico; } location /v/ { root $x; }
             location /r { root html; }",
            &"f".into(),
        );
        let tree = tree.unwrap();
        let mut report = Report::default();
        let found = locations(&Scope::default().within(&tree), &mut report);
        let path = |index: usize| {
            let location: &Location<'_> = &found[index];
            location.root.as_ref().unwrap().for_path(location.matcher.text(), &location.scope)
        };
        assert_eq!(path(0).unwrap(), "/data/s");
        assert_eq!(path(1).unwrap(), "/data/s/a");
        assert_eq!(found[1].outer.as_deref(), Some("/static/"));
        assert_eq!(path(2).unwrap(), "/srv/media");
        assert_eq!(path(3).unwrap(), "/x/f.ico");
        assert!(path(4).is_err() && path(5).is_err());
        let root = found[2].root.as_ref().unwrap();
        assert_eq!(root.for_whole_paths("/media/", &found[2].scope).as_deref(), Some("/srv"));
        let alias = found[0].root.as_ref().unwrap();
        assert_eq!(alias.for_whole_paths("/static/", &found[0].scope), None);
    }
}
