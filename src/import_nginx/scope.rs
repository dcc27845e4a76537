//! Which directives apply at a place: those of its block, and those of the blocks around it that it does not repeat.

use super::parser::Directive;

/// The blocks around a place, the outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    levels: Vec<&'a [Directive]>,
}

// === impl Scope ===

impl<'a> Scope<'a> {
    /// Returns the scope of a block within this one.
    pub(super) fn within(&self, block: &'a [Directive]) -> Self {
        let mut levels = self.levels.clone();
        levels.push(block);
        Self { levels }
    }

    /// The directives of the innermost block.
    pub(super) fn own(&self) -> &'a [Directive] {
        self.levels.last().copied().unwrap_or_default()
    }

    /// The directives of the innermost block with one of these names.
    pub(super) fn own_named(&self, names: &[&str]) -> Vec<&'a Directive> {
        self.own().iter().filter(|directive| names.contains(&directive.name.as_str())).collect()
    }

    /// The directives with one of these names that apply: nginx uses those of the innermost block that has any.
    pub(super) fn all(&self, names: &[&str]) -> Vec<&'a Directive> {
        let is_named = |directive: &&Directive| names.contains(&directive.name.as_str());
        let mut levels = self.levels.iter().rev();
        let found = levels.find_map(|level| {
            let found: Vec<_> = level.iter().filter(is_named).collect();
            (!found.is_empty()).then_some(found)
        });
        found.unwrap_or_default()
    }

    /// The last directive with one of these names that applies.
    pub(super) fn last(&self, names: &[&str]) -> Option<&'a Directive> {
        self.all(names).pop()
    }

    /// Every directive of every level, the innermost first.
    pub(super) fn each(&self) -> impl Iterator<Item = &'a Directive> + use<'a, '_> {
        self.levels.iter().rev().flat_map(|level| level.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    #[test]
    fn the_innermost_block_that_has_a_directive_decides() {
        let outer = parser::parse("a 1; a 2; b 1;", &"f".into()).unwrap();
        let inner = parser::parse("a 3; c;", &"f".into()).unwrap();
        let scope = Scope::default().within(&outer).within(&inner);
        let args =
            |found: Vec<&Directive>| found.iter().map(|a| a.arg(0).to_owned()).collect::<Vec<_>>();
        assert_eq!(args(scope.all(&["a"])), ["3"]);
        assert_eq!(args(scope.all(&["b"])), ["1"]);
        assert_eq!(args(scope.all(&["d"])), [""; 0]);
        assert_eq!(args(Scope::default().within(&outer).all(&["a"])), ["1", "2"]);
        assert_eq!(scope.last(&["a", "b"]).map(|a| a.arg(0)), Some("3"));
        assert_eq!((scope.own_named(&["b"]).len(), scope.own().len()), (0, 2));
        assert_eq!(scope.each().count(), 5);
    }
}
