//! The result of one run of `sideman doctor`.

use crate::finding::Finding;

/// The findings, and the parts that could not be checked.
#[derive(Debug, Default)]
pub(super) struct Examination {
    pub(super) findings: Vec<Finding>,
    /// A sentence for each part that could not be checked.
    pub(super) not_checked: Vec<String>,
}
