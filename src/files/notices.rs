//! Faults of single files that the maker of the directory can fix. Each is logged once, though every check finds it
//! again.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::telemetry::LogThrottle;

/// The number of faults that are logged at once. After that, one is logged every ten seconds, because a whole directory
/// may have one fault.
const MAX_BURST: usize = 32;
/// The maximum number of files that are remembered.
const MAX_FILES: usize = 4096;

/// The files that were reported.
#[derive(Debug, Default)]
pub(super) struct FileNotices {
    reported: Mutex<HashSet<u64>>,
    repeat: LogThrottle,
}

// === impl FileNotices ===

impl FileNotices {
    /// Returns `Some(missed)` if this subject should be reported now; `missed` is the number of others that were
    /// suppressed since the last report.
    pub(super) fn should_report(&self, subject: &[u8]) -> Option<u64> {
        let subject = xxh3_64(subject);
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.contains(&subject) {
            return None;
        }
        let missed = if reported.len() < MAX_BURST { 0 } else { self.repeat.should_log()? };
        if reported.len() < MAX_FILES {
            reported.insert(subject);
        }
        Some(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_reported_once_and_many_do_not_flood_the_log() {
        let notices = FileNotices::default();
        assert_eq!(notices.should_report(b"a"), Some(0));
        assert_eq!(notices.should_report(b"a"), None);
        let first = (0..1000_u32).filter_map(|one| notices.should_report(&one.to_be_bytes()));
        assert_eq!(first.count(), MAX_BURST);
        assert_eq!(notices.should_report(b"a"), None);
    }
}
