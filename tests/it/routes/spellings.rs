//! All paths of a few segments, in every spelling: none that the application could understand as a guarded one gets
//! past the settings of a route.

use crate::support::{App, Http2, Settings, Sideman};

/// Each of these may be a path below /admin/ to the application: by its decoded form, or by its normal form.
pub(super) const BELOW_ADMIN: [&str; 13] = [
    "/admin/",
    "/admin/x?y",
    "//admin/x",
    "/%61dmin/x",
    "/admin%2Fx",
    "/x/../admin/x",
    "/x/%2e%2e/admin/x",
    "/./admin/x",
    "/admin/../x",
    "/admin/%2e%2e/x",
    "/admin//x",
    "/x/..%2fadmin/x",
    "http://example.test/admin/x",
];

/// Segments that an application may decode or remove.
const SEGMENTS: [&str; 7] = ["admin", "%61dmin", "x", "", ".", "..", "%2E%2e"];
const SEPARATORS: [&str; 2] = ["/", "%2f"];

/// Sends requests for each of these targets, with several methods and over both versions of HTTP. All must get this
/// status, and those for paths that do not decode, which could be any path, 400. Returns the number of the former.
#[track_caller]
pub(super) fn check_refused(sideman: &Sideman, targets: &[&str], refused: u16) -> usize {
    let mut count = 0;
    for method in ["GET", "POST", "OPTIONS", "PURGE"] {
        for target in targets {
            let mut client = sideman.connect();
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
            assert_eq!(client.response().status, refused, "{method} {target}");
            count += 1;
        }
    }
    let mut client = Http2::connect(sideman.address());
    for target in targets.iter().filter(|target| target.starts_with('/')) {
        assert_eq!(client.get(target).status, refused, "{target}");
        count += 1;
    }
    for target in ["/%zz/admin/", "/../admin/x", "/%", "/admin/%00"] {
        assert_eq!(sideman.get(target).status, 400, "{target}");
    }
    count
}

/// Guards `/admin` and everything below it with these settings of a route, and sends a request for each path of three
/// segments. Returns how many got this status.
#[track_caller]
pub(super) fn check(guard: &[(&str, &str)], refused: u16) -> usize {
    let application = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = Settings::before(&application.url())
        .set("upstream.idle_timeout", "1m")
        .route("admin", &[&[("path", "/admin/, /admin")], guard].concat())
        .start();
    let mut client = sideman.connect();
    let (mut passed, mut denied) = (0, 0);
    for number in 0..7 * 2 * 7 * 2 * 7 {
        let (first, rest) = (SEGMENTS[number % 7], number / 7);
        let (separator, rest) = (SEPARATORS[rest % 2], rest / 2);
        let (second, rest) = (SEGMENTS[rest % 7], rest / 7);
        let (other, last) = (SEPARATORS[rest % 2], SEGMENTS[rest / 2]);
        let target = format!("/{first}{separator}{second}{other}{last}");
        let response = client.get(&target);
        let path = decoded(&target);
        let forms = [path.clone(), without_dots(&path)];
        let is_guarded = forms.iter().any(|form| form == "/admin" || form.starts_with("/admin/"));
        match response.status {
            200 => {
                assert!(!is_guarded, "{target} reached the application");
                passed += 1;
            }
            status if status == refused => denied += 1,
            status => assert_eq!(status, 400, "{target}"),
        }
        if response.closes() {
            client = sideman.connect();
        }
    }
    assert_eq!(application.requests(), passed);
    assert!(passed > 200 && denied > 400, "{passed} passed, {denied} denied");
    denied
}

/// Decodes a path as Django does.
fn decoded(target: &str) -> String {
    let mut pieces = target.split('%');
    let mut text = pieces.next().unwrap().to_owned();
    for piece in pieces {
        text.push(char::from(u8::from_str_radix(&piece[..2], 16).unwrap()));
        text.push_str(&piece[2..]);
    }
    text
}

/// Removes the dot segments and the empty ones, as servers do that look for files.
fn without_dots(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}
