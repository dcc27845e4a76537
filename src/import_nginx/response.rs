//! Which directive of a location decides what it responds with.

use super::{
    content::{self, Content},
    location::Location,
    matcher::RoutePath,
    report::Report,
    rewrites,
    settings::{Action, Policies},
    surroundings::Surroundings,
    target::PathChange,
    tries,
};

/// Returns what a location responds with.
pub(super) fn of_location<'a>(
    location: &Location<'a>,
    paths: &[RoutePath],
    around: &Surroundings<'a, '_>,
    report: &mut Report,
) -> Content<'a> {
    let scope = &location.scope;
    let mut content = Content {
        action: Action::None,
        source: None,
        path_change: PathChange::None,
        files_first: Vec::new(),
        spa: None,
        maintenance: None,
        has_index: false,
        max_in_flight: None,
        tls: Policies::new(),
        scope: scope.clone(),
        is_internal: scope.last(&["internal"]).is_some(),
        redirects: Vec::new(),
        has_whole_paths: false,
        index: None,
    };
    let is_finished = content::rewrite(location, &mut content, report);
    if is_finished {
        return content;
    }
    let tries = scope.own_named(&["try_files"]).pop();
    let pass = scope.own_named(&["proxy_pass", "uwsgi_pass"]).pop();
    match (tries, pass) {
        (Some(tries), None) => {
            tries::translate(tries, location, paths, around, &mut content, report)
        }
        (_, Some(pass)) => {
            if let Some(tries) = tries {
                report.lost(
                    tries,
                    "with `proxy_pass` beside it, write the two in locations of their own",
                );
            }
            content::pass_to(pass, location, around, &mut content, report);
        }
        (None, None) if refuses_own_file(location) => {
            content.action = Action::Respond("503".into());
        }
        (None, None) => {
            let old = scope.own_named(&["if"]).into_iter().find_map(|condition| {
                match rewrites::of_if(condition, scope) {
                    rewrites::Condition::MissingFile(pass) => Some(pass),
                    _ => None,
                }
            });
            match old {
                Some(pass) => {
                    content.files_first =
                        content::directories(location, paths, None).unwrap_or_default();
                    content::pass_to(pass, location, around, &mut content, report);
                }
                None => content::files(location, paths, &mut content, report),
            }
        }
    }
    if content.action.is_of_files() {
        content::autoindex(location, report);
    }
    content
}

/// Whether a location has one file, and refuses requests while it exists: the page of a maintenance has no path of its
/// own.
fn refuses_own_file(location: &Location<'_>) -> bool {
    location.scope.own_named(&["if"]).into_iter().any(|condition| {
        match rewrites::of_if(condition, &location.scope) {
            rewrites::Condition::Maintenance(path) => is_own_file(&path, location),
            _ => false,
        }
    })
}

/// Whether a path in the file system is that of the location's own file.
pub(super) fn is_own_file(path: &str, location: &Location<'_>) -> bool {
    let root = location.root.as_ref().filter(|_| !location.matcher.is_root());
    let own = root.and_then(|root| root.for_path(location.matcher.text(), &location.scope).ok());
    own.is_some_and(|own| own == super::location::joined(path, ""))
}
