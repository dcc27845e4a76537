//! Who answers a request: decided by its path alone.

use std::borrow::Cow;

use super::{app::App, normal_path::NormalPath, store_kind::StoreKind};
use crate::plan::Root;

/// Who answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    Health,
    Ready,
    File(RequestedFile<'a>),
    /// The index of a route of the plan, or none of them.
    Application(Option<usize>),
    /// Under a prefix for files, yet no name of any file.
    Undecodable,
}

/// A file that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestedFile<'a> {
    pub(super) store_kind: StoreKind,
    /// The index of its root.
    pub(super) root: usize,
    /// Relative to the root, decoded and without dot segments.
    pub(super) name: Cow<'a, [u8]>,
}

// === impl Destination ===

impl Destination<'_> {
    /// Whether a load balancer is asking.
    pub(super) fn is_health(&self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// Decides by the decoded path. One that does not decode goes to the application, which may know
/// better, unless it lies under a prefix for files.
pub(super) fn decide<'a>(app: &App, path: &'a NormalPath) -> Destination<'a> {
    let Some(normal) = path.normal() else {
        let is_file = roots(app).any(|(_, _, root)| path.raw().starts_with(&root.prefix));
        return if is_file { Destination::Undecodable } else { Destination::Application(None) };
    };
    let health = &app.plan.health;
    if *normal == *health.path.as_bytes() {
        return Destination::Health;
    }
    if *normal == *health.ready_path.as_bytes() {
        return Destination::Ready;
    }
    match file(app, Cow::Borrowed(normal)) {
        Some(name) => Destination::File(name),
        None => Destination::Application(application(app, normal)),
    }
}

/// The route with the longest prefix, if any has one that fits.
fn application(app: &App, path: &[u8]) -> Option<usize> {
    let routes = app.plan.routes.iter().enumerate();
    routes
        .filter(|(_, route)| path.starts_with(route.prefix.as_bytes()))
        .max_by_key(|(_, route)| route.prefix.len())
        .map(|(index, _)| index)
}

/// The file that a decoded path stands for, if it lies under one of the prefixes.
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

/// Every prefix, with its family and its index there.
pub(super) fn roots(app: &App) -> impl Iterator<Item = (StoreKind, usize, &Root)> {
    let own = app.plan.files.roots.iter().enumerate();
    let media = app.plan.media.roots.iter().enumerate();
    own.map(|(index, root)| (StoreKind::Static, index, root))
        .chain(media.map(|(index, root)| (StoreKind::Media, index, root)))
}
