//! `rate_limit` with `global`: one count for several Sidemans, in Redis.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{App, Redis, Settings, Sideman};

const TOO_MANY: u16 = 429;

fn start(application: &App, url: &str) -> Sideman {
    Settings::before(&application.url())
        .set("cache.redis", url)
        .route("login", &[("path", "/login/"), ("rate_limit", "2/h burst=5 global")])
        .start()
}

fn connected(application: &App, redis: &Redis) -> Sideman {
    let sideman = start(application, &redis.url());
    sideman.event("connected to Redis");
    sideman
}

fn decisions(sideman: &Sideman, decision: &str) -> f64 {
    sideman.metric("sideman_rate_limit_global_total", &[("decision", decision)])
}

/// The number of ten requests that pass.
fn passed(sideman: &Sideman) -> usize {
    (0..10).filter(|_| sideman.get("/login/").status == 200).count()
}

#[test]
fn two_sidemans_have_one_count() {
    let Some(redis) = Redis::start() else { return };
    let application = App::saying("application");
    let sidemans = [connected(&application, &redis), connected(&application, &redis)];
    let statuses: Vec<u16> =
        (0..10).map(|number| sidemans[number % 2].get("/login/").status).collect();
    assert_eq!(statuses, [&[200; 6][..], &[TOO_MANY; 4]].concat());
    let response = sidemans[0].get("/login/");
    let retry_after: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1600..=1800).contains(&retry_after), "{response:?}");
    // A route without the limit does not ask.
    let asked = || sidemans.iter().map(|one| decisions(one, "redis")).sum::<f64>();
    let before = asked();
    assert_eq!(sidemans[0].get("/").status, 200);
    assert_eq!((asked(), decisions(&sidemans[0], "timeout")), (before, 0.0));
    // No address of a client, and an end.
    let keys = redis.all("KEYS sideman:limit:*");
    let key = keys.lines().find(|line| line.starts_with("sideman:limit:")).unwrap().to_owned();
    assert_eq!(key.len(), "sideman:limit:".len() + 32);
    assert!(!keys.contains("127.0.0.1"), "{keys}");
    let life: i64 = redis.ask(&format!("TTL {key}")).trim_start_matches(':').parse().unwrap();
    assert!((9000..=10_800).contains(&life), "{life}");
    // The script is gone.
    assert_eq!(redis.ask("SCRIPT FLUSH"), "+OK");
    redis.ask(&format!("DEL {key}"));
    let other = connected(&application, &redis);
    assert_eq!(passed(&other), 6);
    assert_eq!(decisions(&other, "unavailable"), 0.0);
}

#[test]
fn each_sideman_counts_for_itself_without_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let application = App::saying("application");
    let sideman = connected(&application, &redis);
    redis.kill();
    assert_eq!(passed(&sideman), 6);
    let begin = Instant::now();
    assert_eq!(start(&application, "redis://127.0.0.1:1").get("/login/").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(10));
    redis.start_again();
    sideman.until_metric("sideman_redis_unavailable", &[], 0.0);
    assert_eq!(passed(&sideman), 0);
}

#[test]
fn paused_redis_delays_a_request_by_at_most_50_ms() {
    let Some(redis) = Redis::start() else { return };
    let application = App::saying("application");
    let sideman = connected(&application, &redis);
    let mut client = sideman.connect();
    assert_eq!(client.get("/login/").status, 200);
    redis.signal(Signal::STOP);
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let begin = Instant::now();
            assert_eq!(client.get("/login/").status, 200);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The rest is the request itself, on a busy machine.
    assert!(times[2] < Duration::from_millis(100), "{times:?}");
    assert_eq!(client.get("/login/").status, TOO_MANY);
    assert_eq!(decisions(&sideman, "timeout") + decisions(&sideman, "unavailable"), 5.0);
    redis.signal(Signal::CONT);
}

#[test]
fn global_limit_needs_redis() {
    let ended = Settings::before("http://127.0.0.1:1")
        .route("login", &[("path", "/login/"), ("rate_limit", "2/h global")])
        .run_to_end();
    assert!(ended.stderr.contains("cache.redis is off"), "{}", ended.stderr);
}
