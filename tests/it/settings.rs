//! Settings from flags, environment and file, and the reports of invalid ones.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use crate::support::{App, Ended, ReservedPort, Settings, TempDir};

fn check(settings: Settings) -> Ended {
    settings.args(&["check"]).run_to_end()
}

fn sideman(args: &[&str]) -> Settings {
    Settings::default().args(args)
}

/// The value that `check` prints for a key.
#[track_caller]
fn value<'a>(ended: &'a Ended, key: &str) -> &'a str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = ended.stdout.lines().find(|line| line.split_whitespace().next() == Some(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {}", ended.stdout));
    line.split_once('=').unwrap().1.trim()
}

#[test]
fn check_prints_the_plan() {
    let directory = TempDir::new();
    let ended = sideman(&["check", "--all", "--upstream", "http://127.0.0.1:8000"])
        .args(&["--workers", "3"])
        .args(&["--listen", "127.0.0.1:18080", "--listen", "[::1]:18080"])
        .files("/static/", directory.path())
        .set("upstream.read_timeout", "45s")
        .run_to_end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for (key, part) in [
        ("server.listen", "127.0.0.1:18080"),
        ("server.listen", "[::1]:18080"),
        ("server.workers", "3"),
        ("upstream.url", "http://127.0.0.1:8000"),
        ("upstream.read_timeout", "45s"),
        ("upstream.connect_timeout", "1s"),
        ("static.roots", directory.path().to_str().unwrap()),
        ("health.path", "/healthz"),
        ("shutdown.delay", "5s"),
        ("shutdown.timeout", "28s"),
        ("log.access", "json"),
    ] {
        assert!(value(&ended, key).contains(part), "{key}: {}", ended.stdout);
    }
}

#[test]
fn check_shows_what_was_set_and_all_with_a_flag() {
    let settings = sideman(&["check", "--upstream", "http://127.0.0.1:8000"])
        .set("upstream.read_timeout", "45s");
    let ended = settings.run_to_end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.stdout);
    assert!(lines[0].starts_with("upstream.url") && lines[0].ends_with("(--upstream)"));
    assert!(lines[1].starts_with("upstream.read_timeout = 45s"), "{}", ended.stdout);
    assert!(lines[1].ends_with("(SIDEMAN_UPSTREAM__READ_TIMEOUT)"), "{}", ended.stdout);
    assert!(lines[2].contains("more have default values: --all"), "{}", ended.stdout);
    assert!(lines[3].starts_with("upstream.max_in_flight is found by"), "{}", ended.stdout);
    let all = settings.args(&["--all"]).run_to_end();
    assert!(all.stdout.lines().count() > 50, "{}", all.stdout);
    assert!(value(&all, "log.access").ends_with("(default)"), "{}", all.stdout);
}

#[test]
fn strict_check_fails_at_a_warning() {
    let settings = sideman(&["check", "--strict", "--upstream", "http://127.0.0.1:8000"]);
    assert_eq!(settings.run_to_end().code, Some(0));
    let warned = settings.clone().variable("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/0").run_to_end();
    assert_eq!(warned.code, Some(1), "{warned:?}");
    assert!(warned.stderr.starts_with("warning: server.trusted_proxies"), "{warned:?}");
    // A note is not a warning.
    let noted = settings.clone().variable("SIDEMAN_TRUSTED_PROXIES", "alb").run_to_end();
    assert_eq!(noted.code, Some(0), "{noted:?}");
    assert!(noted.stderr.starts_with("note: server.trusted_proxies"), "{noted:?}");
    assert!(noted.stderr.contains("10.0.0.0/8") && noted.stderr.contains("fc00::/7"), "{noted:?}");
    let wrong = settings.set("log.level", "loud").run_to_end();
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn run_logs_every_warning_of_check() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    directory.write("static/uploads/a.txt", "a");
    let place = |prefix: &str, name: &str| format!("{prefix}={}", directory.join(name).display());
    let both = |settings: Settings| {
        settings
            .args(&["--upstream", &application.url()])
            .args(&["--static", &place("/static/", "static"), "--static", &place("/b/", "none")])
            .args(&["--media", &place("/media/", "static/uploads")])
            .set("errors.404", &directory.join("404.html").display().to_string())
            .variable("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/0")
            .args(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
    };
    let checked = both(sideman(&["check"])).run_to_end();
    let warnings: Vec<&str> =
        checked.stderr.lines().map(|line| line.strip_prefix("warning: ").unwrap()).collect();
    assert_eq!(warnings.len(), 4, "{checked:?}");
    let sideman = both(sideman(&["run"])).start();
    for warning in warnings {
        let event = sideman.event(warning);
        assert!(event.contains(" WARN "), "{event}");
    }
    let note = both(self::sideman(&["run"])).variable("SIDEMAN_TRUSTED_PROXIES", "alb").start();
    assert!(note.event("trusts every private network").contains(" INFO "));
}

#[test]
fn reload_logs_only_new_warnings() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let write = |second: &str| {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = {:?}\n[shutdown]\ndelay = \"0s\"\n\
             [static]\nroots = [\"/a/=/nowhere/a\"{second}]\n",
            application.url()
        );
        directory.write("sideman.toml", text)
    };
    let file = write("");
    let sideman = sideman(&["run", "--config", file.to_str().unwrap()]).start();
    sideman.event("/nowhere/a (static.roots) is not accessible");
    write(", \"/b/=/nowhere/b\"");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    sideman.event("/nowhere/b (static.roots) is not accessible");
    let (_, events) = sideman.stop_for_events();
    let told = events.iter().filter(|event| event.contains("/nowhere/a"));
    // Once as a warning, and once among the settings of the start.
    assert_eq!(told.filter(|event| event.contains(" WARN ")).count(), 1, "{events:?}");
}

#[test]
fn start_event_names_what_was_set() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let secret = directory.write("secret", "1024B\n");
    let file = directory.write("sideman.toml", "[log]\nlevel = \"info\"\n");
    let sideman = Settings::before(&application.url())
        .args(&["--config", file.to_str().unwrap()])
        .set("upstream.read_timeout", "45s")
        .set("route.all.response_headers", "set X-Origin-Verify: hunter2")
        .variable("SIDEMAN_SERVER__MIN_BODY_RATE_FILE", secret.to_str().unwrap())
        .start();
    let event = sideman.event(" started ");
    for part in [
        "server.listen=127.0.0.1:0 (--listen)",
        "upstream.read_timeout=45s (SIDEMAN_UPSTREAM__READ_TIMEOUT)",
        &format!("log.level=info ({}:2)", file.display()),
        "server.min_body_rate=(from file) (SIDEMAN_SERVER__MIN_BODY_RATE_FILE=",
        "route.all.response_headers=(not shown) (SIDEMAN_ROUTE__ALL__RESPONSE_HEADERS)",
    ] {
        assert!(event.contains(part), "nothing of {part}: {event}");
    }
    for part in ["hunter2", "1024", "health.path"] {
        assert!(!event.contains(part), "{part} in {event}");
    }
}

#[test]
fn settings_without_effect_are_refused_with_a_remedy() {
    for (name, value, parts) in [
        ("SIDEMAN_LISTEN_PORT", "8080", &["did you mean SIDEMAN_LISTEN?"][..]),
        ("SIDEMAN_PORT", "8080", &["did you mean SIDEMAN_LISTEN?"]),
        ("SIDEMAN_PORT", "tcp://10.0.0.1:80", &["enableServiceLinks"]),
        ("SIDEMAN_WEB_SERVICE_HOST", "10.0.0.1", &["enableServiceLinks"]),
        ("SIDEMAN_ROUTE__A__RESPONSE_HEADERS", "set X-A: $host", &["$host would be", "{host}"]),
        ("SIDEMAN_STATIC", "/favicon.ico=/srv", &["the name of a file", "/favicon.ico/"]),
        ("SIDEMAN_STATIC", "/s/=/proc/self", &["a file system of the kernel"]),
        ("SIDEMAN_MEDIA", "/s/=/sys", &["a file system of the kernel"]),
        ("SIDEMAN_ACCEL", "/s/=/dev", &["a file system of the kernel"]),
        ("SIDEMAN_STATIC", "/s/=/srv/..", &["the whole file system"]),
        ("SIDEMAN_HEALTH__PATH", "/%41", &["write /A"]),
        ("SIDEMAN_HEALTH__PATH", "//a", &["write /a"]),
        ("SIDEMAN_HEALTH__READY_PATH", "/a/../b", &["write /b"]),
        ("SIDEMAN_HEALTH__READY_PATH", "/.", &["choose another"]),
    ] {
        for command in ["check", "run"] {
            let settings = sideman(&[command, "--upstream", "http://127.0.0.1:8000"]);
            let ended = settings.variable(name, value).run_to_end();
            assert_eq!(ended.code, Some(2), "{name}={value}: {ended:?}");
            for part in parts {
                assert!(ended.stderr.contains(part), "{name}={value}: {}", ended.stderr);
            }
        }
    }
}

#[test]
fn misleading_settings_are_warned_about() {
    let directory = TempDir::new();
    directory.write("project/manage.py", "");
    symlink("/etc", directory.join("link")).unwrap();
    let project = format!("/s/={}", directory.join("project").display());
    let link = format!("/s/={}", directory.join("link").display());
    for (name, value, part) in [
        ("SIDEMAN_TRUSTED_PROXIES", "::/0", "trusts every IPv6 address, and no IPv4 one"),
        ("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/0", "trusts every IPv4 address, and no IPv6 one"),
        ("SIDEMAN_TRUSTED_PROXIES", "::ffff:0:0/96", "trusts every IPv4 address"),
        ("SIDEMAN_TRUSTED_PROXIES", "::/0,0.0.0.0/0", "trusts every address"),
        ("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1", "trusts 0.0.0.0/1, a large part"),
        ("SIDEMAN_TRUSTED_PROXIES", "2000::/3", "trusts 2000::/3, a large part"),
        ("SIDEMAN_STATIC", "/s/=/etc", "which holds files of the system or other programs"),
        ("SIDEMAN_MEDIA", "/s/=/var", "which holds files of the system or other programs"),
        ("SIDEMAN_STATIC", &link, "is /etc, which holds files of the system"),
        ("SIDEMAN_STATIC", &project, "contains manage.py"),
        ("SIDEMAN_TLS__MIN_VERSION", "1.3", "tls.min_version has no effect: tls.listen is none"),
        ("SIDEMAN_LOG__SLOW", "9s", "log.slow has no effect"),
    ] {
        let settings = sideman(&["check", "--strict", "--upstream", "http://127.0.0.1:8000"]);
        let ended = settings.variable(name, value).run_to_end();
        assert_eq!(ended.code, Some(1), "{name}={value}: {ended:?}");
        assert!(ended.stderr.contains(part), "{name}={value}: {}", ended.stderr);
    }
    for value in ["10.0.0.0/8,fc00::/7", "2001:db8::/32", "none"] {
        let settings = sideman(&["check", "--strict", "--upstream", "http://127.0.0.1:8000"]);
        let ended = settings.variable("SIDEMAN_TRUSTED_PROXIES", value).run_to_end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{value}");
    }
}

#[test]
fn ipv4_mapped_proxies_are_trusted() {
    let application = App::saying("hello");
    for network in ["::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "::ffff:7f00:1/128"] {
        let sideman = Settings::before(&application.url())
            .variable("SIDEMAN_TRUSTED_PROXIES", network)
            .start();
        sideman.connect().ask("GET", "/", "X-Forwarded-For: 198.51.100.7\r\n");
        assert_eq!(sideman.log_of("/")["client"], "198.51.100.7", "{network}");
    }
}

#[test]
fn too_few_descriptors_are_refused_at_the_start() {
    let application = App::saying("hello");
    for most in [28, 30, 32] {
        let ended = Settings::before(&application.url()).descriptors(most).run_to_end();
        assert_eq!(ended.code, Some(1), "{most}: {ended:?}");
        assert!(ended.stderr.contains("nofile"), "{most}: {ended:?}");
    }
    // A process that starts can serve.
    let sideman = Settings::before(&application.url()).descriptors(56).start();
    for _ in 0..3 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = TempDir::new();
    let file = directory.write(
        "sideman.toml",
        "[upstream]\nurl = \"http://file:1\"\nread_timeout = \"11s\"\n\
         [shutdown]\ndelay = \"11s\"\n[log]\nlevel = \"warn\"\n",
    );
    let settings = Settings::default()
        .variable("SIDEMAN_CONFIG", file.to_str().unwrap())
        .variable("SIDEMAN_UPSTREAM", "http://environment:2")
        .set("upstream.read_timeout", "12s");
    let ended = settings.clone().args(&["check", "--upstream", "http://flag:3"]).run_to_end();
    assert!(value(&ended, "upstream.url").starts_with("http://flag:3"), "{}", ended.stdout);
    assert!(value(&ended, "upstream.read_timeout").starts_with("12s"), "{}", ended.stdout);
    assert!(value(&ended, "shutdown.delay").starts_with("11s"), "{}", ended.stdout);
    assert!(value(&ended, "log.level").starts_with("warn"), "{}", ended.stdout);
    let ended = check(settings);
    assert!(value(&ended, "upstream.url").starts_with("http://environment:2"), "{}", ended.stdout);
}

#[test]
fn the_common_settings_have_short_names() {
    let ended = check(
        Settings::default()
            .variable("SIDEMAN_UPSTREAM", "http://app:8000")
            .variable("SIDEMAN_LISTEN", "127.0.0.1:18081")
            .variable("SIDEMAN_ADMIN", "off")
            .variable("SIDEMAN_STATIC", "/static/=/nowhere/static")
            .variable("SIDEMAN_MEDIA", "/media/=/nowhere/media")
            .variable("SIDEMAN_ACCEL", "/private/=/nowhere/private"),
    );
    assert!(value(&ended, "upstream.url").starts_with("http://app:8000"), "{}", ended.stdout);
    assert!(value(&ended, "server.listen").starts_with("127.0.0.1:18081"), "{}", ended.stdout);
    assert!(value(&ended, "admin.listen").starts_with("off"), "{}", ended.stdout);
    assert!(value(&ended, "static.roots").contains("/nowhere/static"), "{}", ended.stdout);
    assert!(value(&ended, "media.roots").contains("/nowhere/media"), "{}", ended.stdout);
    assert!(value(&ended, "accel.roots").contains("/nowhere/private"), "{}", ended.stdout);
}

#[test]
fn a_value_may_come_from_a_file() {
    let (directory, application) = (TempDir::new(), App::saying("hello"));
    let secret = directory.write("url", format!("{}\n", application.url()));
    let settings = Settings::default()
        .variable("SIDEMAN_UPSTREAM_FILE", secret.to_str().unwrap())
        .variable("SIDEMAN_SERVER__WORKERS_FILE", directory.write("n", "1").to_str().unwrap())
        .variable("SIDEMAN_LISTEN", "127.0.0.1:0")
        .variable("SIDEMAN_ADMIN", "127.0.0.1:0");
    let ended = check(settings.clone());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Such a file may hold a secret: its path may be reported, its content need not be.
    assert!(ended.stdout.contains(secret.to_str().unwrap()), "{}", ended.stdout);
    assert_eq!(settings.args(&["run"]).start().get("/").text(), "hello");

    let ended = check(Settings::default().variable("SIDEMAN_UPSTREAM_FILE", "/nowhere/url"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("/nowhere/url"), "{}", ended.stderr);
}

#[test]
fn every_problem_is_reported_at_once() {
    let settings = Settings::default()
        .set("server.workers", "many")
        .set("upstream.read_timeout", "soon")
        .set("upstream.max_idle", "-1")
        .set("server.listn", "127.0.0.1:1")
        .set("server.trusted_proxies", "10.0.0.0/99")
        .set("static.memory", "64 parsecs")
        .set("static.caching", "*.{js}=1h")
        .set("static.symlinks", "sometimes")
        .set("static.fallback", "s4://bucket.example.com")
        .set("media.rate", "fast")
        .set("health.wait_for_application", "perhaps")
        .set("log.access", "xml")
        .variable("SIDEMAN_UPSTREAM", "ftp://127.0.0.1:21")
        .variable("SIDEMAN_STATIC", "static");
    for command in ["check", "run"] {
        let ended = settings.clone().args(&[command]).run_to_end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{command}: {ended:?}");
        for part in [
            // The key, the value and its source.
            "server.workers",
            "many",
            "SIDEMAN_SERVER__WORKERS",
            "upstream.read_timeout",
            "soon",
            "upstream.max_idle",
            "SIDEMAN_SERVER__LISTN",
            // A similar valid name is suggested.
            "SIDEMAN_SERVER__LISTEN",
            "10.0.0.0/99",
            "64 parsecs",
            "static.caching",
            "only *, ** and ?",
            "sometimes",
            "s4://bucket.example.com",
            "media.rate",
            "perhaps",
            "xml",
            "combined",
            "ftp://127.0.0.1:21",
            "static.roots",
        ] {
            assert!(
                ended.stderr.contains(part),
                "{command} says nothing of {part}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn bad_file_is_reported_by_key() {
    let directory = TempDir::new();
    let file = directory.write(
        "sideman.toml",
        "[upstream]\nurl = \"http://app:8000\"\nread_timeot = \"1s\"\n[servr]\nlisten = 1\n\
         [log]\nlevel = 7\n",
    );
    let ended = sideman(&["check", "--config", file.to_str().unwrap()]).run_to_end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in ["read_timeot", "read_timeout", "servr", "log.level", "sideman.toml"] {
        assert!(ended.stderr.contains(part), "nothing of {part}: {}", ended.stderr);
    }
    directory.write("sideman.toml", "[upstream\nurl = ");
    let ended = sideman(&["check", "--config", file.to_str().unwrap()]).run_to_end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("sideman.toml"), "{}", ended.stderr);

    let ended = sideman(&["run", "--config", "/nowhere/sideman.toml"]).run_to_end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("/nowhere/sideman.toml"), "{}", ended.stderr);
}

#[test]
fn unknown_protocols_are_refused_clearly() {
    for url in ["suwsgi://127.0.0.1:3031", "fcgi://app:9000"] {
        let ended = sideman(&["run", "--upstream", url]).run_to_end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(url) && ended.stderr.contains("upstream.url"), "{ended:?}");
    }
}

#[test]
fn upstream_must_be_set() {
    let ended = sideman(&["run"]).run_to_end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("upstream.url"), "{ended:?}");
}

#[test]
fn wrong_command_line_exits_with_usage_error() {
    for args in [&["run", "--nonsense"][..], &["fly"], &["run", "surplus"]] {
        let ended = sideman(args).run_to_end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.stderr.is_empty());
    }
    let ended = sideman(&["--help"]).run_to_end();
    assert_eq!(ended.code, Some(0));
    for command in ["run", "check", "healthcheck", "demo"] {
        assert!(ended.stdout.contains(command), "{}", ended.stdout);
    }
    for args in [&["--verbose"][..], &["--version", "run"]] {
        let ended = sideman(args).run_to_end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    }
}

#[test]
fn version_is_one_line_and_verbose_says_how_it_was_built() {
    let first = concat!("sideman ", env!("CARGO_PKG_VERSION"), "\n");
    for args in [&["--version"][..], &["-V"]] {
        let ended = sideman(args).run_to_end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), first), "{ended:?}");
    }
    for args in [&["--version", "--verbose"][..], &["-vV"]] {
        let ended = sideman(args).run_to_end();
        let rest = ended.stdout.strip_prefix(first).expect("the version comes first");
        let names: Vec<_> =
            rest.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        assert_eq!(names, ["commit", "system", "compiler", "TLS"], "{ended:?}");
        assert!(rest.contains("-linux-"), "{rest}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let away = ReservedPort::new();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let ended = sideman(&["run", "--upstream", &away.url()])
            .args(&[flag, &address, other, "127.0.0.1:0"])
            .run_to_end();
        assert_eq!(ended.code, Some(1), "{flag}: {ended:?}");
        assert!(ended.stderr.contains(&address), "{flag}: {}", ended.stderr);
    }
}

#[test]
fn admin_can_be_off() {
    let application = App::saying("hello");
    let ended = check(
        Settings::default()
            .variable("SIDEMAN_UPSTREAM", &application.url())
            .variable("SIDEMAN_ADMIN", "off"),
    );
    assert!(value(&ended, "admin.listen").starts_with("off"), "{}", ended.stdout);
}

#[test]
fn several_addresses_are_all_served() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).args(&["--listen", "[::1]:0"]).start();
    let line = sideman.event("listening address=[::1]:");
    let address = line.split_once("address=").unwrap().1.trim().parse().unwrap();
    assert_eq!(crate::support::Client::connect(address).get("/").text(), "hello");
    assert_eq!(sideman.get("/").text(), "hello");
}

#[test]
fn healthy_healthcheck_command_prints_nothing() {
    let port = ReservedPort::new();
    let running = Settings::before(&port.url()).start();
    let health = format!("http://{}/healthz", running.address());

    let ended = sideman(&["healthcheck", &health]).run_to_end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("503"), "{ended:?}");

    let _application = App::on(port.listen(), |_| App::reply(b"hello"));
    let running = running.until_ready();
    for settings in [
        sideman(&["healthcheck", &health]),
        // The address comes from the same settings as for `run`.
        sideman(&["healthcheck"]).variable("SIDEMAN_LISTEN", &running.address().to_string()),
        sideman(&["healthcheck", "--listen", &running.address().to_string()]),
    ] {
        let ended = settings.run_to_end();
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "", ""),
            "{settings:?}"
        );
    }
    assert_eq!(running.shut_down().0, Some(0));
    let ended = sideman(&["healthcheck", &health]).run_to_end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn missing_files_are_a_warning() {
    let directory = TempDir::new();
    let missing = directory.join("not-there");
    let settings = sideman(&["check", "--upstream", "http://127.0.0.1:8000"]);
    let ended = settings.files("/static/", &missing).run_to_end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains(missing.to_str().unwrap()), "{ended:?}");
    assert!(ended.stdout.contains(missing.to_str().unwrap()), "{ended:?}");
}

#[test]
fn uploads_below_the_static_directory_are_a_warning() {
    let directory = TempDir::new();
    directory.write("static/app.css", "a");
    directory.write("static/uploads/evil.html", "b");
    // Under another name, and through a link.
    symlink(directory.join("static/uploads"), directory.join("media")).unwrap();
    let place = |prefix: &str, name: &str| format!("{prefix}={}", directory.join(name).display());
    let ended = sideman(&["check", "--upstream", "http://127.0.0.1:8000"])
        .args(&["--static", &place("/static/", "static"), "--media", &place("/media/", "media")])
        .run_to_end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(value(&ended, "media.roots").contains("/media/="), "{}", ended.stdout);
    let warnings: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(warnings.len(), 1, "{ended:?}");
    for part in ["(media.roots)", "(static.roots)", "/static/", "of its own"] {
        assert!(warnings[0].contains(part), "nothing of {part}: {}", ended.stderr);
    }
}

#[test]
fn max_body_above_all_buffers_is_a_warning() {
    let directory = TempDir::new();
    let volume = directory.path().to_str().unwrap();
    for (settings, warns) in [
        (&[][..], false),
        (&[("buffers.directory", "memory")], true),
        (&[("buffers.directory", "memory"), ("server.max_body", "64MiB")], false),
        (&[("buffers.directory", "memory"), ("buffers.memory", "100MiB")], false),
        (&[("buffers.directory", "memory"), ("route.all.stream", "request")], false),
        (
            &[
                ("buffers.directory", "memory"),
                ("route.a.path", "/a/"),
                ("route.a.stream", "request"),
            ],
            true,
        ),
        (&[("buffers.disk", "99MiB")], true),
        (&[("buffers.directory", volume), ("buffers.disk", "99MiB")], true),
        (&[("buffers.directory", volume), ("buffers.disk", "100MiB")], false),
        (&[("server.max_body", "off")], true),
        (&[("server.max_body", "5GiB")], true),
    ] {
        let mut check = sideman(&["check", "--upstream", "http://127.0.0.1:8000"]);
        for (key, value) in settings {
            check = check.set(key, value);
        }
        let ended = check.run_to_end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let warning = ended.stderr.lines().find(|line| line.contains("server.max_body"));
        assert_eq!(warning.is_some(), warns, "{settings:?}: {}", ended.stderr);
        assert!(warning.is_none_or(|text| text.contains("413") && text.contains("buffers.")));
    }
}

#[test]
fn prefix_cannot_have_two_kinds() {
    let settings = Settings::default()
        .variable("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000")
        .variable("SIDEMAN_STATIC", "/files/=/srv/static, /files/=/srv/previous")
        .set("static.cors", "/files/=all");
    let ended = check(settings.clone());
    assert!(value(&ended, "static.roots").contains("/srv/previous"), "{}", ended.stdout);
    assert!(value(&ended, "static.cors").starts_with("/files/=all"), "{}", ended.stdout);

    for (name, key) in [("SIDEMAN_MEDIA", "media.roots"), ("SIDEMAN_ACCEL", "accel.roots")] {
        let ended = check(settings.clone().variable(name, "/files=/srv/other"));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in [key, "static.roots", "/files/"] {
            assert!(ended.stderr.contains(part), "nothing of {part}: {}", ended.stderr);
        }
    }
    let ended = check(settings.set("static.cors", "/other/=all"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("static.cors"), "{}", ended.stderr);
    assert!(ended.stderr.contains("the prefixes are /files/"), "{}", ended.stderr);
}

#[test]
fn environment_alone_configures_everything() {
    let application = App::saying("hello");
    let sideman = sideman(&["run"])
        .variable("SIDEMAN_UPSTREAM", &application.url())
        .variable("SIDEMAN_LISTEN", "127.0.0.1:0")
        .variable("SIDEMAN_ADMIN", "127.0.0.1:0")
        .start();
    assert_eq!(sideman.get("/").text(), "hello");
}

#[test]
fn unreadable_directory_is_a_warning() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    directory.write("closed/inner/a.css", "a");
    let closed = directory.join("closed");
    fs::set_permissions(&closed, Permissions::from_mode(0o600)).unwrap();
    for (root, part) in
        [("closed", "is not readable by user"), ("closed/inner", "denies access (chmod o+x")]
    {
        let files = |settings: Settings| settings.files("/static/", &directory.join(root));
        let check = files(sideman(&["check", "--upstream", "http://127.0.0.1:8000"]));
        let ended = check.unprivileged().run_to_end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for part in [part, closed.to_str().unwrap()] {
            assert!(ended.stderr.contains(part), "nothing of {part}: {ended:?}");
        }
        files(Settings::before(&application.url())).unprivileged().start().event(part);
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
}

/// The user of an image has only its own permissions.
#[test]
fn unwritable_directory_is_a_warning() {
    let directory = TempDir::new();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
    let ended = sideman(&["check", "--upstream", "http://127.0.0.1:8000"])
        .set("buffers.directory", &directory.path().display().to_string())
        .unprivileged()
        .run_to_end();
    let said = ended.stderr;
    assert_eq!(ended.code, Some(0), "{said}");
    assert!(
        said.starts_with(&format!(
            "warning: {} (buffers.directory) is not writable",
            directory.path().display()
        )) && said.contains("long bodies stay in memory"),
        "{said}"
    );
}
