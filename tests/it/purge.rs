//! Purges: at the admin listener, at the listeners for clients, and by `sideman purge`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{App, Client, Settings, Sideman, Tool, eventually_is};

/// Pages whose text has the number of the request, fresh for an hour, with the tag in the query.
fn pages() -> (App, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let seen = Arc::clone(&count);
    let application = App::start(move |request| {
        let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
        let tag = request.target().split_once("tag=").map_or("none", |(_, tag)| tag).to_owned();
        let text = format!("{} {number}", request.method());
        let status = if request.method() == "GET" { "200 OK" } else { "405 Method Not Allowed" };
        format!(
            "HTTP/1.1 {status}\r\nConnection: keep-alive\r\nCache-Control: max-age=3600\r\nSurrogate-Key: all-{tag} {tag}\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .into()
    });
    (application, count)
}

fn start(application: &App) -> Sideman {
    Settings::before(&application.url()).set("cache.memory", "8MiB").start()
}

/// Requests a page of a host, and returns its text.
fn page(sideman: &Sideman, host: &str, target: &str) -> String {
    let mut client = Client::connect(sideman.address());
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response().text()
}

/// Sends a purge to a listener, and returns the status and the text.
fn purge(to: std::net::SocketAddr, target: &str, host: &str, fields: &str) -> (u16, String) {
    let mut client = Client::connect(to);
    client.send(format!("PURGE {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    let response = client.response();
    (response.status, response.text())
}

fn purged(count: usize) -> (u16, String) {
    (200, format!("{{\"purged\":{count}}}\n"))
}

#[test]
fn purged_url_is_fetched_again_and_others_stay() {
    let (application, _) = pages();
    let sideman = start(&application);
    assert_eq!(page(&sideman, "a.test", "/x?y"), "GET 1");
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 2");
    assert_eq!(page(&sideman, "b.test", "/x?y"), "GET 3");
    assert_eq!(page(&sideman, "a.test", "/x?y"), "GET 1");
    // As Wagtail sends it: a path at this address, with the site's Host.
    assert_eq!(purge(sideman.admin(), "/x?y", "a.test", ""), purged(1));
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 2");
    assert_eq!(page(&sideman, "b.test", "/x?y"), "GET 3");
    assert_eq!(page(&sideman, "a.test", "/x?y"), "GET 4");
    // A URL that is not stored is no error.
    assert_eq!(purge(sideman.admin(), "/none", "a.test", ""), purged(0));
    assert_eq!(sideman.metric("sideman_cache_purges_total", &[("purge", "url")]), 2.0);
    assert_eq!(sideman.metric("sideman_cache_purged_total", &[]), 1.0);
}

#[test]
fn prefix_and_host_are_purged() {
    let (application, _) = pages();
    let sideman = start(&application);
    for (target, text) in [("/blog/a", "GET 1"), ("/blog/b/c", "GET 2"), ("/shop/", "GET 3")] {
        assert_eq!(page(&sideman, "a.test", target), text);
    }
    assert_eq!(purge(sideman.admin(), "/blog/*", "a.test", ""), purged(2));
    assert_eq!(page(&sideman, "a.test", "/shop/"), "GET 3");
    assert_eq!(page(&sideman, "a.test", "/blog/a"), "GET 4");
    assert_eq!(page(&sideman, "b.test", "/"), "GET 5");
    // What was purged before by another name may count again.
    assert_eq!(purge(sideman.admin(), "/*", "a.test", "").0, 200);
    assert_eq!(page(&sideman, "b.test", "/"), "GET 5");
    assert_eq!(page(&sideman, "a.test", "/shop/"), "GET 6");
    assert_eq!(sideman.metric("sideman_cache_purges_total", &[("purge", "prefix")]), 2.0);
}

#[test]
fn tags_and_everything_are_purged_by_this_machine_only() {
    let (application, _) = pages();
    let sideman = start(&application);
    let admin = sideman.admin().to_string();
    assert_eq!(page(&sideman, "a.test", "/?tag=one"), "GET 1");
    assert_eq!(page(&sideman, "b.test", "/?tag=two"), "GET 2");
    // A page whose name was pointed here (DNS rebinding) cannot empty the cache.
    for fields in ["Surrogate-Key: one\r\n", "Sideman-Purge: all\r\n"] {
        let (status, text) = purge(sideman.admin(), "/", "a.test", fields);
        assert_eq!(status, 403, "{text}");
    }
    assert_eq!(sideman.metric("sideman_admin_refused_total", &[("cause", "purge")]), 2.0);
    assert_eq!(page(&sideman, "a.test", "/?tag=one"), "GET 1");
    assert_eq!(purge(sideman.admin(), "/", &admin, "Cache-Tag: all-one, none\r\n"), purged(1));
    assert_eq!(page(&sideman, "a.test", "/?tag=one"), "GET 3");
    assert_eq!(page(&sideman, "b.test", "/?tag=two"), "GET 2");
    assert_eq!(purge(sideman.admin(), "/", &admin, "Sideman-Purge: all\r\n").0, 200);
    assert_eq!(page(&sideman, "b.test", "/?tag=two"), "GET 4");
    let (status, text) = purge(sideman.admin(), "/", &admin, "Sideman-Purge: everything\r\n");
    assert_eq!((status, text.as_str()), (400, "the words of Sideman-Purge are all and soft\n"));
}

#[test]
fn soft_purge_makes_responses_stale() {
    let (application, count) = pages();
    let sideman = start(&application);
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 1");
    assert_eq!(purge(sideman.admin(), "/x", "a.test", "Sideman-Purge: soft\r\n"), purged(1));
    // It is sent once more while the new one is fetched.
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 1");
    eventually_is("requests to the application", &2, || count.load(Ordering::Relaxed));
    eventually_is("text", &"GET 2".to_owned(), || page(&sideman, "a.test", "/x"));
}

#[test]
fn clients_of_named_networks_may_purge_and_others_reach_the_application() {
    let (application, _) = pages();
    let sideman = Settings::before(&application.url())
        .set("cache.memory", "8MiB")
        .set("cache.purge_from", "10.9.0.0/16")
        .set("server.trusted_proxies", "127.0.0.1")
        .start();
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 1");
    let (status, text) = purge(sideman.address(), "/x", "a.test", "");
    assert_eq!((status, text.as_str()), (405, "PURGE 2"));
    let forwarded = "X-Forwarded-For: 10.9.8.7\r\n";
    assert_eq!(purge(sideman.address(), "/x", "a.test", forwarded), purged(1));
    assert_eq!(page(&sideman, "a.test", "/x"), "GET 3");
}

#[test]
fn without_a_cache_nothing_is_purged() {
    let (application, _) = pages();
    let sideman = Settings::before(&application.url()).start();
    assert_eq!(purge(sideman.admin(), "/x", "a.test", ""), purged(0));
}

#[test]
fn purge_command_asks_the_running_process() {
    let (application, _) = pages();
    let sideman = start(&application);
    let admin = sideman.admin().to_string();
    let run = |args: &[&str]| {
        let all = ["purge", "--admin", &admin].iter().chain(args).copied().collect::<Vec<_>>();
        let ended = Settings::default().args(&all).run_to_end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    assert_eq!(page(&sideman, "a.test", "/blog/?tag=one"), "GET 1");
    assert_eq!(page(&sideman, "a.test", "/shop/?tag=two"), "GET 2");
    assert_eq!(run(&["https://a.test/blog/?tag=one"]), "purged 1 stored response\n");
    assert_eq!(page(&sideman, "a.test", "/blog/?tag=one"), "GET 3");
    assert_eq!(run(&["https://a.test/shop/*", "--tag", "one"]), "purged 2 stored responses\n");
    assert!(run(&["--all"]).starts_with("purged "));
}

/// Runs the module of the wheel beside Sideman, and returns what `sideman.purge` with these arguments returns.
#[track_caller]
fn purge_from_python(sideman: &Sideman, arguments: &str) -> Option<String> {
    let output = std::process::Command::new(Tool::Python.path()?)
        .args(["-c", &format!("import sideman\nprint(sideman.purge({arguments}))")])
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SIDEMAN_ADMIN", sideman.admin().to_string())
        .env_remove("PYTHONHOME")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn purge_of_the_wheel_asks_the_running_process() {
    let (application, count) = pages();
    let sideman = start(&application);
    let texts = || {
        ["/blog/?tag=one", "/blog/a/", "/shop/?tag=two"]
            .map(|target| page(&sideman, "a.test", target))
    };
    let check = |arguments: &str, purged: Option<&str>, fetched: &[usize]| {
        let before = texts();
        let Some(said) = purge_from_python(&sideman, arguments) else { return };
        purged.into_iter().for_each(|purged| assert_eq!(said, purged, "{arguments}"));
        let after = texts();
        let changed: Vec<usize> = (0..3).filter(|&one| before[one] != after[one]).collect();
        assert_eq!(changed, fetched, "{arguments}");
    };
    check("'https://a.test/blog/?tag=one'", Some("1"), &[0]);
    check("'http://a.test/blog/*'", None, &[0, 1]);
    check("tags=['two', 'absent']", Some("1"), &[2]);
    check("tags='one'", Some("1"), &[0]);
    check("everything=True", None, &[0, 1, 2]);
    // Softly: the stored response is sent once more while the next one is fetched.
    let (before, requests) = (texts(), count.load(Ordering::Relaxed));
    if purge_from_python(&sideman, "'https://a.test/blog/a/', soft=True").is_none() {
        return;
    }
    assert_eq!(page(&sideman, "a.test", "/blog/a/"), before[1]);
    let next = format!("GET {}", requests + 1);
    eventually_is("text", &next, || page(&sideman, "a.test", "/blog/a/"));
    assert_eq!([texts()[0].clone(), texts()[2].clone()], [before[0].clone(), before[2].clone()]);
}
