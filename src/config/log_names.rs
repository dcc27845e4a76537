//! The names in the lists of the section `log`: fields of a line, and parameters to redact.

use crate::plan::{AccessLog, LogField, LogFields, NamePattern, Redact, SECRET_NAMES};

use super::{
    format::{Format, TextFormat},
    list_item::{DEFAULT, ListItem, patterns_of, show},
    suggest,
};

/// The fields of a line.
pub(super) struct LogFieldFormat;

/// Names of query parameters.
pub(super) const PARAMETERS: TextFormat<ListItem<NamePattern>> = TextFormat::new(
    "default, or names such as token, *_key or *secret*, without regard to case",
    name_pattern,
    |item| show(item, NamePattern::to_string),
);

// === impl LogFieldFormat ===

impl Format for LogFieldFormat {
    type Value = ListItem<LogField>;

    fn expected(&self) -> String {
        let names: Vec<_> = LogField::ALL.iter().map(|field| field.name()).collect();
        format!("default, {}", names.join(", "))
    }

    fn read(&self, text: &str) -> Result<ListItem<LogField>, String> {
        field(text)
    }

    fn show(&self, _text: &str, item: &ListItem<LogField>) -> String {
        show_field(item)
    }
}

/// Returns the name of a field, or the word for all built-in ones.
pub(super) fn show_field(item: &ListItem<LogField>) -> String {
    show(item, |field| field.name().to_owned())
}

/// Returns the fields of a line. A field that is in `default` and also listed alone appears once, at its first
/// position.
pub(super) fn fields_of(access: AccessLog, items: &[ListItem<LogField>]) -> LogFields {
    let built_in = match access {
        AccessLog::Json | AccessLog::Off => {
            LogField::ALL.into_iter().filter(|field| field.is_default()).collect()
        }
        AccessLog::Combined => vec![LogField::Combined],
    };
    let mut fields = Vec::new();
    for item in items {
        let these = match item {
            ListItem::Default => built_in.as_slice(),
            ListItem::One(field) => std::slice::from_ref(field),
        };
        for field in these {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
    }
    LogFields(fields)
}

/// Returns the parameters to redact.
pub(super) fn redact_of(items: Vec<ListItem<NamePattern>>) -> Redact {
    Redact(patterns_of(items, SECRET_NAMES).0)
}

fn field(text: &str) -> Result<ListItem<LogField>, String> {
    if text == DEFAULT {
        return Ok(ListItem::Default);
    }
    let known = LogField::ALL.into_iter().find(|field| field.name() == text);
    known.map(ListItem::One).ok_or_else(|| {
        let names = LogField::ALL.iter().map(|field| field.name());
        suggest::did_you_mean(&suggest::nearest(text, names, ""))
            .unwrap_or_else(|| "there is no such field".into())
    })
}

fn name_pattern(text: &str) -> Result<ListItem<NamePattern>, String> {
    if text == DEFAULT {
        return Ok(ListItem::Default);
    }
    let part = text.trim_matches('*');
    if part.is_empty() {
        return Err("this would hide everything: leave query out of log.fields instead".into());
    }
    if part.contains('*') {
        return Err("a * can only be the first or the last character".into());
    }
    // Characters that separate the parts of a query cannot be part of a name.
    if let Some(odd) = part.chars().find(|c| !c.is_ascii_graphic() || "&;=?#%+".contains(*c)) {
        return Err(format!("{odd:?} cannot be part of a parameter's name here"));
    }
    // Names are compared in lower case.
    Ok(ListItem::One(NamePattern::of(&text.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn names_of_parameters() {
        let reads = |text: &str, expected: &str| {
            let read = name_pattern(text).map(|item| show(&item, NamePattern::to_string));
            assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
        };
        reads("default", "default");
        reads("Token", "token");
        reads("*Key", "*key");
        reads("x-*", "x-*");
        reads("*secret*", "*secret*");
        reads("*", "no: this would hide everything: leave query out of log.fields instead");
        reads("a*b", "no: a * can only be the first or the last character");
        reads("a=b", "no: '=' cannot be part of a parameter's name here");
        reads("a b", "no: ' ' cannot be part of a parameter's name here");
        reads("%74oken", "no: '%' cannot be part of a parameter's name here");
    }

    #[test]
    fn fields_have_names_and_an_order() {
        use LogField::{Combined, Path, Status, Tls};
        assert_eq!(field("status"), Ok(ListItem::One(Status)));
        assert_eq!(field("statsu"), Err("did you mean status?".into()));
        assert_eq!(field("cookie"), Err("there is no such field".into()));
        assert_eq!(field("combined"), Err("there is no such field".into()));
        let items = [ListItem::One(Tls), ListItem::One(Path), ListItem::Default];
        let json = fields_of(AccessLog::Json, &items).0;
        assert_eq!(json[..2], [Tls, Path]);
        assert_eq!(json.len(), LogField::ALL.len() - 2);
        assert_eq!(fields_of(AccessLog::Combined, &items).0, [Tls, Path, Combined]);
    }

    #[test]
    fn every_field_has_a_name_of_its_own() {
        let mut names: Vec<_> = LogField::ALL.iter().map(|field| field.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LogField::ALL.len());
    }

    #[test]
    fn the_setting_lists_the_names_it_stands_for() {
        let key = KEYS.iter().find(|key| key.name == "log.redact").unwrap();
        let (_, list) = key.doc.split_once("default means ").unwrap();
        let list = list.trim_end_matches('.').replace(" and ", ", ");
        assert_eq!(list.replace(',', ""), SECRET_NAMES);
        // Each of these could also be written in a settings file.
        assert!(SECRET_NAMES.split(' ').all(|name| name_pattern(name).is_ok()));
    }

    #[test]
    fn the_guide_has_every_field() {
        let guide = include_str!("../../docs/logging.md");
        let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let listed: Vec<_> = rows.map(|(name, rest)| (name, rest.starts_with("yes |"))).collect();
        let fields = LogField::ALL.iter();
        let known = fields.map(|field| (field.name(), field.is_default()));
        assert_eq!(listed, known.collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "[*]?[!-~]{1,6}[*]?") {
            if let Ok(read) = name_pattern(&text) {
                let shown = show(&read, NamePattern::to_string);
                prop_assert_eq!(name_pattern(&shown), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = name_pattern(&text);
            let _ = field(&text);
        }
    }
}
