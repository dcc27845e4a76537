//! Tests of all entries against models: what is found, what purges reach, and how much memory is held.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::{
    entries::{Entries, EntryLimits, Found, PurgeState},
    generations::Generation,
    key::{CacheKey, KeyHasher},
    memory::BodyReservation,
    stored::{StoredBody, StoredParts, StoredResponse},
    tags::{PurgeMode, PurgeTarget, TagHasher, TagSlots},
    variant::Variant,
};
use crate::{
    rfc::{
        caching::{ExchangeTimes, ResponsePolicy},
        response_lines::ResponseLines,
    },
    sync::explore::{ScriptThread, ThreadScript, explore},
    telemetry::CacheCounts,
};

const SLOTS: usize = 1 << 12;

fn entries(memory: u64) -> (Arc<Entries>, Arc<CacheCounts>) {
    let counts = Arc::<CacheCounts>::default();
    let limits = EntryLimits { memory, shards: 4, purge_slots: SLOTS };
    (Arc::new(Entries::new(limits, Arc::clone(&counts))), counts)
}

/// A response that varies by `vary`, with this value of the field.
fn response(vary: &str, value: &str, body: StoredBody) -> StoredParts {
    let mut fields = HeaderMap::new();
    if !vary.is_empty() {
        fields.insert("vary", vary.parse().unwrap());
    }
    let fields = ResponseLines::from(&fields);
    let times = ExchangeTimes { sent: 0, received: 0 };
    let policy = ResponsePolicy::of(StatusCode::OK, &fields, times);
    let variant = Variant::of((!vary.is_empty()).then_some(Some(value)));
    let (tags, sent) = (TagSlots::default(), Generation::default());
    let (status, reason, varying) = (StatusCode::OK, None, None);
    StoredParts { status, reason, fields, varying, policy, variant, body, tags, sent }
}

fn text(text: impl Into<Bytes>) -> StoredBody {
    StoredBody::Memory(text.into())
}

fn key(name: &str) -> CacheKey {
    // Few hashes, so that keys share them.
    CacheKey::with_hash(name.len() as u64 % 3, name.as_bytes())
}

fn body(found: &Found) -> Option<&[u8]> {
    match found {
        Found::Stored(response, _) => response.body.bytes().map(|bytes| &bytes[..]),
        Found::Pass | Found::Miss { .. } => None,
    }
}

/// The number that a response has as its body.
fn number(found: &Found) -> usize {
    std::str::from_utf8(body(found).unwrap()).unwrap().parse().unwrap()
}

fn find(entries: &Entries, name: &str, value: &str) -> Found {
    entries
        .find(&key(name), |one| one.policy.vary().is_empty() || one.variant.matches([Some(value)]))
}

#[test]
fn newest_variant_that_fits_is_found() {
    let (entries, counts) = entries(1 << 20);
    let insert = |vary, value, body: &'static str| {
        entries.insert(key("a"), StoredResponse::new(response(vary, value, text(body))), None)
    };
    assert!(matches!(find(&entries, "a", "de"), Found::Miss { vary: None }));
    insert("accept-language", "de", "one");
    insert("accept-language", "en", "two");
    assert_eq!(body(&find(&entries, "a", "de")), Some(&b"one"[..]));
    assert_eq!(body(&find(&entries, "a", "en")), Some(&b"two"[..]));
    let Found::Miss { vary: Some(vary) } = find(&entries, "a", "fr") else { panic!() };
    assert_eq!(vary.iter().collect::<Vec<_>>(), ["accept-language"]);
    insert("accept-language", "de", "three");
    assert_eq!(body(&find(&entries, "a", "de")), Some(&b"three"[..]));
    assert_eq!(counts.entries.load(Ordering::Relaxed), 2);
    // It does not vary any more.
    insert("", "", "four");
    for language in ["de", "en", "fr"] {
        assert_eq!(body(&find(&entries, "a", language)), Some(&b"four"[..]));
    }
}

#[test]
fn variants_of_a_key_are_bounded_and_the_oldest_goes() {
    let (entries, counts) = entries(1 << 20);
    for number in 0..40 {
        let value = number.to_string();
        let new = StoredResponse::new(response("x", &value, text(value.clone())));
        entries.insert(key("a"), new, None);
    }
    let known = (0..40).filter(|n| body(&find(&entries, "a", &n.to_string())).is_some());
    assert_eq!(known.collect::<Vec<_>>(), (8..40).collect::<Vec<_>>());
    assert_eq!(counts.entries.load(Ordering::Relaxed), 32);
}

#[test]
fn response_after_a_304_takes_the_position_of_the_old_one() {
    let (entries, counts) = entries(1 << 20);
    let parts = response("x", "1", text("body"));
    let old = entries.insert(key("a"), StoredResponse::new(parts), None);
    // It varies by something else now: the old one must go all the same.
    let parts = response("y", "1", text("body"));
    let new = entries.insert(key("a"), StoredResponse::new(parts), Some(&old));
    assert_eq!(counts.entries.load(Ordering::Relaxed), 1);
    let Found::Stored(found, PurgeState::Valid) = find(&entries, "a", "1") else { panic!() };
    assert!(Arc::ptr_eq(&found, &new));
    // Once more, from what is stored no more.
    entries.insert(key("a"), StoredResponse::new(response("y", "1", text("more"))), Some(&old));
    assert_eq!(counts.entries.load(Ordering::Relaxed), 1);
}

#[test]
fn markers_pass_until_something_is_stored() {
    let (entries, _) = entries(1 << 20);
    let now = Instant::now();
    entries.mark_pass(&key("a"), now + Duration::from_secs(60), now);
    assert!(matches!(find(&entries, "a", ""), Found::Pass));
    entries.mark_pass(&key("a"), now, now);
    assert!(matches!(find(&entries, "a", ""), Found::Miss { .. }));
    entries.mark_pass(&key("a"), now + Duration::from_secs(60), now);
    entries.insert(key("a"), StoredResponse::new(response("", "", text("1"))), None);
    assert_eq!(body(&find(&entries, "a", "")), Some(&b"1"[..]));
}

#[test]
fn body_that_is_evicted_counts_until_its_last_reader_is_done() {
    let (entries, counts) = entries(100_000);
    let store = |name: &str| {
        let mut held = BodyReservation::new(Arc::clone(&entries), entries.nothing());
        if !held.grow(10_000) {
            return false;
        }
        let body = held.hold(Bytes::from(vec![1; 10_000])).unwrap();
        let parts = response("", "", StoredBody::Memory(body));
        entries.insert(
            CacheKey::new(&KeyHasher::default(), name.as_bytes().into()),
            StoredResponse::new(parts),
            None,
        );
        true
    };
    let mut readers = Vec::new();
    let used = || counts.memory.load(Ordering::Relaxed);
    for number in 0..100 {
        let mut held = BodyReservation::new(Arc::clone(&entries), entries.nothing());
        if held.grow(10_000) {
            readers.push(held.hold(Bytes::from(vec![1; 10_000])).unwrap());
        }
        store(&number.to_string());
        assert!(used() <= 100_000, "{}", used());
    }
    // The readers have what responses do not keep.
    assert!((3..=5).contains(&readers.len()), "{}", readers.len());
    assert!(counts.refused.load(Ordering::Relaxed) > 0);
    drop(readers);
    assert!((0..100).all(|number| store(&number.to_string())));
    drop(entries);
    assert_eq!(used(), 0);
}

/// A step of the random test of memory.
#[derive(Clone, Debug)]
enum Step {
    Insert { name: u8, value: u8, length: u64, was_read: bool },
    Find { name: u8, value: u8 },
    Read { length: u64 },
    Finish(usize),
    PurgeAll(PurgeMode),
}

fn step() -> impl Strategy<Value = Step> {
    let (name, value) = (0..20_u8, 0..3_u8);
    prop_oneof![
        4 => (name.clone(), value.clone(), 0..20_000_u64, any::<bool>()).prop_map(
            |(name, value, length, was_read)| Step::Insert { name, value, length, was_read }
        ),
        4 => (name, value).prop_map(|(name, value)| Step::Find { name, value }),
        1 => (0..20_000_u64).prop_map(|length| Step::Read { length }),
        1 => (0..8_usize).prop_map(Step::Finish),
        1 => prop_oneof![Just(PurgeMode::Soft), Just(PurgeMode::Hard)].prop_map(Step::PurgeAll),
    ]
}

proptest! {
    /// Whatever happens: the memory stays below its limit, a find returns the latest response or none, and in the end
    /// everything is returned.
    #[test]
    fn limits_hold_and_nothing_old_is_found(steps in prop::collection::vec(step(), 1..150)) {
        const MEMORY: u64 = 120_000;
        let (entries, counts) = entries(MEMORY);
        let hasher = KeyHasher::default();
        let tags = TagHasher { hasher: &hasher, slots: SLOTS };
        let mut latest = HashMap::new();
        let mut readers = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let name = |name: u8| "n".repeat(usize::from(name));
            let read = |length: u64| {
                let mut held = BodyReservation::new(Arc::clone(&entries), entries.nothing());
                held.grow(length).then_some(held)
            };
            match step {
                Step::Insert { name: n, value, length, was_read } => {
                    let Some(held) = read(length) else { continue };
                    let mut text = number.to_string().into_bytes();
                    text.resize(text.len().max(length as usize), b' ');
                    let Some(body) = held.hold(Bytes::from(text)) else { continue };
                    if was_read {
                        readers.push(Some(body.clone()));
                    }
                    let value = value.to_string();
                    let mut parts = response("x", &value, StoredBody::Memory(body));
                    parts.tags = tags.of_response(b"a", b"/", None::<&[u8]>);
                    parts.sent = entries.generations.current();
                    entries.insert(key(&name(n)), StoredResponse::new(parts), None);
                    latest.insert((n, value), Some(number));
                }
                Step::Find { name: n, value } => {
                    let value = value.to_string();
                    if let Some(body) = body(&find(&entries, &name(n), &value)) {
                        let body = std::str::from_utf8(body).unwrap();
                        let expected = latest.get(&(n, value)).copied().flatten();
                        prop_assert_eq!(body.trim().parse::<usize>().ok(), expected);
                    }
                }
                Step::Read { length } => {
                    if let Some(held) = read(length) {
                        readers.push(held.hold(Bytes::from(vec![0; length as usize])));
                    }
                }
                Step::Finish(index) => {
                    if index < readers.len() {
                        readers.swap_remove(index);
                    }
                }
                Step::PurgeAll(mode) => {
                    entries.purge(tags.of_target(PurgeTarget::Everything).into_iter().flatten(), mode);
                    if mode == PurgeMode::Hard {
                        latest.clear();
                    }
                }
            }
            prop_assert!(counts.memory.load(Ordering::Relaxed) <= MEMORY);
            entries.check();
        }
        drop((entries, readers));
        prop_assert_eq!(counts.memory.load(Ordering::Relaxed), 0);
    }
}

const HOSTS: [&str; 2] = ["a", "b"];
const URLS: [&str; 5] = ["/", "/x/", "/x/1", "/x/y/2?q", "/y/1"];
const TAGS: [&str; 3] = ["one", "two", "three"];

/// A target as the model knows it.
#[derive(Clone, Copy, Debug)]
enum Target {
    Everything,
    Host(usize),
    Prefix(usize, usize),
    Url(usize, usize),
    Tag(usize),
}

/// A step of the random test of purges.
#[derive(Clone, Debug)]
enum PurgeStep {
    /// A request is sent, whose response will have these tags.
    Send {
        host: usize,
        url: usize,
        tags: Vec<usize>,
    },
    /// The response of the oldest request is stored.
    Store,
    Purge(Vec<Target>, PurgeMode),
    FindAll,
}

/// A request as the model knows it, and what purges have made of its response.
#[derive(Clone, Debug)]
struct ModelEntry {
    host: usize,
    url: usize,
    tags: Vec<usize>,
    sent: Generation,
    is_soft: bool,
    is_hard: bool,
}

impl ModelEntry {
    fn state(&self) -> PurgeState {
        if self.is_soft { PurgeState::SoftPurged } else { PurgeState::Valid }
    }
}

impl Target {
    fn reaches(self, entry: &ModelEntry) -> bool {
        let path = URLS[entry.url].split('?').next().unwrap();
        match self {
            Self::Everything => true,
            Self::Host(host) => host == entry.host,
            Self::Prefix(host, url) => host == entry.host && path.starts_with(prefix(url)),
            Self::Url(host, url) => (host, url) == (entry.host, entry.url),
            Self::Tag(tag) => entry.tags.contains(&tag),
        }
    }

    fn target(self) -> PurgeTarget<'static> {
        match self {
            Self::Everything => PurgeTarget::Everything,
            Self::Host(host) => PurgeTarget::Host(HOSTS[host].as_bytes()),
            Self::Prefix(host, url) => {
                PurgeTarget::Prefix(HOSTS[host].as_bytes(), prefix(url).as_bytes())
            }
            Self::Url(host, url) => PurgeTarget::Url(HOSTS[host].as_bytes(), URLS[url].as_bytes()),
            Self::Tag(tag) => PurgeTarget::Tag(TAGS[tag].as_bytes()),
        }
    }
}

/// The path of a URL up to its last `/`.
fn prefix(url: usize) -> &'static str {
    let end = URLS[url].rfind('/').unwrap();
    &URLS[url][..=end]
}

fn target() -> impl Strategy<Value = Target> {
    let (host, url) = (0..HOSTS.len(), 0..URLS.len());
    prop_oneof![
        1 => Just(Target::Everything),
        2 => host.clone().prop_map(Target::Host),
        3 => (host.clone(), url.clone()).prop_map(|(host, url)| Target::Prefix(host, url)),
        4 => (host, url).prop_map(|(host, url)| Target::Url(host, url)),
        3 => (0..TAGS.len()).prop_map(Target::Tag),
    ]
}

fn purge_step() -> impl Strategy<Value = PurgeStep> {
    let mode = prop_oneof![Just(PurgeMode::Soft), Just(PurgeMode::Hard)];
    prop_oneof![
        4 => (0..HOSTS.len(), 0..URLS.len(), prop::collection::vec(0..TAGS.len(), 0..3))
            .prop_map(|(host, url, tags)| PurgeStep::Send { host, url, tags }),
        4 => Just(PurgeStep::Store),
        2 => (prop::collection::vec(target(), 1..3), mode)
            .prop_map(|(targets, mode)| PurgeStep::Purge(targets, mode)),
        2 => Just(PurgeStep::FindAll),
    ]
}

/// Whether two of all tags share a slot, in which case purges reach more than the model knows.
fn has_collisions(tags: &TagHasher<'_>) -> bool {
    let mut slots = Vec::new();
    for (host, name) in HOSTS.iter().enumerate() {
        slots.extend(tags.of_target(PurgeTarget::Host(name.as_bytes())));
        for url in 0..URLS.len() {
            slots.extend(tags.of_target(Target::Url(host, url).target()));
        }
        for prefix in ["/", "/x/", "/x/y/", "/y/"] {
            slots.extend(tags.of_target(PurgeTarget::Prefix(name.as_bytes(), prefix.as_bytes())));
        }
    }
    slots.extend(TAGS.map(|tag| tags.of_target(PurgeTarget::Tag(tag.as_bytes()))[0]));
    let mut slots: Vec<u32> = slots.into_iter().flatten().collect();
    let count = slots.len();
    slots.sort_unstable();
    slots.dedup();
    slots.len() < count
}

proptest! {
    /// Purges by generation do what a walk over all entries would do, and reach responses that are not yet stored.
    #[test]
    fn purges_reach_what_a_walk_would_find(steps in prop::collection::vec(purge_step(), 1..80)) {
        let (entries, _) = entries(1 << 30);
        let hasher = KeyHasher::default();
        let tags = TagHasher { hasher: &hasher, slots: SLOTS };
        let is_exact = !has_collisions(&tags);
        // A response's body is its index.
        let mut all: Vec<ModelEntry> = Vec::new();
        let mut requests: VecDeque<usize> = VecDeque::new();
        let mut stored: HashMap<(usize, usize), usize> = HashMap::new();
        for step in steps.into_iter().chain([PurgeStep::FindAll]) {
            match step {
                PurgeStep::Send { host, url, tags } => {
                    requests.push_back(all.len());
                    let sent = entries.generations.current();
                    all.push(ModelEntry { host, url, tags, sent, is_soft: false, is_hard: false });
                }
                PurgeStep::Store => {
                    let Some(index) = requests.pop_front() else { continue };
                    let one = &all[index];
                    let (host, url) = (HOSTS[one.host], URLS[one.url]);
                    let mut parts = response("", "", text(index.to_string()));
                    let own = one.tags.iter().map(|tag| TAGS[*tag]);
                    parts.tags = tags.of_response(host.as_bytes(), url.as_bytes(), own);
                    parts.sent = one.sent;
                    let key = CacheKey::new(&hasher, format!("{host}{url}").into_bytes().into());
                    entries.insert(key, StoredResponse::new(parts), None);
                    if !one.is_hard {
                        stored.insert((one.host, one.url), index);
                    }
                }
                PurgeStep::Purge(targets, mode) => {
                    let slots = targets.iter().flat_map(|one| tags.of_target(one.target()));
                    entries.purge(slots.flatten(), mode);
                    for entry in &mut all {
                        if targets.iter().any(|target| target.reaches(entry)) {
                            match mode {
                                PurgeMode::Soft => entry.is_soft = true,
                                PurgeMode::Hard => entry.is_hard = true,
                            }
                        }
                    }
                }
                PurgeStep::FindAll => {
                    for (host, url) in (0..HOSTS.len()).flat_map(|h| (0..URLS.len()).map(move |u| (h, u))) {
                        let name = format!("{}{}", HOSTS[host], URLS[url]);
                        let key = CacheKey::new(&hasher, name.into_bytes().into());
                        let found = entries.find(&key, |_| true);
                        let found = match &found {
                            Found::Stored(_, state) => Some((number(&found), *state)),
                            Found::Pass | Found::Miss { .. } => None,
                        };
                        if is_exact {
                            let known = stored.get(&(host, url)).copied();
                            let expected = known.filter(|&index| !all[index].is_hard);
                            prop_assert_eq!(found, expected.map(|index| (index, all[index].state())));
                        } else if let Some((index, state)) = found {
                            // A response that shares a slot is purged more: an older one may be found in its place.
                            prop_assert!(!all[index].is_hard);
                            prop_assert!(state == all[index].state() || state == PurgeState::SoftPurged);
                        }
                    }
                }
            }
            entries.check();
        }
    }
}

#[test]
fn purges_count_entries_once() {
    let (entries, counts) = entries(1 << 20);
    let hasher = KeyHasher::default();
    let tags = TagHasher { hasher: &hasher, slots: SLOTS };
    for url in ["/1", "/2", "/3"] {
        let mut parts = response("", "", text("body"));
        parts.tags = tags.of_response(b"a", url.as_bytes(), [url]);
        entries.insert(key(url), StoredResponse::new(parts), None);
    }
    let purge = |target, mode| entries.purge(tags.of_target(target).into_iter().flatten(), mode);
    assert_eq!(purge(PurgeTarget::Host(b"a"), PurgeMode::Soft), 1);
    // The keys share a hash: only one is kept.
    assert_eq!(counts.entries.load(Ordering::Relaxed), 1);
    assert_eq!(purge(PurgeTarget::Tag(b"/3"), PurgeMode::Hard), 1);
    assert_eq!(purge(PurgeTarget::Tag(b"/3"), PurgeMode::Hard), 0);
    assert_eq!(purge(PurgeTarget::Tag(b"/2"), PurgeMode::Hard), 0);
    assert_eq!(counts.purged.load(Ordering::Relaxed), 2);
    assert!(matches!(find(&entries, "/3", ""), Found::Miss { .. }));
    assert_eq!(purge(PurgeTarget::Host(b"a"), PurgeMode::Hard), 0);
    assert_eq!(counts.entries.load(Ordering::Relaxed), 0);
}

/// A response to a request that was sent before a purge is not found after it, whatever the order, also while others
/// look for it.
#[test]
fn purge_between_request_and_store_wins_in_any_order() {
    explore("purge, store and find", || {
        let counts = Arc::<CacheCounts>::default();
        let limits = EntryLimits { memory: 1 << 20, shards: 1, purge_slots: 4 };
        let entries = Arc::new(Entries::new(limits, counts));
        let tags = TagSlots::of_slot(2);
        let sent = entries.generations.current();
        let (one, other, third, last) =
            (Arc::clone(&entries), Arc::clone(&entries), Arc::clone(&entries), entries);
        let purge: ScriptThread = Box::new(move || {
            one.purge([2], PurgeMode::Hard);
            // Whoever asks after the purge.
            assert!(!matches!(one.find(&key("a"), |_| true), Found::Stored(..)));
        });
        let store: ScriptThread = Box::new(move || {
            let mut parts = response("", "", text("old"));
            (parts.tags, parts.sent) = (tags, sent);
            other.insert(key("a"), StoredResponse::new(parts), None);
        });
        let look: ScriptThread = Box::new(move || {
            third.find(&key("a"), |_| true);
        });
        let end = move || {
            assert!(!matches!(last.find(&key("a"), |_| true), Found::Stored(..)));
            last.check();
        };
        ThreadScript { threads: vec![purge, store, look], end: Box::new(end) }
    });
}
