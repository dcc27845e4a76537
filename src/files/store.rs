//! Finds files, for all workers. A hit costs one short lock. The disk is checked again at most once per
//! `check_interval`, and only for files in use.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use http::HeaderMap;
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    content_budget::ContentBudget,
    entry::{FileEntry, FileKey, Optimisation},
    entry_cache::EntryCache,
    hashes::Hashes,
    headers::{self, FileHeaders},
    kind,
    load::{LoadResult, Lookup},
    manifest::Manifest,
    negative_cache::NegativeCache,
    notices::FileNotices,
    open::LookupEffort,
    optimise, survey,
    tree::PrefixTree,
    verify::{NameSample, VerifyReport, VerifySample, verify},
};
use crate::{plan, sync::Background, telemetry::StoreCounts};

/// In a full store, a text is compressed at most once in this time, in milliseconds. The files that are evicted for it
/// may return and evict it again.
const COMPRESS_INTERVAL: u64 = 10 * 60 * 1000;

/// In a full store, a file is kept if it is requested twice within this time, in milliseconds.
const REPEAT_INTERVAL: u64 = 10 * 60 * 1000;

/// How often open files without requests are checked: ten times `check_interval`, within these limits.
const SWEEP_INTERVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long a missing name is remembered, so that newly collected files soon appear.
const MISSING_LIFETIME: u64 = 500;

/// Finds files. Cheap to share; all methods may be called from any worker.
#[derive(Debug)]
pub struct FileStore {
    plan: plan::FileSettings,
    trees: Vec<PrefixTree>,
    /// Milliseconds.
    check_interval: u64,
    seed: u64,
    begin: Instant,
    cache: EntryCache,
    negative_cache: NegativeCache,
    /// Files that were not kept because the store was full.
    recent_requests: NegativeCache,
    /// Texts that were compressed although the store was full.
    recent_compressions: NegativeCache,
    hashes: Hashes,
    content_budget: ContentBudget,
    notices: FileNotices,
    background: Background,
    /// Whether the background thread is looking for open files that were deleted.
    is_sweeping: AtomicBool,
    counts: Arc<StoreCounts>,
}

// === impl FileStore ===

impl FileStore {
    /// Creates an empty store over the plan's roots. Opens no file.
    pub fn new(plan: &plan::FileSettings, counts: Arc<StoreCounts>) -> Arc<Self> {
        let check_interval = plan.check_interval.map_or(u64::MAX, milliseconds);
        Arc::new(Self {
            trees: plan.roots.iter().map(PrefixTree::new).collect(),
            check_interval,
            seed: fastrand::u64(..),
            begin: Instant::now(),
            cache: EntryCache::new(plan.memory, plan.entries, descriptors(), Arc::clone(&counts)),
            negative_cache: NegativeCache::new(check_interval.min(MISSING_LIFETIME)),
            recent_requests: NegativeCache::new(REPEAT_INTERVAL),
            recent_compressions: NegativeCache::new(COMPRESS_INTERVAL),
            hashes: Hashes::new(plan.hash_rate),
            content_budget: ContentBudget::new(plan.memory),
            notices: FileNotices::default(),
            background: Background::new("files"),
            is_sweeping: AtomicBool::new(false),
            counts,
            plan: plan.clone(),
        })
    }

    /// Reads and verifies the manifests, and logs how many files each prefix has, in the background.
    pub fn begin(self: &Arc<Self>) {
        // Without prefixes that clients see, there is nothing to read or to log.
        if self.trees.iter().all(|tree| tree.root.purpose == plan::Purpose::Internal) {
            return;
        }
        let store = Arc::clone(self);
        // Requests wait for a manifest that is being read. So this thread does not run at the lowest priority while the
        // application starts and keeps the processors busy.
        let started = thread::Builder::new().name("manifests".into()).spawn(move || {
            for (root, tree) in store.trees.iter().enumerate() {
                store.read_manifests(tree);
                store.verify_later(root);
            }
            store.trees.iter().for_each(survey::report);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start the thread that reads manifests: the first requests read them");
        }
    }

    /// Frees the memory at once, when only requests in flight still use this store. They read from the disk.
    pub fn retire(&self) {
        self.cache.close();
    }

    /// Returns the prefixes, as the plan has them.
    pub fn roots(&self) -> &[plan::Root] {
        &self.plan.roots
    }

    /// Returns the paths where a name is looked for.
    pub fn locations(&self, root: usize, name: &[u8]) -> Vec<PathBuf> {
        let locations = self.trees.get(root).map(|tree| &tree.locations);
        locations
            .into_iter()
            .flatten()
            .map(|location| location.path.join(OsStr::from_bytes(name)))
            .collect()
    }

    /// Returns the header fields for an object of a bucket, whose stored fields are `given`.
    pub fn object_head(&self, root: usize, name: &[u8], given: &HeaderMap) -> HeaderMap {
        match self.trees.get(root) {
            Some(tree) => FileHeaders::new(&self.plan, &tree.root, name, None).object_head(given),
            None => HeaderMap::new(),
        }
    }

    /// Whether this is the first missing name below a prefix, which is worth an event.
    pub fn is_first_missing(&self, root: usize) -> bool {
        let tree = self.trees.get(root);
        tree.is_some_and(|tree| !tree.has_missed.swap(true, Ordering::Relaxed))
    }

    /// Returns what was found a moment ago for a name. `name` is relative, without dot segments.
    pub fn find_fresh(
        self: &Arc<Self>,
        root: usize,
        name: &[u8],
        now: Instant,
    ) -> Option<LoadResult> {
        let hash = self.hash(root, name);
        let now = self.clock(now);
        match self.known(hash, root, name) {
            Some(entry) => {
                let is_old = now.saturating_sub(entry.checked()) > self.check_interval;
                if is_old || entry.is_due(now) || entry.is_overwritten() {
                    return None;
                }
                if entry.mark_used() {
                    self.optimise_later(hash, &entry);
                }
                Some(LoadResult::File(entry))
            }
            None => self.negative_cache.contains(hash, now).then_some(LoadResult::Missing),
        }
    }

    /// Looks on disk: at once if the kernel has everything in memory, else on the blocking pool.
    pub async fn find(self: Arc<Self>, root: usize, name: &[u8]) -> io::Result<LoadResult> {
        let key = FileKey { root, name: name.into() };
        self.at_once_or_later(move |store, effort| store.look_up(&key, effort)).await
    }

    /// Returns the current release's name for the file that another release called `name`. A manifest tells it; without
    /// one it is the plain name. Looks on disk as [`find`](Self::find) does.
    pub async fn current(self: Arc<Self>, root: usize, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(original) = kind::unhashed(name) else { return Ok(None) };
        self.at_once_or_later(move |store, effort| store.current_name(root, &original, effort))
            .await
    }

    /// Whether caches were told, or would be told, to keep the file without revalidation.
    pub fn looks_immutable(&self, root: usize, name: &[u8]) -> bool {
        let Some(tree) = self.trees.get(root) else { return false };
        kind::is_hashed(name)
            || headers::is_immutable_by_rule(&tree.root, name)
            || tree.is_listed(name)
    }

    /// Whether pages of other origins may read the file.
    pub fn is_shared(&self, root: usize, name: &[u8]) -> bool {
        self.trees.get(root).is_some_and(|tree| headers::is_shared(&tree.root, name))
    }

    /// Looks in the kernel's memory alone, and if that is not enough, on the blocking pool.
    async fn at_once_or_later<T: Send + 'static>(
        self: Arc<Self>,
        look_up: impl Fn(&Arc<Self>, LookupEffort) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match look_up(&self, LookupEffort::Memory) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            found => return found,
        }
        let found = tokio::task::spawn_blocking(move || look_up(&self, LookupEffort::Disk)).await;
        found.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    fn current_name(
        &self,
        root: usize,
        original: &[u8],
        effort: LookupEffort,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(tree) = self.trees.get(root) else { return Ok(None) };
        let now = self.clock(Instant::now());
        let mut is_plain = true;
        for location in &tree.locations {
            let Some(directory) = location.open(effort)? else { continue };
            let known = location.manifest(&directory, self.plan.symlinks, now)?;
            let Some(manifest) = known.manifest else { continue };
            if let Some(current) = manifest.current(original) {
                return Ok(Some(current.to_vec()));
            }
            // A name that the manifest does not list is no file of the release, though an old copy may exist.
            is_plain = false;
        }
        Ok(is_plain.then(|| original.to_vec()))
    }

    fn look_up(self: &Arc<Self>, key: &FileKey, effort: LookupEffort) -> io::Result<LoadResult> {
        let Some(tree) = self.trees.get(key.root) else { return Ok(LoadResult::Missing) };
        let now = self.clock(Instant::now());
        let Self { plan, hashes, content_budget: held, counts, notices, .. } = &**self;
        let lookup =
            Lookup { plan, tree, hashes, content_budget: held, counts, notices, now, effort };
        let hash = self.hash(key.root, &key.name);
        let mut is_repeated = self.recent_requests.contains(hash, now);
        if let Some(entry) = self.known(hash, key.root, &key.name) {
            let is_current = match lookup.is_current(&entry) {
                // Without a descriptor nothing new can be found out, so the entry is used as it is.
                Err(error) if is_exhausted(&error) => true,
                other => other? && !entry.is_due(now),
            };
            if is_current {
                entry.set_checked(now);
                if entry.mark_used() || entry.optimisation() != Optimisation::Full {
                    self.optimise_later(hash, &entry);
                }
                return Ok(LoadResult::File(entry));
            }
            self.cache.remove(hash, &entry);
            is_repeated = true;
        }
        let found = lookup.load(key)?;
        match &found {
            // The contents of a file that is being written are not shared with other requests.
            LoadResult::File(entry) if !entry.is_settled() => {}
            LoadResult::File(entry) => {
                entry.set_checked(now);
                if self.cache.insert(hash, Arc::clone(entry), is_repeated) {
                    self.sweep_later();
                } else {
                    self.recent_requests.insert(hash, now);
                }
            }
            // The time is that of the look-up's beginning: a file created since is found once that time is too old.
            LoadResult::Missing => self.negative_cache.insert(hash, now),
            LoadResult::Directory => {}
        }
        self.verify_later(key.root);
        Ok(found)
    }

    /// Schedules the optimisation of an entry in the background. Entries that cannot be kept are left out: they would
    /// be optimised again for every request.
    fn optimise_later(self: &Arc<Self>, hash: u64, entry: &Arc<FileEntry>) {
        let (now, is_tight) = (self.clock(Instant::now()), self.cache.is_tight());
        let may_compress = entry.is_busy() && !self.recent_compressions.contains(hash, now);
        let compresses = self.plan.compress && (may_compress || !is_tight);
        if !optimise::is_wanted(entry, compresses) || !self.cache.fits(entry) {
            return;
        }
        if compresses && is_tight {
            self.recent_compressions.insert(hash, now);
        }
        // Weak: an entry that is evicted while it waits is not worth the work, and must not stay in memory.
        let (store, entry) = (Arc::clone(self), Arc::downgrade(entry));
        // A job that is refused is tried again when the file is requested again.
        let _ = self.later(move || {
            if let Some(entry) = entry.upgrade() {
                store.optimise(hash, &entry, compresses, is_tight);
            }
        });
    }

    fn optimise(&self, hash: u64, entry: &Arc<FileEntry>, compresses: bool, is_tight: bool) {
        let is_known = self.cache.get(hash).is_some_and(|known| Arc::ptr_eq(&known, entry));
        let Some(tree) = self.trees.get(entry.key.root).filter(|_| is_known) else { return };
        let name = &entry.key.name;
        let manifest_says = tree
            .locations
            .get(entry.stamps.directory)
            .and_then(|location| location.known().lists(name));
        let about = FileHeaders::new(&self.plan, &tree.root, name, manifest_says);
        match optimise::optimise(entry, &about, (compresses, &self.content_budget)) {
            Ok(better) => {
                // Also if the better entry does not fit: the work would be repeated each time.
                entry.set_optimisation(better.optimisation());
                let more = better.cost().saturating_sub(entry.cost());
                // Entries in equal demand are worth no less.
                if compresses && is_tight && !self.cache.make_room(more, hash) {
                    return;
                }
                let made = better.codings() - entry.codings();
                self.counts.compressed.fetch_add(made as u64, Ordering::Relaxed);
                self.cache.replace(hash, entry, Arc::new(better));
            }
            Err(error) => {
                let name = String::from_utf8_lossy(name);
                tracing::debug!(%name, %error, "file could not be compressed");
            }
        }
    }

    /// Schedules regular checks of open files, as long as there are any.
    fn sweep_later(self: &Arc<Self>) {
        // If files never change, none is deleted.
        let Some(interval) = self.plan.check_interval else { return };
        if !self.cache.has_open_files() || self.is_sweeping.swap(true, Ordering::SeqCst) {
            return;
        }
        let store = Arc::downgrade(self);
        let sweep = move || store.upgrade().is_some_and(|store| store.sweep());
        let (min, max) = SWEEP_INTERVALS;
        let period = interval.saturating_mul(10).clamp(min, max);
        if !self.background.repeat(period, sweep) {
            self.is_sweeping.store(false, Ordering::SeqCst);
        }
    }

    /// Closes files that were deleted or replaced, even without a request; `false` if no more are open.
    fn sweep(&self) -> bool {
        let now = self.clock(Instant::now());
        let Self { plan, hashes, content_budget: held, counts, notices, .. } = self;
        for (hash, entry) in self.cache.open_since(now.saturating_sub(self.check_interval)) {
            let Some(tree) = self.trees.get(entry.key.root) else { continue };
            let effort = LookupEffort::Disk;
            let lookup =
                Lookup { plan, tree, hashes, content_budget: held, counts, notices, now, effort };
            // If the check fails, the next request of the file reports the error.
            match lookup.is_current(&entry) {
                Ok(true) | Err(_) => {}
                Ok(false) => self.cache.remove(hash, &entry),
            }
        }
        if self.cache.has_open_files() {
            return true;
        }
        self.is_sweeping.store(false, Ordering::SeqCst);
        // A file that was opened since has found a running sweep.
        self.cache.has_open_files() && !self.is_sweeping.swap(true, Ordering::SeqCst)
    }

    /// Schedules the verification of manifests that nobody has verified.
    fn verify_later(self: &Arc<Self>, root: usize) {
        let Some(tree) = self.trees.get(root) else { return };
        for (index, location) in tree.locations.iter().enumerate() {
            let Some(manifest) = location.claim_unverified() else { continue };
            let store = Arc::clone(self);
            if !self.later(move || store.verify(root, index, &manifest)) {
                location.give_back();
            }
        }
    }

    fn read_manifests(&self, tree: &PrefixTree) {
        let now = self.clock(Instant::now());
        for location in &tree.locations {
            if let Ok(Some(directory)) = location.open(LookupEffort::Disk) {
                // A failure is repeated, and logged, when a file is looked for.
                let _ = location.manifest(&directory, self.plan.symlinks, now);
            }
        }
    }

    fn verify(self: &Arc<Self>, root: usize, location: usize, manifest: &Manifest) {
        let Some(tree) = self.trees.get(root) else { return };
        let Some(location) = tree.locations.get(location) else { return };
        let sample = VerifySample::new(fastrand::u64(..));
        // No other user of the store is left: the process is about to end.
        let cancelled = || Arc::strong_count(self) == 1;
        let report = verify(&location.path, manifest, self.plan.symlinks, sample, &cancelled);
        let Ok(report) = report else { return };
        let count = |names: &NameSample| u64::try_from(names.count).unwrap_or(u64::MAX);
        let counts = &self.counts;
        counts.manifest_missing.fetch_add(count(&report.missing), Ordering::Relaxed);
        counts.manifest_mismatched.fetch_add(count(&report.mismatched), Ordering::Relaxed);
        log_verify_report(&tree.root.prefix, &location.path, &report);
    }

    /// Runs a job in the background; `false` if too many are waiting there.
    fn later(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let is_claimed = self.background.push(job);
        if !is_claimed {
            self.counts.postponed.fetch_add(1, Ordering::Relaxed);
        }
        is_claimed
    }

    fn known(&self, hash: u64, root: usize, name: &[u8]) -> Option<Arc<FileEntry>> {
        let entry = self.cache.get(hash)?;
        (entry.key.root == root && *entry.key.name == *name).then_some(entry)
    }

    fn hash(&self, root: usize, name: &[u8]) -> u64 {
        xxh3_64_with_seed(name, self.seed ^ root as u64)
    }

    fn clock(&self, now: Instant) -> u64 {
        milliseconds(now.saturating_duration_since(self.begin))
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Returns the maximum number of descriptors that one store may hold.
fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.map_or(u64::MAX, plan::FileSettings::most_descriptors)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Logs once what is wrong with a release's files, so that the maker of the volume can fix it.
fn log_verify_report(prefix: &str, directory: &Path, report: &VerifyReport) {
    let directory = directory.display();
    let VerifyReport { listed, missing, checked, mismatched, unreadable } = report;
    if missing.count > 0 {
        tracing::warn!(
            prefix, %directory, listed, missing = %missing,
            "files listed in staticfiles.json are missing; run collectstatic again, or copy the whole directory"
        );
    }
    if mismatched.count > 0 {
        tracing::warn!(
            prefix, %directory, checked, mismatched = %mismatched,
            "contents of files do not match the hashes in their names: browsers may keep wrong files for a \
             year; run collectstatic again"
        );
    }
    if unreadable.count > 0 {
        tracing::warn!(
            prefix, %directory, unreadable = %unreadable,
            "files are not readable; check their owner and mode"
        );
    }
    if missing.count + mismatched.count + unreadable.count == 0 {
        tracing::info!(prefix, %directory, listed, checked, "manifest verified");
    }
}
