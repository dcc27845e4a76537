//! Variables in the values of a file: `$NAME`, `${NAME}`, `${NAME:-default}` and the other forms of docker compose.

use std::{cell::Cell, collections::BTreeMap};

use serde_json::Value;

use crate::config::Environment;

/// Stands for a variable without a value. The rest of the text is still known.
pub(super) const UNKNOWN: char = '\0';

/// A default may contain variables with defaults, up to this depth.
const MAX_DEPTH: usize = 16;
/// Maximum number of bytes that variables add, because a short text can repeat a long value very often.
const MAX_BYTES: usize = 4 << 20;

/// The values of variables.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: BTreeMap<String, String>,
    /// How many bytes variables have added.
    added: Cell<usize>,
}

// === impl Values ===

impl Values {
    /// The environment, and below it the text of a file `.env`.
    pub(super) fn new(environment: &Environment, file: &str) -> Self {
        let mut values = Self::default();
        for (name, value) in environment {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                values.values.insert(name.to_owned(), value.to_owned());
            }
        }
        for line in file.lines() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
                // Bytes that are not UTF-8 make the value unknown.
                let value = values.line(value.trim()).replace('\u{fffd}', &unknown());
                values.values.entry(name.trim().to_owned()).or_insert(value);
            }
        }
        values
    }

    /// Returns the value of a line in `.env`: quoted or not, and perhaps with a comment behind it.
    fn line(&self, text: &str) -> String {
        if let Some(rest) = text.strip_prefix('\'') {
            return rest.split_once('\'').map_or_else(unknown, |(value, _)| value.to_owned());
        }
        if let Some(rest) = text.strip_prefix('"') {
            // A value of several lines, or with escapes, is unknown.
            let value = rest.split_once('"').filter(|(value, _)| !value.contains('\\'));
            return value.map_or_else(unknown, |(value, _)| self.text(value, MAX_DEPTH));
        }
        let mut before = ' ';
        let comment = text.find(|c: char| {
            let is_comment = c == '#' && before.is_whitespace();
            before = c;
            is_comment
        });
        let value = comment.and_then(|at| text.get(..at)).unwrap_or(text);
        self.text(value.trim_end(), MAX_DEPTH)
    }

    /// Replaces the variables in all texts. One that has no value becomes [`UNKNOWN`].
    pub(super) fn expand(&self, value: Value) -> Value {
        match value {
            Value::String(text) if text.contains('$') => self.text(&text, MAX_DEPTH).into(),
            Value::Array(list) => list.into_iter().map(|one| self.expand(one)).collect(),
            Value::Object(map) => {
                let pairs = map.into_iter().map(|(name, one)| (name, self.expand(one)));
                Value::Object(pairs.collect())
            }
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => value,
        }
    }

    fn text(&self, text: &str, depth: usize) -> String {
        let (mut expanded, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                expanded.push('$');
                rest = after;
                continue;
            }
            let (value, after) = match after.strip_prefix('{') {
                Some(after) => match closed(after) {
                    Some((inner, after)) => (self.braced(inner, depth), after),
                    None => (unknown(), ""),
                },
                None => {
                    let (name, after) = split_name(after);
                    (self.value(name), after)
                }
            };
            expanded.push_str(&value);
            rest = after;
        }
        expanded.push_str(rest);
        expanded
    }

    fn braced(&self, inner: &str, depth: usize) -> String {
        let (name, operation) = split_name(inner);
        let is_set = self.values.contains_key(name);
        let is_full = self.values.get(name).is_some_and(|value| !value.is_empty());
        let has_value = if operation.starts_with(':') { is_full } else { is_set };
        let operation = operation.strip_prefix(':').unwrap_or(operation);
        let Some(depth) = depth.checked_sub(1) else { return unknown() };
        match (operation.split_at_checked(1), has_value) {
            (Some(("-", default)), false) => self.text(default, depth),
            (Some(("+", other)), true) => self.text(other, depth),
            (Some(("+", _)), false) => String::new(),
            (Some(("-", _)), true) | (Some(("?", _)) | None, _) => self.value(name),
            (Some(_), _) => unknown(),
        }
    }

    fn value(&self, name: &str) -> String {
        let Some(value) = self.values.get(name) else { return unknown() };
        let added = self.added.get().saturating_add(value.len());
        if added > MAX_BYTES {
            return unknown();
        }
        self.added.set(added);
        value.clone()
    }
}

fn unknown() -> String {
    UNKNOWN.into()
}

fn split_name(text: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()))
}

/// Splits a text at the brace that ends it. Inside there may be other variables with braces.
fn closed(text: &str) -> Option<(&str, &str)> {
    let (mut open, mut before) = (0_usize, ' ');
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '}' => open -= 1,
            _ => {}
        }
        before = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_values_of_the_environment_and_then_of_the_file() {
        let environment = [("PORT".into(), "81".into())].into_iter().collect();
        let file = "# a comment\nPORT=80\nexport NAME=\"site\"\nEMPTY=\n";
        let values = Values::new(&environment, file);
        let check = |text: &str, expected: &str| {
            assert_eq!(values.text(text, MAX_DEPTH), expected, "{text}");
        };
        check("${PORT:-8080}:8080", "81:8080");
        check("http://$NAME:${OTHER-8000}/$$", "http://site:8000/$");
        check("${NAME:+on}${EMPTY:+on}${OTHER:+on}", "on");
        check("${NAME+on}${EMPTY+on}${OTHER+on}", "onon");
        check("${EMPTY:-a}${EMPTY-b}", "a");
        check("${NAME:?must be set}", "site");
        check("${OTHER:-${PORT:-8000}}/${OTHER:-$NAME}", "81/site");
        check("${OTHER:-${A:-${B:-c}}}d", "cd");
        check("a${OTHER}b", "a\0b");
        check("$OTHER", "\0");
        check("${NAME", "\0");
        check("${NAME/a/b}", "\0");
        check(&"${A:-".repeat(100), "\0");
        let nested = format!("{}{}", "${A:-".repeat(100), "}".repeat(100));
        check(&nested, "\0");
        check(&"$$".repeat(20_000), &"$".repeat(20_000));
        let value = values.expand(serde_json::json!({"a": ["$NAME", "$OTHER", 1]}));
        assert_eq!(value, serde_json::json!({"a": ["site", "\0", 1]}));
    }

    #[test]
    fn lines_of_the_file_are_read_as_docker_compose_does() {
        let check = |line: &str, expected: &str| {
            let file = format!("DOMAIN=example.org\nX={line}\n");
            let values = Values::new(&Environment::new(), &file);
            assert_eq!(values.text("$X", MAX_DEPTH), expected, "{line}");
        };
        check("8   # a comment", "8");
        check("'8' # a comment", "8");
        check("\"8\" # a comment", "8");
        check("a#b", "a#b");
        check("# a comment", "");
        check("www.${DOMAIN}", "www.example.org");
        check("\"www.$DOMAIN\"", "www.example.org");
        check("'www.$DOMAIN'", "www.$DOMAIN");
        check("www.${OTHER}", "www.\0");
        check("\"a\\\"b\"", "\0");
        check("\"begins here", "\0");
        check("caf\u{fffd}", "caf\0");
    }

    #[test]
    fn values_cannot_grow_without_bound() {
        let mut file = format!("A0={}\n", "x".repeat(1000));
        for level in 1..40 {
            let before = level - 1;
            file += &format!("A{level}=$A{before}$A{before}\n");
        }
        let values = Values::new(&Environment::new(), &file);
        let long: usize = values.values.values().map(String::len).sum();
        assert!(long <= MAX_BYTES + 2000, "{long}");
        assert_eq!(values.text("$A0", MAX_DEPTH), "\0");
    }
}
