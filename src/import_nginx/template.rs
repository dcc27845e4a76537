//! Placeholders of templates: `${NAME}` and `$NAME` of envsubst, and `{{ name }}`. Those of envsubst are replaced from the
//! environment, as envsubst does; the others cannot be known.

/// Returns the text with each `${NAME}` and `$NAME` replaced that has a value.
pub(super) fn substitute(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        match placeholder(from).and_then(|(name, len)| Some((value(name)?, len))) {
            Some((value, len)) => {
                result.push_str(&value);
                rest = from.get(len..).unwrap_or_default();
            }
            None => {
                result.push('$');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    result + rest
}

/// Whether the whole word is one placeholder.
pub(super) fn is_placeholder(word: &str) -> bool {
    let is_expression = word.starts_with("{{") && word.find("}}") == word.len().checked_sub(2);
    is_expression || placeholder(word).is_some_and(|(_, len)| len == word.len())
}

/// Returns the first placeholder in the word.
pub(super) fn first_placeholder(word: &str) -> Option<&str> {
    let braces = word.find("{{").and_then(|at| {
        let from = word.get(at..)?;
        from.get(..from.find("}}")? + 2)
    });
    braces.or_else(|| {
        let mut marks = word.match_indices('$').filter_map(|(at, _)| word.get(at..));
        marks.find_map(|from| {
            let (name, len) = placeholder(from)?;
            (!is_nginx_variable(name)).then(|| from.get(..len))?
        })
    })
}

/// Reads `${NAME}` or `$NAME` at the start. Names in capitals are of the environment: nginx's variables are written in
/// small letters.
fn placeholder(text: &str) -> Option<(&str, usize)> {
    let from = text.strip_prefix('$')?;
    let (inner, braces) = match from.strip_prefix('{') {
        Some(inner) => (inner, 1),
        None => (from, 0),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = inner.bytes().take_while(|byte| is_name(byte)).count();
    let name = inner.get(..len)?;
    let is_upper = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.contains(|letter: char| letter.is_ascii_uppercase())
        && !name.contains(|letter: char| letter.is_ascii_lowercase());
    let is_closed = braces == 0 || inner.get(len..)?.starts_with('}');
    (is_upper && is_closed).then_some((name, 1 + 2 * braces + len))
}

/// Whether nginx would know this name, as capitals do not matter to it.
fn is_nginx_variable(name: &str) -> bool {
    const KNOWN: [&str; 8] = [
        "HOST",
        "HTTP_HOST",
        "REMOTE_ADDR",
        "REQUEST_URI",
        "SCHEME",
        "URI",
        "ARGS",
        "REQUEST_METHOD",
    ];
    KNOWN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> String {
        substitute(text, &|name| (name == "HOST_A" || name == "B").then(|| format!("<{name}>")))
    }

    #[test]
    fn names_in_capitals_are_replaced_if_they_have_a_value() {
        assert_eq!(replaced("a ${HOST_A}:$B;"), "a <HOST_A>:<B>;");
        assert_eq!(replaced("$Bc $BC $host ${C} $ ${ ${B"), "$Bc $BC $host ${C} $ ${ ${B");
        assert_eq!(replaced("$$B$"), "$<B>$");
        assert_eq!(replaced(""), "");
    }

    #[test]
    fn placeholders_are_found() {
        for word in ["${A}", "$A_1", "{{ a }}", "{{ a }}b", "http://${A}:80", "x{{ a }}"] {
            assert!(first_placeholder(word).is_some(), "{word}");
        }
        for word in ["$host", "${host}", "$HTTP_HOST", "$1", "a{b}", "$", "{{"] {
            assert_eq!(first_placeholder(word), None, "{word}");
        }
        assert_eq!(first_placeholder("http://${A}:80"), Some("${A}"));
        assert!(is_placeholder("${A}") && is_placeholder("{{ a }}"));
        assert!(!is_placeholder("${A}b") && !is_placeholder("{{ a }}{{ b }}"));
    }
}
