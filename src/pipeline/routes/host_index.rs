//! Finds the groups of routes for a host: the exact name first, then the patterns `.example.org` from the longest on.

use std::collections::HashMap;

use crate::rfc::host;

/// Maximum length of a name (RFC 1035, 2.3.4). A longer one has no exact match.
const LONGEST: usize = 253;

/// The hosts that routes name, each with the index of its group.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    exact: HashMap<Box<[u8]>, usize>,
    /// Patterns with a dot in front, the longest first.
    parents: Vec<(String, usize)>,
}

// === impl HostIndex ===

impl HostIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.parents.is_empty()
    }

    /// Returns the group of a host or pattern in lower case; `next` if it is new.
    pub(super) fn add(&mut self, name: &str, next: usize) -> usize {
        if !name.starts_with('.') {
            return *self.exact.entry(name.as_bytes().into()).or_insert(next);
        }
        if let Some((_, group)) = self.parents.iter().find(|(known, _)| known == name) {
            return *group;
        }
        let place = self.parents.partition_point(|(longer, _)| longer.len() >= name.len());
        self.parents.insert(place, (name.to_owned(), next));
        next
    }

    /// Calls `visit` with each group that matches a host without its port, the most specific first.
    pub(super) fn each(&self, host: &[u8], mut visit: impl FnMut(usize)) {
        if !self.exact.is_empty()
            && let Some(group) = self.exact_group(host)
        {
            visit(group);
        }
        for (pattern, group) in &self.parents {
            if host::matches(host, pattern) {
                visit(*group);
            }
        }
    }

    /// Finds the exact name. Letter case and a final dot make no difference (RFC 1034, 3.1).
    fn exact_group(&self, host: &[u8]) -> Option<usize> {
        if let Some(address) = host::ipv6(host) {
            return self.exact.get(format!("[{address}]").as_bytes()).copied();
        }
        let host = host.strip_suffix(b".").unwrap_or(host);
        let mut buffer = [0; LONGEST];
        let lower = buffer.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        self.exact.get(&*lower).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_host_comes_first() {
        let mut index = HostIndex::default();
        for (number, name) in
            [".org", "example.org", ".example.org", "[2001:db8::1]", ".a.example.org"]
                .iter()
                .enumerate()
        {
            assert_eq!(index.add(name, number), number);
        }
        assert_eq!(index.add(".org", 9), 0);
        for (host, expected) in [
            ("example.org", &[1, 2, 0][..]),
            ("Example.ORG.", &[1, 2, 0]),
            ("b.a.example.org", &[4, 2, 0]),
            ("a.example.org", &[4, 2, 0]),
            ("badexample.org", &[0]),
            ("example.com", &[]),
            ("[2001:DB8:0::1]", &[3]),
            ("", &[]),
        ] {
            let mut found = Vec::new();
            index.each(host.as_bytes(), |group| found.push(group));
            assert_eq!(found, expected, "{host}");
        }
        index.each(&[b'a'; 4096], |group| panic!("{group}"));
    }
}
