//! Tags: what a purge can name, and the slots that stand for it (see [`generations`](super::generations)). A collision
//! of hashes purges too much, which is safe.

use super::key::KeyHasher;

/// What to purge. Hosts are compared without case, port and a dot at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeTarget<'a> {
    Everything,
    Host(&'a [u8]),
    /// All URLs of a host whose path begins with this, which ends with `/`. Below 16 directories, the 16th is purged.
    Prefix(&'a [u8], &'a [u8]),
    /// One URL of a host, path and query, with every scheme, language and variant.
    Url(&'a [u8], &'a [u8]),
    /// What the application has tagged with this (`Surrogate-Key`, `xkey`, `Cache-Tag`, `Cache-Groups`).
    Tag(&'a [u8]),
}

/// What happens to what is purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeMode {
    /// It becomes stale.
    Soft,
    /// It is never used again.
    Hard,
}

/// The slots of a response's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSlots(Box<[u32]>);

/// Makes slots of tags.
#[derive(Debug)]
pub(super) struct TagHasher<'a> {
    pub(super) hasher: &'a KeyHasher,
    pub(super) slots: usize,
}

/// The slot of every response.
const EVERYTHING: u32 = 0;
/// The slot of responses with too many tags, which every purge of a tag purges.
const TOO_MANY_TAGS: u32 = 1;
/// The slots that no hash selects.
const FIXED_SLOTS: u64 = 2;
/// The number of directories of a path that can be purged.
const MAX_PREFIXES: usize = 16;
/// The number of tags of one response.
const MAX_TAGS: usize = 128;

// The kinds of tags, so that a host and a tag with the same bytes differ.
const HOST: u8 = b'h';
const PREFIX: u8 = b'p';
const URL: u8 = b'u';
const TAG: u8 = b't';

// === impl TagSlots ===

impl TagSlots {
    #[cfg(test)]
    pub(super) fn of_slot(slot: u32) -> Self {
        Self([slot].into())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// Returns the bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.0)
    }
}

// === impl TagHasher ===

impl TagHasher<'_> {
    /// Returns the slots of a response to a request for `target` (path and query) at `host`, with its own tags.
    pub(super) fn of_response<T: AsRef<[u8]>>(
        &self,
        host: &[u8],
        target: &[u8],
        tags: impl IntoIterator<Item = T>,
    ) -> TagSlots {
        let mut slots = vec![EVERYTHING, self.host(host), self.url(host, target)];
        let path = path_of(target);
        for end in directory_ends(path).take(MAX_PREFIXES) {
            slots.push(self.prefix(host, path.get(..end).unwrap_or(path)));
        }
        for (index, tag) in tags.into_iter().enumerate() {
            if index == MAX_TAGS {
                slots.push(TOO_MANY_TAGS);
                break;
            }
            slots.push(self.tag(tag.as_ref()));
        }
        slots.sort_unstable();
        slots.dedup();
        TagSlots(slots.into())
    }

    /// Returns the slots to mark for a purge.
    pub(super) fn of_target(&self, target: PurgeTarget<'_>) -> [Option<u32>; 2] {
        match target {
            PurgeTarget::Everything => [Some(EVERYTHING), None],
            PurgeTarget::Host(host) => [Some(self.host(host)), None],
            PurgeTarget::Url(host, target) => [Some(self.url(host, target)), None],
            PurgeTarget::Tag(tag) => [Some(self.tag(tag)), Some(TOO_MANY_TAGS)],
            PurgeTarget::Prefix(host, prefix) => {
                let path = path_of(prefix);
                match directory_ends(path).take(MAX_PREFIXES).last() {
                    Some(end) => {
                        let prefix = path.get(..end).unwrap_or(path);
                        [Some(self.prefix(host, prefix)), None]
                    }
                    None => [Some(self.host(host)), None],
                }
            }
        }
    }

    fn host(&self, host: &[u8]) -> u32 {
        self.slot(HOST, host, b"")
    }

    fn prefix(&self, host: &[u8], prefix: &[u8]) -> u32 {
        self.slot(PREFIX, host, prefix)
    }

    fn url(&self, host: &[u8], target: &[u8]) -> u32 {
        self.slot(URL, host, target)
    }

    fn tag(&self, tag: &[u8]) -> u32 {
        self.slot(TAG, b"", tag)
    }

    fn slot(&self, kind: u8, host: &[u8], name: &[u8]) -> u32 {
        let mut bytes = Vec::with_capacity(host.len() + name.len() + 2);
        bytes.push(kind);
        bytes.extend(normal_host(host).iter().map(u8::to_ascii_lowercase));
        bytes.push(0);
        if kind == TAG {
            bytes.extend_from_slice(name);
        } else {
            push_normal(name, &mut bytes);
        }
        // URLs have slots of their own: requests that change something purge one all the time, and must not reach that
        // of a whole host.
        let hashed = ((self.slots as u64).saturating_sub(FIXED_SLOTS) / 2).max(1);
        let half = if kind == URL { hashed } else { 0 };
        u32::try_from(FIXED_SLOTS + half + self.hasher.hash(&bytes) % hashed).unwrap_or(EVERYTHING)
    }
}

/// Returns the path of a target.
fn path_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

/// Iterates over the positions behind each `/` of a path.
fn directory_ends(path: &[u8]) -> impl Iterator<Item = usize> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index + 1)
}

/// Removes the port of a host, and the dot at its end.
fn normal_host(host: &[u8]) -> &[u8] {
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    let colon = host.iter().rposition(|byte| *byte == b':');
    let parts = colon.and_then(|colon| host.split_at_checked(colon));
    let name = match parts {
        // Without brackets, another colon is a part of an IPv6 address.
        Some((name, [_, port @ ..]))
            if is_port(port) && (name.ends_with(b"]") || !name.contains(&b':')) =>
        {
            name
        }
        Some(_) | None => host,
    };
    name.strip_suffix(b".").unwrap_or(name)
}

/// Appends a URL with equal escapes made the same (RFC 3986, 6.2.2): letters of escapes in upper case, and no escapes
/// for unreserved characters.
fn push_normal(url: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = url;
    while let Some(start) = memchr::memchr(b'%', rest) {
        let (before, escape) = rest.split_at_checked(start).unwrap_or((rest, b""));
        bytes.extend_from_slice(before);
        rest = match escape {
            [percent, high, low, behind @ ..] => {
                match (digit(*high), digit(*low)) {
                    (Some(h), Some(l)) if is_unreserved(h << 4 | l) => bytes.push(h << 4 | l),
                    _ => bytes.extend([percent, high, low].map(u8::to_ascii_uppercase)),
                }
                behind
            }
            [..] => {
                bytes.extend_from_slice(escape);
                return;
            }
        };
    }
    bytes.extend_from_slice(rest);
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that is large enough for a few tags without collisions, as nearly always.
    const SLOTS: usize = 1 << 30;

    /// Whether a purge of the target reaches a response.
    fn reaches(target: PurgeTarget<'_>, (host, url): (&str, &str), tags: &[String]) -> bool {
        let hasher = KeyHasher::default();
        let hasher = TagHasher { hasher: &hasher, slots: SLOTS };
        let response = hasher.of_response(host.as_bytes(), url.as_bytes(), tags);
        let marked = hasher.of_target(target);
        marked.into_iter().flatten().any(|slot| response.iter().any(|one| one == slot))
    }

    #[test]
    fn target_reaches_what_it_names_and_nothing_else() {
        use PurgeTarget::{Everything, Host, Prefix, Tag, Url};
        let page = ("Example.com:8080", "/news/2026/a?page=2");
        for (target, expected) in [
            (Everything, true),
            (Host(b"example.com"), true),
            (Host(b"EXAMPLE.COM.:443"), true),
            (Host(b"www.example.com"), false),
            (Prefix(b"example.com", b"/"), true),
            (Prefix(b"example.com", b"/news/"), true),
            (Prefix(b"example.com", b"/news/2026/"), true),
            (Prefix(b"example.com", b"/news/2025/"), false),
            (Prefix(b"example.com", b"/news/2026/a/"), false),
            (Prefix(b"example.org", b"/news/"), false),
            (Url(b"example.com", b"/news/2026/a?page=2"), true),
            (Url(b"example.com", b"/n%65ws/2026/a?page=2"), true),
            (Url(b"example.com", b"/news/2026/a"), false),
            (Url(b"example.com", b"/news/2026/a?page=3"), false),
            (Tag(b"/news/"), false),
            (Tag(b"example.com"), false),
        ] {
            assert_eq!(reaches(target, page, &[]), expected, "{target:?}");
        }
    }

    #[test]
    fn each_tag_is_compared_as_it_is() {
        let tags = ["one", "two three", "%61"].map(str::to_owned);
        for tag in &tags {
            assert!(reaches(PurgeTarget::Tag(tag.as_bytes()), ("a", "/"), &tags), "{tag}");
        }
        for tag in ["", "two", "One", "a"] {
            assert!(!reaches(PurgeTarget::Tag(tag.as_bytes()), ("a", "/"), &tags), "{tag}");
        }
    }

    #[test]
    fn deep_paths_and_many_tags_are_purged_rather_too_much() {
        let deep = format!("/{}x", "a/".repeat(40));
        let prefix = format!("/{}", "a/".repeat(30));
        let target = PurgeTarget::Prefix(b"a", prefix.as_bytes());
        assert!(reaches(target, ("a", &deep), &[]));
        let many: Vec<String> = (0..1000).map(|number| format!("tag{number}")).collect();
        assert!(reaches(PurgeTarget::Tag(b"tag999"), ("a", "/"), &many));
        let hasher = KeyHasher::default();
        let hasher = TagHasher { hasher: &hasher, slots: SLOTS };
        let slots = hasher.of_response(b"a", deep.as_bytes(), &many);
        assert!(slots.iter().count() <= 3 + MAX_PREFIXES + MAX_TAGS + 1);
    }

    #[test]
    fn hosts_are_compared_without_port() {
        for (host, name) in [
            ("a:80", "a"),
            ("a.:80", "a"),
            ("a", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("a:b", "a:b"),
            ("", ""),
            (":", ""),
        ] {
            assert_eq!(normal_host(host.as_bytes()), name.as_bytes(), "{host}");
        }
    }

    #[test]
    fn equal_escapes_are_the_same_url() {
        let normal = |url: &str| {
            let mut bytes = Vec::new();
            push_normal(url.as_bytes(), &mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(normal("/caf%c3%a9%2f%61%7e"), "/caf%C3%A9%2Fa~");
        assert_eq!(normal("/100%"), "/100%");
        assert_eq!(normal("/%zz%4"), "/%ZZ%4");
    }
}
