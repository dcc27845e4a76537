//! `X-Accel-Redirect` to another server that has the files.

use std::sync::{Arc, Mutex, OnceLock};

use crate::{
    support::{
        App, Client, Gate, Origin, Request, Response, Settings, Sideman, TempDir, close, expect,
        send, wait,
    },
    upstream_tls::{
        authority::{Authority, Issued},
        peer::TlsPeer,
    },
};

/// A file server that remembers its requests.
struct FileServer {
    server: App,
    seen: Arc<Mutex<Vec<Request>>>,
}

// === impl FileServer ===

impl FileServer {
    fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let written = Arc::clone(&seen);
        let server = App::start(move |request| {
            written.lock().unwrap().push(request.clone());
            answer(request)
        });
        Self { server, seen }
    }

    fn saying(status: &'static str, fields: &'static str, body: &'static str) -> Self {
        Self::start(move |request| {
            let sent = if request.method() == "HEAD" { "" } else { body };
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\nConnection: keep-alive\r\nServer: files\r\n{fields}Content-Length: \
                 {length}\r\n\r\n{sent}"
            )
            .into()
        })
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    fn targets(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.target().to_owned()).collect()
    }
}

/// Sideman, and an application that names what `X-Name` says.
struct Site {
    sideman: Sideman,
    _application: App,
}

// === impl Site ===

impl Site {
    fn start(place: &str) -> Self {
        Self::with(place, |settings| settings)
    }

    fn with(place: &str, more: impl FnOnce(Settings) -> Settings) -> Self {
        let application = App::start(|request| {
            let name = request.head.get("x-name").unwrap();
            format!(
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\nX-App: yes\r\n\
                 X-Accel-Redirect: {name}\r\n\r\nbody"
            )
            .into()
        });
        let settings =
            Settings::before(&application.url()).args(&["--accel", &format!("/far/={place}")]);
        Self { sideman: more(settings).start(), _application: application }
    }

    /// Requests `/page`, for which the application names a file.
    fn ask(&self, method: &str, name: &str, fields: &str) -> Response {
        self.sideman.connect().ask(method, "/page", &format!("X-Name: {name}\r\n{fields}"))
    }

    fn get(&self, name: &str) -> Response {
        self.ask("GET", name, "")
    }
}

#[test]
fn file_of_a_server_is_sent_in_place_of_the_body() {
    let files = FileServer::saying(
        "200 OK",
        "ETag: \"e\"\r\nContent-Type: application/pdf\r\nSet-Cookie: files=1\r\nX-Files: a\r\n\
         Cache-Control: public\r\nExpires: Sun, 06 Nov 2094 08:49:37 GMT\r\nAccept-Ranges: none\r\n\
         Access-Control-Allow-Origin: *\r\nContent-Disposition: inline\r\n",
        "pdf",
    );
    // Keys of AWS are for buckets alone.
    let site = Site::with(&format!("{}/base", files.server.url()), |settings| {
        settings
            .variable("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .variable("AWS_SECRET_ACCESS_KEY", "hunter2")
    });
    let response = site.ask(
        "GET",
        "/far/a%20b.pdf?Signature=a%2Fb&x=1",
        "Cookie: session=hunter2\r\nAuthorization: Basic hunter2\r\nAccept-Encoding: gzip\r\n\
         If-None-Match: \"x\"\r\nX-Own: hunter2\r\n",
    );
    assert_eq!((response.status, response.text().as_str()), (200, "pdf"));
    for (name, value) in [
        ("etag", Some("\"e\"")),
        ("content-type", Some("application/pdf")),
        ("content-disposition", Some("inline")),
        ("cache-control", Some("private, no-cache")),
        ("expires", None),
        ("accept-ranges", Some("none")),
        ("access-control-allow-origin", None),
        ("x-content-type-options", Some("nosniff")),
        ("x-app", Some("yes")),
        ("set-cookie", None),
        ("x-files", None),
        ("x-accel-redirect", None),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    let [request] = files.requests().try_into().expect("one request");
    assert_eq!(request.target(), "/base/a%20b.pdf?Signature=a%2Fb&x=1");
    let names: Vec<String> =
        request.head.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    assert_eq!(names, ["host", "if-none-match", "cdn-loop"]);
    let host = files.server.url();
    assert_eq!(request.head.get("host"), host.strip_prefix("http://"));
    assert_eq!(site.sideman.log_of("/page")["route"], "accel");
    assert_eq!(site.sideman.get("/far/a").status, 404, "clients cannot request it");
    assert_eq!(files.requests().len(), 1);
}

#[test]
fn names_are_encoded_once() {
    let files = FileServer::saying("404 Not Found", "", "");
    let site = Site::start(&format!("{}/base/", files.server.url()));
    let long = "a".repeat(2000);
    for (named, requested) in [
        ("", "/base/"),
        ("a", "/base/a"),
        ("a/", "/base/a/"),
        ("a/b.txt?", "/base/a/b.txt?"),
        ("a%2Bb+c:d@e,f;g=(h)", "/base/a%2Bb+c:d@e,f;g=(h)"),
        ("x//y", "/base/x//y"),
        (".well-known/a", "/base/.well-known/a"),
        ("a/staticfiles.json", "/base/a/staticfiles.json"),
        ("%C3%BC", "/base/%C3%BC"),
        ("%FC", "/base/%FC"),
        ("100%", "/base/100%25"),
        ("a%2520b", "/base/a%2520b"),
        ("a%3Fb?c?d", "/base/a%3Fb?c?d"),
        ("a//b/./c/../d", "/base/a/b/d"),
        (&long, &format!("/base/{long}")),
    ] {
        let before = files.requests().len();
        assert_eq!(site.get(&format!("/far/{named}")).status, 404, "{named:.40}");
        assert_eq!(files.targets()[before..], [requested], "{named:.40}: one request");
    }
    let before = files.requests().len();
    for (named, status) in [
        ("/far/../a", 502),
        ("/far/%2e%2e/a", 502),
        ("/far/a?b c", 502),
        ("/far/a?b#c", 502),
        ("https://files.test/a", 502),
        ("/far/..%2Fa", 502),
    ] {
        assert_eq!(site.get(named).status, status, "{named}");
    }
    assert_eq!(files.requests().len(), before, "the server is not asked");
}

#[test]
fn parts_and_methods_are_those_of_the_client() {
    let files = FileServer::start(|request| {
        match request.head.get("range") {
        Some(_) => b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/10\r\nContent-Length: 2\r\n\r\n23"
            .into(),
        None if request.method() == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".into(),
        None => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".into(),
    }
    });
    let site = Site::start(&files.server.url());
    let part = site.ask("GET", "/far/a", "Range: bytes=2-3\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "23"));
    assert_eq!(part.header("content-range"), Some("bytes 2-3/10"));
    let head = site.ask("HEAD", "/far/a", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    let posted = site.ask("POST", "/far/a", "Range: bytes=2-3\r\nContent-Length: 0\r\n");
    assert_eq!((posted.status, posted.text().as_str()), (200, "0123456789"));
    let methods: Vec<String> =
        files.requests().iter().map(|request| request.method().to_owned()).collect();
    assert_eq!(methods, ["GET", "HEAD", "GET"]);
}

#[test]
fn refusals_say_what_to_do_in_the_log_only() {
    for (status, method, expected, requests, advice) in [
        ("403 Forbidden", "GET", 502, 1, "allow this machine there"),
        ("403 Forbidden", "HEAD", 502, 1, "allow this machine there"),
        ("401 Unauthorized", "GET", 502, 1, "carries no login"),
        ("302 Found", "GET", 502, 1, "redirects are not followed"),
        ("304 Not Modified", "GET", 502, 1, "status 304"),
        ("206 Partial Content", "GET", 502, 1, "see the log of that server"),
        ("204 No Content", "GET", 502, 1, "see the log of that server"),
        ("500 Internal Server Error", "GET", 503, 3, "status 500"),
        ("429 Too Many Requests", "HEAD", 503, 3, "status 429"),
    ] {
        let fields = "Location: http://hunter2/\r\nSet-Cookie: a=hunter2\r\n";
        let body = if matches!(&status[..3], "204" | "304") {
            ""
        } else {
            "<Code>NoSuchKey</Code>hunter2"
        };
        let files = FileServer::saying(status, fields, body);
        let url = files.server.url();
        let site = Site::start(&format!("{url}/base"));
        let response = site.ask(method, "/far/a.txt?token=hunter2", "");
        assert_eq!(response.status, expected, "{status}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{status}");
        assert_eq!(response.header("set-cookie"), None, "{status}");
        assert!(!response.text().contains("hunter2"), "{}", response.text());
        let event = site.sideman.event("request failed at a bucket or file server");
        assert!(event.contains(advice) && event.contains(&url), "{event}");
        assert!(!event.contains("token") && !event.contains("hunter2"), "{event}");
        let word = if expected == 503 { "bucket_unavailable" } else { "bucket_refused" };
        assert_eq!(site.sideman.log_of("/page")["error"], word);
        assert_eq!(files.requests().len(), requests, "{status}");
    }
}

#[test]
fn confirmation_is_for_the_client_alone_too() {
    let files = FileServer::start(|request| {
        let fields = "ETag: \"e\"\r\nCache-Control: public, max-age=31536000\r\nExpires: Sun, 06 Nov 2094 08:49:37 GMT\r\n";
        match request.head.get("if-none-match") {
            Some(_) => format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n").into(),
            None => format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1\r\n\r\na").into(),
        }
    });
    let site = Site::start(&files.server.url());
    for (fields, status) in [("", 200), ("If-None-Match: \"e\"\r\n", 304)] {
        let response = site.ask("GET", "/far/a", fields);
        assert_eq!(response.status, status);
        assert_eq!(response.header("cache-control"), Some("private, no-cache"), "{status}");
        assert_eq!(response.header("expires"), None, "{status}");
        assert_eq!(response.header("etag"), Some("\"e\""), "{status}");
    }
}

#[test]
fn server_that_leads_back_here_is_a_loop() {
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\
          X-Accel-Redirect: /far/a\r\n\r\n"
            .into()
    });
    // Another address, so that the settings do not reveal the loop.
    let own = Arc::new(OnceLock::new());
    let back = Arc::clone(&own);
    let files = FileServer::start(move |request| {
        let name = request.head.all("cdn-loop").join(", ");
        let mut client = Client::connect(*back.get().unwrap());
        let response = client.ask("GET", "/page", &format!("CDN-Loop: {name}\r\n"));
        format!("HTTP/1.1 {} Any\r\nContent-Length: 0\r\n\r\n", response.status).into()
    });
    let sideman = Settings::before(&application.url())
        .args(&["--accel", &format!("/far/={}", files.server.url())])
        .start();
    own.set(sideman.address()).unwrap();
    for method in ["GET", "POST"] {
        let fields = "Content-Length: 0\r\nCDN-Loop: cloudflare\r\n";
        assert_eq!(sideman.connect().ask(method, "/page", fields).status, 502);
        let names = files.requests().last().unwrap().head.all("cdn-loop").join(", ");
        assert!(names.starts_with("cloudflare, sideman-"), "{names}");
    }
    let event = sideman.event("request failed at a bucket or file server");
    assert!(event.contains("the request comes back here"), "{event}");
    assert_eq!(application.requests(), 2, "the application is asked by the clients alone");
}

#[test]
fn slow_file_is_not_asked_for_again() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let files = FileServer::start(move |_| {
        held.pass();
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()
    });
    let site =
        Site::with(&files.server.url(), |settings| settings.set("upstream.read_timeout", "1s"));
    assert_eq!(site.get("/far/a").status, 503);
    let event = site.sideman.event("request failed at a bucket or file server");
    assert!(event.contains("upstream_read_timeout"), "{event}");
    assert_eq!(files.requests().len(), 1);
    gate.open();
}

#[test]
fn query_is_in_no_event() {
    let files = FileServer::saying("410 Gone", "", "");
    let site = Site::start(&files.server.url());
    assert_eq!(site.get("/far/a.txt?token=hunter2").status, 404);
    let event = site.sideman.event("the application named a file that does not exist");
    let path = format!("{}/a.txt", files.server.url());
    assert!(event.contains(&path) && event.contains("/far/a.txt?..."), "{event}");
    assert!(!event.contains("token") && !event.contains("hunter2"), "{event}");
    // The application names what no URL may have.
    assert_eq!(site.get("/far/a?token=hunter2 b").status, 502);
    let event = site.sideman.event("accel_refused");
    assert!(event.contains("urllib.parse.urlencode"), "{event}");
    assert!(!event.contains("token") && !event.contains("hunter2"), "{event}");
    assert_eq!(files.requests().len(), 1);
}

#[test]
fn directories_come_before_the_server() {
    let files = FileServer::start(|request| match request.target() {
        "/none" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
        _ => App::reply(b"far"),
    });
    let directory = TempDir::new();
    directory.write("a b.txt", "near");
    directory.write(".env", "hidden");
    let place = directory.path().display().to_string();
    let site = Site::with(&place, |settings| {
        settings.args(&["--accel", &format!("/far/={}", files.server.url())])
    });
    assert_eq!(site.get("/far/a%20b.txt").text(), "near");
    assert_eq!(site.get("/far/b.txt").text(), "far");
    assert_eq!(site.get("/far/c/").text(), "far");
    assert_eq!(site.get("/far/.env").text(), "far");
    assert_eq!(files.targets(), ["/b.txt", "/c/", "/.env"]);
    assert_eq!(site.get("/far/none").status, 404);
    let event = site.sideman.event("the application named a file that does not exist");
    let url = format!("{}/none", files.server.url());
    assert!(event.contains(&url) && event.contains(&format!("{place}/none")), "{event}");
}

#[test]
fn certificate_of_the_server_is_verified() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let ca = authority.write(&directory, "ca");
    let start = |issued: &Issued| {
        TlsPeer::start(issued.server_config(None), |served| {
            loop {
                served.head()?;
                served.respond(b"far")?;
            }
        })
    };
    let good = start(&authority.issue(&["localhost"]));
    let trusting = |url: &str| Site::with(url, |settings| settings.set("upstream.tls_ca", &ca));
    assert_eq!(trusting(&good.url("localhost")).get("/far/a").text(), "far");
    let other = start(&Authority::new("Another").issue(&["localhost"]));
    let wrong = start(&authority.issue(&["files.test"]));
    for (peer, fault) in
        [(&other, "unknown authority (Another)"), (&wrong, "not for localhost, but for files.test")]
    {
        let site = trusting(&peer.url("localhost"));
        assert_eq!(site.get("/far/a").status, 503);
        let event = site.sideman.event("request failed at a bucket or file server");
        assert!(event.contains(fault), "{event}");
    }
}

#[test]
fn worker_is_free_and_a_file_that_ends_early_is_never_complete() {
    let gate = Gate::default();
    // Longer than what is read before the response begins.
    let (head, half) = ("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n", [b'a'; 200_000]);
    let first = [head.as_bytes(), &half].concat();
    let files = Origin::script([expect("GET "), send(first), wait(&gate), close()]);
    let site = Site::with(&files.url(), |settings| settings.set("upstream.max_in_flight", "1"));
    let mut client = site.sideman.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\nX-Name: /far/a\r\n\r\n");
    assert!(client.until("aaaa").contains("200 OK"));
    // The only permit of the application is free again.
    assert_eq!(site.get("/far/../a").status, 502);
    gate.open();
    let rest = client.until_gone();
    assert!(rest.len() < 400_000 - 4, "{}", rest.len());
    assert_eq!(site.sideman.log_of("/file")["error"], "bucket_unavailable");
}
