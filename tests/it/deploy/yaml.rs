//! Reads YAML as JSON values, so that all examples are read alike. Anchors and merge keys
//! (`<<`) are resolved, which not every reader of YAML does: see `sharing`. Tags are refused: the
//! examples do not use them.

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The one document of a file.
#[track_caller]
pub(super) fn parse(text: &str) -> Value {
    let mut documents = YamlOwned::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "one document");
    value(documents.remove(0))
}

/// The anchors, aliases and merge keys of a file, with their lines: CloudFormation refuses them.
#[track_caller]
pub(super) fn sharing(text: &str) -> Vec<String> {
    let events = Parser::new_from_str(text).map(Result::unwrap);
    let found = events.filter_map(|(event, span)| {
        let anchor = match &event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _) => *anchor,
            Event::Alias(_)
            | Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => 0,
        };
        let what = if matches!(event, Event::Alias(_)) {
            "alias"
        } else if anchor != 0 {
            "anchor"
        } else if matches!(&event, Event::Scalar(text, ..) if text == "<<") {
            "merge key"
        } else {
            return None;
        };
        Some(format!("line {}: {what}", span.start.line()))
    });
    found.collect()
}

fn value(yaml: YamlOwned) -> Value {
    match yaml {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(flag)) => flag.into(),
        YamlOwned::Value(ScalarOwned::Integer(number)) => number.into(),
        YamlOwned::Value(ScalarOwned::FloatingPoint(number)) => number.0.into(),
        YamlOwned::Value(ScalarOwned::String(text)) => text.into(),
        YamlOwned::Sequence(items) => items.into_iter().map(value).collect(),
        YamlOwned::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, item) in pairs {
                let Value::String(key) = value(key) else { panic!("a key is not text") };
                match (key.as_str(), value(item)) {
                    ("<<", Value::Object(merged)) => {
                        // The keys beside the merge key win, before and after it.
                        for (key, item) in merged {
                            map.entry(key).or_insert(item);
                        }
                    }
                    ("<<", other) => panic!("what is merged is no mapping: {other}"),
                    (_, item) => drop(map.insert(key, item)),
                }
            }
            Value::Object(map)
        }
        YamlOwned::Representation(..)
        | YamlOwned::Tagged(..)
        | YamlOwned::Alias(_)
        | YamlOwned::BadValue => panic!("not plain YAML: {yaml:?}"),
    }
}

#[test]
fn yaml_is_read_as_json_is() {
    let read = parse("a: &a {x: 1, y: '2'}\nb: {<<: *a, y: true}\nc: [*a, ~, 8080:8080]\n");
    let expected = serde_json::json!({
        "a": {"x": 1, "y": "2"},
        "b": {"x": 1, "y": true},
        "c": [{"x": 1, "y": "2"}, null, "8080:8080"],
    });
    assert_eq!(read, expected);
}

#[test]
fn anchors_aliases_and_merge_keys_are_found() {
    let kinds = |text: &str| -> Vec<String> {
        sharing(text).iter().map(|one| one.split(": ").nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("a: {x: '&b', y: '*c'}\nb: [1 << 2, a & b]\n"), [] as [&str; 0]);
    assert_eq!(kinds("a: &a 1\n"), ["anchor"]);
    assert_eq!(kinds("a: &a [1]\nb: *a\n"), ["anchor", "alias"]);
    assert_eq!(kinds("a: &a\n  b: 1\nc:\n  <<: *a\n"), ["anchor", "merge key", "alias"]);
    assert_eq!(kinds("a: {\"<<\": {b: 1}}\n"), ["merge key"]);
}
