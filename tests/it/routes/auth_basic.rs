//! `auth = "basic"`: who may send requests, what the application gets, and what guessing costs. The password of every
//! user is `correct horse`; htpasswd and openssl have made the hashes.

use std::{
    collections::VecDeque,
    fs,
    net::Ipv4Addr,
    sync::{Arc, Barrier, Mutex},
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64;

use super::spellings;
use crate::support::{
    After, App, Client, Http2, Origin, Packet, Request, Response, Settings, Sideman, TempDir,
    UwsgiApp, expect, send,
    websocket::{ACCEPT, ASK},
};

const PASSWORD: &str = "correct horse";
const ALICE: &str = "alice:$2y$04$uW3MqAyB1ZFL8Jd8jLiTaedShoHF1sd4F1uy1Dy8T1kpjAXwW83X.";
/// The other forms of hashes.
const OTHERS: [&str; 4] = [
    "bob:$apr1$KSjbKt7x$X9Mj/4iefTRMPJZZuA3Up0",
    "carol:$5$JREKeKJmQ1/AKDAp$WUfagNmy3XVo.orfuXXOF/x/d1FaHSEOMc0HdTGcwV7",
    "dave:$6$rounds=1000$A4Xs6thJv8PMI7OJ$bN0E2bcRomj.PX/fVpPNNsqvWA6xqms6uLtqdZY/7S3uX3a3sNhKXpyfAHJDbi4T01nHMXl84/q9wZvIF8s8k1",
    "erin:$2a$05$R17SCXoKeC9uvgn5Bgtd6Oy3TuQoS4UTZr84ONG8PaNpoPNN2zMhC",
];
/// A check takes 50 ms or more.
const GRACE: &str = "grace:$2y$10$4EV5MVpBJd7RSq0C.UupNu.kkWOdprE50L3lm4QmAKL66pZ0T4qq2";
/// A check takes a quarter of a second or more.
const SLOW: &str = "slow:$2y$12$GnxHcDDVmGKddrbH3.ziw.H.3r2ST1Yf6uihE4pTD0.HzgXviN2jS";
const TOO_MANY: u16 = 429;

fn encoded(text: impl AsRef<[u8]>) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(text.as_ref()))
}

fn login(name: &str, password: &str) -> String {
    encoded(format!("{name}:{password}"))
}

fn alice() -> String {
    login("alice", PASSWORD)
}

/// The settings of a route that lets these users in.
fn basic(users: &str) -> [(&str, &str); 2] {
    [("auth", "basic"), ("auth_users", users)]
}

/// An application that answers with the values of these fields that it got.
fn echo(names: &'static [&'static str]) -> App {
    App::start(move |request: &Request| {
        let values = names.iter().map(|name| request.head.get(name).unwrap_or("none"));
        App::reply(values.collect::<Vec<_>>().join(" ").as_bytes())
    })
}

fn ask(sideman: &Sideman, target: &str, fields: &str) -> Response {
    sideman.connect().ask("GET", target, fields)
}

fn status(sideman: &Sideman, target: &str, fields: &str) -> u16 {
    ask(sideman, target, fields).status
}

#[test]
fn users_of_every_hash_log_in_and_the_application_gets_no_authorization() {
    let application = echo(&["authorization", "x-api"]);
    let users = [&[ALICE][..], &OTHERS].concat().join("\n");
    let sideman = Settings::before(&application.url()).route("site", &basic(&users)).start();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        let response = ask(&sideman, "/", &format!("{}X-Api: 1\r\n", login(name, PASSWORD)));
        assert_eq!((response.status, response.text().as_str()), (200, "none 1"), "{name}");
    }
    for (name, password) in [
        ("alice", "wrong horse"),
        ("bob", ""),
        ("Alice", PASSWORD),
        ("", PASSWORD),
        ("frank", PASSWORD),
    ] {
        assert_eq!(status(&sideman, "/", &login(name, password)), 401, "{name}");
    }
    assert_eq!(application.requests(), 5);
    sideman.until_metric("sideman_errors_total", &[("error", "auth_failed")], 5.0);
    let event = sideman.event("login failed error=auth_failed");
    assert!(event.contains("client=127.0.0.1") && event.contains("route=\"site\""), "{event}");
}

#[test]
fn requests_without_valid_credentials_get_a_challenge() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("site", &[&basic(ALICE)[..], &[("auth_realm", "Staging, 2nd")]].concat())
        .start();
    let response = sideman.get("/page");
    assert_eq!(response.status, 401);
    let challenge = "Basic realm=\"Staging, 2nd\", charset=\"UTF-8\"";
    assert_eq!(response.header("www-authenticate"), Some(challenge));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.text().contains("<h1>401 Unauthorized</h1>"), "{}", response.text());
    let response = ask(&sideman, "/", "Accept: application/json\r\n");
    assert_eq!((response.status, &response.json()["error"]), (401, &"auth_required".into()));
    let log = sideman.log_of("/page");
    assert_eq!((&log["status"], &log["error"]), (&401.into(), &"auth_required".into()));

    let base64 = BASE64.encode(format!("alice:{PASSWORD}").as_bytes());
    let long = format!("alice:{}", "x".repeat(5000));
    for fields in [
        "Authorization: Basic\r\n".to_owned(),
        "Authorization: Basic \r\n".to_owned(),
        format!("Authorization: Basic{base64}\r\n"),
        format!("Authorization: Basic {base64}!\r\n"),
        format!("Authorization: Basic {base64} {base64}\r\n"),
        format!("Authorization: Basic {base64}, Basic {base64}\r\n"),
        format!("Authorization: Bearer {base64}\r\n"),
        format!("Authorization: {base64}\r\n"),
        format!("Authorization: Basic {base64}\r\nAuthorization: Basic {base64}\r\n"),
        format!("Proxy-Authorization: Basic {base64}\r\n"),
        format!("Cookie: Authorization=Basic {base64}\r\n"),
        encoded("alice"),
        encoded(""),
        encoded(b"alice:correct horse\0"),
        encoded(b"alice:correct horse\n"),
        encoded(long),
    ] {
        let response = ask(&sideman, "/", &fields);
        assert_eq!(response.status, 401, "{fields}");
        assert_eq!(response.header("www-authenticate"), Some(challenge), "{fields}");
    }
    // Other bytes than UTF-8 are only a wrong password.
    assert_eq!(status(&sideman, "/", &encoded(b"alice:\xff\xfe")), 401);
    assert_eq!(status(&sideman, "/", &encoded(b"\xff:correct horse")), 401);
    assert_eq!(application.requests(), 0);
    // Nothing but a password that could be right was hashed, and no attempt without one counts as a failure.
    sideman.until_metric("sideman_password_checks_total", &[], 2.0);
    assert_eq!(status(&sideman, "/", &format!("authorization: bASIC  {base64}\r\n")), 200);
}

#[test]
fn colons_and_letters_other_than_ascii_may_be_in_a_password() {
    let application = App::saying("application");
    let users = "u:$5$0123456789abcdef$FXO14hNaczaPC66.fk12yX8Zi9ajjx0Uoun0aYxbm/0\n\
                 j\u{fc}rgen:$apr1$EhscIfom$3VTLgV9jygHzpLWRr424C/";
    let sideman = Settings::before(&application.url()).route("site", &basic(users)).start();
    assert_eq!(status(&sideman, "/", &login("u", "p:a:s:s")), 200);
    assert_eq!(status(&sideman, "/", &login("u", "p")), 401);
    assert_eq!(status(&sideman, "/", &login("j\u{fc}rgen", "gr\u{fc}n")), 200);
    assert_eq!(status(&sideman, "/", &encoded(b"j\xfcrgen:gr\xfcn")), 401);
}

#[test]
fn everything_of_a_route_is_protected_but_health_checks_and_challenges() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    directory.write("a.css", "style");
    let place = directory.path().to_str().unwrap();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .route("site", &basic(ALICE))
        .route("own", &[("path", "/own/"), ("files", place)])
        .route("old", &[("path", "/old/"), ("redirect", "301 /new/{rest}")])
        .route("text", &[("path", "/text"), ("respond", "200 text")])
        .route("open", &[("path", "/open/"), ("auth", "off")])
        .start()
        .until_ready();
    for (target, with) in [
        ("/", 200),
        ("/static/a.css", 200),
        ("/static/none", 404),
        ("/own/a.css", 200),
        ("/old/x", 301),
        ("/text", 200),
        ("/.well-known/acme-challenge/", 200),
        ("/.well-known/acme-challenge/a/b", 200),
        ("/.well-known/acme-challenge/a%2f..%2f..%2f..%2fx", 200),
        ("/.well-known/acme-challenge/../../x", 200),
        ("/.well-known/security.txt", 200),
    ] {
        assert_eq!(status(&sideman, target, ""), 401, "{target}");
        assert_eq!(status(&sideman, target, &alice()), with, "{target}");
    }
    for target in ["/healthz", "/readyz", "/open/x", "/.well-known/acme-challenge/aB3-_x"] {
        assert_eq!(status(&sideman, target, ""), 200, "{target}");
    }
    let mut client = sideman.connect();
    assert_eq!(client.post("/.well-known/acme-challenge/a", "", b"").status, 401);
    // A CDN must not send them to everybody.
    for target in ["/static/a.css", "/"] {
        let cached = ask(&sideman, target, &alice()).header("cache-control").unwrap().to_owned();
        assert!(cached.starts_with("private") && !cached.contains("public"), "{cached}");
    }
    let open = ask(&sideman, "/open/", "");
    assert_eq!(open.header("cache-control"), None);
}

#[test]
fn clients_of_allowed_networks_need_no_password() {
    let application = echo(&["authorization"]);
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .route(
            "site",
            &[&basic(ALICE)[..], &[("auth_allow", "10.0.0.0/8, 2001:db8::/32")]].concat(),
        )
        .route("admin", &[&basic(ALICE)[..], &[("path", "/admin/")]].concat())
        .start();
    let from = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    for (target, client, expected) in [
        ("/", "10.1.2.3", 200),
        ("/", "2001:db8::7", 200),
        ("/", "::ffff:10.1.2.3", 200),
        ("/", "192.0.2.1", 401),
        // All of it comes from one route.
        ("/admin/", "10.1.2.3", 401),
    ] {
        assert_eq!(status(&sideman, target, &from(client)), expected, "{target} {client}");
    }
    // What Sideman does not use belongs to the application.
    let bearer = format!("{}Authorization: Bearer abc\r\n", from("10.1.2.3"));
    assert_eq!(ask(&sideman, "/", &bearer).text(), "Bearer abc");
}

#[test]
fn guesses_are_limited_for_their_client_alone() {
    let application = App::saying("application");
    let users = [ALICE, OTHERS[1]].join("\n");
    let sideman = Settings::before(&application.url()).route("site", &basic(&users)).start();
    // Over one connection, so that one worker has checked it.
    let mut known = sideman.connect();
    assert_eq!(known.ask("GET", "/", &alice()).status, 200);
    let found: Vec<u16> = (0..14)
        .map(|number| status(&sideman, "/", &login("alice", &format!("guess {number}"))))
        .collect();
    let (first, rest) = found.split_at(10);
    assert_eq!(first, [401; 10]);
    // The test may take longer than five seconds, after which one more is allowed.
    assert!(rest.contains(&TOO_MANY), "{found:?}");
    let response = ask(&sideman, "/guess", &login("frank", "guess"));
    assert_eq!(response.status, TOO_MANY, "{}", response.text());
    let seconds: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    let log = sideman.log_of("/guess");
    assert_eq!((&log["status"], &log["error"]), (&TOO_MANY.into(), &"auth_limited".into()));
    sideman.event("login failed error=auth_limited");
    // Whoever has logged in before goes on, and other clients can log in.
    assert_eq!(known.ask("GET", "/", &alice()).status, 200);
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2).into(), sideman.address());
    assert_eq!(other.ask("GET", "/", &login("carol", PASSWORD)).status, 200);
}

/// A browser opens many connections at once, each with the same credentials.
#[test]
fn credentials_that_arrive_together_are_checked_once_by_each_worker() {
    const CLIENTS: usize = 32;
    let application = App::saying("application");
    let sideman = Settings::before(&application.url()).route("site", &basic(GRACE)).start();
    let barrier = Arc::new(Barrier::new(CLIENTS));
    let threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut client, barrier) = (sideman.connect(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                client.ask("GET", "/", &login("grace", PASSWORD)).status
            })
        })
        .collect();
    let found: Vec<u16> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(found, [200; CLIENTS]);
    let checks = sideman.metric("sideman_password_checks_total", &[]);
    assert!((1.0..=2.0).contains(&checks), "{checks}");
    // A success is no failure: all of them may still be made.
    let wrong: Vec<u16> = (0..10)
        .map(|number| status(&sideman, "/", &login("grace", &format!("{number}"))))
        .collect();
    assert_eq!(wrong, [401; 10]);
}

#[test]
fn a_full_queue_of_passwords_is_503_and_nobody_else_waits() {
    const CLIENTS: usize = 100;
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .route("site", &basic(SLOW))
        .route("open", &[("path", "/open/"), ("auth", "off")])
        .start();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| sideman.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let fields = login("slow", &format!("{number}"));
        client.send(format!(
            "GET /{number} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.{number}\r\n{fields}\r\n"
        ));
    }
    assert_eq!(status(&sideman, "/open/", ""), 200);
    assert_eq!(status(&sideman, "/", ""), 401);
    let log = sideman.log_line("a full queue", |line| line["error"] == "auth_busy");
    let number: usize = log["path"].as_str().unwrap()[1..].parse().unwrap();
    let response = clients[number].response();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    sideman.event("request failed in Sideman error=auth_busy");
    // Nor does anybody wait for long in the queue.
    clients.remove(number);
    let found: Vec<u16> = clients.iter_mut().map(|client| client.response().status).collect();
    let count = |status| found.iter().filter(|one| **one == status).count();
    assert_eq!(count(401) + count(503), CLIENTS - 1, "{found:?}");
    assert!(count(401) > 0 && count(503) > CLIENTS - 70, "{found:?}");
    // The threads give way to the workers.
    let tasks = fs::read_dir(format!("/proc/{}/task", sideman.pid())).unwrap();
    let stats = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
    let niceness: Vec<String> = stats
        .filter(|stat| stat.contains("(passwords)"))
        // The 19th field; the name is the second.
        .map(|stat| stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().to_owned())
        .collect();
    assert!(!niceness.is_empty() && niceness.iter().all(|one| one == "5"), "{niceness:?}");
}

#[test]
fn a_reload_removes_users_at_once() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    let bob = OTHERS[0];
    let file = directory.write("htpasswd", format!("{ALICE}\n{bob}\n"));
    let sideman =
        Settings::before(&application.url()).route("site", &basic(file.to_str().unwrap())).start();
    let mut client = sideman.connect();
    let mut statuses =
        || ["alice", "bob"].map(|name| client.ask("GET", "/", &login(name, PASSWORD)).status);
    assert_eq!(statuses(), [200, 200]);
    directory.write("htpasswd", format!("{bob}\n"));
    assert_eq!(statuses(), [200, 200]);
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(statuses(), [401, 200]);
    // A file with a fault changes nothing.
    directory.write("htpasswd", format!("{ALICE}\nbob:hunter2\n"));
    let response = sideman.admin_post("/-/reload");
    let text = response.text();
    assert!(response.status != 200 && text.contains("route.site.auth_users: in "), "{text}");
    assert!(text.contains("line 2") && text.contains("htpasswd -B"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(statuses(), [401, 200]);
    // Another password.
    let other = "$apr1$ab$9YGcDztdLtjk2W.A66Ku01";
    directory.write("htpasswd", format!("{ALICE}\nbob:{other}\n"));
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(statuses(), [200, 401]);
}

#[test]
fn files_of_users_are_checked_before_the_start() {
    let directory = TempDir::new();
    let file =
        directory.write("htpasswd", format!("{ALICE}\nbob:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"));
    let missing = directory.join("none");
    for (path, expected) in [
        (&file, "line 2: this password is not hashed, or with an insecure method"),
        (&missing, "cannot read"),
    ] {
        let settings =
            Settings::before("http://127.0.0.1:1").route("site", &basic(path.to_str().unwrap()));
        let ended = settings.run_to_end();
        assert!(ended.code != Some(0) && ended.stderr.contains(expected), "{}", ended.stderr);
        let mut check = settings.clone();
        check.args = ["check", "--upstream", "http://127.0.0.1:1"].map(str::to_owned).into();
        check.variables.retain(|(name, _)| name.contains("AUTH"));
        let ended = check.run_to_end();
        assert!(ended.code != Some(0) && ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!ended.stderr.contains("5en6G6"), "{}", ended.stderr);
    }
}

#[test]
fn check_shows_the_policy_and_no_hash() {
    let settings = Settings::default()
        .args(&["check", "--request", "GET /admin/"])
        .variable("SIDEMAN_UPSTREAM", "http://127.0.0.1:1")
        .route("site", &basic(ALICE))
        .route("admin", &[("path", "/admin/"), ("max_body", "1MiB")]);
    let ended = settings.run_to_end();
    for line in [
        "auth = basic  (route.site.auth, SIDEMAN_ROUTE__SITE__AUTH)",
        "auth_users = (1 user, not shown)  (route.site.auth_users, SIDEMAN_ROUTE__SITE__AUTH_USERS)",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    let mut settings = settings;
    settings.args = vec!["check".into()];
    for text in [settings.run_to_end().stdout, ended.stdout] {
        assert!(!text.contains("$2y$"), "{text}");
    }
}

#[test]
fn websockets_and_http2_authenticate_too() {
    let origin = Origin::script([expect("GET /ws "), send(ACCEPT)]);
    let sideman = Settings::before(&origin.url()).route("site", &basic(ALICE)).start();
    let mut client = sideman.connect();
    client.send(ASK);
    assert_eq!(client.response().status, 401);
    client.send(ASK.replace("Host:", &format!("{}Host:", alice())));
    client.until("HTTP/1.1 101 Switching Protocols\r\n");
    assert!(!origin.request(0).head.has("authorization"));

    let application = echo(&["authorization"]);
    let sideman = Settings::before(&application.url()).route("site", &basic(ALICE)).start();
    let mut client = Http2::connect(sideman.address());
    let response = client.get("/");
    assert_eq!(response.status, 401);
    assert!(response.header("www-authenticate").is_some());
    let field = alice();
    let value = field.trim_end().split_once(": ").unwrap().1;
    let stream = client.ask("GET", "/", &[("authorization", value)]);
    let response = client.response(stream);
    assert_eq!((response.status, response.text().as_str()), (200, "none"));
    let stream = client.post("/", &[], &[b'x'; 100_000]);
    assert_eq!(client.response(stream).status, 401);
    assert_eq!(client.get("/healthz").status, 200);
}

#[test]
fn the_application_gets_no_password_over_uwsgi() {
    let packets = Arc::new(Mutex::new(Vec::<Packet>::new()));
    let received = Arc::clone(&packets);
    let app = UwsgiApp::tcp(After::Close, move |packet: &Packet| {
        received.lock().unwrap().push(packet.clone());
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let sideman = Settings::before(&app.url()).route("site", &basic(ALICE)).start();
    let fields = format!("{}Remote-User: root\r\nREMOTE_USER: root\r\n", alice());
    assert_eq!(status(&sideman, "/", &fields), 200);
    let packets = packets.lock().unwrap();
    for name in ["HTTP_AUTHORIZATION", "REMOTE_USER", "HTTP_REMOTE_USER", "AUTH_TYPE"] {
        assert_eq!(packets[0].get(name), None, "{name}");
    }
}

#[test]
fn a_body_without_a_password_leaves_the_connection_usable() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url()).route("site", &basic(ALICE)).start();
    let mut client = sideman.connect();
    for length in [3, 60_000] {
        assert_eq!(client.post("/", "", &vec![b'x'; length]).status, 401, "{length}");
    }
    assert_eq!(client.post("/", &alice(), b"abc").text(), "application");
    // A client that waits for permission to send does not get it.
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    );
    let response = client.response();
    assert_eq!((response.status, response.interim.as_slice()), (401, &[][..]));
    assert_eq!(application.requests(), 1);
}

/// Each of these may be a path below /admin/ to the application.
#[test]
fn no_spelling_of_a_path_or_host_gets_past_a_password() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("admin", &[&basic(ALICE)[..], &[("path", "/admin/")]].concat())
        .route("staging", &[&basic(ALICE)[..], &[("host", "staging.test")]].concat())
        .route("other", &[("path", "/x/"), ("stream", "none")])
        .start();
    let others = [
        "/.well-known/acme-challenge/../../admin/x",
        "/.well-known/acme-challenge/%2e%2e/%2e%2e/admin/x",
        "/admin/../.well-known/acme-challenge/x",
        "/admin/%2e%2e/.well-known/acme-challenge/x",
    ];
    spellings::check_refused(&sideman, &[&spellings::BELOW_ADMIN[..], &others].concat(), 401);
    for host in ["staging.test", "STAGING.test", "staging.test:8080", "staging.test."] {
        for target in ["/".to_owned(), format!("http://{host}/")] {
            let mut client = sideman.connect();
            client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(client.response().status, 401, "{host} {target}");
        }
    }
    assert_eq!(application.requests(), 0);
    assert_eq!(status(&sideman, "//admin/x", &alice()), 200);
    assert_eq!(sideman.get("/x/").text(), "application");
}

#[test]
fn application_gets_no_path_that_could_need_a_password() {
    spellings::check(&basic(ALICE), 401);
}

#[test]
fn page_of_401_may_be_a_file() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    let page = directory.write("401.html", "Ask us for a password.");
    let sideman = Settings::before(&application.url())
        .set("errors.401", page.to_str().unwrap())
        .route("site", &basic(ALICE))
        .start();
    let response = sideman.get("/");
    assert_eq!((response.status, response.text().as_str()), (401, "Ask us for a password."));
    assert!(response.header("www-authenticate").is_some());
}

/// The redirect to the canonical host shows nothing, and there the browser would be asked again.
#[test]
fn the_canonical_host_is_told_without_a_password() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("server.canonical_host", "example.test")
        .route("site", &basic(ALICE))
        .route("api", &[("host", "www.example.test"), ("path", "/api/"), ("respond", "200 api")])
        .start();
    let ask = |host: &str, target: &str| {
        let mut client = sideman.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.response().status
    };
    assert_eq!(ask("www.example.test", "/"), 308);
    assert_eq!(ask("www.example.test", "/api/"), 401);
    assert_eq!(ask("example.test", "/"), 401);
}

/// Guesses at 500/s in rounds of four seconds, each over a connection of its own, from as many clients as there are
/// guesses, or from one. `cargo test --test it -- routes::auth_basic::guesses_beside --ignored --nocapture`
#[test]
#[ignore = "prints times"]
fn guesses_beside_other_requests() {
    const SECONDS: u64 = 4;
    const ROUNDS: usize = 3;
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .route("site", &basic(SLOW))
        .route("open", &[("path", "/open/"), ("auth", "off")])
        .start()
        .until_ready();
    type Fields = fn(u32) -> String;
    let from = |number: u32| format!("X-Forwarded-For: {}\r\n", Ipv4Addr::from_bits(number));
    let cases: [(&str, Option<Fields>); 4] = [
        ("nothing else", None),
        ("500/s without a password", Some(|_| String::new())),
        ("500/s from one client", Some(|number| login("slow", &number.to_string()))),
        ("500/s from 500 clients/s", Some(|number| login("slow", &number.to_string()))),
    ];
    let mut results: Vec<(u32, Vec<Duration>)> = vec![Default::default(); cases.len()];
    for round in 0..ROUNDS {
        for (index, (_, fields)) in cases.iter().enumerate() {
            let end = Instant::now() + Duration::from_secs(SECONDS);
            let address = sideman.address();
            let first = (round * cases.len() + index) as u32 * 10_000;
            let guesses = fields.map(|fields| {
                thread::spawn(move || {
                    let (mut open, begin, mut sent) = (VecDeque::new(), Instant::now(), 0_u32);
                    while Instant::now() < end {
                        let due = begin + Duration::from_millis(2) * sent;
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        sent += 1;
                        let client = 0x0a00_0000 + if index == 3 { first + sent } else { 0 };
                        let mut connection = Client::connect(address);
                        connection.send(format!(
                            "GET /guess HTTP/1.1\r\nHost: a.test\r\n{}{}\r\n",
                            from(client),
                            fields(first + sent)
                        ));
                        open.push_back(connection);
                        if open.len() > 500 {
                            open.pop_front();
                        }
                    }
                    sent
                })
            });
            let mut client = sideman.connect();
            let (sent, times) = &mut results[index];
            while Instant::now() < end {
                let begin = Instant::now();
                assert_eq!(client.get("/open/").status, 200);
                times.push(begin.elapsed());
                thread::sleep(Duration::from_millis(5));
            }
            *sent += guesses.map_or(0, |guesses| guesses.join().unwrap());
        }
    }
    for ((name, _), (sent, mut times)) in cases.iter().zip(results) {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100];
        println!(
            "{name}: {sent} guesses; {} requests, p50 {:?}, p99 {:?}",
            times.len(),
            at(50),
            at(99)
        );
    }
    println!("{} passwords hashed", sideman.metric("sideman_password_checks_total", &[]));
}
