//! Reads YAML as JSON values, with anchors, aliases and merge keys (`<<`). Tags are ignored.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Maximum number of values, with those of aliases: few lines can name very many. A long text counts as several.
const MAX_VALUES: usize = 100_000;
/// How many bytes of a text count as one value more.
const VALUE_BYTES: usize = 64;
const MAX_DEPTH: usize = 64;
const MERGE: &str = "<<";

/// A list or a mapping that has begun.
struct Collection {
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        /// The key whose value follows.
        key: Option<String>,
        /// What merge keys name; keys of the mapping itself win.
        merged: Vec<Value>,
    },
}

/// Builds the values of one document.
#[derive(Default)]
struct Builder {
    open: Vec<Collection>,
    anchors: HashMap<usize, Value>,
    count: usize,
    document: Option<Value>,
}

/// Reads the only document of a file.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("not YAML: {error}"))?;
        let fault = |fault: &str| format!("line {}: {fault}", span.start.line());
        builder.take(&event).map_err(fault)?;
    }
    builder.document.ok_or_else(|| "the file is empty".into())
}

// === impl Builder ===

impl Builder {
    fn take(&mut self, event: &Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = scalar(text, *style);
                self.add(value, *anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(*anchor, Items::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let (map, key, merged) = (Map::new(), None, Vec::new());
                self.begin(*anchor, Items::Mapping { map, key, merged })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Collection { anchor, items }) = self.open.pop() else { return Ok(()) };
                self.add(items.into_value(), anchor)
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(anchor).cloned();
                self.add(value.ok_or("an alias names its own value")?, 0)
            }
            Event::DocumentStart(_) if self.document.is_some() => Err("there is a second document"),
            Event::DocumentStart(_)
            | Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, items: Items) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("the values are nested too deeply");
        }
        self.open.push(Collection { anchor, items });
        Ok(())
    }

    fn add(&mut self, value: Value, anchor: usize) -> Result<(), &'static str> {
        self.count += size(&value);
        if self.count > MAX_VALUES {
            return Err("the file has too many values");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|collection| &mut collection.items) {
            None => self.document = Some(value),
            Some(Items::List(list)) => list.push(value),
            Some(Items::Mapping { map, key, merged }) => match (key.take(), value) {
                (None, Value::Array(_) | Value::Object(_)) => return Err("a key is not a text"),
                (None, value) => {
                    let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    // Another reader refuses the file, or takes another one of the values.
                    if map.contains_key(&name) {
                        return Err("a key occurs twice in its mapping: remove one of them");
                    }
                    *key = Some(name);
                }
                (Some(name), Value::Array(values)) if name == MERGE => merged.extend(values),
                (Some(name), value) if name == MERGE => merged.push(value),
                (Some(name), value) => drop(map.insert(name, value)),
            },
        }
        Ok(())
    }
}

// === impl Items ===

impl Items {
    fn into_value(self) -> Value {
        match self {
            Self::List(list) => list.into(),
            Self::Mapping { mut map, merged, .. } => {
                for other in merged {
                    let Value::Object(other) = other else { continue };
                    for (key, value) in other {
                        map.entry(key).or_insert(value);
                    }
                }
                map.into()
            }
        }
    }
}

/// Returns the number of values.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(size).sum::<usize>(),
        Value::Object(map) => {
            1 + map.iter().map(|(name, one)| name.len() / VALUE_BYTES + size(one)).sum::<usize>()
        }
        Value::String(text) => 1 + text.len() / VALUE_BYTES,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Returns a scalar by the core schema of YAML 1.2, as far as deployments need it.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        text => match text.parse::<i64>() {
            // A number such as 0123 stays as it is.
            Ok(number) if number.to_string() == text => number.into(),
            _ => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let read =
            parse("a: &a {x: 1, y: '2'}\nb: {<<: *a, y: true}\nc: [*a, ~, 8080:8080, 0123]\n");
        let expected = json!({
            "a": {"x": 1, "y": "2"},
            "b": {"x": 1, "y": true},
            "c": [{"x": 1, "y": "2"}, null, "8080:8080", "0123"],
        });
        assert_eq!(read, Ok(expected));
        let several = parse("a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc:\n  <<: [*a, *b]\n  z: 4\n");
        assert_eq!(several.unwrap()["c"], json!({"x": 1, "y": 3, "z": 4}));
        assert_eq!(parse("a: !reset 1\nb: 30s\n"), Ok(json!({"a": 1, "b": "30s"})));
    }

    #[test]
    fn faults_have_their_line() {
        assert!(parse("a: [1\n").unwrap_err().starts_with("not YAML: "));
        assert!(parse("a: 1\n---\nb: 2\n").unwrap_err().contains("a second document"));
        assert_eq!(parse("a: 1\n? [b]\n: 1\n"), Err("line 2: a key is not a text".into()));
        assert_eq!(parse(""), Err("the file is empty".into()));
        let twice = "line 3: a key occurs twice in its mapping: remove one of them";
        assert_eq!(parse("a:\n  b: 1\n  b: 2\nc: 1\n"), Err(twice.into()));
    }

    #[test]
    fn aliases_cannot_grow_without_bound() {
        let mut text = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
        for level in 1..20 {
            let name = format!("*a{}", level - 1);
            let items = vec![name; 10].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert!(parse(&text).unwrap_err().contains("too many values"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(100));
        assert!(parse(&long).unwrap_err().contains("too many values"));
        assert!(parse(&"[".repeat(100)).unwrap_err().contains("nested too deeply"));
    }
}
