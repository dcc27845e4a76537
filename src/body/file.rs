//! A part of an open file, read in pieces as the client accepts them. Bytes in the page cache are read at once. Bytes
//! on the disk are read on the blocking pool, so that a slow disk never stalls a worker.

use std::{
    fmt,
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    thread,
};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::task::{JoinError, JoinHandle};
use xxhash_rust::xxh3::Xxh3;

use super::{
    page_cache::{self, PageCacheWindow, cached},
    version::{FileVersion, unreadable},
};
use crate::error::{Error, FailureKind};

/// The bytes `range` of a file, all of one version. If the file turns out to be shorter or changed, the body ends with
/// an error. The client then sees a broken transfer, never one that looks complete and is short or mixes two versions.
///
/// A file that is appended to, such as a log, keeps its earlier bytes. So a file that has become longer may still be
/// sent. The end is held back until all that was sent has been read again and is unchanged.
///
/// The sender supplies the memory, and reads when the client can accept bytes. A blocked client costs no memory here,
/// except for the few KiB of an end that was compared.
pub struct FileStream {
    file: Arc<File>,
    range: Range<u64>,
    version: FileVersion,
    /// Whether bytes of the file never change once written.
    is_write_once: bool,
    /// Whether the kernel may send the bytes directly from its page cache.
    is_sendable: bool,
    /// How far ahead that cache is probed before.
    window: PageCacheWindow,
    /// The state for a file that may change while it is sent. Boxed because such files are rare.
    changing: Option<Box<ChangeDetection>>,
    cold_read: Option<ColdRead>,
    /// Whether the blocking pool has read the next bytes into the page cache.
    was_loaded: bool,
    /// The owner of the file, dropped after it.
    _keeper: Option<Arc<dyn Send + Sync>>,
}

/// Bytes that the blocking pool reads, and the version of the file afterwards; `None` if the page cache has them now.
type ColdRead = JoinHandle<Result<Option<(Vec<u8>, FileVersion)>, Error>>;

/// Where the next bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilePiece {
    /// In the supplied memory, with their number.
    Read(usize),
    /// In memory of their own, because they came from the disk or were compared.
    Held(Bytes),
}

/// Bytes that the kernel can send directly.
#[derive(Clone, Copy, Debug)]
pub struct CachedPart<'a> {
    pub file: &'a File,
    pub offset: u64,
    pub length: usize,
}

/// The changes to a file that do not end its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedChanges {
    /// None.
    None,
    /// The file may become longer, once the first bytes were read.
    Growth,
    /// Any change: the file changes all the time, and its version means nothing. The bytes that are sent must be
    /// unchanged when they are read again.
    Any,
}

/// How often the length of a file is looked at again whose time has changed.
const LOOKS: u32 = 8;

/// The state for a file that may change.
struct ChangeDetection {
    allowed: AllowedChanges,
    start: u64,
    /// The hash of everything that was sent.
    sent: Xxh3,
    /// Whether all that was sent must be read once more.
    is_suspect: bool,
    /// The next bytes, read in advance: the beginning, or an end that was compared.
    held: Option<Bytes>,
    /// The end, while everything before it is compared.
    comparison: Option<(Bytes, JoinHandle<Result<(), Error>>)>,
    /// Dropped when the client disconnects, which ends the comparison.
    alive: Arc<()>,
}

/// The memory of one frame, for callers that supply none.
const FRAME_SIZE: u64 = 32 * 1024;

/// Bytes that are read on the blocking pool at a time.
const BLOCKING_READ_SIZE: usize = 128 * 1024;

/// Bytes that are held until the client accepts them. This applies to a file that may change until it was compared, to
/// one that changes all the time until its head is made, and to one that the page cache does not keep.
const MAX_HELD_BACK: usize = 16 * 1024;

/// Memory for reading once more what was sent.
const COMPARE_BUFFER_SIZE: usize = 1024 * 1024;

/// How often the beginning of a file is read if the file becomes longer meanwhile.
const MAX_REREADS: usize = 16;

/// The smallest size that the kernel sends directly. Below it, the second system call costs more than the copy
/// (measured on loopback).
const MIN_SENDFILE: u64 = 32 * 1024;

// === impl FileStream ===

impl FileStream {
    /// Starts at `range.start`; nothing is read before the first poll.
    pub fn new(file: Arc<File>, range: Range<u64>, version: FileVersion) -> Self {
        Self {
            file,
            range,
            version,
            is_write_once: false,
            is_sendable: false,
            window: PageCacheWindow::default(),
            changing: None,
            cold_read: None,
            was_loaded: false,
            _keeper: None,
        }
    }

    /// Keeps what the file belongs to until the stream is dropped.
    pub(super) fn keeping(self, keeper: Arc<dyn Send + Sync>) -> Self {
        Self { _keeper: Some(keeper), ..self }
    }

    /// Declares that bytes of the file never change once written; the file may still grow.
    pub fn write_once(self) -> Self {
        Self { is_write_once: true, is_sendable: self.left() >= MIN_SENDFILE, ..self }
    }

    /// Sets which changes are allowed while the file is sent.
    pub fn allowing(self, allowed: AllowedChanges) -> Self {
        let changing = ChangeDetection {
            allowed,
            start: self.range.start,
            sent: Xxh3::new(),
            is_suspect: allowed == AllowedChanges::Any,
            held: None,
            comparison: None,
            alive: Arc::default(),
        };
        let changing = (allowed != AllowedChanges::None).then(|| Box::new(changing));
        Self { changing, ..self }
    }

    /// Returns all of a file that changes all the time, with its current length. Its beginning is read at once, while
    /// the length stays unchanged, so the length and the bytes belong together. Returns `None` if the length changes,
    /// or if the beginning is not in the page cache.
    pub fn whole_file(file: &Arc<File>) -> Option<(Self, u64)> {
        for _ in 0..MAX_REREADS {
            let before = FileVersion::now(file).ok()?;
            let length =
                usize::try_from(before.size).map_or(MAX_HELD_BACK, |size| size.min(MAX_HELD_BACK));
            let mut memory = vec![0; length];
            // A writer may make the read fail for a moment.
            let read = cached(file, &mut memory, 0).ok()?;
            let after = FileVersion::now(file).ok()?;
            if before.size == after.size && read == Some(length) {
                let mut stream = Self::new(Arc::clone(file), 0..after.size, after);
                stream = stream.allowing(AllowedChanges::Any);
                if let Some(changing) = &mut stream.changing {
                    changing.held = Some(Bytes::from(memory));
                }
                return Some((stream, after.size));
            }
        }
        None
    }

    /// Returns the number of bytes that were not taken yet.
    pub fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Returns the next bytes, read into `memory` unless they are held elsewhere. Repeated calls return the same bytes
    /// until [`advance`](Self::advance) takes them. Each call checks the file after the read. Never returns an empty
    /// piece, unless `memory` is empty.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Result<FilePiece, Error>> {
        if let Some(held) = ready!(self.poll_held(cx))? {
            return Poll::Ready(Ok(FilePiece::Held(held)));
        }
        let wanted =
            usize::try_from(self.left()).map_or(memory.len(), |left| left.min(memory.len()));
        let memory = memory.get_mut(..wanted).unwrap_or_default();
        let (mut piece, current) = ready!(self.poll_bytes(cx, memory))?;
        self.check(current)?;
        let bytes = match &piece {
            FilePiece::Read(count) => memory.get(..*count).unwrap_or_default(),
            FilePiece::Held(bytes) => bytes,
        };
        if bytes.is_empty() && wanted > 0 {
            return Poll::Ready(Err(Error::new(FailureKind::FileTruncated)));
        }
        let Some(compared) = self.compared_length(bytes.len()) else {
            return Poll::Ready(Ok(piece));
        };
        if compared > MAX_HELD_BACK {
            // The end comes by itself.
            match &mut piece {
                FilePiece::Read(count) => *count = compared - MAX_HELD_BACK,
                FilePiece::Held(bytes) => bytes.truncate(compared - MAX_HELD_BACK),
            }
            return Poll::Ready(Ok(piece));
        }
        let end = Bytes::copy_from_slice(bytes);
        self.start_comparison(end);
        self.poll_read(cx, &mut [])
    }

    /// Records that these next bytes were sent.
    pub fn advance(&mut self, sent: &[u8]) {
        self.range.start += sent.len() as u64;
        if let Some(changing) = &mut self.changing {
            // Bytes that never change are never compared (`check`), unless the file changes all the time.
            if !self.is_write_once || changing.is_suspect {
                changing.sent.update(sent);
            }
            if let Some(held) = &mut changing.held {
                held.advance(sent.len().min(held.len()));
            }
            changing.held.take_if(|held| held.is_empty());
        }
    }

    /// Returns the position and number of the next bytes if the kernel can send them directly: all of them are in its
    /// page cache. Returns `None` if the caller must read them. Bytes on the disk are first read on the blocking pool.
    pub fn poll_sendable(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<CachedPart<'_>>, Error>> {
        if !self.is_sendable {
            return Poll::Ready(Ok(None));
        }
        let mut length = self.window.cached_length(&self.file, &self.range);
        if length == 0 {
            let read = match &mut self.cold_read {
                Some(read) => read,
                None => self.start_cold_read(BLOCKING_READ_SIZE),
            };
            let result = ready!(Pin::new(read).poll(cx));
            self.cold_read = None;
            joined(result)?;
            length = self.window.cached_length(&self.file, &self.range);
        }
        self.was_loaded = false;
        self.check(FileVersion::now(&self.file)?)?;
        if length == 0 {
            // This file system's page cache keeps nothing, or cannot be probed.
            self.is_sendable = false;
            return Poll::Ready(Ok(None));
        }
        let length = usize::try_from(length).unwrap_or_default();
        Poll::Ready(Ok(Some(CachedPart { file: &self.file, offset: self.range.start, length })))
    }

    /// Records how many bytes the kernel has sent; `None` if it cannot send this file directly. Zero is the end of the
    /// file.
    pub fn advance_sent(&mut self, count: Option<usize>) -> Result<(), Error> {
        match count {
            None => self.is_sendable = false,
            Some(0) => return Err(Error::new(FailureKind::FileTruncated)),
            Some(count) => {
                self.range.start += count as u64;
                self.window.on_sent(count);
            }
        }
        Ok(())
    }

    /// Returns the held part of the next bytes; waits for a comparison.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Some(changing) = &mut self.changing else { return Poll::Ready(Ok(None)) };
        if let Some((_, comparison)) = &mut changing.comparison {
            let result = ready!(Pin::new(comparison).poll(cx));
            let end = changing.comparison.take().map(|(end, _)| end);
            joined(result)?;
            changing.held = end;
        }
        Poll::Ready(Ok(changing.held.clone()))
    }

    /// If the end of a changed file is among the next `count` bytes, returns their number. Everything sent before is
    /// compared before the end is sent.
    fn compared_length(&self, count: usize) -> Option<usize> {
        let is_suspect = self.changing.as_ref().is_some_and(|changing| changing.is_suspect);
        (is_suspect && count as u64 == self.left()).then_some(count)
    }

    /// Compares all that was sent, and then releases the end.
    fn start_comparison(&mut self, end: Bytes) {
        let Some(changing) = &mut self.changing else { return };
        let mut sent = changing.sent.clone();
        sent.update(&end);
        let (file, range) = (Arc::clone(&self.file), changing.start..self.range.end);
        let (sent, alive) = (sent.digest128(), Arc::downgrade(&changing.alive));
        let comparison = tokio::task::spawn_blocking(move || compare(&file, range, sent, &alive));
        changing.comparison = Some((end, comparison));
    }

    /// Evaluates the check of the file after a read.
    fn check(&mut self, current: FileVersion) -> Result<(), Error> {
        if current == self.version {
            return Ok(());
        }
        let is_first = |changing: &ChangeDetection| changing.start == self.range.start;
        let is_all = self.range == (0..self.version.size);
        let is_allowed = self.changing.as_ref().is_some_and(|changing| match changing.allowed {
            AllowedChanges::None => false,
            AllowedChanges::Growth => !is_first(changing) && self.has_grown(current),
            // If the length changed before the first read, the response head may belong to another version. A part of
            // the new version would look complete.
            AllowedChanges::Any if is_first(changing) && is_all => {
                current.size == self.version.size
            }
            AllowedChanges::Any => current.size >= self.range.end,
        });
        match &mut self.changing {
            Some(changing) if is_allowed => {
                changing.is_suspect |= !self.is_write_once;
                Ok(())
            }
            _ => Err(self.version.changed_to(current)),
        }
    }

    /// Whether the file is longer than it was. A write that is under way has changed the time already, and changes the
    /// length in a moment.
    fn has_grown(&self, current: FileVersion) -> bool {
        let is_longer = |version: FileVersion| version.size > self.version.size;
        let again = |_| {
            thread::yield_now();
            FileVersion::now(&self.file).is_ok_and(is_longer)
        };
        is_longer(current) || (current.size == self.version.size && (0..LOOKS).any(again))
    }

    /// Reads the next bytes and checks the file afterwards.
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Result<(FilePiece, FileVersion), Error>> {
        loop {
            if self.cold_read.is_none() {
                match cached(&self.file, memory, self.range.start) {
                    Ok(Some(count)) => {
                        self.was_loaded = false;
                        let current = FileVersion::now(&self.file)?;
                        return Poll::Ready(Ok((FilePiece::Read(count), current)));
                    }
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(unreadable(error))),
                }
            }
            let max = if self.was_loaded { MAX_HELD_BACK } else { BLOCKING_READ_SIZE };
            let read = match &mut self.cold_read {
                Some(read) => read,
                None => self.start_cold_read(memory.len().min(max)),
            };
            let result = ready!(Pin::new(read).poll(cx));
            self.cold_read = None;
            if let Some((bytes, current)) = joined(result)? {
                return Poll::Ready(Ok((FilePiece::Held(Bytes::from(bytes)), current)));
            }
        }
    }

    /// Starts a read of at most `max` of the next bytes into the page cache, on the blocking pool. If the cache does
    /// not keep them, they are read into memory. Many clients that wait for the disk so hold no memory.
    fn start_cold_read(&mut self, max: usize) -> &mut ColdRead {
        let (file, start) = (Arc::clone(&self.file), self.range.start);
        let length = usize::try_from(self.left()).map_or(max, |left| left.min(max));
        let is_kept = std::mem::replace(&mut self.was_loaded, true);
        self.cold_read.insert(tokio::task::spawn_blocking(move || {
            if !is_kept {
                return page_cache::load(&file, start..start + length as u64).map(|()| None);
            }
            let mut memory = vec![0; length];
            let count = file.read_at(&mut memory, start).map_err(unreadable)?;
            memory.truncate(count);
            Ok(Some((memory, FileVersion::now(&file)?)))
        }))
    }
}

impl Body for FileStream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(self.left().min(FRAME_SIZE)).unwrap_or_default();
        let mut memory = BytesMut::zeroed(length);
        let data = match ready!(self.poll_read(cx, &mut memory)) {
            Ok(FilePiece::Held(bytes)) => bytes,
            Ok(FilePiece::Read(count)) => {
                memory.truncate(count);
                memory.freeze()
            }
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.advance(&data);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the memory, which would be printed byte by byte.
        f.debug_struct("FileStream")
            .field("file", &self.file)
            .field("range", &self.range)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn joined<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    result.unwrap_or_else(|panic| Err(unreadable(io::Error::other(panic))))
}

/// Reads once more what was sent. If it is unchanged, the file held exactly these bytes between the first pass and this
/// one, whatever was written to it meanwhile.
fn compare(file: &File, range: Range<u64>, sent: u128, alive: &Weak<()>) -> Result<(), Error> {
    let (mut hasher, mut at) = (Xxh3::new(), range.start);
    let mut memory = vec![0; COMPARE_BUFFER_SIZE];
    // Stops once nobody waits for the result any more.
    while at < range.end && alive.strong_count() > 0 {
        let wanted =
            usize::try_from(range.end - at).unwrap_or(COMPARE_BUFFER_SIZE).min(COMPARE_BUFFER_SIZE);
        let target = memory.get_mut(..wanted).unwrap_or_default();
        match file.read_at(target, at) {
            Ok(0) => return Err(Error::new(FailureKind::FileTruncated)),
            Ok(count) => {
                hasher.update(target.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let is_same = at == range.end && hasher.digest128() == sent;
    if is_same { Ok(()) } else { Err(Error::new(FailureKind::FileChanged)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Advice, fadvise};
    use std::{
        fs::{self, FileTimes},
        future::poll_fn,
        io::Write as _,
        path::PathBuf,
        time::{Duration, SystemTime},
    };

    /// A file that is deleted at the end of its test.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    impl Scratch {
        fn new(name: &str, content: &[u8]) -> Self {
            let name = format!("sideman-body-{name}-{}", std::process::id());
            let scratch = Self(std::env::temp_dir().join(name));
            scratch.write(content);
            // A write within one tick of the file system's clock would not change the file's times.
            scratch.set_modified(Duration::from_secs(1_000_000));
            scratch
        }

        fn write(&self, content: &[u8]) {
            fs::write(&self.0, content).unwrap();
        }

        fn set_modified(&self, since: Duration) {
            let file = File::options().write(true).open(&self.0).unwrap();
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since)).unwrap();
        }

        /// Evicts the file from the page cache, if the file system allows, so that the next read is cold.
        fn evict(&self) {
            let file = File::open(&self.0).unwrap();
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        }

        fn stream(&self, range: Range<u64>) -> FileStream {
            let file = File::open(&self.0).unwrap();
            let version = FileVersion::of(&file.metadata().unwrap());
            FileStream::new(Arc::new(file), range, version)
        }
    }

    const CHUNK: u64 = FRAME_SIZE;
    const SIZE: u64 = 3 * CHUNK + 1000;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at % 251) as u8).collect()
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    async fn next(stream: &mut FileStream) -> Option<Result<Bytes, FailureKind>> {
        let frame = poll_fn(|cx| Pin::new(&mut *stream).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.kind()))
    }

    async fn rest(stream: &mut FileStream) -> Result<Vec<u8>, FailureKind> {
        let mut all = Vec::new();
        while let Some(data) = next(stream).await {
            let data = data?;
            assert!(!data.is_empty() && data.len() as u64 <= FRAME_SIZE);
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    #[test]
    fn ranges_have_an_exact_size() {
        let (scratch, content) = (Scratch::new("ranges", &content()), content());
        for range in [0..SIZE, 0..1, 1..CHUNK + 1, 100..2 * CHUNK, SIZE - 1..SIZE, 7..7] {
            scratch.evict();
            let mut stream = scratch.stream(range.clone());
            assert_eq!(stream.size_hint().exact(), Some(range.end - range.start));
            let expected = &content[range.start as usize..range.end as usize];
            assert!(run(rest(&mut stream)).unwrap() == expected, "{range:?}");
            assert!(stream.is_end_stream());
            assert_eq!(stream.size_hint().exact(), Some(0));
        }
    }

    #[test]
    fn unread_bytes_are_read_again() {
        let (scratch, content) = (Scratch::new("again", &content()), content());
        run(async {
            for allowed in [AllowedChanges::None, AllowedChanges::Growth, AllowedChanges::Any] {
                scratch.evict();
                let mut stream = scratch.stream(1..SIZE).allowing(allowed);
                let (mut memory, mut received) = (vec![0; 50_000], Vec::new());
                while stream.left() > 0 {
                    let piece = poll_fn(|cx| stream.poll_read(cx, &mut memory)).await.unwrap();
                    let bytes = match &piece {
                        FilePiece::Read(count) => &memory[..*count],
                        FilePiece::Held(bytes) => bytes,
                    };
                    let taken = &bytes[..bytes.len().min(7_777)];
                    received.extend_from_slice(taken);
                    stream.advance(taken);
                }
                assert!(received == content[1..], "{allowed:?}");
            }
        });
    }

    #[test]
    fn only_what_never_becomes_other_is_for_the_kernel_to_send() {
        let scratch = Scratch::new("sendable", &content());
        run(async {
            let mut stream = scratch.stream(0..SIZE);
            assert!(
                poll_fn(|cx| stream.poll_sendable(cx).map_ok(|part| part.is_none())).await.unwrap()
            );
            for range in [0..SIZE, 0..MIN_SENDFILE, 1..MIN_SENDFILE] {
                scratch.evict();
                let mut stream = scratch.stream(range.clone()).write_once();
                let mut at = range.start;
                while stream.left() > 0 {
                    let part = poll_fn(|cx| {
                        stream
                            .poll_sendable(cx)
                            .map_ok(|part| part.map(|part| (part.offset, part.length)))
                    });
                    let Some((offset, length)) = part.await.unwrap() else { break };
                    assert!(offset == at && length > 0 && length as u64 <= stream.left());
                    stream.advance_sent(Some(length)).unwrap();
                    at += length as u64;
                }
                let is_long = range.end - range.start >= MIN_SENDFILE;
                assert_eq!(at, if is_long { range.end } else { range.start });
            }
            // The file is still checked.
            let mut stream = scratch.stream(0..SIZE).write_once();
            scratch.write(b"new");
            let error = poll_fn(|cx| stream.poll_sendable(cx).map_ok(|_| ())).await.unwrap_err();
            assert_eq!(error.kind(), FailureKind::FileTruncated);
            assert!(stream.advance_sent(Some(0)).is_err());
        });
    }

    #[test]
    fn a_file_that_lost_its_name_is_sent_to_its_end() {
        let (scratch, content) = (Scratch::new("renamed", &content()), content());
        let other = Scratch::new("renamed-other", b"other");
        run(async {
            let mut stream = scratch.stream(0..SIZE);
            let mut received = next(&mut stream).await.unwrap().unwrap().to_vec();
            fs::rename(&other.0, &scratch.0).unwrap();
            received.extend(rest(&mut stream).await.unwrap());
            assert!(received == content);
        });
    }

    #[test]
    fn a_write_that_is_under_way_is_growth() {
        let (scratch, content) = (Scratch::new("under-way", &content()), content());
        run(async {
            let mut stream = scratch.stream(0..SIZE).allowing(AllowedChanges::Growth);
            let mut received = next(&mut stream).await.unwrap().unwrap().to_vec();
            // The time of a write comes first, its length later.
            scratch.set_modified(Duration::from_secs(1_000_001));
            let between = FileVersion::now(&stream.file).unwrap();
            assert!(stream.check(between).is_err());
            File::options().append(true).open(&scratch.0).unwrap().write_all(b"more").unwrap();
            stream.check(between).unwrap();
            received.extend(rest(&mut stream).await.unwrap());
            assert!(received == content);
        });
    }

    #[test]
    fn what_changes_on_the_way_ends_with_an_error() {
        type Change = fn(&Scratch);
        let cases: &[(&str, Change, FailureKind)] = &[
            ("emptied", |file| file.write(b""), FailureKind::FileTruncated),
            ("shorter", |file| file.write(b"new"), FailureKind::FileTruncated),
            ("same size", |file| file.write(&[0; SIZE as usize]), FailureKind::FileChanged),
            ("longer", |file| file.write(&[0; SIZE as usize + 1]), FailureKind::FileChanged),
            ("same content", |file| file.write(&content()), FailureKind::FileChanged),
            (
                "later",
                |file| file.set_modified(Duration::new(1_000_000, 1000)),
                FailureKind::FileChanged,
            ),
        ];
        for ((name, change, expected), is_cold) in
            cases.iter().flat_map(|case| [(case, false), (case, true)])
        {
            let scratch = Scratch::new("changed", &content());
            run(async {
                let mut stream = scratch.stream(0..SIZE);
                assert!(next(&mut stream).await.unwrap().is_ok(), "{name}");
                change(&scratch);
                if is_cold {
                    scratch.evict();
                }
                assert_eq!(next(&mut stream).await, Some(Err(*expected)), "{name}");
                assert!(!stream.is_end_stream(), "{name}");
                assert_eq!(next(&mut stream).await, Some(Err(*expected)), "{name}, again");
            });
        }
    }

    #[test]
    fn file_that_may_change_is_sent_if_what_was_sent_is_still_the_same() {
        type Change = fn(&Scratch);
        fn append(file: &Scratch) {
            let mut file = File::options().append(true).open(&file.0).unwrap();
            file.write_all(b"more").unwrap();
        }
        fn touch(file: &Scratch) {
            file.set_modified(Duration::from_secs(2_000_000));
        }
        fn overwrite(file: &Scratch) {
            let mut content = content();
            content[0] ^= 1;
            file.write(&content);
        }
        fn rewrite(file: &Scratch) {
            file.write(&[7; SIZE as usize + 1000]);
        }
        fn cut(file: &Scratch) {
            file.write(&content()[..1000]);
        }
        fn nothing(_: &Scratch) {}
        use AllowedChanges::{Any, Growth, None as Nothing};
        use FailureKind::{FileChanged, FileTruncated};
        let cases: &[(AllowedChanges, Change, Change, Result<(), FailureKind>)] = &[
            (Nothing, nothing, nothing, Ok(())),
            (Nothing, nothing, append, Err(FileChanged)),
            (Growth, nothing, nothing, Ok(())),
            (Growth, nothing, append, Ok(())),
            (Growth, nothing, touch, Err(FileChanged)),
            (Growth, nothing, overwrite, Err(FileChanged)),
            (Growth, nothing, rewrite, Err(FileChanged)),
            (Growth, nothing, cut, Err(FileTruncated)),
            // The checked bytes may disappear before any of them was read.
            (Growth, append, nothing, Err(FileChanged)),
            (Growth, rewrite, nothing, Err(FileChanged)),
            (Any, nothing, nothing, Ok(())),
            (Any, append, nothing, Err(FileChanged)),
            (Any, rewrite, nothing, Err(FileChanged)),
            (Any, nothing, append, Ok(())),
            (Any, touch, touch, Ok(())),
            (Any, nothing, overwrite, Err(FileChanged)),
            (Any, nothing, rewrite, Err(FileChanged)),
            (Any, cut, nothing, Err(FileTruncated)),
            (Any, nothing, cut, Err(FileTruncated)),
        ];
        for (index, (allowed, before, after, expected)) in cases.iter().enumerate() {
            let scratch = Scratch::new("growing", &content());
            run(async {
                let mut stream = scratch.stream(0..SIZE).allowing(*allowed);
                before(&scratch);
                let first = next(&mut stream).await.unwrap();
                after(&scratch);
                let received = match first {
                    Ok(first) => rest(&mut stream).await.map(|rest| [&first[..], &rest].concat()),
                    Err(kind) => Err(kind),
                };
                assert_eq!(
                    received.as_ref().map(|_| ()).map_err(|kind| *kind),
                    *expected,
                    "{index}"
                );
                assert!(received.is_err() || received == Ok(content()), "{index}");
                assert_eq!(stream.is_end_stream(), expected.is_ok(), "{index}");
                if let Err(kind) = expected {
                    assert_eq!(next(&mut stream).await, Some(Err(*kind)), "{index}, again");
                }
            });
        }
    }

    #[test]
    fn part_of_a_growing_file_is_compared_with_itself() {
        let scratch = Scratch::new("part", &content());
        let range = CHUNK..3 * CHUNK;
        run(async {
            let mut stream = scratch.stream(range.clone()).allowing(AllowedChanges::Growth);
            let first = next(&mut stream).await.unwrap().unwrap();
            let mut changed = content();
            // A change beside the part.
            changed[0] ^= 1;
            changed.extend_from_slice(b"more");
            scratch.write(&changed);
            let all = [&first[..], &rest(&mut stream).await.unwrap()].concat();
            assert!(all == content()[CHUNK as usize..3 * CHUNK as usize]);
        });
    }

    #[test]
    fn beyond_the_end_is_truncated() {
        let scratch = Scratch::new("beyond", b"short");
        let mut stream = scratch.stream(3..9);
        run(async {
            assert_eq!(next(&mut stream).await, Some(Ok(Bytes::from_static(b"rt"))));
            assert_eq!(next(&mut stream).await, Some(Err(FailureKind::FileTruncated)));
        });
    }
}
