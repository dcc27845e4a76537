//! Locations within others that only say how long caches keep some files, by their endings.

use super::{
    location::Location, matcher::Matcher, report::Report, servers::source, settings::Settings,
    values,
};

/// Directives of such a location that have no effect of their own.
const HARMLESS: [&str; 8] = [
    "access_log",
    "log_not_found",
    "expires",
    "etag",
    "gzip",
    "gzip_static",
    "brotli_static",
    "tcp_nodelay",
];

/// More endings are not listed.
const MOST: usize = 64;

/// Translates the location, if it is one. Returns whether it is.
pub(super) fn translate(
    location: &Location<'_>,
    settings: &mut Settings,
    report: &mut Report,
) -> bool {
    let (Some(outer), Matcher::Expression { pattern, .. }) = (&location.outer, &location.matcher)
    else {
        return false;
    };
    let own = location.scope.own();
    let is_cache_header = |name: &str| {
        name.eq_ignore_ascii_case("cache-control") || name.eq_ignore_ascii_case("pragma")
    };
    let is_harmless = own.iter().all(|directive| {
        HARMLESS.contains(&directive.name.as_str())
            || (directive.name == "add_header" && is_cache_header(directive.arg(0)))
            || (directive.name == "try_files" && directive.args == ["$uri", "=404"])
    });
    // At the root there are no files that would be kept.
    if !is_harmless || outer == "/" || location.root.is_none() {
        return false;
    }
    let expires = location.scope.own_named(&["expires"]).pop();
    let control = location
        .scope
        .own_named(&["add_header"])
        .into_iter()
        .find(|one| one.arg(0).eq_ignore_ascii_case("cache-control"));
    let max_age = control.and_then(|one| {
        let seconds =
            one.arg(1).split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
        seconds.parse::<u64>().ok()?.checked_mul(1000)
    });
    let lifetime = max_age.or_else(|| match expires?.arg(0) {
        "max" => Some(u64::MAX),
        time => values::milliseconds(time),
    });
    let (Some(line), Some(lifetime)) = (expires.or(control), lifetime) else { return true };
    let is_of_uploads = outer.contains("media") || outer.contains("upload");
    match endings(pattern).filter(|_| !is_of_uploads) {
        Some(endings) => {
            for ending in endings {
                let rule = format!("*.{ending}={}", values::max_age(lifetime));
                settings.push("static.caching", rule, source(line));
            }
        }
        None => report.differs(
            line,
            format!("all files below {outer} have one lifetime: static.max_age, media.max_age"),
        ),
    }
    true
}

/// Returns the endings of an expression such as `\.(?:js|css)$`.
fn endings(pattern: &str) -> Option<Vec<String>> {
    let inner = pattern.strip_prefix("\\.")?.strip_suffix('$')?;
    let inner = match inner.strip_prefix('(') {
        Some(group) => group.strip_suffix(')')?,
        None => inner,
    };
    let endings: Vec<String> =
        inner.strip_prefix("?:").unwrap_or(inner).split('|').map(str::to_owned).collect();
    let is_plain = |ending: &String| {
        !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (endings.len() <= MOST && endings.iter().all(is_plain)).then_some(endings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_listed() {
        assert_eq!(endings(r"\.(?:js|css)$"), Some(vec!["js".into(), "css".into()]));
        assert_eq!(endings(r"\.pdf$"), Some(vec!["pdf".into()]));
        for pattern in [r"\.(js|c.s)$", r"\.js", r"/x\.js$", r"\.jpe?g$"] {
            assert_eq!(endings(pattern), None, "{pattern}");
        }
    }
}
