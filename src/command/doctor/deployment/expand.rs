//! Variables in the values of a file: `$NAME`, `${NAME}`, `${NAME:-default}` and the other forms of docker compose.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Environment;

/// The values of variables.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, String>);

// === impl Values ===

impl Values {
    /// The environment, and below it the text of a file `.env`.
    pub(super) fn new(environment: &Environment, file: Option<String>) -> Self {
        let mut values = BTreeMap::new();
        for line in file.unwrap_or_default().lines() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
                let value = value.trim().trim_matches(['"', '\'']);
                values.insert(name.trim().to_owned(), value.to_owned());
            }
        }
        for (name, value) in environment {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                values.insert(name.to_owned(), value.to_owned());
            }
        }
        Self(values)
    }

    /// Replaces the variables in all texts. A text with a variable that has no value becomes null.
    pub(super) fn expand(&self, value: Value) -> Value {
        match value {
            Value::String(text) if text.contains('$') => self.text(&text).into(),
            Value::Array(list) => list.into_iter().map(|one| self.expand(one)).collect(),
            Value::Object(map) => {
                let pairs = map.into_iter().map(|(name, one)| (name, self.expand(one)));
                Value::Object(pairs.collect())
            }
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => value,
        }
    }

    fn text(&self, text: &str) -> Option<String> {
        let (before, rest) = text.split_once('$')?;
        let (value, after) = match rest.chars().next() {
            Some('$') => ("$".to_owned(), rest.get(1..)?),
            Some('{') => {
                let (inner, after) = rest.get(1..)?.split_once('}')?;
                (self.braced(inner)?, after)
            }
            _ => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                (self.0.get(name)?.clone(), after)
            }
        };
        let after = if after.contains('$') { self.text(after)? } else { after.to_owned() };
        Some(format!("{before}{value}{after}"))
    }

    fn braced(&self, inner: &str) -> Option<String> {
        let end = inner.find([':', '-', '?', '+']).unwrap_or(inner.len());
        let (name, operation) = inner.split_at(end);
        let value = self.0.get(name);
        let set = value.filter(|value| !value.is_empty());
        if let Some(default) = operation.strip_prefix(":-") {
            return Some(set.map_or(default, String::as_str).to_owned());
        }
        if let Some(default) = operation.strip_prefix('-') {
            return Some(value.map_or(default, String::as_str).to_owned());
        }
        if let Some(other) = operation.strip_prefix(":+") {
            return Some(set.map(|_| other.to_owned()).unwrap_or_default());
        }
        value.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_values_of_the_environment_and_then_of_the_file() {
        let environment = [("PORT".into(), "81".into())].into_iter().collect();
        let file = "# a comment\nPORT=80\nexport NAME=\"site\"\n".to_owned();
        let values = Values::new(&environment, Some(file));
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(values.text(text).as_deref(), expected, "{text}");
        };
        check("${PORT:-8080}:8080", Some("81:8080"));
        check("http://$NAME:${OTHER-8000}/$$", Some("http://site:8000/$"));
        check("${NAME:+on}", Some("on"));
        check("${OTHER}", None);
        check("$OTHER", None);
        check("${NAME", None);
        let value = values.expand(serde_json::json!({"a": ["$NAME", "$OTHER", 1]}));
        assert_eq!(value, serde_json::json!({"a": ["site", null, 1]}));
    }
}
