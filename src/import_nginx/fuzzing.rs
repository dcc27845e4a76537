//! The fuzz target for nginx configurations (see [`crate::fuzzing`]).

use super::{parser, template, written};

/// Reads the text of a configuration: it must give settings in TOML, or a message with one of its lines.
pub fn nginx_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = template::substitute(text, &|name| (name == "VALUE").then(|| "a;\nb".into()));
    let lines = text.split('\n').count();
    let is_within = |line: u32| line >= 1 && usize::try_from(line).is_ok_and(|line| line <= lines);
    match parser::parse(&text, &"nginx.conf".into()) {
        Ok(tree) => {
            assert!(tree.iter().all(|directive| is_within(directive.place.line)));
            let import = written(&tree, &["nginx.conf".into()]);
            let table = toml::from_str::<toml::Table>(&import.text);
            let is_listed = import.text.contains("\n# Not translated\n");
            assert_eq!(import.lost > 0, is_listed, "{}", import.text);
            assert!(table.is_ok(), "not TOML: {}", import.text);
            let is_plain = |letter: char| letter == '\n' || !letter.is_control();
            assert!(import.text.chars().all(is_plain), "control characters: {:?}", import.text);
        }
        Err(error) => {
            assert!(is_within(error.line), "{error:?}");
            let shown = error.in_file(&"nginx.conf".into()).to_string();
            assert!(
                !shown.contains(char::is_control),
                "control characters reach the terminal: {shown:?}"
            );
        }
    }
}
