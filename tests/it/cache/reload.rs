//! Reloads: stored responses survive those that do not change the cache's settings.

use super::{FRESH, Site, cache_status, fetch, is_hit};
use crate::support::{Client, Settings, Sideman, TempDir};

/// Sideman with a settings file that the test rewrites.
struct Configured {
    directory: TempDir,
    upstream: String,
}

impl Configured {
    fn before(site: &Site) -> Self {
        Self { directory: TempDir::new(), upstream: site.app.url() }
    }

    fn write(&self, lines: &str) -> &Self {
        let upstream = &self.upstream;
        self.directory.write(
            "sideman.toml",
            format!(
                "server.listen = [\"127.0.0.1:0\"]\nadmin.listen = \"127.0.0.1:0\"\n\
                 upstream.url = \"{upstream}\"\nupstream.wait = \"0s\"\nshutdown.delay = \"0s\"\n{lines}"
            ),
        );
        self
    }

    #[track_caller]
    fn start(&self) -> Sideman {
        let path = self.directory.join("sideman.toml");
        Settings::default().args(&["run", "--config", path.to_str().unwrap()]).start()
    }
}

#[track_caller]
fn reload(sideman: &Sideman) {
    let response = sideman.admin_post("/-/reload");
    assert_eq!(response.status, 200, "{}", response.text());
}

#[test]
fn stored_responses_survive_a_reload() {
    let site = Site::start();
    let settings = Configured::before(&site);
    let sideman = settings.write("cache.memory = \"64MiB\"\n").start();
    let mut client = sideman.connect();
    let first = fetch(&mut client, "/", FRESH);
    settings.write("cache.memory = \"64MiB\"\nupstream.max_in_flight = 7\n");
    reload(&sideman);
    for response in [fetch(&mut client, "/", FRESH), sideman.get("/")] {
        assert!(is_hit(&response), "{}", cache_status(&response));
        assert_eq!(response.body, first.body);
    }
    assert_eq!(site.count(), 1);
}

#[test]
fn the_cache_can_be_disabled_and_enabled() {
    let site = Site::start();
    let settings = Configured::before(&site);
    let sideman = settings.write("cache.memory = \"64MiB\"\n").start();
    let first = fetch(&mut sideman.connect(), "/", FRESH);
    settings.write("");
    reload(&sideman);
    let second = fetch(&mut sideman.connect(), "/", FRESH);
    assert_ne!(second.body, first.body);
    assert_eq!(second.header("cache-status"), None);
    settings.write("cache.memory = \"64MiB\"\n");
    reload(&sideman);
    let third = fetch(&mut sideman.connect(), "/", FRESH);
    assert!(!is_hit(&third) && third.body != first.body && third.body != second.body);
    assert!(is_hit(&fetch(&mut sideman.connect(), "/", FRESH)));
}

#[test]
fn a_smaller_cache_applies_at_once() {
    let site = Site::start();
    let settings = Configured::before(&site);
    let sideman = settings.write("cache.memory = \"64MiB\"\n").start();
    fetch(&mut sideman.connect(), "/", FRESH);
    settings.write("cache.memory = \"16MiB\"\n");
    reload(&sideman);
    let mut client = sideman.connect();
    assert_eq!(fetch(&mut client, "/", FRESH).status, 200);
    assert!(is_hit(&fetch(&mut client, "/", FRESH)));
}

/// Purges a URL at one of the listeners, and expects that it was stored.
#[track_caller]
fn purge(mut listener: Client, target: &str) {
    let response = listener.ask("PURGE", target, "");
    assert_eq!((response.status, response.text().as_str()), (200, "{\"purged\":1}\n"));
}

#[test]
fn purges_reach_the_cache_after_a_reload() {
    let site = Site::start();
    let settings = Configured::before(&site);
    let lines = |memory: &str, rest: &str| {
        format!("cache.memory = \"{memory}\"\ncache.purge_from = [\"127.0.0.1\"]\n{rest}")
    };
    let sideman = settings.write(&lines("64MiB", "")).start();
    let mut client = sideman.connect();
    for target in ["/admin", "/client"] {
        fetch(&mut client, target, FRESH);
    }
    // The settings of the cache are the same: it keeps its responses.
    settings.write(&lines("64MiB", "upstream.max_in_flight = 7\n"));
    reload(&sideman);
    purge(Client::connect(sideman.admin()), "/admin");
    purge(sideman.connect(), "/client");
    for target in ["/admin", "/client"] {
        assert!(!is_hit(&fetch(&mut client, target, FRESH)), "{target}");
        assert!(is_hit(&fetch(&mut client, target, FRESH)), "{target}");
    }
    // They have changed: the new cache is empty, and purges reach it, not the old one.
    settings.write(&lines("32MiB", ""));
    reload(&sideman);
    for target in ["/admin", "/client"] {
        assert!(!is_hit(&fetch(&mut client, target, FRESH)), "{target}");
        assert!(is_hit(&fetch(&mut client, target, FRESH)), "{target}");
    }
    purge(Client::connect(sideman.admin()), "/admin");
    purge(sideman.connect(), "/client");
    for target in ["/admin", "/client"] {
        assert!(!is_hit(&fetch(&mut client, target, FRESH)), "{target}");
    }
    assert_eq!(site.count(), 8);
}
