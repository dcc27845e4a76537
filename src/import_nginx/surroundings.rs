//! The parts of the configuration outside of a location that its translation depends on.

use super::{location::Location, matcher::Matcher, scope::Scope, target::Upstreams};

/// Facts about the whole configuration.
pub(super) struct Surroundings<'a, 'c> {
    pub(super) upstreams: &'c Upstreams,
    /// The block of the server.
    pub(super) server: Scope<'a>,
    pub(super) named: Vec<(&'c str, &'c Location<'a>)>,
    pub(super) all: &'c [Location<'a>],
}

// === impl Surroundings ===

impl<'a, 'c> Surroundings<'a, 'c> {
    pub(super) fn of(
        server: &Scope<'a>,
        locations: &'c [Location<'a>],
        upstreams: &'c Upstreams,
    ) -> Self {
        let named = locations.iter().filter_map(|location| match &location.matcher {
            Matcher::Named(name) => Some((name.as_str(), location)),
            Matcher::Exact(_) | Matcher::Prefix { .. } | Matcher::Expression { .. } => None,
        });
        Self { upstreams, server: server.clone(), named: named.collect(), all: locations }
    }
}
