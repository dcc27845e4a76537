//! Pages of docs/ with a part that is made from a table in the source. The rest of such a page is written by hand.

use std::{env, fs, path::Path};

use crate::config::KEYS;

const BEGIN: &str = "<!-- From here on made from ";
const END: &str = "<!-- The end of this part. -->\n";

/// Compares the part of a page with what the table gives. With `UPDATE_EXPECT` in the environment it rewrites the part.
#[track_caller]
pub(crate) fn check(page: &str, table: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{page} has no {BEGIN}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no {END}"));
    let expected = format!(
        "{before}{BEGIN}{table} by `UPDATE_EXPECT=1 cargo test --lib reference`. -->\n\n{generated}\n{END}{after}"
    );
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, expected).unwrap();
    } else {
        assert!(
            text == expected,
            "UPDATE_EXPECT=1 cargo test --lib reference rewrites docs/{page}"
        );
    }
}

/// Values that begin a clause, such as "off disables the limit".
const VALUES: [&str; 3] = ["auto", "none", "off"];

/// Writes names of settings and values as code, and escapes characters that Markdown would interpret outside of code.
pub(crate) fn markdown(text: &str) -> String {
    let (mut is_code, mut before) = (false, "");
    let mut words = Vec::new();
    for word in text.split(' ') {
        words.push(if is_code || word.contains('`') {
            word.to_owned()
        } else {
            marked(word, before)
        });
        is_code ^= word.matches('`').count() % 2 == 1;
        before = word;
    }
    words.join(" ")
}

fn marked(word: &str, before: &str) -> String {
    let name = word.trim_matches(['(', ')', ',', ';', ':']).trim_end_matches('.');
    let is_setting = KEYS.iter().any(|key| key.name == name);
    // Sentences begin with a capital letter, or with a value.
    let is_value = before.ends_with('.') && name.starts_with(|c: char| !c.is_ascii_uppercase());
    if is_setting || is_value || VALUES.contains(&name) && before.ends_with([';', ',', '.']) {
        return word.replace(name, &format!("`{name}`"));
    }
    escaped(word)
}

/// Escapes characters that Markdown would interpret.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '|' | '<' | '>') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[test]
fn names_and_values_are_code_and_the_rest_is_escaped() {
    for (text, expected) in [
        ("Raise server.max_body.", "Raise `server.max_body`."),
        (
            "More than that. auto is half (memory.limit)",
            "More than that. `auto` is half (`memory.limit`)",
        ),
        ("Ten; off disables it, none is none", "Ten; `off` disables it, `none` is none"),
        ("as `memory.limit` or a*b", "as `memory.limit` or a\\*b"),
        ("see `x | y` and x|y", "see `x | y` and x\\|y"),
    ] {
        assert_eq!(markdown(text), expected);
    }
}
