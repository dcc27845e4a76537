//! The draft of a named route: the values of its settings, before they become a [`Route`](crate::plan::Route).

use crate::plan::{RouteMatcher, RoutePolicies};

use super::servers::ServerWithProtocol;

/// Maximum length of a name.
const LONGEST: usize = 32;

/// The values of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteDraft {
    pub(super) name: String,
    pub(super) matcher: RouteMatcher,
    pub(super) servers: Vec<ServerWithProtocol>,
    pub(super) policies: RoutePolicies,
}

/// Checks the name of a route. It must be possible in a variable: `SIDEMAN_ROUTE__NAME__PATH`.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > LONGEST {
        return Err("must have at most 32 characters");
    }
    if !name.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) {
        return Err("must begin with a lower-case letter");
    }
    if !name.bytes().all(is_letter) {
        return Err("only lower-case letters, digits and _ are possible");
    }
    if name.contains("__") || name.ends_with('_') {
        return Err("__ and a final _ are not possible: they part names in the environment");
    }
    Ok(())
}

// === impl RouteDraft ===

impl RouteDraft {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "api", "api_v2", "a1_b"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "1a", "Api", "a-b", "a__b", "a_", "_a", "caf\u{e9}", &"a".repeat(33)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
