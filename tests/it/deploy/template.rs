//! The CloudFormation functions that the example uses: evaluates a template with values for its
//! parameters, like CloudFormation.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    example::{list, word},
    yaml,
};

/// The value of `AWS::NoValue`: its item or key is removed.
const NO_VALUE: &str = "AWS::NoValue";

/// A template and the values of its parameters.
pub(super) struct Template {
    pub(super) file: Value,
    values: BTreeMap<String, String>,
}

// === impl Template ===

impl Template {
    /// Parameters without a value have their default, or their name.
    #[track_caller]
    pub(super) fn new(text: &str, values: &[(&str, &str)]) -> Self {
        let file = yaml::parse(text);
        for (name, value) in values {
            let parameter = &file["Parameters"][*name];
            assert!(parameter.is_object(), "there is no parameter {name}");
            let allowed = list(&parameter["AllowedValues"], word);
            assert!(
                allowed.is_empty() || allowed.iter().any(|one| one == value),
                "{name}: {value}"
            );
        }
        let values = values.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Self { file, values }
    }

    /// Whether a resource is created.
    pub(super) fn has(&self, name: &str) -> bool {
        let resource = &self.file["Resources"][name];
        assert!(resource.is_object(), "{name}");
        resource["Condition"].as_str().is_none_or(|condition| self.holds(condition))
    }

    /// A resource's properties, evaluated.
    #[track_caller]
    pub(super) fn properties(&self, name: &str, kind: &str) -> Value {
        let resource = &self.file["Resources"][name];
        assert_eq!(resource["Type"], kind, "{name}");
        assert!(self.has(name), "{name} is not made with {:?}", self.values);
        self.value(&resource["Properties"])
    }

    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) if map.len() == 1 => {
                let (name, argument) = map.iter().next().unwrap();
                self.function(name, argument).unwrap_or_else(|| self.map(map))
            }
            Value::Object(map) => self.map(map),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item));
                items.filter(|item| item != NO_VALUE).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    fn map(&self, map: &Map<String, Value>) -> Value {
        let items = map.iter().map(|(key, item)| (key.clone(), self.value(item)));
        items.filter(|(_, item)| item != NO_VALUE).collect::<Map<_, _>>().into()
    }

    /// `None` if it is not a function.
    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        let at = |index: usize| self.value(&argument[index]);
        Some(match name {
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => {
                let of = word(&argument[0]);
                assert!(self.has(&of), "{of} is not made");
                format!("{of}.{}", word(&argument[1])).into()
            }
            "Fn::Sub" => self.substituted(argument).into(),
            "Fn::If" => self.value(&argument[if self.holds(&word(&argument[0])) { 1 } else { 2 }]),
            "Fn::Join" => list(&at(1), word).join(&word(&argument[0])).into(),
            "Fn::Split" => word(&at(1)).split(word(&argument[0]).as_str()).collect(),
            "Fn::Select" => at(1)[argument[0].as_u64().unwrap() as usize].clone(),
            "Fn::Equals" => (at(0) == at(1)).into(),
            "Fn::Not" => (at(0) == json!(false)).into(),
            other => {
                assert!(!other.starts_with("Fn::"), "{other} is not known here");
                return None;
            }
        })
    }

    fn holds(&self, condition: &str) -> bool {
        let found = &self.file["Conditions"][condition];
        self.value(found).as_bool().unwrap_or_else(|| panic!("no condition {condition}"))
    }

    /// The value of a parameter, or a name for a value that is unknown before creation.
    fn reference(&self, name: &str) -> Value {
        let parameter = &self.file["Parameters"][name];
        if !parameter.is_object() {
            let is_known = name.starts_with("AWS::") || self.has(name);
            assert!(is_known, "{name} is referred to, and is not made");
            return name.into();
        }
        let given = self.values.get(name).cloned();
        // Numbers are passed as text too.
        let value = given.or_else(|| parameter.get("Default").map(word)).unwrap_or(name.into());
        match word(&parameter["Type"]).as_str() {
            "CommaDelimitedList" | "List<AWS::EC2::Subnet::Id>" => value.split(',').collect(),
            _ => value.into(),
        }
    }

    /// `Fn::Sub`: `${Name}`, `${Name.Attribute}`, or a name of its own map.
    fn substituted(&self, argument: &Value) -> String {
        let (text, own) = match argument.as_array() {
            Some(items) => (word(&items[0]), items[1].clone()),
            None => (word(argument), Value::Null),
        };
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = match (own.get(name), name.split_once('.')) {
                (Some(value), _) => self.value(value),
                (None, Some((of, attribute))) => {
                    self.value(&json!({"Fn::GetAtt": [of, attribute]}))
                }
                (None, None) => self.reference(name),
            };
            whole += &word(&value);
            whole += rest;
        }
        whole
    }
}

#[test]
fn cloudformation_functions_are_evaluated() {
    let text = "
Parameters:
  A: {Type: String, Default: ''}
  B: {Type: CommaDelimitedList, Default: 'x,y'}
  C: {Type: Number, Default: 4}
Conditions:
  HasA: {'Fn::Not': [{'Fn::Equals': [{Ref: A}, '']}]}
Resources:
  One:
    Type: T
    Properties:
      If: {'Fn::If': [HasA, 1, {Ref: 'AWS::NoValue'}]}
      List: [{'Fn::If': [HasA, {Ref: A}, {Ref: 'AWS::NoValue'}]}, {Ref: C}]
      Sub: {'Fn::Sub': ['${One.Arn} ${AWS::Region} ${D}', {D: {'Fn::Join': ['/', {Ref: B}]}}]}
      Select: {'Fn::Select': [1, {'Fn::Split': [':', 'p:q']}]}
";
    let without = Template::new(text, &[]).properties("One", "T");
    let rest = json!({"List": ["4"], "Sub": "One.Arn AWS::Region x/y", "Select": "q"});
    assert_eq!(without, rest);
    let with = Template::new(text, &[("A", "a")]).properties("One", "T");
    assert_eq!((&with["If"], &with["List"]), (&json!(1), &json!(["a", "4"])));
}
