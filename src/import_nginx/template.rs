//! Placeholders of templates: `${NAME}` and `$NAME` of envsubst, and `{{ name }}`. Those of envsubst are replaced from
//! the environment, as envsubst does. All others stay in the settings, which are then a template of the same kind:
//! until they are written, each is a mark of letters and digits that is valid in names, paths and addresses.

use std::fmt::Write as _;

/// Words with which an expression of a Go or Jinja template is a statement.
pub(super) const STATEMENTS: [&str; 9] =
    ["if", "else", "end", "range", "with", "define", "template", "block", "for"];

/// Around the text of a placeholder in hexadecimal.
const MARK: &str = "zq";

/// Longer expressions are not kept.
const LONGEST: usize = 60;

/// Returns the text with each placeholder replaced: by its value, or by a mark.
pub(super) fn substitute(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{']) {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        let (replaced, len) = match (placeholder(from), expression(from)) {
            (Some((name, len)), _) if !is_nginx_variable(name) || value(name).is_some() => {
                let marked = || mark(from.get(..len).unwrap_or_default());
                // Templates write `${DOLLAR}host` for a variable of nginx.
                let dollar = || (name == "DOLLAR").then(|| "$".to_owned());
                (value(name).or_else(dollar).unwrap_or_else(marked), len)
            }
            (_, Some(expression)) => {
                let name = expression.trim_matches(['{', '}', '-', ' ']);
                (value(name).unwrap_or_else(|| mark(expression)), expression.len())
            }
            _ => (from.get(..1).unwrap_or_default().to_owned(), 1),
        };
        result.push_str(&replaced);
        rest = from.get(len..).unwrap_or_default();
    }
    result + rest
}

fn mark(placeholder: &str) -> String {
    let mut marked = String::from(MARK);
    for byte in placeholder.bytes() {
        let _ = write!(marked, "{byte:02x}");
    }
    marked + MARK
}

/// Returns the text with the placeholders that its marks stand for.
pub(super) fn restore(text: &str) -> String {
    replace_marks(text, &|placeholder, _, _| placeholder.to_owned())
}

/// Returns the text with a possible value for each of its marks.
pub(super) fn with_samples(text: &str) -> String {
    let sample = |placeholder: &str, before: &str, after: &str| {
        let has = |word: &str| placeholder.to_ascii_uppercase().contains(word);
        let is_number =
            after.starts_with("iB") || after.get(1..).is_some_and(|rest| rest.starts_with("iB"));
        let is_quoted = before.ends_with(['"', '\'', '=']);
        match () {
            () if is_number => "1",
            () if has("SCHEME") || has("PROTO") => "https",
            () if is_quoted && after.starts_with('/') => "/sample",
            () if is_quoted && (has("DIR") || has("ROOT") || has("PATH")) => "/sample",
            () if before.ends_with(':') || has("PORT") => "8000",
            () if has("IP") || has("NET") || has("CIDR") => "192.0.2.1",
            () => "sample",
        }
        .to_owned()
    };
    replace_marks(text, &sample)
}

/// Whether the text has marks.
pub(super) fn has_marks(text: &str) -> bool {
    next_mark(text).is_some()
}

/// Whether a path begins with a placeholder, which then has its first slash.
pub(super) fn begins_with_mark(text: &str) -> bool {
    next_mark(text).is_some_and(|(before, ..)| before.is_empty())
}

/// Marks `$NAME` and `${NAME}` where nginx has no variables.
pub(super) fn marked(word: &str) -> Option<String> {
    let (_, len) = placeholder(word)?;
    (len == word.len()).then(|| mark(word))
}

/// Returns the first placeholder of a word, marked or not.
pub(super) fn unresolved(word: &str) -> Option<String> {
    let marked = next_mark(word).map(|(_, placeholder, _)| placeholder);
    marked.or_else(|| first_placeholder(word).map(str::to_owned))
}

fn replace_marks(text: &str, replacement: &dyn Fn(&str, &str, &str) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, placeholder, after)) = next_mark(rest) {
        result.push_str(before);
        let replaced = replacement(&placeholder, &result, after);
        result.push_str(&replaced);
        rest = after;
    }
    result + rest
}

/// Returns what is before the first mark, its placeholder, and what is after it.
fn next_mark(text: &str) -> Option<(&str, String, &str)> {
    text.match_indices(MARK).find_map(|(at, _)| {
        let inner = text.get(at + MARK.len()..)?;
        let len = inner.bytes().take_while(u8::is_ascii_hexdigit).count();
        let after = inner.get(len..)?.strip_prefix(MARK)?;
        let digits = inner.get(..len)?.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let placeholder = String::from_utf8(digits.map(byte).collect::<Option<_>>()?).ok()?;
        let is_whole = |len: usize| len == placeholder.len();
        let is_one = self::placeholder(&placeholder).is_some_and(|(_, len)| is_whole(len))
            || expression(&placeholder).is_some_and(|one| is_whole(one.len()));
        is_one.then_some((text.get(..at)?, placeholder, after))
    })
}

/// Reads `{{ name }}` at the start, if it can stay in a text of TOML. Statements such as `{{ if` are none.
fn expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let inside = inner.get(..end)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-|() ".contains(&byte);
    let words = inside.trim_matches(['-', ' ']);
    let is_name = words
        .starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == '.');
    let is_statement = words.split(' ').next().is_some_and(|first| STATEMENTS.contains(&first));
    let is_kept =
        inside.len() <= LONGEST && inside.bytes().all(is_plain) && is_name && !is_statement;
    is_kept.then(|| text.get(..end + 4))?
}

/// Whether the whole word is one placeholder.
pub(super) fn is_placeholder(word: &str) -> bool {
    let word = &restore(word);
    let is_expression = word.starts_with("{{") && word.find("}}") == word.len().checked_sub(2);
    is_expression || placeholder(word).is_some_and(|(_, len)| len == word.len())
}

/// Returns the first placeholder in the word.
pub(super) fn first_placeholder(word: &str) -> Option<&str> {
    let braces = word.find("{{").and_then(|at| {
        let from = word.get(at..)?;
        from.get(..from.find("}}")? + 2)
    });
    braces.or_else(|| {
        let mut marks = word.match_indices('$').filter_map(|(at, _)| word.get(at..));
        marks.find_map(|from| {
            let (name, len) = placeholder(from)?;
            (!is_nginx_variable(name)).then(|| from.get(..len))?
        })
    })
}

/// Reads `${NAME}` or `$NAME` at the start. Names in capitals are of the environment: nginx's variables are written in
/// small letters.
fn placeholder(text: &str) -> Option<(&str, usize)> {
    let from = text.strip_prefix('$')?;
    let (inner, braces) = match from.strip_prefix('{') {
        Some(inner) => (inner, 1),
        None => (from, 0),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = inner.bytes().take_while(|byte| is_name(byte)).count();
    let name = inner.get(..len)?;
    // In braces, small letters may follow.
    let is_upper = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.contains(|letter: char| letter.is_ascii_uppercase())
        && (braces == 1 || !name.contains(|letter: char| letter.is_ascii_lowercase()));
    let is_closed = braces == 0 || inner.get(len..)?.starts_with('}');
    (is_upper && is_closed).then_some((name, 1 + 2 * braces + len))
}

/// Whether nginx would know this name, as capitals do not matter to it.
fn is_nginx_variable(name: &str) -> bool {
    const KNOWN: [&str; 8] = [
        "HOST",
        "HTTP_HOST",
        "REMOTE_ADDR",
        "REQUEST_URI",
        "SCHEME",
        "URI",
        "ARGS",
        "REQUEST_METHOD",
    ];
    KNOWN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> String {
        let value = |name: &str| (name == "HOST_A" || name == "B").then(|| format!("<{name}>"));
        restore(&substitute(text, &value))
    }

    #[test]
    fn names_in_capitals_are_replaced_if_they_have_a_value() {
        assert_eq!(replaced("a ${HOST_A}:$B;"), "a <HOST_A>:<B>;");
        assert_eq!(replaced("$Bc $BC $host ${C} $ ${ ${B"), "$Bc $BC $host ${C} $ ${ ${B");
        assert_eq!(replaced("$$B$"), "$<B>$");
        assert_eq!(replaced("${DOLLAR}host"), "$host");
        assert_eq!(replaced(""), "");
    }

    #[test]
    fn other_placeholders_are_marked_until_they_are_written() {
        for text in ["${A}", "$A_1", "${MAX_MiB}", "{{ a }}", "{{ a.b|default(80) }}"] {
            let marked = substitute(text, &|_| None);
            assert!(marked.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{marked}");
            assert_eq!(restore(&format!("x{marked}/{marked}y")), format!("x{text}/{text}y"));
            assert_eq!(unresolved(&marked).as_deref(), Some(text));
        }
        for text in
            ["$host", "${host}", "$HTTP_HOST", "{{ if a }}", "{{ a['b'] }}", "{ a }", "{{}}"]
        {
            assert_eq!(substitute(text, &|_| None), text);
        }
        assert_eq!(restore("zq2461zq zq24zq zqzq"), "zq2461zq zq24zq zqzq");
        let sample = |text: &str| with_samples(&substitute(text, &|_| None));
        assert_eq!(sample("http://${A}:${B}"), "http://sample:8000");
        assert_eq!(sample("${SIZE}MiB $PORT ${ALLOWED_IPS}"), "1MiB 8000 192.0.2.1");
    }

    #[test]
    fn placeholders_are_found() {
        for word in ["${A}", "$A_1", "{{ a }}", "{{ a }}b", "http://${A}:80", "x{{ a }}"] {
            assert!(first_placeholder(word).is_some(), "{word}");
        }
        for word in ["$host", "${host}", "$HTTP_HOST", "$1", "a{b}", "$", "{{"] {
            assert_eq!(first_placeholder(word), None, "{word}");
        }
        assert_eq!(first_placeholder("http://${A}:80"), Some("${A}"));
        assert!(is_placeholder("${A}") && is_placeholder("{{ a }}"));
        assert!(!is_placeholder("${A}b") && !is_placeholder("{{ a }}{{ b }}"));
    }
}
