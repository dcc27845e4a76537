//! A part of an open file, read in chunks. What the page cache holds is read at once; what has to
//! come from the disk is read on the blocking pool, so that a slow disk never stalls a worker.

use std::{
    fmt,
    fs::{File, Metadata},
    io, mem,
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use rustix::fs::fstat;
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::Xxh3;

use super::reader::cached;
use crate::error::{Error, Kind};

/// The bytes `range` of a file, all of one version. A file that turns out shorter or changed ends
/// the body with an error: the client sees a broken transfer, never one that looks complete and is
/// short or made of two versions.
///
/// A file that is appended to, as a log is, does not change in the part that was there. So what has become longer may be
/// sent on: the end is held back until all that was sent has been read once more and is still the same.
pub struct FileStream {
    file: Arc<File>,
    range: Range<u64>,
    version: Version,
    /// What is known of a file that may change while it is sent; boxed, because few do.
    changing: Option<Box<Changing>>,
    cold_read: Option<JoinHandle<Result<(Chunk, Version), Error>>>,
    /// Memory of earlier chunks, to be used again when whoever sends them has let go of it.
    kept: Vec<Bytes>,
}

/// What tells a version of an open file from the next, taken when the head of its response is made.
///
/// The time of the last change to the inode is left out on purpose: it moves when the file loses its
/// name to another, and this one is complete and unchanged then. What is written within the tick of
/// the file system's clock in which the version came to be, a few milliseconds, does not show unless
/// it changes the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// Identifies one state of a file on disk. It changes when the file is written to or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    version: Version,
}

/// What may happen to a file while it is sent without ending the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Nothing.
    None,
    /// It may become longer, once the first bytes were read.
    Growth,
    /// Anything: it never rests, and its version means nothing. What is sent must be the same when it is read again.
    Any,
}

/// What is known of a file that may change.
struct Changing {
    allowed: Changes,
    start: u64,
    /// The first chunk, if it was read before the head of the response was made.
    first: Option<Chunk>,
    /// Of everything that was read.
    sent: Xxh3,
    /// Whether all that was sent must be read once more.
    is_suspect: bool,
    /// The last chunk, while that is done.
    comparison: Option<(Chunk, JoinHandle<Result<(), Error>>)>,
    /// Goes when the client does, and ends the comparison.
    alive: Arc<()>,
}

/// Memory with what was read into its beginning.
struct Chunk {
    memory: BytesMut,
    length: usize,
}

/// Memory of one read, whatever the size of the file.
const CHUNK: u64 = 128 * 1024;

/// Memory for reading once more what was sent.
const COMPARED: usize = 1024 * 1024;

/// How often the beginning of a file is read that becomes longer meanwhile.
const LOOKS: usize = 16;

/// A file that was changed so short a while ago may be one that grows, such as a log.
const LIVELY: Duration = Duration::from_secs(600);

/// Chunks whose memory is kept. hyper asks for the next chunk before it has sent the end of the
/// last one, and for no more.
const KEPT: usize = 2;

// === impl FileStream ===

impl FileStream {
    /// Starts at `range.start`; nothing is read before the first poll.
    pub fn new(file: Arc<File>, range: Range<u64>, version: Version) -> Self {
        Self { file, range, version, changing: None, cold_read: None, kept: Vec::new() }
    }

    /// The same for a file that may change while it is sent.
    pub fn allowing(self, allowed: Changes) -> Self {
        let changing = Changing {
            allowed,
            start: self.range.start,
            first: None,
            sent: Xxh3::new(),
            is_suspect: allowed == Changes::Any,
            comparison: None,
            alive: Arc::default(),
        };
        let changing = (allowed != Changes::None).then(|| Box::new(changing));
        Self { changing, ..self }
    }

    /// All of a file that never rests, as long as it is now, and that length. Its beginning is read at once, while
    /// the length stays the same: so the length and what is sent belong together. `None` if it does not stay the
    /// same, or the beginning has to come from the disk.
    pub fn of_now(file: &Arc<File>) -> Option<(Self, u64)> {
        for _ in 0..LOOKS {
            let before = Version::now(file).ok()?;
            let length = usize::try_from(before.size.min(CHUNK)).ok()?;
            let mut memory = BytesMut::zeroed(length);
            // A writer may keep it from being read for a moment.
            let read = cached(file, memory.get_mut(..length)?, 0).ok()?;
            let after = Version::now(file).ok()?;
            if before.size == after.size && read == Some(length) {
                let mut stream = Self::new(Arc::clone(file), 0..after.size, after);
                stream = stream.allowing(Changes::Any);
                if let Some(changing) = &mut stream.changing {
                    changing.first = Some(Chunk { memory, length });
                }
                return Some((stream, after.size));
            }
        }
        None
    }

    fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// The next chunk; the last one of a file that has changed only when all of them are still the same.
    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Chunk, Error>> {
        let held = self.changing.as_mut().and_then(|changing| changing.comparison.take());
        let (chunk, mut comparison) = match held {
            Some(held) => held,
            None => {
                let chunk = ready!(self.poll_chunk(cx))?;
                match self.start_comparison(&chunk) {
                    Some(comparison) => (chunk, comparison),
                    None => return Poll::Ready(Ok(chunk)),
                }
            }
        };
        let Poll::Ready(result) = Pin::new(&mut comparison).poll(cx) else {
            if let Some(changing) = &mut self.changing {
                changing.comparison = Some((chunk, comparison));
            }
            return Poll::Pending;
        };
        let result = result.unwrap_or_else(|panic| Err(unreadable(io::Error::other(panic))));
        Poll::Ready(result.map(|()| chunk))
    }

    /// Notes what is about to be sent; if it is the last of a file that has changed, compares all of it.
    fn start_comparison(&mut self, chunk: &Chunk) -> Option<JoinHandle<Result<(), Error>>> {
        let changing = self.changing.as_mut()?;
        changing.sent.update(chunk.memory.get(..chunk.length).unwrap_or_default());
        let end = self.range.start + chunk.length as u64;
        if end < self.range.end || chunk.length == 0 || !changing.is_suspect {
            return None;
        }
        let (file, range) = (Arc::clone(&self.file), changing.start..end);
        let (sent, alive) = (changing.sent.digest128(), Arc::downgrade(&changing.alive));
        Some(tokio::task::spawn_blocking(move || compare(&file, range, sent, &alive)))
    }

    /// The next chunk and a look at the file behind it.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Chunk, Error>> {
        let result = ready!(self.poll_read(cx));
        let (chunk, current) = result?;
        if current == self.version {
            return Poll::Ready(Ok(chunk));
        }
        let is_first = |changing: &Changing| changing.start == self.range.start;
        let is_all = self.range == (0..self.version.size);
        let is_allowed = self.changing.as_ref().is_some_and(|changing| match changing.allowed {
            Changes::None => false,
            Changes::Growth => current.size > self.version.size && !is_first(changing),
            // If the length changed before the first read, the response head may belong to another version. A part
            // of the new version would look complete.
            Changes::Any if is_first(changing) && is_all => current.size == self.version.size,
            Changes::Any => current.size >= self.range.end,
        });
        match &mut self.changing {
            Some(changing) if is_allowed => {
                changing.is_suspect = true;
                Poll::Ready(Ok(chunk))
            }
            _ => Poll::Ready(Err(self.version.changed_to(current))),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Chunk, Version), Error>> {
        if let Some(first) = self.changing.as_mut().and_then(|changing| changing.first.take()) {
            return Poll::Ready(Ok((first, self.version)));
        }
        let read = match &mut self.cold_read {
            Some(read) => read,
            None => {
                let length = usize::try_from(self.left().min(CHUNK)).unwrap_or_default();
                let mut memory = self.memory(length);
                let target = memory.get_mut(..length).unwrap_or_default();
                match cached(&self.file, target, self.range.start) {
                    Ok(Some(length)) => {
                        let current = Version::now(&self.file);
                        let chunk = |version| (Chunk { memory, length }, version);
                        return Poll::Ready(current.map(chunk));
                    }
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(unreadable(error))),
                }
                let (file, start) = (self.file.clone(), self.range.start);
                self.cold_read.insert(tokio::task::spawn_blocking(move || {
                    let target = memory.get_mut(..length).unwrap_or_default();
                    let length = file.read_at(target, start).map_err(unreadable)?;
                    Ok((Chunk { memory, length }, Version::now(&file)?))
                }))
            }
        };
        let result = ready!(Pin::new(read).poll(cx));
        self.cold_read = None;
        Poll::Ready(result.unwrap_or_else(|panic| Err(unreadable(io::Error::other(panic)))))
    }

    /// Memory that nobody uses any more, or new memory.
    fn memory(&mut self, length: usize) -> BytesMut {
        for kept in &mut self.kept {
            match mem::take(kept).try_into_mut() {
                Ok(memory) if memory.len() >= length => return memory,
                Ok(_) => {}
                Err(in_use) => *kept = in_use,
            }
        }
        BytesMut::zeroed(length)
    }

    /// Keeps the memory of a chunk that goes out; the oldest is let go if there is too much.
    fn keep(&mut self, memory: Bytes) {
        self.kept.retain(|kept| !kept.is_empty());
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push(memory);
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
        let Chunk { memory, length } = match ready!(self.poll_allowed(cx)) {
            Ok(chunk) if chunk.length == 0 => {
                return Poll::Ready(Some(Err(Error::new(Kind::FileTruncated))));
            }
            Ok(chunk) => chunk,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.range.start += length as u64;
        let mut data = memory.freeze();
        if self.left() > 0 {
            self.keep(data.clone());
        }
        data.truncate(length);
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
        // Not the memory, which would be printed byte by byte.
        f.debug_struct("FileStream")
            .field("file", &self.file)
            .field("range", &self.range)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

// === impl Version ===

impl Version {
    /// The version that was seen with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    /// When it was changed last: seconds and nanoseconds.
    pub fn modified(self) -> (i64, i64) {
        self.modified
    }

    /// Whether the file was changed a short while ago.
    pub fn is_lively(&self, now: SystemTime) -> bool {
        let (seconds, _) = self.modified;
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let age = UNIX_EPOCH.checked_add(since).and_then(|at| now.duration_since(at).ok());
        // A date that is still to come tells nothing.
        age.is_none_or(|age| age < LIVELY)
    }

    /// What the file is by now. Asked after each read: a write moves the time before it
    /// moves the first byte, so what was read before an unchanged look is of this version.
    fn now(file: &File) -> Result<Self, Error> {
        // Cheaper than `File::metadata`, which asks for everything there is.
        let stat = fstat(file).map_err(|error| unreadable(error.into()))?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(Self { size, modified: (stat.st_mtime, nanoseconds) })
    }

    fn changed_to(self, current: Self) -> Error {
        let is_shorter = current.size < self.size;
        Error::new(if is_shorter { Kind::FileTruncated } else { Kind::FileChanged })
    }
}

// === impl FileIdentity ===

impl FileIdentity {
    /// The identity that was seen with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), version: Version::of(metadata) }
    }

    /// Its size and the time of its last change.
    pub fn version(&self) -> Version {
        self.version
    }
}

/// Reads once more what was sent. If it is the same, then it is what the file held between the first pass and this one,
/// whatever was written to it meanwhile.
fn compare(file: &File, range: Range<u64>, sent: u128, alive: &Weak<()>) -> Result<(), Error> {
    let (mut hasher, mut at) = (Xxh3::new(), range.start);
    let mut memory = vec![0; COMPARED];
    // Nobody waits for the rest of it any more.
    while at < range.end && alive.strong_count() > 0 {
        let wanted = usize::try_from(range.end - at).unwrap_or(COMPARED).min(COMPARED);
        let target = memory.get_mut(..wanted).unwrap_or_default();
        match file.read_at(target, at) {
            Ok(0) => return Err(Error::new(Kind::FileTruncated)),
            Ok(count) => {
                hasher.update(target.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let is_same = at == range.end && hasher.digest128() == sent;
    if is_same { Ok(()) } else { Err(Error::new(Kind::FileChanged)) }
}

fn unreadable(error: io::Error) -> Error {
    Error::io(Kind::FileUnreadable, error)
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
    };

    /// A file that goes with its test.
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
            // A write within the same tick of the file system's clock could not be told apart.
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

        /// Takes it out of the page cache, where the file system allows, so that it is read cold.
        fn evict(&self) {
            let file = File::open(&self.0).unwrap();
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        }

        fn stream(&self, range: Range<u64>) -> FileStream {
            let file = File::open(&self.0).unwrap();
            let version = Version::of(&file.metadata().unwrap());
            FileStream::new(Arc::new(file), range, version)
        }
    }

    const SIZE: u64 = 3 * CHUNK + 1000;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at % 251) as u8).collect()
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    async fn next(stream: &mut FileStream) -> Option<Result<Bytes, Kind>> {
        let frame = poll_fn(|cx| Pin::new(&mut *stream).poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.kind()))
    }

    async fn rest(stream: &mut FileStream) -> Result<Vec<u8>, Kind> {
        let mut all = Vec::new();
        while let Some(data) = next(stream).await {
            let data = data?;
            assert!(!data.is_empty() && data.len() as u64 <= CHUNK);
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    #[test]
    fn ranges_come_with_their_size() {
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
    fn memory_is_used_again() {
        let scratch = Scratch::new("memory", &content());
        run(async {
            let mut stream = scratch.stream(0..SIZE);
            let (mut places, mut blockers) = (Vec::new(), Vec::new());
            while let Some(data) = next(&mut stream).await {
                places.push(data.unwrap().as_ptr());
                // Memory that was given back would be taken by this.
                blockers.push(vec![1_u8; CHUNK as usize]);
            }
            assert!(places.len() >= 4);
            assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
            assert!(stream.kept.len() <= 1);
        });
    }

    #[test]
    fn a_chunk_that_is_being_sent_is_left_alone() {
        let (scratch, content) = (Scratch::new("overlap", &content()), content());
        run(async {
            // As hyper does it: the last chunk goes when the next one is there.
            let mut stream = scratch.stream(0..SIZE);
            let (mut last, mut places, mut at) = (Bytes::new(), Vec::new(), 0);
            while let Some(data) = next(&mut stream).await {
                assert!(content[at - last.len()..].starts_with(&last), "overwritten");
                last = data.unwrap();
                at += last.len();
                places.push(last.as_ptr());
            }
            assert_eq!(at, content.len());
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), 2);

            // Whoever keeps them all gets all of them right, and the stream forgets the oldest.
            let mut stream = scratch.stream(0..SIZE);
            let mut all = Vec::new();
            while let Some(data) = next(&mut stream).await {
                all.push(data.unwrap());
                assert!(stream.kept.len() <= KEPT);
            }
            assert!(all.concat() == content);
        });
    }

    #[test]
    fn a_file_that_lost_its_name_is_sent_to_its_end() {
        let (scratch, content) = (Scratch::new("renamed", &content()), content());
        let other = Scratch::new("renamed-other", b"other");
        run(async {
            let mut stream = scratch.stream(0..SIZE);
            let mut got = next(&mut stream).await.unwrap().unwrap().to_vec();
            fs::rename(&other.0, &scratch.0).unwrap();
            got.extend(rest(&mut stream).await.unwrap());
            assert!(got == content);
        });
    }

    #[test]
    fn what_changes_on_the_way_ends_with_an_error() {
        type Change = fn(&Scratch);
        let cases: &[(&str, Change, Kind)] = &[
            ("emptied", |file| file.write(b""), Kind::FileTruncated),
            ("shorter", |file| file.write(b"new"), Kind::FileTruncated),
            ("same size", |file| file.write(&[0; SIZE as usize]), Kind::FileChanged),
            ("longer", |file| file.write(&[0; SIZE as usize + 1]), Kind::FileChanged),
            ("same content", |file| file.write(&content()), Kind::FileChanged),
            ("later", |file| file.set_modified(Duration::new(1_000_000, 1000)), Kind::FileChanged),
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
        use Changes::{Any, Growth, None as Nothing};
        use Kind::{FileChanged, FileTruncated};
        let cases: &[(Changes, Change, Change, Result<(), Kind>)] = &[
            (Nothing, nothing, nothing, Ok(())),
            (Nothing, nothing, append, Err(FileChanged)),
            (Growth, nothing, nothing, Ok(())),
            (Growth, nothing, append, Ok(())),
            (Growth, nothing, touch, Err(FileChanged)),
            (Growth, nothing, overwrite, Err(FileChanged)),
            (Growth, nothing, rewrite, Err(FileChanged)),
            (Growth, nothing, cut, Err(FileTruncated)),
            // What was looked at may be gone before anything of it was read.
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
                let got = match first {
                    Ok(first) => rest(&mut stream).await.map(|rest| [&first[..], &rest].concat()),
                    Err(kind) => Err(kind),
                };
                assert_eq!(got.as_ref().map(|_| ()).map_err(|kind| *kind), *expected, "{index}");
                assert!(got.is_err() || got == Ok(content()), "{index}");
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
            let mut stream = scratch.stream(range.clone()).allowing(Changes::Growth);
            let first = next(&mut stream).await.unwrap().unwrap();
            let mut changed = content();
            // Beside the part.
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
            assert_eq!(next(&mut stream).await, Some(Err(Kind::FileTruncated)));
        });
    }
}
