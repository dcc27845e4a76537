//! Reads parts of JSON values. A value of an unexpected type counts as missing: the service itself reports it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::expand::UNKNOWN;

/// Returns the value at a path such as `healthcheck.test`; null if there is none.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    path.split('.').try_fold(value, |value, key| value.get(key)).unwrap_or(&NULL)
}

/// Returns the items of a list; none if it is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns the pairs of an object; none if it is no object.
pub(super) fn pairs(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns a text without unknown parts, also of a number or a boolean.
pub(super) fn word(value: &Value) -> Option<String> {
    text(value).filter(|text| !text.contains(UNKNOWN))
}

/// Returns a text, also of a number or a boolean.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_on) => Some(is_on.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a number, also one that is written as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Returns a boolean, also one that is written as text. Another text counts as true.
pub(super) fn flag(value: &Value, default: bool) -> bool {
    if value.is_null() {
        return default;
    }
    value.as_bool().unwrap_or(value != "false")
}

/// Returns the words of a command: a list, or a text that is split as a shell does. Words may have unknown parts.
pub(super) fn words(value: &Value) -> Vec<String> {
    match value.as_str() {
        // A text that cannot be split is one unknown word.
        Some(text) => shell_words::split(text).unwrap_or_else(|_| vec![UNKNOWN.into()]),
        None => list(value).iter().filter_map(text).collect(),
    }
}

/// Returns variables of the form `NAME: value`.
pub(super) fn variables(value: &Value) -> BTreeMap<String, Option<String>> {
    pairs(value).map(|(name, value)| (name.clone(), word(value))).collect()
}

/// Returns a time such as `1m30s`, `500ms` or a number of seconds.
pub(super) fn time(value: &Value) -> Option<Duration> {
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = value.as_str()?.trim();
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "us" => 0.000_001,
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        sum += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        rest = after;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(time(&text.into()), millis.map(Duration::from_millis), "{text}");
        };
        check("30s", Some(30_000));
        check("1m30s", Some(90_000));
        check("500ms", Some(500));
        check("1.5h", Some(5_400_000));
        check("30", Some(30_000));
        check("s", None);
        check("3 weeks", None);
        check("99999999999999999999999h", None);
        assert_eq!(time(&30.into()), Some(Duration::from_secs(30)));
    }
}
