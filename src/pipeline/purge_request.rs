//! What a `PURGE` request names, and the body of its response: the number of stored responses. Wagtail and others send
//! the path of a URL with the site's `Host`.

use std::sync::{Mutex, PoisonError, atomic::Ordering};

use super::{cache::query, cache_in_use::CacheInUse, shared_purge};
use crate::{
    cache::{PurgeMode, PurgeTarget},
    redis::{PurgeCause, PurgeMessage},
    telemetry::{CacheCounts, PurgeLabel},
};

/// The method of these requests.
pub const METHOD: &str = "PURGE";
/// The media type of the response's body.
pub const CONTENT_TYPE: &str = "application/json";

/// The field with the words `all` and `soft`.
const WORDS: &[u8] = b"sideman-purge";
/// The fields with tags, each with the byte between two of them.
const TAGS: [(&[u8], u8); 4] =
    [(b"surrogate-key", b' '), (b"xkey", b' '), (b"cache-tag", b','), (b"cache-groups", b',')];
/// Maximum number of tags in one request.
const MAX_TAGS: usize = 1024;

/// What a request wants to be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRequest<'a> {
    what: Named<'a>,
    mode: PurgeMode,
}

/// What a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named<'a> {
    Everything,
    Tags(Vec<&'a [u8]>),
    /// A host, and a directory of its URLs, which ends with `/`.
    Prefix(&'a [u8], &'a str),
    /// A host, path and query.
    Url(&'a [u8], &'a str),
}

/// The cache that is in use, for the admin listener. A reload replaces it.
#[derive(Debug, Default)]
pub struct CachePurger(Mutex<Option<CacheInUse>>);

// === impl PurgeRequest ===

impl<'a> PurgeRequest<'a> {
    /// Reads a request for a host and a target (path and query), with its fields. Returns a sentence with a remedy if
    /// it names nothing that can be purged.
    pub fn read(
        host: Option<&'a [u8]>,
        target: &'a str,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, String> {
        let (mut is_all, mut mode, mut tags) = (false, PurgeMode::Hard, Vec::new());
        let mut has_tags = false;
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(WORDS) {
                for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    match word {
                        b"all" => is_all = true,
                        b"soft" => mode = PurgeMode::Soft,
                        b"" => {}
                        _ => return Err("the words of Sideman-Purge are all and soft".into()),
                    }
                }
            }
            if let Some((_, end)) = TAGS.iter().find(|(tags, _)| name.eq_ignore_ascii_case(tags)) {
                has_tags = true;
                let items = value.split(|byte| byte == end).map(unquoted);
                tags.extend(items.filter(|tag| !tag.is_empty()));
            }
        }
        if is_all {
            return Ok(Self { what: Named::Everything, mode });
        }
        if tags.len() > MAX_TAGS {
            return Err(format!("more than {MAX_TAGS} tags: send several requests"));
        }
        if has_tags {
            return match tags.is_empty() {
                false => Ok(Self { what: Named::Tags(tags), mode }),
                true => Err("the field with the tags is empty: name a tag".into()),
            };
        }
        let host = host.filter(|host| !host.is_empty());
        let host = host.ok_or("the Host of the site is missing: send it")?;
        if !target.starts_with('/') {
            return Err("the path must start with /".into());
        }
        let what = match target.strip_suffix('*') {
            // Wagtail and others name all pages below a path so.
            Some(prefix) if prefix.ends_with('/') && !prefix.contains('?') => {
                Named::Prefix(host, prefix)
            }
            Some(_) | None => Named::Url(host, target),
        };
        Ok(Self { what, mode })
    }

    /// Whether it concerns more than the site that its `Host` names.
    pub fn is_of_all_sites(&self) -> bool {
        matches!(self.what, Named::Everything | Named::Tags(_))
    }

    /// Purges the cache, if there is one, and returns the body of the response: the number of stored responses that are
    /// gone or stale now.
    pub(super) fn run(&self, in_use: Option<&CacheInUse>, counts: &CacheCounts) -> String {
        let label = match self.what {
            Named::Everything => PurgeLabel::All,
            Named::Tags(_) => PurgeLabel::Tag,
            Named::Prefix(..) => PurgeLabel::Prefix,
            Named::Url(..) => PurgeLabel::Url,
        };
        counts.purges(label).fetch_add(1, Ordering::Relaxed);
        let purged = in_use.map_or(0, |in_use| self.purge(in_use));
        format!("{{\"purged\":{purged}}}\n")
    }

    fn purge(&self, in_use: &CacheInUse) -> u64 {
        let target;
        let targets: Vec<PurgeTarget<'_>> = match &self.what {
            Named::Everything => vec![PurgeTarget::Everything],
            Named::Tags(tags) => tags.iter().map(|tag| PurgeTarget::Tag(tag)).collect(),
            Named::Prefix(host, "/") => vec![PurgeTarget::Host(host)],
            Named::Prefix(host, prefix) => vec![PurgeTarget::Prefix(host, prefix.as_bytes())],
            Named::Url(host, url) => {
                target = query::without(url, &in_use.ignored_query);
                vec![PurgeTarget::Url(host, target.as_bytes())]
            }
        };
        // First here: a response that is fetched from now on is not purged any more.
        let purged = in_use.cache.purge(targets.iter().copied(), self.mode);
        if let Some(link) = &in_use.link {
            shared_purge::publish(link, &targets, (self.mode, PurgeCause::Request));
        }
        purged
    }
}

/// Returns a tag without spaces and quotes around it. Those of `Cache-Groups` are strings (RFC 9875, 2).
fn unquoted(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    let inner = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
    inner.unwrap_or(tag)
}

// === impl CachePurger ===

impl CachePurger {
    /// Purges the cache in use, and returns the body of the response.
    pub fn run(&self, request: &PurgeRequest<'_>, counts: &CacheCounts) -> String {
        request.run(self.in_use().as_ref(), counts)
    }

    /// Purges what another process has purged.
    pub fn apply(&self, message: &PurgeMessage) {
        if let Some(in_use) = self.in_use() {
            shared_purge::apply(&in_use, message);
        }
    }

    fn in_use(&self) -> Option<CacheInUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Purges this cache from now on.
    pub(super) fn set(&self, in_use: Option<CacheInUse>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = in_use;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(
        target: &'a str,
        fields: &'a [(&'a str, &'a str)],
    ) -> Result<PurgeRequest<'a>, String> {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        PurgeRequest::read(Some(b"a.test"), target, fields)
    }

    #[test]
    fn request_names_a_url_a_prefix_tags_or_everything() {
        let host = b"a.test".as_slice();
        let hard = |what| Ok(PurgeRequest { what, mode: PurgeMode::Hard });
        let soft = |what| Ok(PurgeRequest { what, mode: PurgeMode::Soft });
        assert_eq!(read("/x?y", &[]), hard(Named::Url(host, "/x?y")));
        assert_eq!(read("/x/*", &[]), hard(Named::Prefix(host, "/x/")));
        assert_eq!(read("/*", &[("sideman-purge", "soft")]), soft(Named::Prefix(host, "/")));
        // A star is part of these names.
        assert_eq!(read("/x*", &[]), hard(Named::Url(host, "/x*")));
        assert_eq!(read("/?q=/*", &[]), hard(Named::Url(host, "/?q=/*")));
        let tags =
            |tags: &[&'static str]| Named::Tags(tags.iter().map(|tag| tag.as_bytes()).collect());
        assert_eq!(read("/", &[("Surrogate-Key", "a  b")]), hard(tags(&["a", "b"])));
        assert_eq!(
            read("/", &[("xkey", "a"), ("Cache-Tag", "b, c d")]),
            hard(tags(&["a", "b", "c d"]))
        );
        assert_eq!(read("/", &[("cache-groups", "\"a\", \"b c\"")]), hard(tags(&["a", "b c"])));
        assert_eq!(read("/x", &[("Sideman-Purge", "all, soft")]), soft(Named::Everything));
        assert!(read("/", &[("xkey", "a")]).unwrap().is_of_all_sites());
        assert!(!read("/*", &[]).unwrap().is_of_all_sites());
    }

    #[test]
    fn request_that_names_nothing_has_a_remedy() {
        for (target, fields, fault) in [
            ("x", &[][..], "the path must start with /"),
            ("/", &[("xkey", " ")], "name a tag"),
            (
                "/",
                &[("sideman-purge", "everything")],
                "the words of Sideman-Purge are all and soft",
            ),
        ] {
            let found = read(target, fields).unwrap_err();
            assert!(found.contains(fault), "{found}");
        }
        let many = "t ".repeat(MAX_TAGS + 1);
        assert!(read("/", &[("xkey", &many)]).unwrap_err().contains("send several requests"));
        let found = PurgeRequest::read(None, "/", std::iter::empty()).unwrap_err();
        assert!(found.contains("Host"), "{found}");
    }

    #[test]
    fn without_a_cache_nothing_is_purged_and_the_request_is_counted() {
        let counts = CacheCounts::default();
        let request = read("/x/*", &[]).unwrap();
        assert_eq!(CachePurger::default().run(&request, &counts), "{\"purged\":0}\n");
        assert_eq!(counts.purges(PurgeLabel::Prefix).load(Ordering::Relaxed), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(target in any::<String>(), name in "(xkey|cache-tag|sideman-purge)", value in any::<Vec<u8>>()) {
            let fields = [(name.as_bytes(), value.as_slice())];
            let _ = PurgeRequest::read(Some(b"a"), &target, fields.into_iter());
        }
    }
}
