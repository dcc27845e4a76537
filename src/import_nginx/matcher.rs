//! What a `location` matches, and the paths of a route that match the same.

use super::{parser::Directive, text::Captures};

/// What a location matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Exact(String),
    Prefix {
        path: String,
        /// `^~`: no expression takes precedence.
        is_final: bool,
    },
    Expression {
        pattern: String,
        ignores_case: bool,
    },
    /// `@name`: only other locations lead to it.
    Named(String),
}

/// A path of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RoutePath {
    Exact(String),
    /// Ends with `/`; `/` itself is every path.
    Prefix(String),
    /// Every path that begins with the text.
    Beginning(String),
    Expression(String),
}

/// Longer patterns are no settings.
const LONGEST: usize = 1000;
/// Alternatives of an expression that become paths.
const MOST_ALTERNATIVES: usize = 24;

// === impl Matcher ===

impl Matcher {
    /// Reads the arguments of a `location`.
    pub(super) fn read(location: &Directive) -> Option<Self> {
        let (first, second) = (location.arg(0), location.arg(1));
        // nginx also reads `location =/a` and `location ~*\.php$`.
        let split = ["^~", "~*", "~", "="].iter().find_map(|mark| {
            let glued = first.strip_prefix(mark)?;
            Some((*mark, if glued.is_empty() { second } else { glued }))
        });
        let (mark, text) = split.unwrap_or(("", first));
        if text.is_empty() {
            return None;
        }
        let text = text.to_owned();
        Some(match mark {
            "=" => Self::Exact(text),
            "^~" => Self::Prefix { path: text, is_final: true },
            "~" | "~*" => Self::Expression { pattern: text, ignores_case: mark == "~*" },
            _ => match text.strip_prefix('@') {
                Some(name) => Self::Named(name.into()),
                None => Self::Prefix { path: text, is_final: false },
            },
        })
    }

    /// The text that it was made of.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix { path: text, .. } | Self::Named(text) => text,
            Self::Expression { pattern, .. } => pattern,
        }
    }

    /// Whether it is the location of all paths that no other has.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Prefix { path, .. } if path == "/")
    }

    /// The groups of an expression.
    pub(super) fn captures(&self) -> Captures {
        match self {
            Self::Expression { pattern, .. } => captures(pattern),
            Self::Exact(_) | Self::Prefix { .. } | Self::Named(_) => Captures::default(),
        }
    }

    /// Returns the paths of a route. `is_strict`: not one path that it matches may be missing. `None` if that cannot be
    /// said.
    pub(super) fn paths(&self, is_strict: bool) -> Option<Vec<RoutePath>> {
        let paths = match self {
            Self::Exact(path) => vec![RoutePath::Exact(path.clone())],
            Self::Prefix { path, .. } => prefix_paths(path, is_strict),
            Self::Expression { pattern, ignores_case } => {
                let has_letters = pattern.contains(|letter: char| letter.is_ascii_alphabetic());
                let may_be_simple = !(*ignores_case && has_letters && is_strict);
                let simple = may_be_simple.then(|| simple_paths(pattern, is_strict)).flatten();
                match simple {
                    Some(paths) => paths,
                    None => vec![RoutePath::Expression(expression(pattern, *ignores_case)?)],
                }
            }
            Self::Named(_) => return None,
        };
        paths.iter().all(RoutePath::is_possible).then_some(paths)
    }
}

/// The paths of a prefix. Without a final `/`, nginx also matches `/apix` for `/api`.
fn prefix_paths(path: &str, is_strict: bool) -> Vec<RoutePath> {
    if path.ends_with('/') {
        return vec![RoutePath::Prefix(path.into())];
    }
    let exact = RoutePath::Exact(path.into());
    if is_strict {
        let below = RoutePath::Prefix(format!("{path}/"));
        return vec![exact, below, RoutePath::Beginning(path.into())];
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    match last.contains('.') && !last.starts_with('.') {
        // A file: nothing is below it.
        true => vec![exact],
        false => vec![exact, RoutePath::Prefix(format!("{path}/"))],
    }
}

/// Returns the paths of an expression that only lists them, such as `^/(a|b)/` or `^/a/(.*)$`.
fn simple_paths(pattern: &str, is_strict: bool) -> Option<Vec<RoutePath>> {
    let ends = ["(.*)$", "(.*$)", "(.*)", ".*$"];
    let has_rest = ends.iter().any(|end| pattern.ends_with(end));
    let mut rest = match pattern.strip_prefix('^') {
        Some(rest) => rest,
        // In fact it may match further on in the path.
        None if has_rest && !is_strict && pattern.starts_with('/') => pattern,
        None => return None,
    };
    let mut texts = vec![String::new()];
    while let Some(first) = rest.chars().next() {
        if matches!(rest, "$" | "/?$" | "(.*)$" | "(.*)" | ".*$" | ".*" | "(.*$)") {
            break;
        }
        if matches!(rest, "(/|$)" | "($|/)" | "(?:/|$)" | "(?:$|/)") {
            break;
        }
        let (alternatives, after) = match first {
            '(' => alternatives(rest)?,
            _ => {
                let (letter, after) = match literal(rest) {
                    Some(found) => found,
                    // A dot before a letter is meant as a dot.
                    None if !is_strict => ('.', dot(rest)?),
                    None => return None,
                };
                (vec![letter.to_string()], after)
            }
        };
        // A quantifier makes the last letter no literal.
        if after.starts_with(['?', '*', '+', '{']) && !matches!(after, "?$") {
            return None;
        }
        texts = texts
            .iter()
            .flat_map(|text| alternatives.iter().map(move |more| format!("{text}{more}")))
            .collect();
        if texts.len() > MOST_ALTERNATIVES {
            return None;
        }
        rest = after;
    }
    if !texts.iter().all(|text| text.starts_with('/')) {
        return None;
    }
    let exact = |text: &str| RoutePath::Exact(text.to_owned());
    Some(match rest {
        "$" => texts.iter().map(|text| exact(text)).collect(),
        "/?$" => texts.iter().flat_map(|text| [exact(text), exact(&format!("{text}/"))]).collect(),
        "(/|$)" | "($|/)" | "(?:/|$)" | "(?:$|/)" => texts
            .iter()
            .flat_map(|text| [exact(text), RoutePath::Prefix(format!("{text}/"))])
            .collect(),
        _ => texts.iter().flat_map(|text| prefix_paths(text, is_strict)).collect(),
    })
}

/// Reads one literal letter of an expression.
fn literal(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    let first = letters.next()?;
    let letter = match first {
        '\\' => letters.next().filter(|next| next.is_ascii_punctuation())?,
        '.' | '[' | ']' | '(' | ')' | '{' | '}' | '*' | '+' | '?' | '|' | '^' | '$' => return None,
        letter => letter,
    };
    Some((letter, letters.as_str()))
}

/// Reads a dot that was not escaped, as in `favicon.ico`.
fn dot(text: &str) -> Option<&str> {
    let after = text.strip_prefix('.')?;
    after.starts_with(|next: char| next.is_ascii_alphanumeric()).then_some(after)
}

/// Reads a group of literal alternatives such as `(a|b)`.
fn alternatives(text: &str) -> Option<(Vec<String>, &str)> {
    let inner = text.strip_prefix('(')?;
    let mut rest = inner.strip_prefix("?:").unwrap_or(inner);
    let mut found = vec![String::new()];
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return Some((found, after));
        }
        if let Some(after) = rest.strip_prefix('|') {
            found.push(String::new());
            rest = after;
            continue;
        }
        let (letter, after) = literal(rest)?;
        found.last_mut()?.push(letter);
        rest = after;
    }
}

/// Returns the expression in the language of the settings; `None` if that has nothing like it.
pub(super) fn expression(pattern: &str, ignores_case: bool) -> Option<String> {
    let pattern = without_lookahead(pattern)?;
    let unknown =
        ["(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|", "(?#", "(?(", "*+", "++", "?+", "\\K"];
    if unknown.iter().any(|mark| pattern.contains(mark)) {
        return None;
    }
    let is_reference =
        |pair: &[u8]| matches!(pair, [b'\\', b'1'..=b'9' | b'g' | b'k' | b'R' | b'G']);
    if pattern.as_bytes().windows(2).any(is_reference) {
        return None;
    }
    Some(match ignores_case {
        true => format!("(?i){pattern}"),
        false => pattern,
    })
}

/// Replaces `(?!word)` at the end of an expression, as in `/\.(?!well-known)`, by an expression of everything else.
fn without_lookahead(pattern: &str) -> Option<String> {
    let Some((before, after)) = pattern.split_once("(?!") else { return Some(pattern.into()) };
    let (word, rest) = after.split_once(')')?;
    let is_end = matches!(rest, "" | ".*" | ".*$" | "(.*)" | "(.*)$");
    let word = word.strip_suffix("/").unwrap_or(word);
    let word = word.strip_suffix(".*").unwrap_or(word);
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_end || word.is_empty() || word.len() > 32 || !is_plain {
        return None;
    }
    // `ab` becomes `(?:$|[^a]|a(?:$|[^b]))`.
    let group = word.chars().rev().fold(String::new(), |inner, letter| match inner.is_empty() {
        true => format!("(?:$|[^{letter}])"),
        false => format!("(?:$|[^{letter}]|{letter}{inner})"),
    });
    Some(format!("{before}{group}"))
}

/// Returns the groups of an expression.
pub(super) fn captures(pattern: &str) -> Captures {
    let mut names = Vec::new();
    let mut rest = pattern;
    let mut is_class = false;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '\\' => {
                let skipped = after.chars().next().map_or(0, char::len_utf8);
                rest = after.get(skipped..).unwrap_or_default();
                continue;
            }
            '[' => is_class = true,
            ']' => is_class = false,
            '(' if !is_class => {
                let named = ["?P<", "?<", "?'"].iter().find_map(|mark| after.strip_prefix(mark));
                if let Some(name) = named.filter(|name| !name.starts_with(['=', '!'])) {
                    names.push(name.split(['>', '\'']).next().map(str::to_owned));
                } else if !after.starts_with('?') {
                    names.push(None);
                }
            }
            _ => {}
        }
        rest = after;
    }
    Captures { names }
}

/// Returns an expression that matches the text.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, letter| {
        if letter.is_ascii_punctuation() && !matches!(letter, '/' | '_' | '-' | ':' | '@' | '~') {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

// === impl RoutePath ===

impl RoutePath {
    /// The text of the setting `path`.
    pub(super) fn setting(&self) -> String {
        match self {
            Self::Exact(path) if path.ends_with('/') || path.contains(['*', '?']) => {
                format!("={path}")
            }
            Self::Exact(path) | Self::Prefix(path) => path.clone(),
            Self::Beginning(path) => format!("{path}**"),
            Self::Expression(pattern) => format!("~{pattern}"),
        }
    }

    /// Whether a setting can hold it. Paths with wildcards or escapes would mean something else there.
    fn is_possible(&self) -> bool {
        let text = match self {
            Self::Expression(pattern) => {
                return pattern.len() <= LONGEST && !pattern.contains(char::is_control);
            }
            Self::Exact(path) => path,
            Self::Prefix(path) | Self::Beginning(path) if path.contains(['*', '?']) => {
                return false;
            }
            Self::Prefix(path) | Self::Beginning(path) => path,
        };
        let is_normal =
            !text.contains("//") && !text.split('/').any(|part| part == "." || part == "..");
        text.starts_with('/')
            && text.len() <= LONGEST
            && is_normal
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn read(text: &str) -> Matcher {
        let tree = parser::parse(&format!("location {text} {{}}"), &"f".into()).unwrap();
        Matcher::read(&tree[0]).unwrap()
    }

    fn paths(text: &str, is_strict: bool) -> Option<Vec<String>> {
        let paths = read(text).paths(is_strict)?;
        Some(paths.iter().map(RoutePath::setting).collect())
    }

    #[test]
    fn marks_may_stand_apart_or_not() {
        assert_eq!(read("= /a"), Matcher::Exact("/a".into()));
        assert_eq!(read("=/a"), read("= /a"));
        assert_eq!(read("^~/a"), Matcher::Prefix { path: "/a".into(), is_final: true });
        assert_eq!(read("@app"), Matcher::Named("app".into()));
        assert_eq!(read(r"~*\.php$"), read(r"~* \.php$"));
        assert!(read("/").is_root());
        let tree = parser::parse("location {}", &"f".into()).unwrap();
        assert_eq!(Matcher::read(&tree[0]), None);
    }

    #[test]
    fn locations_become_paths() {
        for (location, expected) in [
            ("= /a/", &["=/a/"][..]),
            ("/a/", &["/a/"]),
            ("/api", &["/api", "/api/"]),
            ("/favicon.ico", &["/favicon.ico"]),
            ("/.well-known", &["/.well-known", "/.well-known/"]),
            (r"~ ^/favicon\.ico$", &["/favicon.ico"]),
            ("~ ^/favicon.ico$", &["/favicon.ico"]),
            ("~* /static/(.*$)", &["/static/"]),
            ("~ ^/(?:doc|pdf)/", &["/doc/", "/pdf/"]),
            ("~ ^/a/(.*)$", &["/a/"]),
            ("~ ^/a/?$", &["/a", "=/a/"]),
            ("~ ^/a(/|$)", &["/a", "/a/"]),
            (r"~* \.(png|JPG)$", &[r"~(?i)\.(png|JPG)$"]),
            (r"~ ^/api/[1-9]\d*/", &[r"~^/api/[1-9]\d*/"]),
            ("~ ^/ab?c$", &["~^/ab?c$"]),
        ] {
            assert_eq!(paths(location, false).unwrap(), expected, "{location}");
        }
    }

    #[test]
    fn strict_paths_leave_nothing_out() {
        assert_eq!(paths("/admin", true).unwrap(), ["/admin", "/admin/", "/admin**"]);
        assert_eq!(paths("/x.php", true).unwrap(), ["/x.php", "/x.php/", "/x.php**"]);
        assert_eq!(paths("~ ^/a", true).unwrap(), ["/a", "/a/", "/a**"]);
        assert_eq!(paths("~ ^/a", false).unwrap(), ["/a", "/a/"]);
    }

    #[test]
    fn a_lookahead_at_the_end_becomes_its_complement() {
        let found = paths(r"~ /\.(?!well-known).*", false).unwrap();
        let pattern = found[0].strip_prefix('~').unwrap();
        assert!(pattern.starts_with(r"/\.(?:$|[^w]|w(?:$|[^e]"), "{pattern}");
        for other in [r"~ (?!a)b", r"~ (a)\1", r"~ a++", r"~ (?<=a)b", "~ (?!a|b)"] {
            assert_eq!(paths(other, false), None, "{other}");
        }
    }

    #[test]
    fn paths_that_would_mean_something_else_are_refused() {
        for location in ["/a*b/", "/a%20b", "/a//b", "/a/../b", "a", "/\u{e4}", "@x"] {
            assert_eq!(paths(location, false), None, "{location}");
        }
    }

    #[test]
    fn groups_are_counted() {
        let names = captures(r"^/(?P<a>.)/(?:x)(y)[(]\((?<b>z)$").names;
        assert_eq!(names, [Some("a".into()), None, Some("b".into())]);
        assert_eq!(read("/a").captures(), Captures::default());
    }
}
