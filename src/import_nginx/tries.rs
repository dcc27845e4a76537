//! `try_files`: directories in which files are looked for, and what responds if none is there.

use super::{
    content::{self, Content},
    location::{Location, joined},
    matcher::{Matcher, RoutePath},
    parser::Directive,
    report::Report,
    settings::Action,
    surroundings::Surroundings,
    text,
};

/// Translates `try_files`.
pub(super) fn translate<'a>(
    tries: &'a Directive,
    location: &Location<'a>,
    paths: &[RoutePath],
    around: &Surroundings<'a, '_>,
    content: &mut Content<'a>,
    report: &mut Report,
) {
    content.source = Some(tries);
    let Some((fallback, items)) = tries.args.split_last() else { return };
    let mut found = Vec::new();
    // `$uri /index.html =404` is a page too.
    let page = items.last().filter(|item| {
        fallback.starts_with('=')
            && items.len() > 1
            && item.starts_with('/')
            && item.ends_with(".html")
            && !text::has_variable(item)
            && matches!(location.matcher, Matcher::Prefix { .. })
    });
    let items =
        if page.is_some() { items.split_last().map_or(items, |(_, rest)| rest) } else { items };
    for item in items.iter().map(|item| item.replace("${uri}", "$uri")) {
        if let Some(file) = index_file(&item, location) {
            content.index = Some(file);
            continue;
        }
        match item.as_str() {
            "$uri" | "$request_filename" => {
                found.extend(content::directories(location, paths, None).unwrap_or_default());
            }
            "$uri/" | "$uri/index.html" | "$uri/index.htm" => content.has_index = true,
            "$uri.html" => {
                report.lost(tries, "no ending is added to a name: link to the name of the file")
            }
            item => match item
                .strip_suffix("$uri")
                .filter(|base| base.starts_with('/') && !text::has_variable(base))
            {
                Some(base) => found
                    .extend(content::directories(location, paths, Some(base)).unwrap_or_default()),
                None if captured_rest(item, location).is_some() => {
                    let base = captured_rest(item, location).unwrap_or_default();
                    if let Some(root) = &location.root
                        && let Ok(directory) = root.base(&location.scope)
                    {
                        found.push(joined(&directory, base));
                    }
                }
                None if captured_rest(item.trim_end_matches('/'), location).is_some() => {}
                None if !text::has_variable(item) => {
                    fixed_file(item, tries, location, content, report)
                }
                None => report.lost(tries, format!("{item} is made of variables")),
            },
        }
    }
    let is_fixed = matches!(content.action, Action::File(_));
    if let Some(page) = page {
        return page_of_root(page, tries, location, paths, found, content, report);
    }
    if let Some(name) = fallback.strip_prefix('@') {
        content.files_first = found;
        return content::named(name, tries, location, around, content, report);
    }
    if let Some(status) = fallback.strip_prefix('=') {
        if !is_fixed {
            content.action = content::files_action(found, paths);
            if matches!(content.action, Action::None) {
                content.action = Action::Respond(status.to_owned());
            }
        }
        return;
    }
    let last = fallback.rsplit('/').next().unwrap_or_default();
    match fallback.as_str() {
        fallback if index_file(fallback, location).is_some() => {
            content.index = index_file(fallback, location);
            content.action = content::files_action(found, paths);
        }
        // The name itself again: nothing else is tried.
        fallback if fallback.ends_with("$uri") || is_fixed => {
            if let Some(base) = fallback.strip_suffix("$uri") {
                let base = if base == "/" { None } else { Some(base) };
                found.extend(content::directories(location, paths, base).unwrap_or_default());
            }
            if !is_fixed {
                content.action = content::files_action(found, paths);
            }
        }
        fallback if last.ends_with(".html") && !text::has_variable(fallback) => {
            let page = spa_page(fallback, &location.matcher);
            content.action = content::files_action(found, paths);
            match (page, &content.action) {
                (Some(page), Action::Files(_)) => content.spa = Some(page),
                (_, Action::None) => content.action = Action::Respond("404".into()),
                _ => report.lost(
                    tries,
                    "the page must be in the directory of the files: spa = \"index.html\"",
                ),
            }
        }
        _ => {
            content.action = content::files_action(found, paths);
            report.lost(
                tries,
                "the last item can be a named location, a status or a page: add a location for it",
            );
        }
    }
}

/// Returns the file that `$uri/name.html` names for the directory of the location itself.
fn index_file(item: &str, location: &Location<'_>) -> Option<String> {
    let name = item
        .strip_prefix("$uri/")
        .filter(|name| name.ends_with(".html") && !name.contains(['/', '$']))?;
    let Matcher::Prefix { path, .. } = &location.matcher else { return None };
    if matches!(name, "index.html" | "index.htm") || !path.ends_with('/') {
        return None;
    }
    let directory = location.root.as_ref()?.for_path(path, &location.scope).ok()?;
    Some(joined(&directory, name))
}

/// Translates a page that is looked for below `root`, and sent for every name without a file.
fn page_of_root(
    page: &str,
    tries: &Directive,
    location: &Location<'_>,
    paths: &[RoutePath],
    found: Vec<String>,
    content: &mut Content<'_>,
    report: &mut Report,
) {
    let root = location.root.as_ref().filter(|root| !root.is_alias());
    let base = root.and_then(|root| root.base(&location.scope).ok()).map(|base| joined(&base, ""));
    content.action = content::files_action(found, paths);
    let Some(base) = base else {
        return report
            .lost(tries, "the page must be in the directory of the files: spa = \"index.html\"");
    };
    let (directory, name) = page.rsplit_once('/').unwrap_or(("", page));
    let directory = joined(&base, directory);
    let is_there =
        matches!(&content.action, Action::Files(found) if found.first() == Some(&directory));
    if !is_there && directory == base {
        content.action = Action::Files(vec![base]);
        content.has_whole_paths = true;
    } else if !is_there {
        return report
            .lost(tries, "the page must be in the directory of the files: spa = \"index.html\"");
    }
    content.spa = Some(name.to_owned());
}

/// Returns the directory part of `/staticfiles/$1` in a location such as `/static/(.*)$`.
fn captured_rest<'t>(item: &'t str, location: &Location<'_>) -> Option<&'t str> {
    let Matcher::Expression { pattern, .. } = &location.matcher else { return None };
    let is_rest =
        pattern.ends_with("(.*)$") || pattern.ends_with("(.*$)") || pattern.ends_with("(.*)");
    let base = item.strip_suffix("$1").filter(|_| is_rest)?;
    (base.starts_with('/') && !text::has_variable(base)).then_some(base)
}

/// The page of a single-page application, as a name in the directory of the location.
fn spa_page(fallback: &str, matcher: &Matcher) -> Option<String> {
    let page = match matcher {
        Matcher::Prefix { path, .. } => fallback.strip_prefix(path.as_str())?,
        Matcher::Exact(_) | Matcher::Expression { .. } | Matcher::Named(_) => return None,
    };
    let page = page.trim_start_matches('/');
    (!page.is_empty() && !page.contains('/')).then(|| page.to_owned())
}

/// Translates an item of `try_files` without variables.
fn fixed_file(
    item: &str,
    tries: &Directive,
    location: &Location<'_>,
    content: &mut Content<'_>,
    report: &mut Report,
) {
    let Some(file) = location.root.as_ref().and_then(|root| root.base(&location.scope).ok()) else {
        return;
    };
    let file = joined(&file, item);
    if matches!(location.matcher, Matcher::Exact(_)) {
        if !matches!(content.action, Action::File(_)) {
            content.action = Action::File(file);
        }
    } else if item.contains("maintenance") || item.contains("50") {
        content.maintenance = Some(file);
    } else {
        report.lost(
            tries,
            format!("{item} would be sent for every name: give it a location of its own"),
        );
    }
}
