//! Purges that several processes share over Redis: what this one tells the others, and what it does for them.

use super::{cache::query, cache_in_use::CacheInUse};
use crate::{
    cache::{PurgeMode, PurgeTarget},
    redis::{PurgeCause, PurgeMessage, PurgeName, RedisLink},
};

/// Tells the others what was purged.
pub(super) fn publish(
    link: &RedisLink,
    targets: &[PurgeTarget<'_>],
    (mode, cause): (PurgeMode, PurgeCause),
) {
    let names = targets.iter().map(name).collect();
    link.publish(PurgeMessage { is_soft: mode == PurgeMode::Soft, names }, cause);
}

/// Purges what another process has purged.
pub(super) fn apply(in_use: &CacheInUse, message: &PurgeMessage) {
    // The other process may have another list of parameters that do not count.
    let url = |name: &PurgeName| match name {
        PurgeName::Url { target, .. } => std::str::from_utf8(target)
            .ok()
            .map(|target| query::without(target, &in_use.ignored_query).into_owned()),
        PurgeName::Everything | PurgeName::Tag(_) | PurgeName::Prefix { .. } => None,
    };
    let urls: Vec<Option<String>> = message.names.iter().map(url).collect();
    let targets = message.names.iter().zip(&urls).map(|(name, url)| target(name, url.as_deref()));
    let mode = if message.is_soft { PurgeMode::Soft } else { PurgeMode::Hard };
    in_use.cache.purge(targets, mode);
}

fn target<'a>(name: &'a PurgeName, url: Option<&'a str>) -> PurgeTarget<'a> {
    match name {
        PurgeName::Everything => PurgeTarget::Everything,
        PurgeName::Tag(tag) => PurgeTarget::Tag(tag),
        PurgeName::Prefix { host, path } if path == b"/" => PurgeTarget::Host(host),
        PurgeName::Prefix { host, path } => PurgeTarget::Prefix(host, path),
        PurgeName::Url { host, target } => {
            PurgeTarget::Url(host, url.map_or(target.as_slice(), str::as_bytes))
        }
    }
}

fn name(target: &PurgeTarget<'_>) -> PurgeName {
    match *target {
        PurgeTarget::Everything => PurgeName::Everything,
        PurgeTarget::Tag(tag) => PurgeName::Tag(tag.into()),
        PurgeTarget::Host(host) => PurgeName::Prefix { host: host.into(), path: b"/".into() },
        PurgeTarget::Prefix(host, path) => {
            PurgeName::Prefix { host: host.into(), path: path.into() }
        }
        PurgeTarget::Url(host, target) => {
            PurgeName::Url { host: host.into(), target: target.into() }
        }
    }
}
