//! Items of lists in which the word `default` means all built-in items.

use crate::plan::{NamePattern, NamePatterns};

pub(super) const DEFAULT: &str = "default";

/// An item of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListItem<T> {
    Default,
    One(T),
}

/// Returns the text of an item.
pub(super) fn show<T>(item: &ListItem<T>, one: impl Fn(&T) -> String) -> String {
    match item {
        ListItem::Default => DEFAULT.to_owned(),
        ListItem::One(item) => one(item),
    }
}

/// Returns the patterns of a list. The built-in ones are separated by spaces.
pub(super) fn patterns_of(
    items: Vec<ListItem<NamePattern>>,
    built_in: &'static str,
) -> NamePatterns {
    let mut patterns = Vec::new();
    for item in items {
        match item {
            ListItem::Default => {
                patterns.extend(built_in.split_ascii_whitespace().map(NamePattern::of))
            }
            ListItem::One(pattern) => patterns.push(pattern),
        }
    }
    NamePatterns(patterns)
}
