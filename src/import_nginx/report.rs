//! What became of the directives that are no settings: those that became unnecessary, and those that were not
//! translated, each with its line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{parser::Directive, problem::Place};

/// Longer lists of lines are cut.
const SHOWN: usize = 12;

/// Collects what is not a setting.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// By reason: names of directives with their lines.
    unnecessary: BTreeMap<&'static str, BTreeMap<String, BTreeSet<Place>>>,
    /// By line: the directive and what to do, in the order in which they were found.
    lost: BTreeMap<Place, Vec<(String, String)>>,
    /// By line: what is translated, with a small difference.
    different: BTreeMap<Place, Vec<(String, String)>>,
}

// === impl Report ===

impl Report {
    /// Records a directive that has no effect any more, or whose effect is the default.
    pub(super) fn unnecessary(&mut self, directive: &Directive, reason: &'static str) {
        let names = self.unnecessary.entry(reason).or_default();
        names.entry(directive.name.clone()).or_default().insert(directive.place.clone());
    }

    /// Records a directive that was not translated.
    pub(super) fn lost(&mut self, directive: &Directive, remedy: impl Into<String>) {
        add(&mut self.lost, directive, remedy.into());
    }

    /// Records a small difference between a directive and its translation.
    pub(super) fn differs(&mut self, directive: &Directive, difference: impl Into<String>) {
        add(&mut self.different, directive, difference.into());
    }

    /// The number of directives that were not translated.
    pub(super) fn lost_count(&self) -> usize {
        self.lost.values().map(Vec::len).sum()
    }

    /// Writes both lists as comments.
    pub(super) fn write(&self, text: &mut String) {
        let lists = [("Not translated", &self.lost), ("Different", &self.different)];
        for (title, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let _ = writeln!(text, "\n# {title}\n# {}", "-".repeat(title.len()));
            for (place, entries) in list {
                for (directive, words) in entries {
                    let _ = writeln!(text, "# {}", comment(&format!("{place}: {directive}")));
                    let _ = writeln!(text, "#     {}", comment(words));
                }
            }
        }
        if !self.unnecessary.is_empty() {
            text.push_str("\n# Unnecessary\n# -----------\n");
        }
        for (reason, names) in &self.unnecessary {
            for (name, places) in names {
                let _ = writeln!(text, "# {} ({})", comment(name), lines(places));
            }
            let _ = writeln!(text, "#     {reason}");
        }
    }
}

fn add(list: &mut BTreeMap<Place, Vec<(String, String)>>, directive: &Directive, words: String) {
    let entries = list.entry(directive.place.clone()).or_default();
    let entry = (shown(directive), words);
    if !entries.contains(&entry) {
        entries.push(entry);
    }
}

/// Returns the directive as it was written, without its block.
pub(super) fn shown(directive: &Directive) -> String {
    let mut text = directive.name.clone();
    for arg in &directive.args {
        text.push(' ');
        match arg.is_empty()
            || arg.contains(|letter: char| letter.is_whitespace() || ";{\"".contains(letter))
        {
            true => {
                let _ = write!(text, "'{arg}'");
            }
            false => text.push_str(arg),
        }
    }
    text
}

/// Makes a text safe for a comment: one line, no control characters, not endless.
pub(super) fn comment(text: &str) -> String {
    const LONGEST: usize = 400;
    let text = super::template::restore(text);
    let mut safe: String = text
        .chars()
        .take(LONGEST)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        safe.push_str("...");
    }
    safe
}

/// Writes `a.conf:1, 5, b.conf:2`.
fn lines(places: &BTreeSet<Place>) -> String {
    let mut text = String::new();
    let mut file = None;
    for place in places.iter().take(SHOWN) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        if file != Some(&place.file) {
            let _ = write!(text, "{}:", place.file);
            file = Some(&place.file);
        }
        let _ = write!(text, "{}", place.line);
    }
    if let Some(more) = places.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    #[test]
    fn lists_are_comments_with_lines() {
        let tree =
            parser::parse("sendfile on;\nsendfile off;\nx 'a\nb' \"\";", &"f".into()).unwrap();
        let mut report = Report::default();
        report.unnecessary(&tree[0], "not needed");
        report.unnecessary(&tree[1], "not needed");
        report.lost(&tree[2], "do this");
        report.lost(&tree[2], "do this");
        assert_eq!(report.lost_count(), 1);
        let mut text = String::new();
        report.write(&mut text);
        assert_eq!(
            text,
            "\n# Not translated\n# --------------\n# f:3: x 'a b' ''\n#     do this\n\
             \n# Unnecessary\n# -----------\n# sendfile (f:1, 2)\n#     not needed\n"
        );
    }

    #[test]
    fn long_lists_and_texts_are_cut() {
        let tree = parser::parse(&"a;\n".repeat(20), &"f".into()).unwrap();
        let places: BTreeSet<_> = tree.iter().map(|directive| directive.place.clone()).collect();
        assert!(lines(&places).ends_with("11, 12 and 8 more"));
        assert_eq!(comment(&"x".repeat(401)).len(), 403);
    }
}
