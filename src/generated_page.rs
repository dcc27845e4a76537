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

/// Writes the names of settings as code, and escapes characters that Markdown would interpret outside of code.
pub(crate) fn markdown(text: &str) -> String {
    let mut is_code = false;
    let words: Vec<_> = text.split(' ').map(|word| marked(word, &mut is_code)).collect();
    words.join(" ")
}

fn marked(word: &str, is_code: &mut bool) -> String {
    let name = word.trim_matches(['(', ')', ',', ';', ':', '.']);
    let was_code = *is_code || word.contains('`');
    *is_code ^= word.matches('`').count() % 2 == 1;
    if was_code {
        return word.to_owned();
    }
    if KEYS.iter().any(|key| key.name == name) {
        return word.replace(name, &format!("`{name}`"));
    }
    word.chars().fold(String::with_capacity(word.len()), |mut escaped, c| {
        if matches!(c, '*' | '|' | '<' | '>') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}
