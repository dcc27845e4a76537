//! Reads a whole file in one version. If it was written a moment ago, or is written while it is read, the read waits
//! for it. A file that is written all the time is read as it is at one moment.

use std::{
    fs::{File, Metadata},
    io::{self, IoSliceMut},
    os::unix::fs::{FileExt, MetadataExt},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::open::LookupEffort;
use crate::body::FileVersion;

/// The time that a file must be unchanged. File times advance in steps of up to 10 ms, so a change right after another
/// would not be noticed.
const MIN_UNCHANGED_TIME: Duration = Duration::from_millis(20);

/// A worker itself reads and hashes files up to this size if the page cache holds them, which takes some ten
/// microseconds. Others are read on the blocking pool.
const MAX_INLINE_READ: u64 = 128 * 1024;

/// How often a file that a client waits for is checked until it is unchanged: at most 80 ms in all.
const ATTEMPTS: u32 = 4;

/// How often a file that no client waits for, and that is useless while it is written, is checked.
const PATIENT_ATTEMPTS: u32 = 16;

/// How often a file that changes all the time is read twice, until both reads agree.
const SNAPSHOT_ATTEMPTS: u32 = 8;

/// A pause after which a writer that has emptied a file has most likely written to it.
const EMPTY_FILE_PAUSE: Duration = Duration::from_millis(1);

/// What a file held at one moment.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) metadata: Metadata,
    /// `None` for a file that is too large for memory, and for one that changes faster than it can be read.
    pub(super) bytes: Option<Bytes>,
    /// Whether the metadata identifies this version. It does not while the file is being written.
    pub(super) is_settled: bool,
}

/// Reads a file of at most `small` bytes. If the file does not settle within a short time, it is read as it is: its
/// bytes are those of one moment, but nothing distinguishes this version from the next.
pub(super) fn contents(
    file: &File,
    first: Metadata,
    small: u64,
    effort: LookupEffort,
) -> io::Result<Contents> {
    match settled(file, first, small, effort, ATTEMPTS)? {
        Some((metadata, bytes)) => Ok(Contents { metadata, bytes, is_settled: true }),
        None => snapshot(file, small),
    }
}

/// Reads a file that is useless while it is written: an error if it does not settle.
pub(super) fn settled_contents(
    file: &File,
    first: Metadata,
    small: u64,
    effort: LookupEffort,
) -> io::Result<(Metadata, Option<Bytes>)> {
    settled(file, first, small, effort, PATIENT_ATTEMPTS)?
        .ok_or_else(|| io::Error::other("the file changes faster than it can be read"))
}

/// Returns metadata and bytes of a version that was unchanged for [`MIN_UNCHANGED_TIME`]; `None` if there was none.
fn settled(
    file: &File,
    first: Metadata,
    small: u64,
    effort: LookupEffort,
    attempts: u32,
) -> io::Result<Option<(Metadata, Option<Bytes>)>> {
    let mut metadata = first;
    for _ in 0..attempts {
        if let Some(rest) = settle_time(&metadata) {
            if effort == LookupEffort::Memory {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            thread::sleep(rest);
            metadata = file.metadata()?;
            continue;
        }
        if metadata.len() > small {
            return Ok(Some((metadata, None)));
        }
        let bytes = read_whole(file, metadata.len(), effort)?;
        let after = file.metadata()?;
        if bytes.len() as u64 == metadata.len()
            && FileVersion::of(&after) == FileVersion::of(&metadata)
        {
            return Ok(Some((metadata, Some(bytes))));
        }
        metadata = after;
    }
    Ok(None)
}

/// Reads what a file that changes all the time holds at one moment. Two reads that agree show what it held between
/// them, whatever its times are. Bytes appended since the first check are left out, so that a log ends with a whole
/// line.
fn snapshot(file: &File, small: u64) -> io::Result<Contents> {
    for attempt in 0..SNAPSHOT_ATTEMPTS {
        let metadata = file.metadata()?;
        let size = metadata.len();
        if size > small {
            break;
        }
        if size == 0 && attempt + 1 < SNAPSHOT_ATTEMPTS {
            thread::sleep(EMPTY_FILE_PAUSE);
            continue;
        }
        let first = read_whole(file, size, LookupEffort::Disk)?;
        if first.len() as u64 == size && file.metadata()?.len() >= size {
            let again = read_whole(file, size, LookupEffort::Disk)?;
            if first == again {
                return Ok(Contents { metadata, bytes: Some(first), is_settled: false });
            }
        }
    }
    Ok(Contents { metadata: file.metadata()?, bytes: None, is_settled: false })
}

/// Reads the first `size` bytes, or as many as there are. The check of the file afterwards shows that there are no
/// more. Files without a size, such as those of /proc, give no bytes.
fn read_whole(file: &File, size: u64, effort: LookupEffort) -> io::Result<Bytes> {
    // Hashing a long file delays other requests as well.
    if effort == LookupEffort::Memory && size > MAX_INLINE_READ {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = match effort {
            LookupEffort::Memory => read_cached(file, rest, filled as u64),
            LookupEffort::Disk => file.read_at(rest, filled as u64),
        };
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // On some kernels an empty read without waiting is not the end yet (preadv2(2), BUGS).
    if effort == LookupEffort::Memory && (filled as u64) < size {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    bytes.truncate(filled);
    Ok(Bytes::from(bytes))
}

/// Reads what the kernel has in memory.
fn read_cached(file: &File, target: &mut [u8], at: u64) -> io::Result<usize> {
    match preadv2(file, &mut [IoSliceMut::new(target)], at, ReadWriteFlags::NOWAIT) {
        // A file system, a sandbox or an emulator without RWF_NOWAIT.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::WouldBlock.into()),
        read => Ok(read?),
    }
}

/// Returns how long to wait until a further change would be noticed.
fn settle_time(metadata: &Metadata) -> Option<Duration> {
    let seconds = u64::try_from(metadata.mtime()).ok()?;
    let nanos = u32::try_from(metadata.mtime_nsec()).ok()?;
    let modified = UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?;
    // A time in the future was set on purpose, or by another clock, and tells nothing.
    let age = SystemTime::now().duration_since(modified).ok()?;
    MIN_UNCHANGED_TIME.checked_sub(age).filter(|rest| !rest.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::{self, OpenOptions},
        io::Write as _,
        path::PathBuf,
        sync::atomic::{AtomicBool, Ordering},
    };

    /// A file that is deleted at the end of its test.
    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str) -> Self {
            let name = format!("sideman-contents-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// Runs `read` while `write` is called repeatedly.
    fn while_written(mut write: impl FnMut() + Send, read: impl FnOnce()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    write();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            read();
            is_over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn file_that_is_appended_all_the_time_is_read_up_to_its_size() {
        let scratch = TestFile::new("appended");
        fs::write(&scratch.0, "0000000\n").unwrap();
        let file = OpenOptions::new().append(true).open(&scratch.0).unwrap();
        let mut line = 1;
        let append = || {
            (&file).write_all(format!("{line:07}\n").as_bytes()).unwrap();
            line += 1;
        };
        while_written(append, || {
            let file = File::open(&scratch.0).unwrap();
            for _ in 0..5 {
                let received =
                    contents(&file, file.metadata().unwrap(), 1 << 20, LookupEffort::Disk).unwrap();
                let bytes = received.bytes.unwrap();
                assert_eq!(bytes.len() as u64, received.metadata.len());
                assert!(bytes.ends_with(b"\n"), "{bytes:?}");
            }
        });
        let file = File::open(&scratch.0).unwrap();
        let received =
            contents(&file, file.metadata().unwrap(), 1 << 20, LookupEffort::Disk).unwrap();
        assert!(received.is_settled, "it rests by now");
    }

    #[test]
    fn file_that_is_overwritten_all_the_time_is_read_as_one_version() {
        let scratch = TestFile::new("overwritten");
        fs::write(&scratch.0, [b'a'; 100_000]).unwrap();
        let file = OpenOptions::new().write(true).open(&scratch.0).unwrap();
        let mut letters = (b'a'..=b'z').cycle();
        let overwrite = || file.write_all_at(&[letters.next().unwrap(); 100_000], 0).unwrap();
        while_written(overwrite, || {
            let file = File::open(&scratch.0).unwrap();
            for _ in 0..5 {
                let received =
                    contents(&file, file.metadata().unwrap(), 1 << 20, LookupEffort::Disk).unwrap();
                // Without bytes, the file is streamed and compared there.
                let Some(bytes) = received.bytes else { continue };
                assert_eq!(bytes.len(), 100_000);
            }
        });
    }
}
