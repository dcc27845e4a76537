//! Entity tags (RFC 9110, 8.8.3). A version of a file keeps one tag for as long as it exists, for every client and
//! after every restart.
//!
//! A file that is read whole anyway, or that is quickly read, has a tag of its contents, which is equal on all tasks
//! behind a load balancer. A larger file has a tag of its date and size, as in nginx, which is equal on all tasks whose
//! copies have equal dates. Such a tag is weak until the file has been unchanged for a while, because a clock may be
//! too coarse to distinguish two changes (8.8.1). The part inside the quotes does not change then.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The age of a date from which a tag made of it is strong. Some file systems count in steps of two seconds.
const STRONG_AFTER: Duration = Duration::from_secs(2);

/// Returns the tag of contents with this hash.
pub(super) fn of_hash(hash: u128) -> String {
    format!("\"{hash:032x}\"")
}

/// Returns the strong tag of a file with this date and size. A date of whole seconds gives nginx's tag.
pub(super) fn of_date(metadata: &Metadata) -> String {
    let (seconds, nanos, size) = (metadata.mtime(), metadata.mtime_nsec(), metadata.len());
    match nanos {
        0 => format!("\"{seconds:x}-{size:x}\""),
        _ => format!("\"{seconds:x}.{nanos:x}-{size:x}\""),
    }
}

/// Returns the strong tag of a large file whose name holds a hash of its contents. The size distinguishes an incomplete
/// copy.
pub(super) fn of_name(hash: &[u8], size: u64) -> String {
    format!("\"{}-{size:x}\"", String::from_utf8_lossy(hash))
}

/// Returns the tag as a weak one.
pub(super) fn weak(tag: &str) -> String {
    format!("W/{tag}")
}

/// Returns how long until the date and size of a file suffice for a strong tag; `None` once they do.
pub(super) fn settles_in(metadata: &Metadata, now: SystemTime) -> Option<Duration> {
    let age = |seconds: i64, nanos: i64| {
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        Some(now.duration_since(UNIX_EPOCH.checked_add(since)?).ok())
    };
    // A date before 1970 was set on purpose, and long ago by any measure.
    let modified = age(metadata.mtime(), metadata.mtime_nsec()).unwrap_or(Some(STRONG_AFTER));
    // A date in the future was set on purpose, or by another clock. Then the date of the inode's last change counts,
    // which nobody can set.
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

        // A date in the future: by the file system's clock, the file was changed just now.
        let (now, far) = (SystemTime::now(), Duration::from_secs(0x1_0000_0000));
        let metadata = at(far);
        assert!(settles_in(&metadata, now).is_some());
        assert_eq!(settles_in(&metadata, now + STRONG_AFTER * 2), None);
        fs::remove_file(path).unwrap();
    }
}
