//! A Redis that is killed, paused, full or emptied: no request fails, and no purge is missed.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Site, UNAVAILABLE};
use crate::support::{Redis, Settings};

/// Waits until all have noticed.
#[track_caller]
fn until_unavailable(site: &Site) {
    site.until_metric("sideman_redis_unavailable", 1.0);
}

#[track_caller]
fn until_available(site: &Site) {
    site.until_metric("sideman_redis_unavailable", 0.0);
}

#[test]
fn purges_of_an_outage_are_done_when_redis_is_back() {
    let Some(mut redis) = Redis::durable() else { return };
    let site = Site::start(&redis, 2);
    let stored = [site.page(1, "/before"), site.page(1, "/during"), site.page(1, "/kept")];
    site.purge(0, "/", "Surrogate-Key: before\r\n");
    redis.kill();
    until_unavailable(&site);
    let local = site.page(0, "/during");
    site.purge(0, "/", "Surrogate-Key: during\r\n");
    assert!(!site.still(0, "/during", &local), "the purge waits for Redis");
    assert!(site.still(1, "/during", &stored[1]));
    redis.start_again();
    until_available(&site);
    site.until_purged(1, "/before", &stored[0]);
    site.until_purged(1, "/during", &stored[1]);
    assert!(site.still(1, "/kept", &stored[2]), "more was purged than needed");
    assert_eq!(site.resets(), [0.0; 2]);
    let (_, events) = site.sidemans.into_iter().next().unwrap().stop_for_events();
    let warnings = events.iter().filter(|line| line.contains(UNAVAILABLE)).count();
    let back = events.iter().filter(|line| line.contains("Redis is available again")).count();
    assert_eq!((warnings, back), (1, 1), "{events:#?}");
}

#[test]
fn everything_is_forgotten_if_redis_has_lost_its_data() {
    let Some(mut redis) = Redis::start() else { return };
    let site = Site::start(&redis, 2);
    let stored = [site.page(0, "/x"), site.page(1, "/x")];
    redis.kill();
    until_unavailable(&site);
    redis.start_again();
    until_available(&site);
    for (one, stored) in stored.iter().enumerate() {
        site.until_purged(one, "/x", stored);
    }
    assert_eq!(site.resets(), [1.0; 2]);
    // And the new stream is followed.
    let stored = site.page(1, "/y");
    site.purge(0, "/", "Surrogate-Key: y\r\n");
    site.until_purged(1, "/y", &stored);
}

#[test]
fn everything_is_forgotten_if_the_stream_was_trimmed_or_removed() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 2);
    for (number, command) in
        ["XTRIM sideman:purges MAXLEN 0", "DEL sideman:purges", "FLUSHALL"].into_iter().enumerate()
    {
        let target = format!("/{number}");
        let stored = site.page(1, &target);
        redis.ask(command);
        site.until_purged(1, &target, &stored);
        site.sidemans[1].until_metric("sideman_cache_resets_total", &[], (number + 1) as f64);
    }
}

#[test]
fn unknown_entries_purge_everything() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 1);
    for entry in ["url /x", "from me mode hard all x"] {
        let stored = site.page(0, "/x");
        redis.ask(&format!("XADD sideman:purges * {entry}"));
        site.until_purged(0, "/x", &stored);
    }
    // Longer than any reply that is read.
    let stored = site.page(0, "/x");
    redis.ask(&format!("SET long {}", "x".repeat(60_000)));
    let script = "local t = string.rep(redis.call('GET','long'), 30) redis.call('XADD','sideman:purges','*','a',t)";
    redis.ask(&format!("EVAL \"{script}\" 0"));
    site.until_purged(0, "/x", &stored);
    until_available(&site);
    assert_eq!(site.resets(), [3.0]);
}

#[test]
fn paused_redis_is_noticed_and_delays_no_request() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 2);
    let stored = site.page(1, "/x");
    redis.signal(Signal::STOP);
    let begin = Instant::now();
    let local = site.page(0, "/x");
    site.purge(0, "/", "Surrogate-Key: x\r\n");
    assert!(!site.still(0, "/x", &local), "the purge waits for Redis");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    until_unavailable(&site);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    redis.signal(Signal::CONT);
    site.until_purged(1, "/x", &stored);
    until_available(&site);
    assert_eq!(site.resets(), [0.0; 2]);
}

#[test]
fn full_redis_counts_as_unavailable_until_it_has_room() {
    let Some(redis) = Redis::start() else { return };
    let site = Site::start(&redis, 2);
    let stored = site.page(1, "/x");
    assert_eq!(redis.ask("CONFIG SET maxmemory-policy noeviction"), "+OK");
    assert_eq!(redis.ask("CONFIG SET maxmemory 1mb"), "+OK");
    site.purge(0, "/", "Surrogate-Key: x\r\n");
    // Those that purge nothing notice it as well: the purges of others do not reach them.
    until_unavailable(&site);
    let said = site.sidemans[1].event(UNAVAILABLE);
    assert!(said.contains("it is full: raise its maxmemory"), "{said}");
    assert!(site.still(1, "/x", &stored));
    assert_eq!(redis.ask("CONFIG SET maxmemory 0"), "+OK");
    until_available(&site);
    site.until_purged(1, "/x", &stored);
}

#[test]
fn stored_responses_are_confirmed_after_ten_seconds_without_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let site = Site::start(&redis, 1);
    let stored = site.page(0, "/x");
    redis.kill();
    until_unavailable(&site);
    let lost = Instant::now();
    assert!(site.still(0, "/x", &stored), "confirmed at once");
    site.until_purged(0, "/x", &stored);
    assert!(lost.elapsed() > Duration::from_secs(7), "confirmed after {:?}", lost.elapsed());
    let new = site.page(0, "/x");
    assert!(site.still(0, "/x", &new), "nothing is stored any more");
}

#[test]
fn sideman_serves_without_redis_from_the_start() {
    let site = Site::unconnected("redis://127.0.0.1:1", 1);
    let said = site.sidemans[0].event(UNAVAILABLE);
    assert!(said.contains("cannot connect") && said.contains("redis://127.0.0.1:1/0"), "{said}");
    let stored = site.page(0, "/x");
    assert!(site.still(0, "/x", &stored));
    site.purge(0, "/", "Surrogate-Key: x\r\n");
    assert!(!site.still(0, "/x", &stored));
}

#[test]
fn wrong_password_is_one_clear_warning_without_the_password() {
    let Some(redis) = Redis::with(&["--requirepass", "hunter1"]) else { return };
    let path = redis.url().replace("redis+unix:", "");
    for user in ["", "me"] {
        let site = Site::unconnected(&format!("redis+unix://{user}:hunter2@{path}"), 1);
        let sideman = site.sidemans.into_iter().next().unwrap();
        let said = sideman.event(UNAVAILABLE);
        assert!(said.contains("it refuses user and password: fix those in cache.redis"), "{said}");
        let (_, events) = sideman.stop_for_events();
        assert!(!events.iter().any(|line| line.contains("hunter")), "{events:#?}");
        assert_eq!(events.iter().filter(|line| line.contains(UNAVAILABLE)).count(), 1);
    }
    let password = redis.directory().write("url", format!("redis+unix://:hunter1@{path}\n"));
    let site = Site::unconnected("off", 0);
    let sideman = Settings::before(&site.app.url())
        .set("cache.memory", "8MiB")
        .variable("SIDEMAN_CACHE__REDIS_FILE", password.to_str().unwrap())
        .start();
    sideman.event("connected to Redis");
    let (_, events) = sideman.stop_for_events();
    assert!(!events.iter().any(|line| line.contains("hunter")), "{events:#?}");
}

#[test]
fn server_that_is_no_redis_is_said_so() {
    let other = Site::unconnected("off", 1);
    let site = Site::unconnected(&format!("redis://{}", other.sidemans[0].address()), 1);
    let said = site.sidemans[0].event(UNAVAILABLE);
    assert!(said.contains("check that cache.redis names a Redis"), "{said}");
    assert_eq!(site.page(0, "/x"), "GET 1");
}
