//! Query parameters that say where a visitor comes from (`utm_source` and others). They are part of no key, and the
//! application does not get them: what it made of them would go to other visitors.

use std::borrow::Cow;

use crate::plan::NamePatterns;

/// Returns path and query without the ignored parameters.
pub(in crate::pipeline) fn without<'a>(target: &'a str, ignored: &NamePatterns) -> Cow<'a, str> {
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    let is_ignored = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        ignored.fit(name.as_bytes())
    };
    if !query.split('&').any(is_ignored) {
        return Cow::Borrowed(target);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ignored(pair)).collect();
    if kept.is_empty() {
        return Cow::Borrowed(path);
    }
    Cow::Owned(format!("{path}?{}", kept.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::NamePattern;

    #[test]
    fn only_named_parameters_go() {
        let ignored = NamePatterns(["utm_*", "gclid"].map(NamePattern::of).to_vec());
        for (target, expected) in [
            ("/", "/"),
            ("/?", "/?"),
            ("/?a=b&c", "/?a=b&c"),
            ("/?utm_source=x", "/"),
            ("/?utm_source", "/"),
            ("/?a=b&utm_source=x&c=d&gclid=1", "/?a=b&c=d"),
            ("/?gclid=1&&a=b", "/?&a=b"),
            ("/?agclid=1&gclids=2", "/?agclid=1&gclids=2"),
            // Another name than the one that the application would decode: it stays, in the key too.
            ("/?utm%5Fsource=x", "/?utm%5Fsource=x"),
            ("/?a=utm_x", "/?a=utm_x"),
        ] {
            assert_eq!(without(target, &ignored), expected);
        }
    }
}
