//! Texts with placeholders, such as `https://{host}{path}`.

use crate::plan::{Placeholder, TemplatePart};

use super::suggest;

/// The placeholders of a response's header field. The first six are facts about the request.
pub(super) const OF_RESPONSE: &[(&str, Placeholder)] = &[
    ("host", Placeholder::Host),
    ("path", Placeholder::Path),
    ("query", Placeholder::Query),
    ("request_id", Placeholder::RequestId),
    ("client", Placeholder::Client),
    ("scheme", Placeholder::Scheme),
    ("queue_ms", Placeholder::QueueTime),
    ("upstream_ms", Placeholder::UpstreamTime),
];

/// The placeholders of a text that is filled before there is a response.
pub(super) const FACTS: &[(&str, Placeholder)] = OF_RESPONSE.split_at(6).0;

/// The placeholders of a redirect.
pub(super) const OF_REDIRECT: &[(&str, Placeholder)] = &[
    ("host", Placeholder::Host),
    ("path", Placeholder::Path),
    ("query", Placeholder::Query),
    ("scheme", Placeholder::Scheme),
    ("rest", Placeholder::Rest),
    ("1", Placeholder::Group(1)),
    ("2", Placeholder::Group(2)),
    ("3", Placeholder::Group(3)),
    ("4", Placeholder::Group(4)),
    ("5", Placeholder::Group(5)),
    ("6", Placeholder::Group(6)),
    ("7", Placeholder::Group(7)),
    ("8", Placeholder::Group(8)),
    ("9", Placeholder::Group(9)),
];

/// The placeholders that a text may have, each with its name.
pub(super) type Names = [(&'static str, Placeholder)];

/// Reads a text. A brace that is not around a word is text: `{"a": 1}`.
pub(super) fn read(text: &str, names: &Names) -> Result<Vec<TemplatePart>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, braced) = rest.split_at(start);
        literal.push_str(before);
        let Some(word) = word(braced) else {
            literal.push('{');
            rest = braced.get(1..).unwrap_or_default();
            continue;
        };
        let Some((_, placeholder)) = names.iter().find(|(name, _)| *name == word) else {
            return Err(unknown(word, names));
        };
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(std::mem::take(&mut literal)));
        }
        parts.push(TemplatePart::Value(*placeholder));
        rest = braced.get(word.len() + 2..).unwrap_or_default();
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(TemplatePart::Text(literal));
    }
    Ok(parts)
}

/// Returns a text that [`read`] reads as this.
pub(super) fn show(parts: &[TemplatePart]) -> String {
    let shown = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.clone(),
        TemplatePart::Value(placeholder) => {
            let mut all = OF_RESPONSE.iter().chain(OF_REDIRECT);
            let named = all.find(|(_, known)| known == placeholder);
            format!("{{{}}}", named.map_or("", |(name, _)| name))
        }
    };
    parts.iter().map(shown).collect()
}

/// Returns all placeholders, for messages.
pub(super) fn list(names: &Names) -> String {
    names.iter().map(|(name, _)| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

/// Returns the word in the braces that a text begins with.
fn word(braced: &str) -> Option<&str> {
    let word = braced.strip_prefix('{')?.split_once('}')?.0;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!word.is_empty() && word.bytes().all(is_letter)).then_some(word)
}

fn unknown(word: &str, names: &Names) -> String {
    let near: Vec<String> = suggest::nearest(word, names.iter().map(|(name, _)| *name), "")
        .iter()
        .map(|name| format!("{{{name}}}"))
        .collect();
    let hint = suggest::did_you_mean(&near)
        .unwrap_or_else(|| format!("the placeholders are {}", list(names)));
    format!("there is no placeholder {{{word}}}: {hint}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        let text = |text: &str| TemplatePart::Text(text.into());
        let value = TemplatePart::Value;
        for (given, expected) in [
            ("", vec![text("")]),
            ("a", vec![text("a")]),
            ("{host}", vec![value(Placeholder::Host)]),
            (
                "a{path}{query}b",
                vec![text("a"), value(Placeholder::Path), value(Placeholder::Query), text("b")],
            ),
            (r#"{"a":{}}"#, vec![text(r#"{"a":{}}"#)]),
            ("{host", vec![text("{host")]),
            ("{{host}}", vec![text("{"), value(Placeholder::Host), text("}")]),
        ] {
            assert_eq!(read(given, FACTS), Ok(expected), "{given}");
        }
        assert_eq!(
            read("{hots}", FACTS),
            Err("there is no placeholder {hots}: did you mean {host}?".into())
        );
        assert!(
            read("{x_forwarded_for_me}", FACTS)
                .unwrap_err()
                .contains("the placeholders are {host}, ")
        );
    }

    proptest! {
        #[test]
        fn a_shown_text_reads_back(text in "([a-z{}\"]|\\{host\\}|\\{client\\}){0,12}") {
            if let Ok(parts) = read(&text, OF_REDIRECT) {
                prop_assert_eq!(show(&parts), text);
            }
        }
    }
}
