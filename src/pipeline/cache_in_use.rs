//! The cache as purges need it.

use std::sync::Arc;

use crate::{
    cache::Cache,
    plan::{CacheSettings, NamePatterns},
    redis::RedisLink,
};

/// A cache with the query parameters that are part of no key, and the link to those of other processes.
#[derive(Clone, Debug)]
pub(super) struct CacheInUse {
    pub(super) cache: Arc<Cache>,
    pub(super) ignored_query: NamePatterns,
    pub(super) link: Option<Arc<RedisLink>>,
}

// === impl CacheInUse ===

impl CacheInUse {
    pub(super) fn new(
        cache: &Arc<Cache>,
        settings: &CacheSettings,
        link: Option<&Arc<RedisLink>>,
    ) -> Self {
        let ignored_query = settings.ignored_query.clone();
        Self { cache: Arc::clone(cache), ignored_query, link: link.map(Arc::clone) }
    }
}
