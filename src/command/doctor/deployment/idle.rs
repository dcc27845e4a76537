//! The idle timeout against that of a load balancer of AWS.

use super::subject::Subject;
use crate::finding::{self, Finding};

/// Checks the settings of a container.
pub(super) fn idle_timeout(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["server.trusted_proxies", "server.idle_timeout"])?;
    finding::idle_timeout(plan, subject.deployment.balancer.is_some())
}
