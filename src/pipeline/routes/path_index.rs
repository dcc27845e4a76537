//! Finds the rules for a path: exact ones, then prefixes from the longest on, globs, expressions, and those for every
//! path.

use std::{cmp::Reverse, collections::HashMap};

use regex::bytes::Regex;

use super::rule::RuleId;
use crate::plan::PathPattern;

/// The rules of one group of hosts. Rules with equal patterns keep the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<[u8]>, Vec<RuleId>>,
    /// Sorted by their bytes.
    prefixes: Vec<Prefix>,
    /// Globs, then expressions; each kind from the longest text on.
    expressions: Vec<ExpressionRule>,
    /// Those of the prefix `/`.
    everywhere: Vec<RuleId>,
}

#[derive(Debug)]
struct Prefix {
    text: Box<[u8]>,
    /// The index of the longest other prefix that this one begins with.
    parent: Option<usize>,
    rules: Vec<RuleId>,
}

#[derive(Debug)]
struct ExpressionRule {
    is_glob: bool,
    text: String,
    regex: Regex,
    rule: RuleId,
}

// === impl PathIndex ===

impl PathIndex {
    /// Adds a rule. [`finish`](Self::finish) must follow before the next lookup.
    pub(super) fn add(&mut self, pattern: &PathPattern, rule: RuleId) {
        match pattern {
            PathPattern::Exact(path) => {
                self.exact.entry(path.as_bytes().into()).or_default().push(rule)
            }
            PathPattern::Prefix(prefix) if prefix == "/" => self.everywhere.push(rule),
            PathPattern::Prefix(prefix) => {
                let text = prefix.as_bytes();
                match self.prefixes.iter_mut().find(|known| *known.text == *text) {
                    Some(known) => known.rules.push(rule),
                    None => self.prefixes.push(Prefix {
                        text: text.into(),
                        parent: None,
                        rules: vec![rule],
                    }),
                }
            }
            PathPattern::Glob(one) | PathPattern::Expression(one) => {
                let is_glob = matches!(pattern, PathPattern::Glob(_));
                let (text, regex) = (one.text.clone(), one.regex.clone());
                self.expressions.push(ExpressionRule { is_glob, text, regex, rule });
            }
        }
    }

    /// Sorts what was added.
    pub(super) fn finish(&mut self) {
        self.prefixes.sort_by(|one, other| one.text.cmp(&other.text));
        for index in 0..self.prefixes.len() {
            let (before, rest) = self.prefixes.split_at_mut(index);
            let Some(prefix) = rest.first_mut() else { return };
            // Those that it begins with come before it, and the longest is the last.
            prefix.parent = before.iter().rposition(|other| prefix.text.starts_with(&other.text));
        }
        self.expressions.sort_by(|one, other| one.rank().cmp(&other.rank()));
    }

    /// Calls `visit` with each rule that matches, the most specific first.
    pub(super) fn each(&self, path: &[u8], visit: &mut impl FnMut(RuleId)) {
        if !self.exact.is_empty() {
            self.exact.get(path).into_iter().flatten().for_each(|&rule| visit(rule));
        }
        let mut next = self.longest(path);
        while let Some(prefix) = next.and_then(|index| self.prefixes.get(index)) {
            prefix.rules.iter().for_each(|&rule| visit(rule));
            next = prefix.parent;
        }
        for one in &self.expressions {
            if one.regex.is_match(path) {
                visit(one.rule);
            }
        }
        self.everywhere.iter().for_each(|&rule| visit(rule));
    }

    /// Returns the index of the longest prefix that the path begins with. The last prefix that sorts before the path
    /// begins with each prefix of the path, or is one itself.
    fn longest(&self, path: &[u8]) -> Option<usize> {
        let mut candidate =
            self.prefixes.partition_point(|prefix| *prefix.text <= *path).checked_sub(1);
        while let Some(index) = candidate {
            let prefix = self.prefixes.get(index)?;
            if path.starts_with(&prefix.text) {
                return Some(index);
            }
            candidate = prefix.parent;
        }
        None
    }
}

// === impl ExpressionRule ===

impl ExpressionRule {
    fn rank(&self) -> (bool, Reverse<usize>, &str, RuleId) {
        (!self.is_glob, Reverse(self.text.len()), &self.text, self.rule)
    }
}
