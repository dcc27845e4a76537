//! Limits of the file store: `static.entries` and `static.memory`, with any requests.

use super::Site;
use crate::support::{Settings, Sideman, pattern};

const STATIC: &[(&str, &str)] = &[("store", "static")];

/// Entries and bytes at one moment: the background may replace an entry meanwhile.
#[track_caller]
fn held(sideman: &Sideman) -> (f64, f64) {
    let metric = |name| sideman.metric(name, STATIC);
    let both = || (metric("sideman_file_store_entries"), metric("sideman_file_store_bytes"));
    let mut last = both();
    for _ in 0..100 {
        let next = both();
        if next == last {
            return last;
        }
        last = next;
    }
    panic!("the store never rests: {last:?}");
}

/// A site with this number of files of this size, `0.bin` and so on.
fn site(count: usize, size: usize, more: impl FnOnce(Settings) -> Settings) -> Site {
    let site = Site::set(&[], |settings| more(settings.set("static.check_interval", "1h")));
    for number in 0..count {
        site.directory.write(&format!("{number}.bin"), content(number, size));
    }
    site
}

fn content(number: usize, size: usize) -> Vec<u8> {
    let mut content = pattern(size);
    content[..8].copy_from_slice(&(number as u64).to_le_bytes());
    content
}

#[test]
fn entries_are_bounded() {
    let site = site(200, 100, |settings| settings.set("static.entries", "16"));
    let mut client = site.sideman.connect();
    for number in (0..200).chain(0..200) {
        let body = client.get(&format!("/static/{number}.bin")).body;
        assert!(body == content(number, 100), "{number}");
        let (entries, _) = held(&site.sideman);
        assert!((1.0..=16.0).contains(&entries), "{entries} entries after {number}");
    }
    let evicted = site.sideman.metric("sideman_file_store_evicted_total", STATIC);
    let misses = site.sideman.metric("sideman_file_store_misses_total", &[]);
    // Entries that were added and are no longer there.
    assert_eq!(evicted, misses - held(&site.sideman).0);
}

#[test]
fn memory_is_bounded() {
    let most = f64::from(1 << 20);
    let site = site(60, 100_000, |settings| settings.set("static.memory", "1MiB"));
    let mut client = site.sideman.connect();
    for number in (0..60).chain(0..60) {
        let body = client.get(&format!("/static/{number}.bin")).body;
        assert!(body == content(number, 100_000), "{number}");
        let (entries, bytes) = held(&site.sideman);
        assert!(bytes <= most && bytes >= entries * 100_000.0, "{bytes} bytes after {number}");
        assert!(entries >= 1.0, "nothing is held after {number}");
    }
    assert!(site.sideman.metric("sideman_file_store_evicted_total", STATIC) > 50.0);
}

#[test]
fn busy_entries_are_not_evicted() {
    for bound in [("static.memory", "1MiB"), ("static.entries", "16")] {
        let site = site(100, 60_000, |settings| settings.set(bound.0, bound.1));
        site.directory.write("hot.css", "hot");
        let mut client = site.sideman.connect();
        let mut looks = 0.0;
        for number in 0..100 {
            let before = site.sideman.metric("sideman_file_store_misses_total", &[]);
            for _ in 0..3 {
                assert_eq!(client.get("/static/hot.css").text(), "hot");
            }
            looks += site.sideman.metric("sideman_file_store_misses_total", &[]) - before;
            // In sequence, each once: like a crawler.
            assert_eq!(client.get(&format!("/static/{number}.bin")).status, 200);
        }
        // Files that are requested all the time are rarely evicted.
        assert!(looks <= 3.0, "{looks} looks for the one in use, with {bound:?}");
    }
}

#[test]
fn repeated_requests_enter_a_full_cache() {
    // The store is full of entries used once, long ago; the shard of a name is random.
    for bound in [("static.memory", "1MiB"), ("static.entries", "16")] {
        let site = site(60, 60_000, |settings| settings.set(bound.0, bound.1));
        let mut client = site.sideman.connect();
        for number in 0..50 {
            assert_eq!(client.get(&format!("/static/{number}.bin")).status, 200);
        }
        for number in 50..60 {
            let before = site.sideman.metric("sideman_file_store_misses_total", &[]);
            for _ in 0..10 {
                assert_eq!(client.get(&format!("/static/{number}.bin")).status, 200);
            }
            let looks = site.sideman.metric("sideman_file_store_misses_total", &[]) - before;
            assert!(looks <= 2.0, "{looks} of 10 looks for {number}, with {bound:?}");
        }
    }
}

#[test]
fn large_files_count_for_their_descriptors() {
    let site = site(30, 2 << 20, |settings| settings.set("static.memory", "1MiB"));
    let descriptors =
        || std::fs::read_dir(format!("/proc/{}/fd", site.sideman.pid())).unwrap().count();
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/alphabet.txt").status, 200);
    let before = descriptors();
    for number in 0..30 {
        let body = client.get(&format!("/static/{number}.bin")).body;
        assert!(body == content(number, 2 << 20), "{number}");
        let (_, bytes) = held(&site.sideman);
        assert!(bytes <= f64::from(1 << 20), "{bytes} bytes after {number}");
    }
    // 64 KiB each: sixteen at most, and one that is being hashed.
    assert!(descriptors() <= before + 18, "{before}, then {}", descriptors());
}
