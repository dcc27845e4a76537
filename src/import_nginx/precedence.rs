//! Which of two locations wins where both match. In nginx an expression wins over a prefix; of routes, the prefix wins.
//! Where that makes a difference, the prefix becomes an expression too.

use super::{
    matcher::{RoutePath, escaped},
    plan::Planned,
    settings::{Action, Value},
};

/// What could not be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The line of the expression.
    pub(super) expression: String,
    /// The prefix that wins.
    pub(super) prefix: String,
}

/// Makes the expressions win that win in nginx. Returns those that do not.
pub(super) fn settle(planned: &mut [Planned]) -> Vec<Difference> {
    let mut differences = Vec::new();
    explicit_paths(planned);
    let expressions: Vec<usize> = indices(planned, |one| is_expression(one) && !one.was_prefix);
    let prefixes: Vec<usize> = indices(planned, |one| below(one).is_some() && !is_expression(one));
    for &prefix in &prefixes {
        let Some(of_prefix) = planned.get(prefix) else { continue };
        let Some(text) = below(of_prefix) else { continue };
        let against: Vec<usize> = expressions
            .iter()
            .copied()
            .filter(|&one| planned.get(one).is_some_and(|one| conflict(one, of_prefix, &text)))
            .collect();
        if against.is_empty() {
            continue;
        }
        if let Some(converted) = as_expression(of_prefix) {
            for &one in &against {
                if let Some(one) = planned.get_mut(one) {
                    win_below(one, &text);
                }
            }
            if let Some(place) = planned.get_mut(prefix) {
                *place = converted;
            }
            continue;
        }
        for &one in &against {
            let Some(of_expression) = planned.get(one) else { continue };
            let (line, restricts) = (of_expression.source.clone(), restricts(of_expression));
            if restricts && let Some(place) = planned.get_mut(prefix) {
                let reason =
                    format!("{line} refuses some of these requests, which is not translated");
                place.route.closed.get_or_insert(reason);
            }
            differences.push(Difference { expression: line, prefix: text.clone() });
        }
    }
    // What is nested in a prefix that stays one is never reached.
    for &index in &expressions {
        let Some(one) = planned.get_mut(index) else { continue };
        let is_nested = one.outer.as_deref().is_some_and(|outer| outer != "/");
        if is_nested && !one.paths.iter().any(|path| is_below(path, one.outer.as_deref())) {
            one.paths.clear();
        }
    }
    keep_order(planned);
    differences
}

/// Removes expressions for the files of another location that only keep them for longer. Returns their lines.
pub(super) fn without_hashed(planned: &mut Vec<Planned>) -> Vec<String> {
    let prefixes: Vec<(String, Vec<String>)> = planned
        .iter()
        .filter_map(|one| match &one.route.action {
            Action::Files(directories) => Some((below(one)?, directories.clone())),
            _ => None,
        })
        .collect();
    let is_hashed = |one: &Planned| {
        let is_long = one.route.policies.get("max_age") == Some(&Value::Text("365d".into()));
        let [RoutePath::Expression(pattern)] = one.paths.as_slice() else { return false };
        let Action::Files(directories) = &one.route.action else { return false };
        let [directory] = directories.as_slice() else { return false };
        let anchored = pattern.strip_prefix('^');
        let is_of = |(prefix, others): &(String, Vec<String>)| {
            anchored.is_some_and(|rest| rest.starts_with(&escaped(prefix)))
                && others.contains(&super::location::joined(directory, prefix))
        };
        is_long && one.route.policies.len() == 1 && prefixes.iter().any(is_of) && !restricts(one)
    };
    let (hashed, rest): (Vec<Planned>, Vec<Planned>) =
        std::mem::take(planned).into_iter().partition(is_hashed);
    *planned = rest;
    hashed.into_iter().map(|one| one.source).collect()
}

/// A path that a location names itself is not one of another that only implies it: `/a` implies `/a/`.
fn explicit_paths(planned: &mut [Planned]) {
    let explicit: Vec<RoutePath> =
        planned.iter().filter(|one| !one.implies_paths).flat_map(|one| one.paths.clone()).collect();
    for one in planned.iter_mut().filter(|one| one.implies_paths) {
        one.paths.retain(|path| !explicit.contains(path));
    }
    // Of two that name the same, nginx uses the first expression.
    let mut seen: Vec<RoutePath> = Vec::new();
    for one in planned.iter_mut() {
        one.paths.retain(|path| !seen.contains(path));
        seen.extend(one.paths.iter().cloned());
    }
}

/// Among expressions, nginx takes the first, and routes the longest: those that refuse requests must stay first.
fn keep_order(planned: &mut [Planned]) {
    let length = |one: &Planned| {
        let lengths = one.paths.iter().filter_map(|path| match path {
            RoutePath::Expression(text) => Some(text.len()),
            RoutePath::Exact(_) | RoutePath::Prefix(_) | RoutePath::Beginning(_) => None,
        });
        lengths.max().unwrap_or_default()
    };
    let own = |one: &&Planned| !one.was_prefix;
    let lengths: Vec<(usize, usize)> =
        planned.iter().filter(own).map(|one| (one.order, length(one))).collect();
    let is_first = |one: &&mut Planned| is_expression(one) && restricts(one) && !one.was_prefix;
    for one in planned.iter_mut().filter(is_first) {
        let later =
            lengths.iter().filter(|(order, _)| *order > one.order).map(|(_, length)| *length);
        let longest = later.max().unwrap_or_default().min(900);
        for path in &mut one.paths {
            if let RoutePath::Expression(text) = path {
                // An empty group matches nothing more.
                while text.len() <= longest && longest > 0 {
                    text.push_str("(?:)");
                }
            }
        }
    }
}

fn indices(planned: &[Planned], is_wanted: impl Fn(&Planned) -> bool) -> Vec<usize> {
    planned.iter().enumerate().filter(|(_, one)| is_wanted(one)).map(|(index, _)| index).collect()
}

fn is_expression(planned: &Planned) -> bool {
    planned.paths.iter().any(|path| matches!(path, RoutePath::Expression(_)))
}

/// The prefix of a location that an expression may win over.
fn below(planned: &Planned) -> Option<String> {
    if planned.is_final {
        return None;
    }
    planned.paths.iter().find_map(|path| match path {
        RoutePath::Prefix(prefix) if prefix != "/" => Some(prefix.clone()),
        _ => None,
    })
}

/// Whether requests are refused, or must not be seen by everybody.
pub(super) fn restricts(planned: &Planned) -> bool {
    let refuses = match &planned.route.action {
        Action::Respond(text) => text.starts_with(['4', '5']) || text == "close",
        _ => false,
    };
    refuses
        || planned.route.closed.is_some()
        || planned.is_internal
        || planned.methods.is_some()
        || planned.route.policies.contains_key("deny")
        || planned.route.policies.contains_key("auth")
}

/// Whether an expression would win over a prefix in nginx, with another response.
fn conflict(expression: &Planned, prefix: &Planned, text: &str) -> bool {
    let is_nested = expression
        .outer
        .as_deref()
        .is_some_and(|outer| outer.trim_end_matches('/') == text.trim_end_matches('/'));
    // Within another prefix it is reached only where that prefix is.
    if !is_nested && expression.outer.is_some() {
        return false;
    }
    let is_of_files = prefix.route.action.is_of_files();
    let meets = expression.paths.iter().any(|path| match path {
        // Names that begin with a dot are never files.
        RoutePath::Expression(pattern) if is_of_files && is_of_dot_files(pattern) => false,
        RoutePath::Expression(pattern) => may_meet(pattern, text),
        RoutePath::Exact(_) | RoutePath::Prefix(_) | RoutePath::Beginning(_) => false,
    });
    let is_same = expression.route.action == prefix.route.action
        && expression.route.policies == prefix.route.policies
        && expression.route.closed == prefix.route.closed
        && expression.methods == prefix.methods;
    meets && !is_same
}

fn is_of_dot_files(pattern: &str) -> bool {
    let pattern = pattern.strip_prefix("(?i)").unwrap_or(pattern);
    let is_dot = |text: &str| {
        text.strip_prefix("\\.").is_some_and(|rest| !rest.starts_with(['?', '*', '{']))
    };
    let begins = |text: &str| text.strip_prefix('/').is_some_and(is_dot);
    let group = pattern.strip_prefix("/(").and_then(|inner| inner.split(')').next());
    let group = group.map(|inner| inner.strip_prefix("?:").unwrap_or(inner));
    // Without alternatives that are not in a group.
    let is_one = !pattern.split(['(', ')']).step_by(2).any(|outside| outside.contains('|'));
    is_one && (begins(pattern) || group.is_some_and(|inner| inner.split('|').all(is_dot)))
}

/// Whether an expression may match a path that begins with a prefix. Says yes if in doubt.
fn may_meet(pattern: &str, prefix: &str) -> bool {
    let (flag, pattern) = match pattern.strip_prefix("(?i)") {
        Some(rest) => ("(?i)", rest),
        None => ("", pattern),
    };
    let Some(rest) = pattern.strip_prefix("^/") else { return true };
    let Some(parts) = parts(rest) else { return true };
    let names: Vec<&str> = prefix.trim_matches('/').split('/').collect();
    // The last part may go on.
    let whole = parts.split_last().map(|(_, whole)| whole).unwrap_or_default();
    for (part, name) in whole.iter().zip(names) {
        // These may match `/` as well.
        let crosses = part.contains("[^") || part.contains("\\S") || part.contains("\\D");
        let crosses = crosses || part.contains("\\W") || part.replace("\\.", "").contains('.');
        if crosses {
            return true;
        }
        match regex::Regex::new(&format!("^{flag}(?:{part})$")) {
            Ok(regex) if !regex.is_match(name) => return false,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    true
}

/// Splits an expression at `/`; `None` if that is not possible.
fn parts(pattern: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let (mut depth, mut is_class) = (0_u32, false);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let next = letters.next()?;
                parts.last_mut()?.extend([letter, next]);
                continue;
            }
            '[' => is_class = true,
            ']' => is_class = false,
            '(' if !is_class => depth += 1,
            ')' if !is_class => depth = depth.checked_sub(1)?,
            '|' if depth == 0 && !is_class => return None,
            '/' if depth == 0 && !is_class => {
                parts.push(String::new());
                continue;
            }
            '/' => return None,
            // `a/?b`
            '?' | '*' | '{' if parts.last().is_some_and(String::is_empty) => return None,
            _ => {}
        }
        parts.last_mut()?.push(letter);
    }
    Some(parts)
}

/// Returns the location as one of an expression, if that responds alike.
fn as_expression(planned: &Planned) -> Option<Planned> {
    let mut converted = planned.clone();
    let changes_path = ["strip_prefix", "replace_prefix", "spa"];
    if changes_path.iter().any(|key| planned.route.policies.contains_key(key)) {
        return None;
    }
    if !planned.files_first.is_empty() {
        return None;
    }
    // Below an expression, whole paths are looked up.
    let whole = || planned.whole_paths.clone().map(|directory| vec![directory]);
    match &planned.route.action {
        Action::Files(_) => converted.route.action = Action::Files(whole()?),
        Action::Media(_) => converted.route.action = Action::Media(whole()?),
        Action::Upstream(_) | Action::Redirect(_) | Action::Respond(_) | Action::None => {}
        Action::File(_) => return None,
    }
    converted.was_prefix = true;
    converted.paths = planned
        .paths
        .iter()
        .map(|path| match path {
            RoutePath::Prefix(prefix) => RoutePath::Expression(format!("^{}", escaped(prefix))),
            RoutePath::Beginning(text) => RoutePath::Expression(format!("^{}", escaped(text))),
            RoutePath::Exact(_) | RoutePath::Expression(_) => path.clone(),
        })
        .collect();
    Some(converted)
}

/// Adds paths with which an expression wins over the expression of a prefix, which is shorter.
fn win_below(planned: &mut Planned, prefix: &str) {
    let begin = format!("^{}", escaped(prefix));
    let mut added = Vec::new();
    for path in &planned.paths {
        let RoutePath::Expression(pattern) = path else { continue };
        let (flag, pattern) = match pattern.strip_prefix("(?i)") {
            Some(rest) => ("(?i)", rest),
            None => ("", pattern.as_str()),
        };
        match pattern.strip_prefix('^') {
            None => added.push(RoutePath::Expression(format!("{begin}{flag}.*(?:{pattern})"))),
            Some(_) => {
                let mut text = format!("{flag}{pattern}");
                while text.len() <= begin.len() {
                    text.push_str("(?:)");
                }
                if text != format!("{flag}{pattern}") {
                    added.push(RoutePath::Expression(text));
                }
            }
        }
    }
    let is_nested = planned.outer.is_some();
    if is_nested {
        planned.paths.retain(
            |path| !matches!(path, RoutePath::Expression(text) if !text.starts_with(&begin)),
        );
    }
    planned.paths.extend(added);
}

fn is_below(path: &RoutePath, outer: Option<&str>) -> bool {
    let begin = format!("^{}", escaped(outer.unwrap_or_default()));
    matches!(path, RoutePath::Expression(text) if text.starts_with(&begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_meet_prefixes() {
        for (pattern, prefix) in [
            (r"^/api/[1-9]\d*/", "/api/"),
            (r"^/api/[1-9]\d*/", "/api/store/"),
            (r"(?i)^/(A|b)/", "/a/"),
            (r"\.php$", "/static/"),
            ("^/.*/x", "/static/"),
            ("^/[^a]+/", "/static/"),
            ("^/a|/b", "/static/"),
            ("^/ab?", "/a/"),
            ("^/(a/b)/", "/x/"),
            ("^/a/?x/", "/ax/"),
        ] {
            let expected = !(pattern == r"^/api/[1-9]\d*/" && prefix == "/api/store/");
            assert_eq!(may_meet(pattern, prefix), expected, "{pattern} {prefix}");
        }
        for (pattern, prefix) in [
            (r"^/\w{2,3}(?:-\w{2,6})?/(?:x|y)/", "/static/"),
            ("^/(en|de)/x$", "/old/"),
            ("^/(en|de)/x/", "/en/y/"),
            (r"^/a\.b/", "/aab/"),
        ] {
            assert!(!may_meet(pattern, prefix), "{pattern} {prefix}");
        }
    }

    #[test]
    fn dot_files_are_recognised() {
        for pattern in [r"/\.", r"/\.git", r"/(\.git|\.env)", r"(?i)/\.ht"] {
            assert!(is_of_dot_files(pattern), "{pattern}");
        }
        for pattern in [r"\.php$", r"/(\.?git|api)", r"/\.|/x", r"/\.?x", r"/(\.git|x)"] {
            assert!(!is_of_dot_files(pattern), "{pattern}");
        }
        assert_eq!(escaped("/a.b-c/"), r"/a\.b-c/");
    }
}
