//! The language that a client prefers (RFC 9110, 12.5.4), by lookup among those that a site has (RFC 4647, 3.4).

use super::encoding::weight;

/// The weight if none is given (RFC 9110, 12.4.2).
const MAX_WEIGHT: u16 = 1000;

/// A field names a few languages. More are not read.
const MAX_RANGES: usize = 32;

/// Returns the first of `languages`, which are in lower case, for the range that the client likes best. A range also
/// stands for its own beginnings: `de-AT` finds `de`. `*` finds nothing: the application has a default of its own.
pub fn best<'a, 'b>(
    fields: impl Iterator<Item = &'a [u8]>,
    languages: &'b [String],
) -> Option<&'b str> {
    let mut best: Option<(u16, &str)> = None;
    for member in fields.flat_map(|field| field.split(|&byte| byte == b',')).take(MAX_RANGES) {
        let Some((range, quality)) = range_of(member) else { continue };
        if best.is_some_and(|(known, _)| known >= quality) {
            continue;
        }
        if let Some(language) = lookup(range, languages) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

/// Parses a range and its weight; `None` if it is refused or malformed.
fn range_of(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.splitn(2, |&byte| byte == b';');
    let range = parts.next()?.trim_ascii();
    let quality = parts.next().map_or(Some(MAX_WEIGHT), weight)?;
    (quality > 0 && !range.is_empty()).then_some((range, quality))
}

fn lookup<'b>(mut range: &[u8], languages: &'b [String]) -> Option<&'b str> {
    loop {
        let is_same = |one: &&String| one.as_bytes().eq_ignore_ascii_case(range);
        if let Some(found) = languages.iter().find(is_same) {
            return Some(found);
        }
        let end = range.iter().rposition(|&byte| byte == b'-')?;
        range = range.get(..end)?;
        // A single letter or digit introduces what follows it.
        if let [rest @ .., b'-', _] = range {
            range = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<'b>(field: &str, languages: &'b [String]) -> Option<&'b str> {
        best(std::iter::once(field.as_bytes()), languages)
    }

    #[test]
    fn language_of_the_highest_weight() {
        let languages: Vec<String> = ["en", "de", "pt-br", "zh-hans"].map(str::to_owned).to_vec();
        for (field, expected) in [
            ("de", Some("de")),
            ("DE", Some("de")),
            ("de-AT", Some("de")),
            ("de-x-a", Some("de")),
            ("fr, de;q=0.5", Some("de")),
            ("en;q=0.4, de;q=0.5", Some("de")),
            ("en;q=0.5, de;q=0.5", Some("en")),
            ("pt-BR,pt;q=0.9", Some("pt-br")),
            ("zh-Hans-CN", Some("zh-hans")),
            ("pt", None),
            ("fr", None),
            ("*", None),
            ("de;q=0", None),
            ("de;q=2", None),
            ("", None),
            (",;,-,--", None),
        ] {
            assert_eq!(of(field, &languages), expected, "{field}");
        }
    }

    proptest! {
        #[test]
        fn only_a_language_of_the_site_is_found(field in "[a-zA-Z,;=q.0-9* -]{0,60}") {
            let languages = ["en".to_owned(), "de-at".to_owned()];
            let found = of(&field, &languages);
            prop_assert!(found.is_none_or(|found| languages.iter().any(|one| one == found)));
        }
    }
}
