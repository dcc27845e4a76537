//! The cache as the pipeline uses it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit};

use super::{
    collector::{BodyCollector, BodyLimits, BodyStorage},
    entries::{Entries, EntryLimits, Found},
    flight::{FlightKey, Flights, Joined},
    forms,
    generations::{Generation, Purged},
    key::{CacheKey, KeyHasher},
    memory,
    stored::StoredResponse,
    tags::{PurgeMode, PurgeTarget, TagHasher, TagSlots},
    variant::Variant,
};
use crate::{
    body::{Budget, DiskBodies, SpillLocation},
    compression::MadeCoding,
    plan::FileSettings,
    rfc::caching::VaryNames,
    sync::Background,
    telemetry::{CacheCounts, LogThrottle},
};

/// The stored responses of the application. All workers share it.
#[derive(Debug)]
pub struct Cache {
    hasher: KeyHasher,
    entries: Arc<Entries>,
    storage: Arc<BodyStorage>,
    flights: Arc<Flights>,
    background: Background,
    counts: Arc<CacheCounts>,
}

/// The limits of a cache, in bytes.
#[derive(Clone, Debug)]
pub struct CacheLimits {
    /// Everything in memory.
    pub memory: u64,
    /// All bodies in files, and one of them.
    pub disk: u64,
    pub max_file: u64,
    /// One body in memory.
    pub max_object: u64,
    /// The location of files.
    pub directory: SpillLocation,
    /// The number of open files: of long bodies, and of those that the kernel sends from memory.
    pub descriptors: u64,
}

/// How long a key is known to have responses that may not be stored.
pub const PASS_TIME: Duration = Duration::from_secs(120);

// === impl Cache ===

impl Cache {
    /// Creates an empty cache.
    pub fn new(limits: CacheLimits, counts: &Arc<CacheCounts>) -> Arc<Self> {
        let CacheLimits { memory, disk, max_file, max_object, directory, descriptors } = limits;
        let entries = Arc::new(Entries::new(EntryLimits::of(memory), Arc::clone(counts)));
        let disk = Budget::new(disk, Arc::clone(&counts.disk));
        let descriptors = Budget::new(possible_descriptors(descriptors), Arc::clone(&counts.files));
        let storage = BodyStorage {
            entries: Arc::clone(&entries),
            disk: DiskBodies::new(directory, disk, descriptors.clone()),
            descriptors,
            limits: BodyLimits { memory: max_object, file: max_file },
            failures: LogThrottle::new(),
        };
        Arc::new(Self {
            hasher: KeyHasher::default(),
            entries,
            storage: Arc::new(storage),
            flights: Arc::default(),
            background: Background::new("cache"),
            counts: Arc::clone(counts),
        })
    }

    /// Makes a key of bytes that two requests share if and only if one response may be used for both.
    pub fn key(&self, bytes: impl Into<Box<[u8]>>) -> CacheKey {
        CacheKey::new(&self.hasher, bytes.into())
    }

    /// Joins the requests for the same response that are under way, or leads them.
    pub fn join(&self, key: FlightKey<'_>) -> Joined {
        self.flights.join(key)
    }

    /// Returns the generation of a request that is sent now: to be taken before its first byte is sent.
    pub fn generation(&self) -> Generation {
        self.entries.generations.current()
    }

    /// Returns the tags of a response: those of its URL, and its own, which the application has given to it.
    pub fn tags<T: AsRef<[u8]>>(
        &self,
        host: &[u8],
        target: &[u8],
        own: impl IntoIterator<Item = T>,
    ) -> TagSlots {
        self.tag_hasher().of_response(host, target, own)
    }

    /// Finds the newest stored response that `wants` accepts, and counts the use. `wants` runs under a short lock: it
    /// must not use the cache.
    pub fn find(
        &self,
        key: &CacheKey,
        mut wants: impl FnMut(&Variant, &VaryNames) -> bool,
    ) -> Found {
        self.entries.find(key, |response| wants(&response.variant, response.policy.vary()))
    }

    /// Stores a response. It replaces the one with the same key and variant. It is returned in any case, also if it is
    /// not kept: because there is no room, or because a purge came after its request.
    pub fn insert(&self, key: CacheKey, response: StoredResponse) -> Arc<StoredResponse> {
        self.entries.insert(key, response, None)
    }

    /// Stores a response that was made from `old`, with the same body and other fields: after a 304.
    pub fn replace(
        &self,
        key: CacheKey,
        old: &Arc<StoredResponse>,
        new: StoredResponse,
    ) -> Arc<StoredResponse> {
        new.forms.continue_from(&old.forms);
        self.entries.insert(key, new, Some(old))
    }

    /// Removes a response that nobody shall get any more, unless another one has taken its place.
    pub fn forget(&self, key: &CacheKey, response: &Arc<StoredResponse>) {
        self.entries.remove(key.hash(), response);
    }

    /// Marks a key whose response may not be stored: its requests shall not wait for each other for [`PASS_TIME`].
    pub fn mark_pass(&self, key: &CacheKey) {
        let now = Instant::now();
        self.entries.mark_pass(key, now + PASS_TIME, now);
    }

    /// Purges everything that the targets name, and returns the number of responses, as far as it is known: one with
    /// several of the targets counts several times.
    pub fn purge<'a>(
        &self,
        targets: impl IntoIterator<Item = PurgeTarget<'a>>,
        mode: PurgeMode,
    ) -> u64 {
        let hasher = self.tag_hasher();
        let slots: Vec<u32> =
            targets.into_iter().flat_map(|one| hasher.of_target(one)).flatten().collect();
        self.entries.purge(slots, mode)
    }

    /// Whether a purge has reached a response, stored or not, since its request was sent.
    pub fn is_purged(&self, response: &StoredResponse) -> bool {
        self.entries.purged(response) != Purged::No
    }

    /// Begins to collect a body that is to be stored; `length` is its length, if it is known. `None` if it is too long,
    /// or if there is no room.
    pub fn collect(&self, length: Option<u64>) -> Option<BodyCollector> {
        BodyCollector::new(Arc::clone(&self.storage), length)
    }

    /// Makes a compressed form of a stored body in the background, unless it was made or is being made. Nothing is made
    /// of short bodies, and of bodies in files.
    pub fn compress(&self, response: &Arc<StoredResponse>, coding: MadeCoding) {
        let Some(body) = response.body.bytes() else { return };
        if !response.forms.begin(coding, body.len()) {
            return;
        }
        let (entries, counts) = (Arc::clone(&self.entries), Arc::clone(&self.counts));
        // Nothing is made of what was evicted meanwhile.
        let weak = Arc::downgrade(response);
        let job = move || {
            if let Some(response) = weak.upgrade() {
                make_form(&entries, &response, coding, &counts);
            }
        };
        if !self.background.push(job) {
            response.forms.give_up(coding);
            self.counts.postponed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tag_hasher(&self) -> TagHasher<'_> {
        TagHasher { hasher: &self.hasher, slots: self.entries.generations.slots() }
    }
}

/// Lowers a number of descriptors to what the process may open for one store.
fn possible_descriptors(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(wanted, |limit| FileSettings::most_descriptors(limit).min(wanted))
}

/// Compresses a body. What is not worth it, or has no room, is not tried again.
fn make_form(
    entries: &Entries,
    response: &Arc<StoredResponse>,
    coding: MadeCoding,
    counts: &CacheCounts,
) {
    let Some(body) = response.body.bytes() else { return };
    let form = forms::compress(body, coding).ok().flatten().and_then(|packed| {
        let mut held = entries.nothing();
        let memory = forms::memory(packed.len(), response.fields.as_bytes().len());
        let has_room = entries.make_room(&mut held, memory) && entries.enlarge(response, memory);
        has_room.then(|| memory::hold(packed, held))
    });
    counts.compressed.fetch_add(u64::from(form.is_some()), Ordering::Relaxed);
    response.forms.set(coding, form);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        future::{Future, poll_fn},
        path::PathBuf,
        pin::Pin,
        process,
        sync::mpsc::channel,
    };

    use bytes::Bytes;
    use http::StatusCode;
    use http_body::Body as _;

    use crate::{
        body::FileStream,
        cache::stored::{StoredBody, StoredParts},
        rfc::{
            caching::{ExchangeTimes, ResponsePolicy},
            response_lines::ResponseLines,
        },
    };

    /// A directory of a test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("sideman-cache-{name}-{}", process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }

        fn cache(&self) -> (Arc<Cache>, Arc<CacheCounts>) {
            let counts = Arc::<CacheCounts>::default();
            let limits = CacheLimits {
                memory: 1_000_000,
                disk: 10_000_000,
                max_file: 5_000_000,
                max_object: 100_000,
                directory: SpillLocation::Directory(self.0.clone()),
                descriptors: 3,
            };
            (Cache::new(limits, &counts), counts)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    /// Collects a body in pieces.
    async fn collected(
        cache: &Cache,
        length: Option<u64>,
        body: &[u8],
        piece: usize,
    ) -> Option<StoredBody> {
        let mut collector = cache.collect(length)?;
        for piece in body.chunks(piece) {
            if !collector.push(&Bytes::copy_from_slice(piece)).await {
                return None;
            }
        }
        assert_eq!(collector.len(), body.len() as u64);
        collector.finish().await
    }

    async fn rest(mut stream: FileStream) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut stream).poll_frame(cx)).await {
            all.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        all
    }

    fn stored(cache: &Cache, body: StoredBody) -> StoredResponse {
        let fields = ResponseLines::default();
        let times = ExchangeTimes { sent: 0, received: 0 };
        StoredResponse::new(StoredParts {
            status: StatusCode::OK,
            reason: None,
            policy: ResponsePolicy::of(StatusCode::OK, &fields, times),
            fields,
            varying: None,
            variant: Variant::default(),
            body,
            tags: cache.tags(b"a", b"/", None::<&[u8]>),
            sent: cache.generation(),
        })
    }

    #[test]
    fn bodies_are_collected_in_memory_or_in_a_file() {
        let scratch = Scratch::new("collect");
        let (cache, counts) = scratch.cache();
        let used = || {
            let read = |count: &crate::sync::AtomicU64| count.load(Ordering::Relaxed);
            (read(&counts.memory), read(&counts.disk), read(&counts.files))
        };
        run(async {
            for length in [0, 1, 32_767, 32_768, 99_999, 100_000] {
                let body = content(length);
                for known in [None, Some(length as u64)] {
                    let stored = collected(&cache, known, &body, 7001).await.unwrap();
                    let sealed = u64::from(length >= 32_768);
                    assert_eq!(matches!(stored, StoredBody::Sealed(_)), sealed == 1, "{length}");
                    assert!(*stored.bytes().unwrap() == body);
                    let memory = (length as u64).next_multiple_of(1 + 4095 * sealed);
                    assert_eq!(used(), (memory, 0, sealed), "{known:?}");
                    drop(stored);
                    assert_eq!(used(), (0, 0, 0));
                }
            }
            for length in [100_001, 300_000, 5_000_000] {
                let body = content(length);
                for (known, piece) in [(None, 7001), (Some(length as u64), 64_000), (None, 999_999)]
                {
                    let stored = collected(&cache, known, &body, piece).await.unwrap();
                    let StoredBody::File(file) = &stored else { panic!("{length}") };
                    assert_eq!(stored.len(), length as u64);
                    assert_eq!(used(), (0, length as u64, 1));
                    assert!(rest(file.stream(0..u64::MAX).unwrap()).await == body);
                    let part = file.stream(1000..99_000).unwrap();
                    // Without a name, nothing remains after a kill.
                    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
                    drop(stored);
                    // The reader still needs the file.
                    assert_eq!(used(), (0, length as u64, 1));
                    assert!(rest(part).await == body[1000..99_000]);
                    assert_eq!(used(), (0, 0, 0));
                }
            }
        });
    }

    #[test]
    fn parts_of_a_body_end_where_it_ends() {
        let scratch = Scratch::new("parts");
        let (cache, counts) = scratch.cache();
        run(async {
            for length in [20_000_u64, 80_000, 200_000] {
                let content = content(length as usize);
                let stored = collected(&cache, None, &content, 7001).await.unwrap();
                for (range, expected) in [
                    (0..u64::MAX, 0..length),
                    (1..40_000, 1..length.min(40_000)),
                    (100..101, 100..101),
                    (length..u64::MAX, length..length),
                    (u64::MAX..u64::MAX, length..length),
                ] {
                    let mut body = stored.part(range).unwrap();
                    let mut all = Vec::new();
                    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                        all.extend_from_slice(&frame.unwrap().into_data().unwrap());
                    }
                    assert!(all == content[expected.start as usize..expected.end as usize]);
                }
            }
        });
        assert_eq!(counts.memory.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn without_descriptors_bodies_stay_in_plain_memory() {
        let scratch = Scratch::new("descriptors");
        let (cache, _) = scratch.cache();
        run(async {
            let mut all = Vec::new();
            for _ in 0..5 {
                all.push(collected(&cache, None, &content(50_000), 9000).await.unwrap());
            }
            let sealed = all.iter().filter(|one| matches!(one, StoredBody::Sealed(_)));
            assert_eq!(sealed.count(), 3);
        });
    }

    #[test]
    fn bodies_beyond_a_limit_are_not_collected() {
        let scratch = Scratch::new("limits");
        let (cache, counts) = scratch.cache();
        run(async {
            let body = content(5_000_001);
            assert!(collected(&cache, Some(5_000_001), &body, 64_000).await.is_none());
            assert!(collected(&cache, None, &body, 64_000).await.is_none());
            let three = content(4_000_000);
            let first = collected(&cache, None, &three, 64_000).await.unwrap();
            let second = collected(&cache, None, &three, 64_000).await.unwrap();
            // The disk is full.
            assert!(collected(&cache, None, &three, 64_000).await.is_none());
            let small = content(200_000);
            let third = collected(&cache, None, &small, 64_000).await.unwrap();
            // As many files as allowed.
            assert!(collected(&cache, None, &small, 64_000).await.is_none());
            drop((first, second, third));
            assert_eq!(counts.disk.load(Ordering::Relaxed), 0);
            assert!(collected(&cache, None, &small, 64_000).await.is_some());
        });
    }

    #[test]
    fn without_a_disk_long_bodies_are_not_stored() {
        let counts = Arc::<CacheCounts>::default();
        let limits = CacheLimits {
            memory: 1_000_000,
            disk: 10_000_000,
            max_file: 5_000_000,
            max_object: 100_000,
            directory: SpillLocation::Memory,
            descriptors: 3,
        };
        let cache = Cache::new(limits, &counts);
        run(async {
            assert!(collected(&cache, None, &content(300_000), 64_000).await.is_none());
            assert!(collected(&cache, None, &content(100_000), 64_000).await.is_some());
        });
        assert_eq!(counts.memory.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn purged_response_is_known_as_such_though_it_was_not_kept() {
        let scratch = Scratch::new("purged");
        let (cache, counts) = scratch.cache();
        for (mode, kept) in [(PurgeMode::Hard, 0), (PurgeMode::Soft, 1)] {
            let response = stored(&cache, StoredBody::Memory(Bytes::new()));
            cache.purge([PurgeTarget::Url(b"a", b"/")], mode);
            let response = cache.insert(cache.key(&b"a"[..]), response);
            assert!(cache.is_purged(&response));
            assert_eq!(counts.entries.load(Ordering::Relaxed), kept);
            let next = stored(&cache, StoredBody::Memory(Bytes::new()));
            assert!(!cache.is_purged(&next));
        }
    }

    #[test]
    fn forms_are_made_once_and_only_if_they_are_worth_it() {
        let scratch = Scratch::new("forms");
        let (cache, counts) = scratch.cache();
        let text = b"<p>A page</p>\n".repeat(300);
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
        let insert = |name: &str, body: &[u8]| {
            let body = run(collected(&cache, None, body, 1000)).unwrap();
            cache.insert(cache.key(name.as_bytes()), stored(&cache, body))
        };
        let finished = || {
            let (done, wait) = channel();
            assert!(cache.background.push(move || done.send(()).unwrap()));
            wait.recv().unwrap();
        };
        let all = [MadeCoding::Gzip, MadeCoding::Brotli, MadeCoding::Zstd];
        let (page, random) = (insert("page", &text), insert("noise", &noise));
        let short = insert("short", &text[..1000]);
        for coding in all {
            for one in [&page, &random, &short, &page] {
                cache.compress(one, coding);
            }
        }
        finished();
        assert_eq!(counts.compressed.load(Ordering::Relaxed), 3);
        cache.entries.check();
        for coding in all {
            assert!(page.form(coding).unwrap().is_some_and(|form| form.len() < text.len() / 20));
            assert_eq!((random.form(coding), short.form(coding)), (Some(None), None));
        }
        // A response with other fields has the same body.
        let new = stored(&cache, page.body.clone());
        let new = cache.replace(cache.key(&b"page"[..]), &page, new);
        assert!(all.iter().all(|coding| new.form(*coding).unwrap().is_some()));
        cache.entries.check();
        // Nothing is made of what is stored no more.
        let old = insert("old", &text);
        insert("old", &text);
        cache.compress(&old, MadeCoding::Gzip);
        finished();
        assert!(old.form(MadeCoding::Gzip).flatten().is_none());
        cache.entries.check();
    }
}
