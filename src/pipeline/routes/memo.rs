//! Remembers the policies of combinations of rules, for one worker.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{
    policies::Policies,
    rule::{RouteQuery, RuleId},
    table::RouteTable,
};

/// Number of slots. Few combinations occur: more would need many routes that match independently of each other. Two
/// that share a slot replace each other, so the memory is bounded.
const SLOTS: usize = 256;

/// The policies that one worker has resolved.
#[derive(Debug)]
pub(in crate::pipeline) struct RouteMemo {
    table: Arc<RouteTable>,
    slots: RefCell<Vec<Option<ResolvedRules>>>,
    /// The rules of the current lookup. It is kept for its memory.
    found: RefCell<Vec<RuleId>>,
}

#[derive(Clone, Debug)]
struct ResolvedRules {
    rules: Box<[RuleId]>,
    policies: Rc<Policies>,
}

// === impl RouteMemo ===

impl RouteMemo {
    pub(in crate::pipeline) fn new(table: &Arc<RouteTable>) -> Self {
        Self {
            table: Arc::clone(table),
            slots: RefCell::new(vec![None; SLOTS]),
            found: RefCell::default(),
        }
    }

    /// Returns the policies for a request.
    pub(in crate::pipeline) fn find(&self, query: &RouteQuery<'_>) -> Rc<Policies> {
        let mut found = self.found.borrow_mut();
        self.table.collect(query, &mut found);
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(slot(&found));
        if let Some(Some(known)) = &slot
            && *known.rules == **found
        {
            return Rc::clone(&known.policies);
        }
        let policies = Rc::new(Policies::resolve(&self.table, &found));
        if let Some(slot) = slot {
            let rules = found.as_slice().into();
            *slot = Some(ResolvedRules { rules, policies: Rc::clone(&policies) });
        }
        policies
    }
}

/// Returns the slot of a combination. Clients choose among the combinations that the settings make possible, so this
/// needs no secret.
fn slot(rules: &[RuleId]) -> usize {
    let mix = |hash: usize, rule: &RuleId| (hash.rotate_left(5) ^ rule).wrapping_mul(0x9e37_79b9);
    let hash = rules.iter().fold(rules.len(), mix);
    (hash >> 8) % SLOTS
}
