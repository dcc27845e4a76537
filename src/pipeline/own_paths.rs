//! The paths that Sideman answers itself: health checks, and the files below a prefix.

use std::borrow::Cow;

use super::{app::App, normal_path::NormalPath, store_kind::StoreKind};
use crate::plan::Root;

/// A health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthCheck {
    Health,
    Ready,
}

/// A requested file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestedFile<'a> {
    pub(super) store_kind: StoreKind,
    /// The index of its root.
    pub(super) root: usize,
    /// The name relative to the root, decoded and without dot segments.
    pub(super) name: Cow<'a, [u8]>,
}

/// Returns the health check that a path is for.
pub(super) fn health_check(app: &App, path: &NormalPath) -> Option<HealthCheck> {
    let normal = path.normal()?;
    let health = &app.plan.health;
    if *normal == *health.path.as_bytes() {
        Some(HealthCheck::Health)
    } else if *normal == *health.ready_path.as_bytes() {
        Some(HealthCheck::Ready)
    } else {
        None
    }
}

/// Returns the file that a decoded path names, if the path is below one of the prefixes.
pub(super) fn file<'a>(app: &App, path: Cow<'a, [u8]>) -> Option<RequestedFile<'a>> {
    let longest = roots(app)
        .filter(|(_, _, root)| path.starts_with(root.prefix.as_bytes()))
        .max_by_key(|(_, _, root)| root.prefix.len());
    let (store_kind, root, found) = longest?;
    let name = match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.get(found.prefix.len()..)?),
        Cow::Owned(mut path) => Cow::Owned(path.split_off(found.prefix.len())),
    };
    Some(RequestedFile { store_kind, root, name })
}

/// Returns every prefix of the sections, with its store and its index there.
pub(super) fn roots(app: &App) -> impl Iterator<Item = (StoreKind, usize, &Root)> {
    let own = app.plan.files.roots.iter().enumerate();
    let media = app.plan.media.roots.iter().enumerate();
    own.map(|(index, root)| (StoreKind::Static, index, root))
        .chain(media.map(|(index, root)| (StoreKind::Media, index, root)))
        .filter(|(_, _, root)| root.route.is_none())
}
