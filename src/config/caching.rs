//! Caching rules: `PATTERN=LIFETIME`.

use std::time::Duration;

use crate::plan::{CacheRule, Lifetime, NamePatternRule};

use super::{format::TextFormat, suggest, value};

/// A pattern, and how long caches keep the files that match it.
pub(super) const RULE: TextFormat<CacheRule> = TextFormat::new(
    "PATTERN=LIFETIME, such as *.pdf=1h, img/**=no-store or vite=immutable",
    rule,
    show,
);

const BUNDLERS: [(&str, NamePatternRule); 3] = [
    ("vite", NamePatternRule::Vite),
    ("webpack", NamePatternRule::Webpack),
    ("esbuild", NamePatternRule::Esbuild),
];
const LIFETIMES: [(&str, Lifetime); 2] =
    [("immutable", Lifetime::Immutable), ("no-store", Lifetime::NoStore)];
/// The longest useful lifetime is a year (RFC 2616, 14.21).
const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads one rule. A file's name may contain `=`, a lifetime may not.
fn rule(text: &str) -> Result<CacheRule, String> {
    let Some((pattern, lifetime)) = text.rsplit_once('=') else {
        // The environment splits a list in braces at its commas.
        return Err(match pattern(text) {
            Err(fault) if !text.is_empty() => fault,
            Ok(NamePatternRule::Vite | NamePatternRule::Webpack | NamePatternRule::Esbuild) => {
                format!("the lifetime is missing: write {text}=immutable")
            }
            Ok(NamePatternRule::Glob(_)) | Err(_) => {
                "the = between pattern and lifetime is missing".into()
            }
        });
    };
    let pattern = self::pattern(pattern)?;
    let lifetime = self::lifetime(lifetime).map_err(|fault| format!("in the lifetime: {fault}"))?;
    Ok(CacheRule { pattern, lifetime })
}

/// Returns a text that [`rule`] reads as this.
pub(super) fn show(rule: &CacheRule) -> String {
    let lifetime = match rule.lifetime {
        Lifetime::MaxAge(age) => value::show_duration(age),
        Lifetime::Immutable => "immutable".into(),
        Lifetime::NoStore => "no-store".into(),
    };
    format!("{}={lifetime}", show_pattern(&rule.pattern))
}

/// Returns the text of a pattern alone.
pub(super) fn show_pattern(pattern: &NamePatternRule) -> &str {
    match pattern {
        NamePatternRule::Glob(glob) => glob,
        NamePatternRule::Vite => "vite",
        NamePatternRule::Webpack => "webpack",
        NamePatternRule::Esbuild => "esbuild",
    }
}

fn pattern(text: &str) -> Result<NamePatternRule, String> {
    if let Some((_, pattern)) = BUNDLERS.iter().find(|(word, _)| *word == text) {
        return Ok(pattern.clone());
    }
    if text.is_empty() {
        return Err("the pattern is missing".into());
    }
    if text.contains(['[', ']', '{', '}', '\\']) {
        return Err("patterns support only *, ** and ?, not [ ], { } or \\: write a rule \
                    for each form, or ? for that character"
            .into());
    }
    if text.contains("***") {
        return Err(
            "three * in a row have no meaning: write ** for any number of directories".into()
        );
    }
    if text.chars().any(char::is_control) {
        return Err("the pattern must not contain control characters".into());
    }
    let relative = text.trim_start_matches('/');
    if relative.len() < text.len() {
        let fault = "a pattern is relative to the directory, without the prefix";
        return Err(match relative {
            "" => fault.into(),
            relative => format!("{fault}: write {relative} or **/{relative}"),
        });
    }
    if text.ends_with('/') {
        return Err(format!("this matches directories, not files: write {text}**"));
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("the pattern must not contain //, . or .. as a segment".into());
    }
    Ok(NamePatternRule::Glob(text.into()))
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if let Some((_, lifetime)) = LIFETIMES.iter().find(|(word, _)| *word == text) {
        return Ok(*lifetime);
    }
    match text {
        "" => return Err("the value after = is missing".into()),
        "no-cache" => return Err("no-cache is not supported: write 0s".into()),
        "never" | "none" | "off" => return Err(format!("{text} is unclear: write no-store")),
        "forever" => return Err("forever is not supported: write immutable".into()),
        _ => {}
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return value::duration(text, Duration::ZERO, MAX_LIFETIME).map(Lifetime::MaxAge);
    }
    let near = suggest::nearest(text, LIFETIMES.iter().map(|(word, _)| *word), "");
    Err(suggest::did_you_mean(&near)
        .unwrap_or_else(|| "this is not a time, immutable or no-store".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: Result<(NamePatternRule, Lifetime), &str>) {
        let expected = expected.map(|(pattern, lifetime)| CacheRule { pattern, lifetime });
        assert_eq!(rule(text), expected.map_err(str::to_owned), "{text:?}");
    }

    fn refuses(text: &str, part: &str) {
        let fault = rule(text).unwrap_err();
        assert!(fault.contains(part), "{text:?}: {fault}");
    }

    fn glob(text: &str) -> NamePatternRule {
        NamePatternRule::Glob(text.into())
    }

    #[test]
    fn rules() {
        let minutes = |count: u64| Lifetime::MaxAge(Duration::from_secs(60 * count));
        reads("*.pdf=1h", Ok((glob("*.pdf"), minutes(60))));
        reads("img/**=5m", Ok((glob("img/**"), minutes(5))));
        reads("sw.js=no-store", Ok((glob("sw.js"), Lifetime::NoStore)));
        reads("vite=immutable", Ok((NamePatternRule::Vite, Lifetime::Immutable)));
        reads("webpack=1m", Ok((NamePatternRule::Webpack, minutes(1))));
        reads("esbuild=0s", Ok((NamePatternRule::Esbuild, minutes(0))));
        // The name of a bundler used as the name of a file.
        reads("**/vite=0s", Ok((glob("**/vite"), minutes(0))));
        reads("a=b.js=0s", Ok((glob("a=b.js"), minutes(0))));
        reads("...js=0s", Ok((glob("...js"), minutes(0))));
        reads("über-?.css=365d", Ok((glob("über-?.css"), minutes(365 * 24 * 60))));
    }

    #[test]
    fn bad_patterns() {
        reads("*.js", Err("the = between pattern and lifetime is missing"));
        reads("vite", Err("the lifetime is missing: write vite=immutable"));
        reads("=1h", Err("the pattern is missing"));
        for text in
            ["[ab].js=1h", "*.{js,css}=1h", "a]=1h", "*.{js=1h", "css}=1h", "\\*=1h", "*.{js"]
        {
            refuses(text, "patterns support only *, ** and ?");
        }
        refuses("***=1h", "three * in a row");
        refuses("a\u{0}=1h", "control characters");
        refuses(
            "/img/*=1h",
            "relative to the directory, without the prefix: write img/* or **/img/*",
        );
        refuses("/=1h", "relative to the directory");
        refuses("img/=1h", "write img/**");
        for text in ["a//b=1h", "./a=1h", "../a=1h", "a/./b=1h", "a/..=1h"] {
            refuses(text, "//, . or .. as a segment");
        }
    }

    #[test]
    fn bad_lifetimes() {
        let longer = "in the lifetime: must be at most 365d";
        reads("*.js=366d", Err(longer));
        reads("*.js=60", Err("in the lifetime: the unit is missing: write 60s, or 60ms"));
        reads("*.js=", Err("in the lifetime: the value after = is missing"));
        reads("*.js=imutable", Err("in the lifetime: did you mean immutable?"));
        reads("*.js=nostore", Err("in the lifetime: did you mean no-store?"));
        reads("*.js=no-cache", Err("in the lifetime: no-cache is not supported: write 0s"));
        reads("*.js=never", Err("in the lifetime: never is unclear: write no-store"));
        refuses("*.js=long", "not a time, immutable or no-store");
    }

    proptest! {
        #[test]
        fn a_shown_rule_reads_back(text in "[a-z*?./=]{1,8}=(immutable|no-store|[0-9]{1,4}(ms|s|m|h))") {
            if let Ok(read) = rule(&text) {
                prop_assert_eq!(rule(&show(&read)), Ok(read));
            }
        }

        #[test]
        fn a_glob_that_is_read_can_match(text in "[a-z*./\\[{]{0,8}") {
            if let Ok(CacheRule { pattern: NamePatternRule::Glob(glob), .. }) = rule(&format!("{text}=1s")) {
                prop_assert!(!glob.is_empty() && !glob.starts_with('/') && !glob.ends_with('/'));
                let braces = glob.contains(['[', '{']);
                prop_assert!(!braces);
                prop_assert!(glob.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = rule(&text);
        }
    }
}
