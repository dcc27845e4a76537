//! The names under which an application can purge several responses at once: `Surrogate-Key` and `xkey` (separated by
//! spaces), `Cache-Tag` (by commas) and `Cache-Groups` (RFC 9875).

use super::{super::response_lines::ResponseLines, structured, structured::Value};

/// More tags of one response are ignored: each is looked up at every hit.
const MAX_TAGS: usize = 128;

/// Returns the tags of a response, at most 128, each once.
pub fn response_tags(lines: &ResponseLines) -> Vec<Box<[u8]>> {
    let spaced = [&b"surrogate-key"[..], b"xkey"].into_iter().flat_map(|name| {
        lines.get_all(name).flat_map(|value| value.split(u8::is_ascii_whitespace))
    });
    let listed = lines.get_all(b"cache-tag").flat_map(|value| value.split(|&byte| byte == b','));
    let texts = spaced.chain(listed).map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty());
    let groups = strings(lines, b"cache-groups");
    let mut tags: Vec<Box<[u8]>> = Vec::new();
    for tag in texts.chain(groups.iter().map(String::as_bytes)) {
        if tags.len() < MAX_TAGS && !tags.iter().any(|known| **known == *tag) {
            tags.push(tag.into());
        }
    }
    tags
}

/// Returns the groups that the response to an unsafe request invalidates (RFC 9875, 3), at most 128.
pub fn invalidated_groups(lines: &ResponseLines) -> Vec<String> {
    let mut groups = strings(lines, b"cache-group-invalidation");
    groups.truncate(MAX_TAGS);
    groups
}

/// Returns the strings in a list. A malformed field has none.
fn strings(lines: &ResponseLines, name: &[u8]) -> Vec<String> {
    let members = structured::list(lines.get_all(name)).unwrap_or_default();
    let text = |member| if let Value::Text(text) = member { Some(text) } else { None };
    members.into_iter().filter_map(text).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};

    #[test]
    fn tags_of_all_fields() {
        let tags = |fields: &[&str]| -> Vec<String> {
            let tags = response_tags(&lines(fields));
            tags.iter().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect()
        };
        for (fields, expected) in [
            (&[][..], &[][..]),
            (&["surrogate-key:  a b\tc ", "xkey: a d"], &["a", "b", "c", "d"]),
            (&["cache-tag: a b ,, c"], &["a b", "c"]),
            (&["cache-groups: \"a, b\", \"c\";x", "cache-groups: \"d\""], &["a, b", "c", "d"]),
            (&["cache-groups: \"a\", b, 5, \"\""], &["a"]),
            (&["cache-groups: \"a"], &[]),
        ] {
            assert_eq!(tags(fields), expected, "{fields:?}");
        }
        let many = (0..200).map(|number| format!("t{number} ")).collect::<String>();
        assert_eq!(tags(&[&format!("xkey: {many}")]).len(), MAX_TAGS);
    }

    #[test]
    fn groups_that_a_response_invalidates() {
        let groups = invalidated_groups(&lines(&["cache-group-invalidation: \"a\", \"b\""]));
        assert_eq!(groups, ["a", "b"]);
        assert!(invalidated_groups(&lines(&["cache-groups: \"a\""])).is_empty());
    }
}
