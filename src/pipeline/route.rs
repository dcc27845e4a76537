//! Decides which part of Sideman responds to a request.

use std::borrow::Cow;

use super::{
    app::App,
    normal_path::NormalPath,
    routes::{Action, Policies},
    store_kind::StoreKind,
};
use crate::plan::Root;

/// The part of Sideman that responds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    Health,
    Ready,
    File(RequestedFile<'a>),
    /// An application: the index in the plan, or `None` for the one of [upstream].
    Application(Option<usize>),
    /// The path is below a prefix for files, but does not decode to the name of a file.
    Undecodable,
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

// === impl Destination ===

impl Destination<'_> {
    /// Whether the request is a health check.
    pub(super) fn is_health(&self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// Decides by the decoded path. A path that does not decode goes to the application, which may understand it, unless it
/// is below a prefix for files.
pub(super) fn decide<'a>(app: &App, policies: &Policies, path: &'a NormalPath) -> Destination<'a> {
    let normal = path.normal();
    let health = &app.plan.health;
    if normal.is_some_and(|normal| *normal == *health.path.as_bytes()) {
        return Destination::Health;
    }
    if normal.is_some_and(|normal| *normal == *health.ready_path.as_bytes()) {
        return Destination::Ready;
    }
    match policies.action {
        Action::Upstream(index) => Destination::Application(index),
        Action::Files { store_kind, root, prefix } => {
            match normal.and_then(|normal| normal.get(prefix..)) {
                Some(name) => {
                    Destination::File(RequestedFile { store_kind, root, name: Cow::Borrowed(name) })
                }
                None => Destination::Undecodable,
            }
        }
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

/// Returns every prefix, with its store and its index there.
pub(super) fn roots(app: &App) -> impl Iterator<Item = (StoreKind, usize, &Root)> {
    let own = app.plan.files.roots.iter().enumerate();
    let media = app.plan.media.roots.iter().enumerate();
    own.map(|(index, root)| (StoreKind::Static, index, root))
        .chain(media.map(|(index, root)| (StoreKind::Media, index, root)))
}
