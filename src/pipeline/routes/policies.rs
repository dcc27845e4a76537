//! What the routes of a request set: each setting by the most specific route that has it.

use std::sync::Arc;

use super::{
    rule::{RuleId, TableAction},
    table::RouteTable,
};
use crate::{
    pipeline::store_kind::StoreKind,
    plan::{HeaderEdit, Streaming},
};

/// The settings for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pipeline) struct Policies {
    /// The most specific named route.
    pub(in crate::pipeline) route: Option<Arc<str>>,
    pub(in crate::pipeline) action: Action,
    pub(in crate::pipeline) streaming: Streaming,
    /// Those of less specific routes come first.
    pub(in crate::pipeline) response_headers: Vec<HeaderEdit>,
}

/// What responds to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Action {
    /// An application: the index in the plan, or `None` for the one of [upstream].
    Upstream(Option<usize>),
    /// A file, named by the path without its first `prefix` bytes.
    Files { store_kind: StoreKind, root: usize, prefix: usize },
}

// === impl Policies ===

impl Policies {
    /// Merges the routes of these rules, which are in the order of [`RouteTable::collect`].
    pub(super) fn resolve(table: &RouteTable, rules: &[RuleId]) -> Self {
        let mut action = None;
        let mut route = None;
        let mut streaming = None;
        let mut headers: Vec<&[HeaderEdit]> = Vec::new();
        for (rule, one) in table.routes_of(rules) {
            route = route.or_else(|| one.name.clone());
            action = action.or_else(|| one.action.map(|action| Action::of(action, rule.prefix)));
            streaming = streaming.or(one.policies.streaming);
            headers.push(&one.policies.response_headers);
        }
        Self {
            route,
            action: action.unwrap_or_default(),
            streaming: streaming.unwrap_or_default(),
            response_headers: headers.into_iter().rev().flatten().cloned().collect(),
        }
    }
}

// === impl Action ===

impl Action {
    fn of(action: TableAction, prefix: usize) -> Self {
        match action {
            TableAction::Upstream(index) => Self::Upstream(Some(index)),
            TableAction::Files { store_kind, root } => Self::Files { store_kind, root, prefix },
        }
    }
}

impl Default for Action {
    fn default() -> Self {
        Self::Upstream(None)
    }
}
