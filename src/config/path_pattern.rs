//! The paths that a route matches: `/exact`, `/prefix/`, `=/exact/`, globs such as `*.php`, and `~EXPRESSION`.

use regex::bytes::{Regex, RegexBuilder};

use crate::plan::{PathExpression, PathPattern};

use super::{
    format::{FormatProperties, TextFormat},
    path,
};

/// A pattern for the decoded path.
pub(super) const PATH: TextFormat<PathPattern> = TextFormat::new(
    "paths: /exact, /prefix/, =/exact/, a glob such as *.php or /media/**, or ~EXPRESSION",
    pattern,
    show,
)
.with(FormatProperties { stands_alone: true, continues, ..FormatProperties::PLAIN });

/// Maximum size of a compiled expression in bytes. Repetitions such as `(a{1000}){1000}` would need much more.
const COMPILED: usize = 1 << 20;
/// Maximum memory in bytes of the automaton that each worker builds of an expression while it matches. Clients choose
/// the paths that fill it; beyond it, matching is slower and stays linear.
const AUTOMATON: usize = 64 << 10;
/// One character of UTF-8 except `/`, or one byte that is none.
const ONE_CHARACTER: &str = r"(?:[\x00-\x2e\x30-\x7f]|[\xc0-\xff][\x80-\xbf]*|[\x80-\xbf])";
/// Maximum length of a pattern in bytes.
const MAX_LENGTH: usize = 1024;

/// Reads one pattern.
pub(super) fn pattern(text: &str) -> Result<PathPattern, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("must have at most {MAX_LENGTH} bytes"));
    }
    if let Some(expression) = text.strip_prefix('~') {
        let regex = compile(expression).map_err(|error| cause(&error))?;
        return Ok(PathPattern::Expression(PathExpression { text: expression.into(), regex }));
    }
    if let Some(exact) = text.strip_prefix('=') {
        return self::exact(exact).map(PathPattern::Exact);
    }
    if text.contains(['*', '?']) {
        let regex = compile(&expression_of(text)?).map_err(|error| cause(&error))?;
        return Ok(PathPattern::Glob(PathExpression { text: text.into(), regex }));
    }
    if text.starts_with('^') {
        return Err(format!("an expression begins with ~: write ~{text}"));
    }
    exact(text).map(|path| match path.ends_with('/') {
        true => PathPattern::Prefix(path),
        false => PathPattern::Exact(path),
    })
}

/// Reads a path without wildcards. It is compared with decoded paths without dot segments.
fn exact(text: &str) -> Result<String, String> {
    path::beginning(text)
}

/// Returns a text that [`pattern`] reads as this.
pub(super) fn show(pattern: &PathPattern) -> String {
    match pattern {
        // The mark keeps it from being a prefix or a glob.
        PathPattern::Exact(path) if path.ends_with('/') || path.contains('*') => format!("={path}"),
        PathPattern::Exact(path) | PathPattern::Prefix(path) => path.clone(),
        PathPattern::Glob(glob) => glob.text.clone(),
        PathPattern::Expression(expression) => format!("~{}", expression.text),
    }
}

/// Returns whether the text after a comma of the environment continues the pattern before it: an expression such as
/// `~a{1,2}` has commas.
fn continues(piece: &str) -> bool {
    !piece.trim_start().starts_with(['/', '~', '=', '*'])
}

/// Compiles an expression for bytes: a decoded path may be other than UTF-8.
fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(COMPILED)
        .dfa_size_limit(AUTOMATON)
        .build()
}

/// Returns the remedy for an expression that does not compile. The library's text has several lines, the last of which
/// names the fault.
fn cause(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return "the expression needs too much memory: use fewer repetitions".into();
    }
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("not a valid expression: {}", last.trim_start_matches("error: "))
}

/// Returns the expression of a glob: `*` matches anything but `/`, `**` anything, `**/` at the start of a segment any
/// number of directories, `?` one character but `/`. A glob without `/` is compared with the last segment.
fn expression_of(glob: &str) -> Result<String, String> {
    let mut expression = String::from(match glob.contains('/') {
        true => "^",
        false => "^(?:.*/)?",
    });
    if glob.contains('/') && !glob.starts_with(['/', '*']) {
        return Err(format!("must start with / or *: write /{glob}"));
    }
    if glob.contains('%') {
        return Err("% is not possible: write it decoded".into());
    }
    if !glob.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("only visible ASCII characters are allowed".into());
    }
    let mut rest = glob;
    let mut at_segment = true;
    while let Some(character) = rest.chars().next() {
        let (token, after) = if let Some(after) = rest.strip_prefix("**/").filter(|_| at_segment) {
            ("(?:.*/)?".to_owned(), after)
        } else if let Some(after) = rest.strip_prefix("**") {
            (".*".to_owned(), after)
        } else {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            let token = match character {
                '*' => "[^/]*".to_owned(),
                '?' => ONE_CHARACTER.to_owned(),
                other => escaped(other),
            };
            (token, after)
        };
        at_segment = rest.len() - after.len() != 2
            && rest.get(..rest.len() - after.len()).is_some_and(|read| read.ends_with('/'));
        expression.push_str(&token);
        rest = after;
    }
    expression.push('$');
    Ok(expression)
}

/// Escapes a character byte by byte, because expressions match bytes.
fn escaped(character: char) -> String {
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).bytes();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'_' => char::from(byte).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(text: &str, path: &str) -> bool {
        match pattern(text).unwrap_or_else(|fault| panic!("{text}: {fault}")) {
            PathPattern::Exact(exact) => exact == path,
            PathPattern::Prefix(prefix) => path.starts_with(&prefix),
            PathPattern::Glob(one) | PathPattern::Expression(one) => {
                one.regex.is_match(path.as_bytes())
            }
        }
    }

    #[test]
    fn paths() {
        for (text, matching, others) in [
            ("/", &["/", "/a"][..], &[][..]),
            ("=/", &["/"], &["/a"]),
            ("/a", &["/a"], &["/a/", "/ab"]),
            ("/a/", &["/a/", "/a/b/c"], &["/a", "/ab"]),
            ("=/a/", &["/a/"], &["/a/b"]),
            ("/a**", &["/a", "/ab", "/a/b"], &["/b"]),
            ("*.php", &["/x.php", "/a/b/x.php", "/.php"], &["/x.php/a", "/x.phpx", "/php"]),
            ("/a/*", &["/a/", "/a/b"], &["/a/b/c", "/a"]),
            ("/a/**", &["/a/", "/a/b/c"], &["/a"]),
            ("/**/x", &["/x", "/a/x", "/a/b/x"], &["/ax", "/x/"]),
            ("/a/**/x", &["/a/x", "/a/b/c/x"], &["/ax", "/a/bx"]),
            ("/a?c", &["/abc", "/a\u{e9}c"], &["/a/c", "/ac", "/abbc"]),
            ("/a.b*", &["/a.bc"], &["/axbc"]),
            ("~^/(en|de)/", &["/en/", "/de/a"], &["/fr/", "/x/en/"]),
            ("~\\.(jpg|png)$", &["/a/b.jpg"], &["/a.jpg/x", "/ajpg"]),
            ("~(?i)\\.JPG$", &["/a.jpg"], &["/a.gif"]),
        ] {
            matching.iter().for_each(|path| assert!(matches(text, path), "{text} {path}"));
            others.iter().for_each(|path| assert!(!matches(text, path), "{text} {path}"));
            assert_eq!(show(&pattern(text).unwrap()), text);
        }
        let expression = pattern("~^/\\xff$").unwrap();
        assert!(matches!(expression, PathPattern::Expression(one) if one.regex.is_match(b"/\xff")));
    }

    #[test]
    fn invalid_patterns_have_a_remedy() {
        for (text, fault) in [
            ("", "must start with /"),
            ("a", "must start with /"),
            ("=a", "must start with /"),
            ("a/*", "must start with / or *: write /a/*"),
            ("/a%20/*", "% is not possible: write it decoded"),
            ("/a b*", "only visible ASCII characters are allowed"),
            ("^/a", "an expression begins with ~: write ~^/a"),
            ("~(", "not a valid expression: unclosed group"),
        ] {
            assert_eq!(pattern(text).map(|read| show(&read)), Err(fault.into()), "{text}");
        }
        assert!(
            pattern(&format!("/{}", "a".repeat(MAX_LENGTH))).unwrap_err().contains("at most 1024")
        );
    }

    proptest! {
        #[test]
        fn a_shown_pattern_reads_back(text in "[=~]?(/|[a-c]|\\*|\\?|\\.){0,8}") {
            if let Ok(read) = pattern(&text) {
                prop_assert_eq!(pattern(&show(&read)), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = pattern(&text);
            let _ = pattern(&format!("~{text}"));
            let _ = pattern(&format!("/*{text}"));
            let _ = continues(&text);
        }
    }
}
