//! Remembers the policies of each combination of rules, for one worker.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use super::{
    policies::Policies,
    rule::{RouteQuery, RuleId},
    table::RouteTable,
};

/// Maximum number of combinations. Few occur: more would need many routes that match independently of each other.
const LIMIT: usize = 1024;

/// The policies that one worker has resolved.
#[derive(Debug)]
pub(in crate::pipeline) struct RouteMemo {
    table: Arc<RouteTable>,
    known: RefCell<HashMap<Box<[RuleId]>, Rc<Policies>>>,
    /// The rules of the current lookup. It is kept for its memory.
    found: RefCell<Vec<RuleId>>,
    /// The policies without any rule.
    none: Rc<Policies>,
}

// === impl RouteMemo ===

impl RouteMemo {
    pub(in crate::pipeline) fn new(table: &Arc<RouteTable>) -> Self {
        Self {
            table: Arc::clone(table),
            known: RefCell::default(),
            found: RefCell::default(),
            none: Rc::new(Policies::of_no_route()),
        }
    }

    /// Returns the policies for a request.
    pub(in crate::pipeline) fn find(&self, query: &RouteQuery<'_>) -> Rc<Policies> {
        let mut found = self.found.borrow_mut();
        self.table.collect(query, &mut found);
        if found.is_empty() {
            return Rc::clone(&self.none);
        }
        let mut known = self.known.borrow_mut();
        if let Some(policies) = known.get(found.as_slice()) {
            return Rc::clone(policies);
        }
        if known.len() >= LIMIT {
            known.clear();
        }
        let policies = Rc::new(Policies::resolve(&self.table, &found));
        known.insert(found.as_slice().into(), Rc::clone(&policies));
        policies
    }
}
