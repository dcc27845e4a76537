//! The kernel's page cache of a file: reads from it without waiting for the disk, and loads what is missing.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    num::NonZeroU64,
    ops::Range,
    os::unix::fs::FileExt,
};

use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, preadv2},
};

use super::version::unreadable;
use crate::error::Error;

/// Longer reads probe the page cache first.
const MIN_PROBED_READ: usize = 4096;

/// Bytes read at a time into the page cache alone.
const PRELOAD_SIZE: usize = 16 * 1024;

/// Bytes that are probed before the kernel sends them directly.
const PROBE_WINDOW: u64 = 1024 * 1024;

/// If a byte is cached, those up to the next step most likely are, because the kernel reads ahead as much.
const READ_AHEAD: u64 = 128 * 1024;

/// The distance of two probes in a cached file: the first byte of a window, one in the middle and the last. A gap
/// between two probes is not noticed, and sendfile(2) waits for the disk there. So a worker may have to wait for this
/// much: four reads of the kernel's read-ahead. A file that is not cached at all, or not to its end, is always noticed.
const PROBE_DISTANCE: u64 = 512 * 1024;

/// How many of the next bytes are probed before the kernel sends them. The number grows for a client that accepts more.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageCacheWindow(u64);

/// Reads bytes that the kernel has in memory; `None` if it may have none.
///
/// A read that finds nothing makes the kernel read as much as was requested, and first find that much memory. If memory
/// is short, that takes long and belongs on the blocking pool. So one byte is probed before.
pub(super) fn cached(file: &File, target: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    if target.len() > MIN_PROBED_READ && read_cached(file, &mut [0], at)?.is_none() {
        return Ok(None);
    }
    read_cached(file, target, at)
}

fn read_cached(file: &File, target: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    match preadv2(file, &mut [IoSliceMut::new(target)], at, ReadWriteFlags::NOWAIT) {
        // Linux 5.9 and 5.10 return 0 in the middle of a file as well (preadv2(2), BUGS).
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        // Not in the page cache; or a file system or sandbox without RWF_NOWAIT.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a part of a file into the page cache.
pub(super) fn load(file: &File, mut range: Range<u64>) -> Result<(), Error> {
    // One request to the disk for all of it, and as much again for a client that reads fast. If this fails, the reads
    // below do the work.
    if let Some(ahead) = NonZeroU64::new(2 * range.end.saturating_sub(range.start)) {
        let _ = fadvise(file, range.start, Some(ahead), Advice::WillNeed);
    }
    // On the stack, because freeing memory that the pool's threads allocate is left to other threads.
    let mut memory = [0; PRELOAD_SIZE];
    while range.start < range.end {
        let wanted =
            usize::try_from(range.end - range.start).unwrap_or(PRELOAD_SIZE).min(PRELOAD_SIZE);
        match file.read_at(memory.get_mut(..wanted).unwrap_or_default(), range.start) {
            // A missing part is noticed when it is read.
            Ok(0) => return Ok(()),
            Ok(count) => range.start += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(())
}

// === impl PageCacheWindow ===

impl PageCacheWindow {
    /// Records that the client accepted `count` bytes at once.
    pub(super) fn on_sent(&mut self, count: usize) {
        self.0 = (count as u64 * 2).clamp(READ_AHEAD, PROBE_WINDOW);
    }

    /// Returns how many bytes at the beginning of the range the page cache most likely holds, by probing a few of them.
    pub(super) fn cached_length(self, file: &File, range: &Range<u64>) -> u64 {
        let max = range.end.saturating_sub(range.start).min(self.0);
        let is_cached = |at: u64| matches!(cached(file, &mut [0], range.start + at), Ok(Some(1)));
        cached_length(max, is_cached)
    }
}

impl Default for PageCacheWindow {
    fn default() -> Self {
        Self(2 * READ_AHEAD)
    }
}

/// Returns how many of `max` bytes are cached, by a few probes, and by closer ones if something is missing.
fn cached_length(max: u64, is_cached: impl Fn(u64) -> bool + Copy) -> u64 {
    match cached_steps(max, PROBE_DISTANCE, is_cached) {
        length if length == max => length,
        length => length.max(cached_steps(max.min(length + PROBE_DISTANCE), READ_AHEAD, is_cached)),
    }
}

/// Returns how many of `max` bytes are cached, by probing one in each `step` and the last.
fn cached_steps(max: u64, step: u64, is_cached: impl Fn(u64) -> bool) -> u64 {
    let mut length = 0;
    while length < max && is_cached(length) {
        // Up to the next probe, and in the end up to the last byte.
        length = (length + step).min(max);
    }
    // The part behind the last probe is only guessed.
    match length {
        0 => 0,
        _ if is_cached(length - 1) => length,
        _ => length.saturating_sub(step),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io::Write as _};

    use super::*;

    /// Returns the length that is found of a window with a missing part, in KiB, and the number of probes.
    fn found(max: u64, missing: Range<u64>) -> (u64, usize) {
        let looks = Cell::new(0);
        let length = cached_length(max << 10, |at| {
            looks.set(looks.get() + 1);
            !missing.contains(&(at >> 10))
        });
        (length >> 10, looks.get())
    }

    #[test]
    fn few_looks_find_a_whole_window_and_more_what_is_missing() {
        assert_eq!(found(1024, 0..0), (1024, 3));
        assert_eq!(found(256, 0..0), (256, 2));
        assert_eq!(found(1, 0..0), (1, 2));
        for (max, missing, expected) in [
            (1024, 0..1024, 0),
            (1024, 0..4, 0),
            (1024, 128..1024, 128),
            (1024, 500..600, 384),
            (1024, 512..1024, 512),
            (1024, 900..1024, 896),
            (1024, 1023..1024, 896),
            (700, 699..700, 572),
            (100, 99..100, 0),
        ] {
            let (length, _) = found(max, missing.clone());
            assert_eq!(length, expected, "{missing:?} of {max}");
        }
    }

    #[test]
    fn a_gap_that_no_look_sees_is_shorter_than_a_stride() {
        for begin in (0..1024).step_by(4) {
            let (length, _) = found(1024, begin..begin + (PROBE_DISTANCE >> 10));
            assert!(length <= begin, "{length} of a gap from {begin}");
        }
    }

    #[test]
    fn a_look_has_the_kernel_read_little_ahead() {
        let path = std::env::temp_dir().join(format!("sideman-page-cache-{}", std::process::id()));
        let mut written = File::create_new(&path).unwrap();
        written.write_all(&vec![1; 1 << 20]).unwrap();
        written.sync_all().unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        if cached(&file, &mut [0; 128 * 1024], 0).unwrap().is_some() {
            // A file system in memory.
            return;
        }
        // Waits for the read that the probe has started.
        file.read_exact_at(&mut [0], 0).unwrap();
        assert!(cached(&file, &mut [0], 100 * 1024).unwrap().is_none());
        // The pool has the kernel read it, too.
        load(&file, 0..128 * 1024).unwrap();
        assert_eq!(cached(&file, &mut [0; 128 * 1024], 0).unwrap(), Some(128 * 1024));
    }
}
