//! Who answers a request: decided by its path alone.

use http::Uri;

use super::app::App;
use crate::rfc::path;

/// Who answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Health,
    Ready,
    /// `name` is relative to the root, decoded and without dot segments.
    File {
        root: usize,
        name: Vec<u8>,
    },
    Application,
    /// Under a static prefix, yet no name of any file.
    Undecodable,
}

// === impl Destination ===

impl Destination {
    /// Whether a load balancer is asking.
    pub(super) fn is_health(&self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// Decides by the decoded path. One that does not decode goes to the application, which may know
/// better, unless it lies under a static prefix.
pub(super) fn decide(app: &App, uri: &Uri) -> Destination {
    let plan = &app.plan;
    let Some(normal) = path::normalize(uri.path()) else {
        let is_file = plan.files.roots.iter().any(|root| uri.path().starts_with(&root.prefix));
        return if is_file { Destination::Undecodable } else { Destination::Application };
    };
    if *normal == *plan.health.path.as_bytes() {
        return Destination::Health;
    }
    if *normal == *plan.health.ready_path.as_bytes() {
        return Destination::Ready;
    }
    let longest = plan
        .files
        .roots
        .iter()
        .enumerate()
        .filter(|(_, root)| normal.starts_with(root.prefix.as_bytes()))
        .max_by_key(|(_, root)| root.prefix.len());
    match longest {
        Some((root, found)) => {
            let name = normal.get(found.prefix.len()..).unwrap_or_default();
            Destination::File { root, name: name.to_vec() }
        }
        None => Destination::Application,
    }
}
