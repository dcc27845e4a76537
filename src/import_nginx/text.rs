//! Texts with nginx variables as texts with placeholders of the settings file.

use super::{scope::Scope, template};

/// Captures of a location's expression that a text may use: their names, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captures {
    pub(super) names: Vec<Option<String>>,
}

/// nginx's variables and the placeholders with the same value.
const PLACEHOLDERS: [(&str, &str); 15] = [
    ("host", "{host}"),
    ("http_host", "{host}"),
    ("request_uri", "{path}{query}"),
    ("uri", "{path}"),
    ("document_uri", "{path}"),
    ("is_args", ""),
    ("args", "{query}"),
    ("query_string", "{query}"),
    ("request_id", "{request_id}"),
    ("http_x_request_id", "{request_id}"),
    ("remote_addr", "{client}"),
    ("realip_remote_addr", "{client}"),
    ("proxy_add_x_forwarded_for", "{client}"),
    ("scheme", "{scheme}"),
    ("request_scheme", "{scheme}"),
];

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    /// Without `$` and braces.
    Variable(&'t str),
}

/// Splits a text at its variables.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|tail| tail.find('$')).map(|at| at + from) {
        let after = rest.get(at + 1..).unwrap_or_default();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let braced = after.strip_prefix('{').and_then(|inner| {
            let end = inner.find('}')?;
            let name = inner.get(..end)?;
            (!name.is_empty() && name.bytes().all(|byte| is_name(&byte))).then_some((name, end + 2))
        });
        let plain = || {
            let digits = after.bytes().next().is_some_and(|first| first.is_ascii_digit());
            let len = match digits {
                true => 1,
                false => after.bytes().take_while(|byte| is_name(byte)).count(),
            };
            after.get(..len).filter(|name| !name.is_empty()).map(|name| (name, len))
        };
        match braced.or_else(plain) {
            Some((name, len)) => {
                if let Some(text) = rest.get(..at).filter(|text| !text.is_empty()) {
                    pieces.push(Piece::Text(text));
                }
                pieces.push(Piece::Variable(name));
                rest = after.get(len..).unwrap_or_default();
                from = 0;
            }
            None => from = at + 1,
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Whether a text has a variable.
pub(super) fn has_variable(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Variable(_)))
}

/// Replaces variables that `set` gives one fixed value.
pub(super) fn with_constants(text: &str, scope: &Scope<'_>) -> String {
    let mut result = text.to_owned();
    // A constant may be made of others; more rounds would be a circle.
    for _ in 0..4 {
        let mut next = String::new();
        let found = pieces(&result);
        let mut rest = found.iter().peekable();
        while let Some(piece) = rest.next() {
            match piece {
                Piece::Text(text) => next.push_str(text),
                Piece::Variable(name) => match constant(name, scope) {
                    Some(value) => next.push_str(value),
                    None => {
                        let is_joined = rest.peek().is_some_and(|after| match after {
                            Piece::Text(text) => text.starts_with(|letter: char| {
                                letter.is_ascii_alphanumeric() || letter == '_'
                            }),
                            Piece::Variable(_) => false,
                        });
                        // Placeholders of templates stay as they are.
                        let is_marked = name.contains(|letter: char| letter.is_ascii_uppercase());
                        next.push_str(&match is_joined || is_marked {
                            true => format!("${{{name}}}"),
                            false => format!("${name}"),
                        });
                    }
                },
            }
        }
        // Bounds what constants that repeat each other become.
        if next == result || next.len() > 4096 {
            break;
        }
        result = next;
    }
    result
}

fn constant<'a>(name: &str, scope: &Scope<'a>) -> Option<&'a str> {
    if name == "server_name" {
        // Its first name, unless that is a pattern.
        let first = scope.last(&["server_name"])?.arg(0);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        return (first.contains(|letter: char| letter.is_ascii_alphanumeric())
            && first.bytes().all(is_host))
        .then_some(first);
    }
    let is_conditional = scope.each().filter(|directive| directive.name == "if").any(|condition| {
        condition
            .children()
            .iter()
            .any(|inner| inner.name == "set" && is_variable(inner.arg(0), name))
    });
    let mut sets = scope.each().filter(|one| one.name == "set" && is_variable(one.arg(0), name));
    let value = sets.next()?.arg(1);
    (!is_conditional && sets.next().is_none()).then_some(value)
}

fn is_variable(text: &str, name: &str) -> bool {
    text.strip_prefix('$').is_some_and(|own| own == name)
}

/// Returns the text with placeholders, or the reason why that is not possible.
pub(super) fn to_template(
    text: &str,
    scope: &Scope<'_>,
    captures: &Captures,
) -> Result<String, String> {
    let text = with_constants(text, scope);
    if let Some(placeholder) = template::first_placeholder(&text) {
        return Err(unknown_placeholder(placeholder));
    }
    let mut result = String::new();
    for piece in pieces(&text) {
        match piece {
            Piece::Text(text) => {
                if has_braced_word(text) {
                    return Err(
                        "a word in braces would be a placeholder: set it in the application".into(),
                    );
                }
                result.push_str(text);
            }
            Piece::Variable(name) => result.push_str(&placeholder(name, captures)?),
        }
    }
    if !result.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("only visible ASCII characters are possible here".into());
    }
    // `?$args` and `$is_args$args` are both the query with its mark.
    Ok(result.replace("?{query}", "{query}"))
}

/// Returns the remedy for a placeholder of a template without a value.
pub(super) fn unknown_placeholder(placeholder: &str) -> String {
    match placeholder.starts_with('$') {
        true => format!("{placeholder} has no value: set it in the environment of this command"),
        false => format!("{placeholder} has no value: render the template and import the result"),
    }
}

fn placeholder(name: &str, captures: &Captures) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == lower) {
        return Ok((*placeholder).into());
    }
    let count = captures.names.len();
    let number = name.parse::<usize>().ok().filter(|number| (1..=count.min(9)).contains(number));
    let by_name = captures.names.iter().position(|known| known.as_deref() == Some(name));
    match number.or(by_name.map(|index| index + 1).filter(|number| *number <= 9)) {
        Some(number) => Ok(format!("{{{number}}}")),
        None => Err(format!("${name} has no counterpart: set it in the application")),
    }
}

fn has_braced_word(text: &str) -> bool {
    text.split('{').skip(1).any(|after| {
        after.split_once('}').is_some_and(|(word, _)| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn converted(text: &str) -> Result<String, String> {
        let captures = Captures { names: vec![None, Some("lang".into())] };
        let tree = parser::parse(
            "set $app http://a:1; set $b $app/x; set $c 1; if ($d) { set $c 2; } set $e $e$e;",
            &"f".into(),
        );
        let tree = tree.unwrap();
        to_template(text, &Scope::default().within(&tree), &captures)
    }

    #[test]
    fn known_variables_become_placeholders() {
        for (nginx, text) in [
            ("https://$host$request_uri", "https://{host}{path}{query}"),
            ("/a$is_args$args", "/a{query}"),
            ("/a?$args", "/a{query}"),
            ("${scheme}x$1/${lang}", "{scheme}x{1}/{2}"),
            ("$HTTP_HOST", "{host}"),
            ("100$", "100$"),
            ("a$$host", "a${host}"),
            ("$b", "http://a:1/x"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
        ] {
            assert_eq!(converted(nginx).as_deref(), Ok(text), "{nginx}");
        }
    }

    #[test]
    fn others_are_refused() {
        for nginx in ["$cookie_a", "$3", "$c", "${NAME}", "{{ name }}", "{word}", "a\u{e4}", "$e"] {
            assert!(converted(nginx).is_err(), "{nginx}");
        }
    }
}
