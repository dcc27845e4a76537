//! The section `log`: values to the plan's part, and the two lists that it has.

use crate::plan::{
    AccessLog, Level, Log, LogField, LogFields, NamePattern, Redact, SECRET_NAMES, WhenSlow,
};

use super::{reader::Reader, repeated::repeated, suggest};

const FIELDS: &str = "log.fields";
const DEFAULT: &str = "default";

/// An item of a list whose built-in items have a word together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item<T> {
    Default,
    One(T),
}

/// Reads the section.
pub(super) fn log(reader: &mut Reader<'_>) -> Option<Log> {
    const ACCESS: [AccessLog; 3] = [AccessLog::Json, AccessLog::Combined, AccessLog::Off];
    const LEVELS: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    let access = reader.choice("log.access", &ACCESS);
    let fields = fields(reader);
    let redact = reader.list("log.redact", name_pattern, show(NamePattern::to_string));
    let static_sample = reader.integer("log.static_sample");
    let slow = reader.duration("log.slow");
    let health = reader.choice("log.health", &[false, true]);
    let level = reader.choice("log.level", &LEVELS);
    let buffer = reader.size("log.buffer");
    let when_slow = reader.choice("log.when_slow", &[WhenSlow::Drop, WhenSlow::Block]);
    let access = access?;
    Some(Log {
        access,
        fields: fields_of(access, &fields?),
        redact: redact_of(redact?),
        static_sample: u32::try_from(static_sample?).ok()?,
        slow: slow?,
        health: health?,
        level: level?,
        buffer: usize::try_from(buffer?).ok()?,
        when_slow: when_slow?,
    })
}

fn fields(reader: &mut Reader<'_>) -> Option<Vec<Item<LogField>>> {
    let fields = reader.list(FIELDS, field, show(|field: &LogField| field.name().to_owned()))?;
    let names: Vec<&str> = fields
        .iter()
        .map(|item| match item {
            Item::Default => DEFAULT,
            Item::One(field) => field.name(),
        })
        .collect();
    for name in repeated(names.iter()) {
        let fault = format!("{name} is here twice: leave one out");
        reader.conflict_of(&[FIELDS], fault, "a name is here twice: leave one out");
    }
    Some(fields)
}

/// What stands in `default` and also alone is told where it stands first.
fn fields_of(access: AccessLog, items: &[Item<LogField>]) -> LogFields {
    let built_in: &[LogField] = match access {
        AccessLog::Json | AccessLog::Off => &LogField::DEFAULT,
        AccessLog::Combined => &[LogField::Combined],
    };
    let mut fields = Vec::new();
    for item in items {
        let these = match item {
            Item::Default => built_in,
            Item::One(field) => std::slice::from_ref(field),
        };
        for field in these {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
    }
    LogFields(fields)
}

fn redact_of(items: Vec<Item<NamePattern>>) -> Redact {
    let mut patterns: Vec<NamePattern> = Vec::new();
    for item in items {
        match item {
            Item::Default => patterns.extend(SECRET_NAMES.iter().map(|name| pattern_of(name))),
            Item::One(pattern) => patterns.push(pattern),
        }
    }
    Redact(patterns)
}

fn field(text: &str) -> Result<Item<LogField>, String> {
    if text == DEFAULT {
        return Ok(Item::Default);
    }
    let known = LogField::ALL.into_iter().find(|field| field.name() == text);
    known.map(Item::One).ok_or_else(|| {
        let names = LogField::ALL.iter().map(|field| field.name());
        suggest::question(&suggest::nearest(text, names, ""))
            .unwrap_or_else(|| "there is no such field".into())
    })
}

fn name_pattern(text: &str) -> Result<Item<NamePattern>, String> {
    if text == DEFAULT {
        return Ok(Item::Default);
    }
    let part = text.trim_matches('*');
    if part.is_empty() {
        return Err("this would hide everything: leave query out of log.fields instead".into());
    }
    if part.contains('*') {
        return Err("a * can only be the first or the last character".into());
    }
    // What a query is taken apart at can't be part of a name.
    if let Some(odd) = part.chars().find(|c| !c.is_ascii_graphic() || "&;=?#%+".contains(*c)) {
        return Err(format!("{odd:?} can't be part of a parameter's name here"));
    }
    Ok(Item::One(pattern_of(text)))
}

/// The pattern of a text whose only stars are at its ends.
fn pattern_of(text: &str) -> NamePattern {
    let part = text.trim_matches('*').to_ascii_lowercase();
    match (text.starts_with('*'), text.ends_with('*')) {
        (false, false) => NamePattern::Exact(part),
        (false, true) => NamePattern::Begin(part),
        (true, false) => NamePattern::End(part),
        (true, true) => NamePattern::Within(part),
    }
}

fn show<T>(one: impl Fn(&T) -> String) -> impl Fn(&Item<T>) -> String {
    move |item| match item {
        Item::Default => DEFAULT.to_owned(),
        Item::One(item) => one(item),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn names_of_parameters() {
        let reads = |text: &str, expected: &str| {
            let read = name_pattern(text).map(|item| show(NamePattern::to_string)(&item));
            assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
        };
        reads("default", "default");
        reads("Token", "token");
        reads("*Key", "*key");
        reads("x-*", "x-*");
        reads("*secret*", "*secret*");
        reads("*", "no: this would hide everything: leave query out of log.fields instead");
        reads("a*b", "no: a * can only be the first or the last character");
        reads("a=b", "no: '=' can't be part of a parameter's name here");
        reads("a b", "no: ' ' can't be part of a parameter's name here");
        reads("%74oken", "no: '%' can't be part of a parameter's name here");
    }

    #[test]
    fn fields_have_names_and_an_order() {
        use LogField::{Combined, Path, Status, Tls};
        assert_eq!(field("status"), Ok(Item::One(Status)));
        assert_eq!(field("statsu"), Err("did you mean status?".into()));
        assert_eq!(field("cookie"), Err("there is no such field".into()));
        assert_eq!(field("combined"), Err("there is no such field".into()));
        let items = [Item::One(Tls), Item::One(Path), Item::Default];
        let json = fields_of(AccessLog::Json, &items).0;
        assert_eq!(json[..2], [Tls, Path]);
        assert_eq!(json.len(), LogField::DEFAULT.len() + 1);
        assert_eq!(fields_of(AccessLog::Combined, &items).0, [Tls, Path, Combined]);
    }

    #[test]
    fn every_field_has_a_name_of_its_own() {
        let mut names: Vec<_> = LogField::ALL.iter().map(|field| field.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LogField::ALL.len());
        assert!(LogField::DEFAULT.iter().all(|field| LogField::ALL.contains(field)));
    }

    #[test]
    fn the_setting_lists_the_names_it_stands_for() {
        let key = KEYS.iter().find(|key| key.name == "log.redact").unwrap();
        let (_, list) = key.doc.split_once("default stands for ").unwrap();
        let list = list.trim_end_matches('.').replace(" and ", ", ");
        assert_eq!(list.split(", ").collect::<Vec<_>>(), SECRET_NAMES);
        // Each could have been written by hand.
        assert!(SECRET_NAMES.iter().all(|name| name_pattern(name).is_ok()));
    }

    #[test]
    fn the_guide_has_every_field_and_every_name() {
        let guide = include_str!("../../docs/logging.md");
        let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let told: Vec<_> = rows.map(|(name, rest)| (name, rest.starts_with("yes |"))).collect();
        let fields = LogField::ALL.iter();
        let known = fields.map(|field| (field.name(), LogField::DEFAULT.contains(field)));
        assert_eq!(told, known.collect::<Vec<_>>());
        let (_, names) = guide.split_once("Built in:\n\n").unwrap();
        let (names, _) = names.split_once("\n\n").unwrap();
        let names: Vec<_> = names.split(',').map(|name| name.trim().trim_matches('`')).collect();
        assert_eq!(names, SECRET_NAMES);
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "[*]?[!-~]{1,6}[*]?") {
            if let Ok(read) = name_pattern(&text) {
                let shown = show(NamePattern::to_string)(&read);
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
