//! Entity tags (RFC 9110, 8.8.3). A version of a file has one tag for as long as it lives, whoever asks for it, how
//! often, and after whichever restart.
//!
//! What is read whole anyway, or soon read, has a tag of its contents, which is the same on all tasks behind a load
//! balancer. What is too large for that has one of its date and size, as with nginx: the same on all
//! tasks whose copies have the same date. Such a tag is weak until the file has rested, because a
//! clock may be too coarse to tell two changes apart (8.8.1); what is inside the quotes stays the same.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A date must be so old before a tag that is made of it is strong. Some file systems count in steps of two
/// seconds.
const STRONG_AFTER: Duration = Duration::from_secs(2);

/// The tag of contents with this hash.
pub(super) fn of_hash(hash: u128) -> String {
    format!("\"{hash:032x}\"")
}

/// The strong tag of a file with this date and size. A date of whole seconds gives the tag that nginx gives.
pub(super) fn of_date(metadata: &Metadata) -> String {
    let (seconds, nanos, size) = (metadata.mtime(), metadata.mtime_nsec(), metadata.len());
    match nanos {
        0 => format!("\"{seconds:x}-{size:x}\""),
        _ => format!("\"{seconds:x}.{nanos:x}-{size:x}\""),
    }
}

/// The strong tag of a large file whose name holds a hash of its contents. The size shows a copy that is not
/// complete.
pub(super) fn of_name(hash: &[u8], size: u64) -> String {
    format!("\"{}-{size:x}\"", String::from_utf8_lossy(hash))
}

/// The same tag, but weak.
pub(super) fn weak(tag: &str) -> String {
    format!("W/{tag}")
}

/// How long the date and size of a file do not suffice for a strong tag yet; `None` once they do.
pub(super) fn settles_in(metadata: &Metadata, now: SystemTime) -> Option<Duration> {
    let age = |seconds: i64, nanos: i64| {
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        Some(now.duration_since(UNIX_EPOCH.checked_add(since)?).ok())
    };
    // A date before 1970 was set, and long ago by any measure.
    let modified = age(metadata.mtime(), metadata.mtime_nsec()).unwrap_or(Some(STRONG_AFTER));
    // A date that is still to come was set on purpose, or by another clock: then the date of the last
    // change to the file counts, which nobody can set.
    let changed = || age(metadata.ctime(), metadata.ctime_nsec()).flatten();
    let age = modified.or_else(changed).unwrap_or_default();
    STRONG_AFTER.checked_sub(age).filter(|rest| !rest.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn date_and_size_make_a_tag_that_is_weak_until_the_file_has_rested() {
        let path = std::env::temp_dir().join(format!("sideman-tag-{}", std::process::id()));
        fs::write(&path, "content").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let at = |since: Duration| {
            file.set_modified(UNIX_EPOCH + since).unwrap();
            file.metadata().unwrap()
        };
        let begin = Duration::from_secs(0x6000_0000);
        let metadata = at(begin);
        assert_eq!(of_date(&metadata), "\"60000000-7\"");
        assert_eq!(weak(&of_date(&metadata)), "W/\"60000000-7\"");
        let now = UNIX_EPOCH + begin;
        assert_eq!(settles_in(&metadata, now), Some(STRONG_AFTER));
        assert_eq!(settles_in(&metadata, now + STRONG_AFTER / 2), Some(STRONG_AFTER / 2));
        assert_eq!(settles_in(&metadata, now + STRONG_AFTER), None);
        assert_eq!(of_date(&at(begin + Duration::from_nanos(255))), "\"60000000.ff-7\"");
        assert_eq!(settles_in(&at(Duration::ZERO), now), None);

        // A date to come: the file was changed just now, as the file system's clock has it.
        let (now, far) = (SystemTime::now(), Duration::from_secs(0x1_0000_0000));
        let metadata = at(far);
        assert!(settles_in(&metadata, now).is_some());
        assert_eq!(settles_in(&metadata, now + STRONG_AFTER * 2), None);
        fs::remove_file(path).unwrap();
    }
}
