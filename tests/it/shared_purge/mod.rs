//! Purges that reach other Sidemans over Redis.

mod faults;
mod speed;
mod tls;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::support::{App, Client, Redis, Settings, Sideman, eventually_is};

/// An application whose pages have the number of the request, and Sidemans with a cache each.
struct Site {
    app: App,
    sidemans: Vec<Sideman>,
}

/// The warning when Redis becomes unavailable.
const UNAVAILABLE: &str = "Redis is unavailable";

// === impl Site ===

impl Site {
    /// Starts Sidemans that are all connected to Redis.
    #[track_caller]
    fn start(redis: &Redis, count: usize) -> Self {
        let site = Self::unconnected(&redis.url(), count);
        for sideman in &site.sidemans {
            sideman.event("connected to Redis");
        }
        site
    }

    /// Starts Sidemans with this value of `cache.redis`.
    #[track_caller]
    fn unconnected(url: &str, count: usize) -> Self {
        let number = Arc::<AtomicUsize>::default();
        let app = App::start(move |request| {
            let number = number.fetch_add(1, Ordering::Relaxed) + 1;
            let tag = request.target().trim_start_matches('/').to_owned();
            let text = format!("{} {number}", request.method());
            format!(
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: max-age=3600\r\nSurrogate-Key: {tag}\r\n\
                 Content-Length: {}\r\n\r\n{text}",
                text.len()
            )
            .into()
        });
        let settings =
            Settings::before(&app.url()).set("cache.memory", "8MiB").set("cache.redis", url);
        let sidemans = (0..count).map(|_| settings.start()).collect();
        Self { app, sidemans }
    }

    /// Requests a page at one of the Sidemans.
    #[track_caller]
    fn page(&self, sideman: usize, target: &str) -> String {
        get(&mut self.sidemans[sideman].connect(), target)
    }

    /// Purges at one of the Sidemans.
    #[track_caller]
    fn purge(&self, sideman: usize, target: &str, fields: &str) {
        purge(&mut Client::connect(self.sidemans[sideman].admin()), target, fields);
    }

    /// Whether a page is still the one that was stored.
    #[track_caller]
    fn still(&self, sideman: usize, target: &str, text: &str) -> bool {
        self.page(sideman, target) == text
    }

    /// Waits until a page is not the stored one any more.
    #[track_caller]
    fn until_purged(&self, sideman: usize, target: &str, text: &str) {
        let what = format!("{target} at {sideman}: a page that is purged");
        eventually_is(&what, &false, || self.still(sideman, target, text));
    }

    #[track_caller]
    fn until_metric(&self, name: &str, value: f64) {
        for sideman in &self.sidemans {
            sideman.until_metric(name, &[], value);
        }
    }

    fn resets(&self) -> Vec<f64> {
        let resets = |one: &Sideman| one.metric("sideman_cache_resets_total", &[]);
        self.sidemans.iter().map(resets).collect()
    }
}

#[track_caller]
fn get(client: &mut Client, target: &str) -> String {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    client.response().text()
}

#[track_caller]
fn purge(client: &mut Client, target: &str, fields: &str) {
    client.send(format!("PURGE {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200);
}

/// A purge of one URL of the site.
#[track_caller]
fn purge_url(to: SocketAddr, target: &str) {
    let mut client = Client::connect(to);
    client.send(format!("PURGE {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_eq!(client.response().status, 200);
}

#[test]
fn each_kind_of_purge_reaches_the_others() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 3);
    for (target, fields) in [
        ("/a", "Surrogate-Key: x a\r\n"),
        ("/b", "Sideman-Purge: all\r\n"),
        ("/c", "Surrogate-Key: c\r\nSideman-Purge: soft\r\n"),
    ] {
        let stored: Vec<String> = (0..3).map(|one| site.page(one, target)).collect();
        let kept = site.page(1, "/kept");
        site.purge(0, "/", fields);
        for (one, stored) in stored.iter().enumerate() {
            site.until_purged(one, target, stored);
        }
        assert_eq!(site.still(1, "/kept", &kept), target != "/b");
    }
    let stored = [site.page(1, "/news/d"), site.page(2, "/e?x=1&utm_source=a")];
    let admin = site.sidemans[0].admin();
    purge_url(admin, "/news/*");
    purge_url(admin, "/e?utm_source=b&x=1");
    site.until_purged(1, "/news/d", &stored[0]);
    site.until_purged(2, "/e?x=1", &stored[1]);
    assert_eq!(site.sidemans[0].metric("sideman_cache_purges_sent_total", &[]), 5.0);
    assert_eq!([received(&site, 0), received(&site, 1), received(&site, 2)], [0.0, 5.0, 5.0]);
    assert_eq!(site.resets(), [0.0; 3]);
}

fn received(site: &Site, sideman: usize) -> f64 {
    site.sidemans[sideman].metric("sideman_cache_purges_received_total", &[])
}

#[test]
fn unsafe_methods_invalidate_at_the_others_too() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 2);
    let (stored, other) = (site.page(1, "/x"), site.page(1, "/y"));
    let mut client = site.sidemans[0].connect();
    client.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    site.until_purged(1, "/x", &stored);
    assert!(site.still(1, "/y", &other));
}

#[test]
fn purge_from_a_network_reaches_the_others() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 1);
    let settings = Settings::before(&site.app.url())
        .set("cache.memory", "8MiB")
        .set("cache.redis", &redis.url())
        .set("cache.purge_from", "127.0.0.0/8");
    let other = settings.start();
    other.event("connected to Redis");
    let stored = site.page(0, "/x");
    purge_url(other.address(), "/x");
    site.until_purged(0, "/x", &stored);
}

#[test]
fn address_changes_with_a_restart_only() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 1);
    let directory = redis.directory();
    let path = directory.write("sideman.toml", "[cache]\nmemory = \"8MiB\"\n");
    let text = |redis: &str| format!("[cache]\nmemory = \"8MiB\"\nredis = \"{redis}\"\n");
    std::fs::write(&path, text("off")).unwrap();
    let settings = Settings::before(&site.app.url()).args(&["--config", path.to_str().unwrap()]);
    let sideman = settings.start();
    std::fs::write(&path, text(&redis.url())).unwrap();
    let said = sideman.admin_post("/-/reload").text();
    assert!(said.contains("needs a restart: cache.redis"), "{said}");
}

#[test]
fn purges_of_others_reach_the_cache_after_a_reload() {
    let Some(redis) = Redis::start() else { return };
    let mut site = Site::start(&redis, 1);
    let directory = redis.directory();
    let text = |memory: &str, most: u32| {
        format!("upstream.max_in_flight = {most}\ncache.memory = \"{memory}\"\n")
    };
    let path = directory.write("sideman.toml", text("8MiB", 7));
    let settings = Settings::before(&site.app.url())
        .set("cache.redis", &redis.url())
        .args(&["--config", path.to_str().unwrap()]);
    site.sidemans.push(settings.start());
    site.sidemans[1].event("connected to Redis");
    let (kept, before) = (site.page(1, "/kept"), site.page(1, "/a"));
    // With the same settings of the cache, and with others: then it begins empty.
    for (memory, is_kept) in [("8MiB", true), ("16MiB", false)] {
        std::fs::write(&path, text(memory, 8)).unwrap();
        let reloaded = site.sidemans[1].admin_post("/-/reload");
        assert_eq!(reloaded.status, 200, "{}", reloaded.text());
        assert_eq!(site.still(1, "/kept", &kept), is_kept);
        let stored = site.page(1, "/a");
        assert_eq!(stored == before, is_kept);
        assert!(site.still(1, "/a", &stored));
        purge_url(site.sidemans[0].admin(), "/a");
        site.until_purged(1, "/a", &stored);
    }
}
