//! Reads a file whole, and of one version: one that was written to a moment ago, or is written to
//! while it is read, is waited for.

use std::{
    fs::{File, Metadata},
    io::{self, IoSliceMut},
    os::unix::fs::{FileExt, MetadataExt},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::open::Effort;
use crate::body::Version;

/// A file must have been left alone for so long: its times move in steps of up to 10 ms, so that a
/// change right after another would not show.
const REST: Duration = Duration::from_millis(20);

/// Files up to this size are read and hashed by a worker itself if the page cache holds them, which
/// takes some ten microseconds; others on the blocking pool.
const QUICK: u64 = 128 * 1024;

/// How often a file is read that changes meanwhile.
const ATTEMPTS: u32 = 16;

/// What a small file holds, and its metadata at that moment; for a large one the metadata alone.
pub(super) fn contents(
    file: &File,
    first: Metadata,
    small: u64,
    effort: Effort,
) -> io::Result<(Metadata, Option<Bytes>)> {
    let mut metadata = first;
    for _ in 0..ATTEMPTS {
        if let Some(rest) = unrested(&metadata) {
            if effort == Effort::Memory {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            thread::sleep(rest);
            metadata = file.metadata()?;
            continue;
        }
        if metadata.len() > small {
            return Ok((metadata, None));
        }
        let bytes = read_whole(file, metadata.len(), effort)?;
        let after = file.metadata()?;
        if bytes.len() as u64 == metadata.len() && Version::of(&after) == Version::of(&metadata) {
            return Ok((metadata, Some(bytes)));
        }
        metadata = after;
    }
    Err(io::Error::other("the file changes faster than it can be read"))
}

/// The first `size` bytes, or what there is of them. That there are no more, the look at the file afterwards tells; of what
/// has no size, such as a file of /proc, there is nothing.
fn read_whole(file: &File, size: u64, effort: Effort) -> io::Result<Bytes> {
    // Hashing a long one holds up others as well.
    if effort == Effort::Memory && size > QUICK {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = match effort {
            Effort::Memory => read_cached(file, rest, filled as u64),
            Effort::Disk => file.read_at(rest, filled as u64),
        };
        match read {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // An empty read is no end yet for some kernels that were asked not to wait (preadv2(2), BUGS).
    if effort == Effort::Memory && (filled as u64) < size {
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

/// How long to wait until a further change would show.
fn unrested(metadata: &Metadata) -> Option<Duration> {
    let seconds = u64::try_from(metadata.mtime()).ok()?;
    let nanos = u32::try_from(metadata.mtime_nsec()).ok()?;
    let modified = UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?;
    // A time in the future was set on purpose, or by another clock: it tells nothing.
    let age = SystemTime::now().duration_since(modified).ok()?;
    REST.checked_sub(age).filter(|rest| !rest.is_zero())
}
