//! Uploads in Chromium: audio and video play, and no script runs in the origin of the site.

use std::sync::{Arc, Mutex};

use super::samples;
use crate::support::{App, Browser, Settings, Sideman, TempDir};

/// The path that a script requests if it runs in the origin of the site.
const RAN: &str = "/ran?";

/// Uploads at `/media/`, the same files as static files at `/static/`, and pages from the application.
struct Site {
    sideman: Sideman,
    directory: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    _application: App,
}

// === impl Site ===

impl Site {
    /// The application's page at `/NAME` shows this.
    fn start(pages: Vec<(String, String)>) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let application = App::start(move |request| {
            let target = request.target();
            seen.lock().unwrap().push(target.to_owned());
            let page = pages.iter().find(|(name, _)| *name == target);
            let page = page.map_or("", |(_, page)| page);
            let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/html";
            format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
        });
        let directory = TempDir::new();
        let sideman = Settings::before(&application.url())
            .files("/static/", directory.path())
            .args(&["--media", &format!("/media/={}", directory.path().display())])
            .start();
        Self { sideman, directory, asked, _application: application }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sideman.address())
    }

    /// The scripts that have run.
    fn ran(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter_map(|target| target.strip_prefix(RAN)).map(str::to_owned).collect()
    }
}

/// Plays the element that a script finds, then seeks to its end, which was not fetched yet.
#[track_caller]
fn check_playing(browser: &mut Browser, what: &str, player: &str) {
    let end = samples::SECONDS - 2;
    let find = format!("const player = {player}; if (!player) return false;");
    let state = "JSON.stringify([player.currentTime, player.readyState, player.error?.message])";
    let plays = format!("(() => {{ {find} return player.currentTime > 0 && {state} }})()");
    browser.until(&format!("{what} plays"), &plays);
    let seek = format!(
        "(() => {{ {find}
            if (player.currentTime < {end} && !player.seeking) player.currentTime = {end};
            return player.currentTime >= {end} && !player.seeking && player.readyState >= 2
        }})()"
    );
    browser.until(&format!("{what} seeks"), &seek);
}

#[test]
fn audio_and_video_play_and_seek_by_link_in_a_frame_and_in_an_element() {
    let Some(mut browser) = Browser::start() else { return };
    let pages = ["a.wav", "a.webm"].map(|name| {
        let page = format!(
            "<iframe src=/media/{name}></iframe><video src=/media/{name} muted autoplay></video>
             <audio src=/media/{name} autoplay></audio>
             <object data=/media/{name}></object><embed src=/media/{name}>"
        );
        (format!("/page/{name}"), page)
    });
    let site = Site::start(pages.into());
    let picture = browser.evaluate(&samples::picture_script()).unwrap();
    site.directory.write("a.webm", samples::webm(&samples::frame(&picture)));
    site.directory.write("a.wav", samples::wav());
    for name in ["a.wav", "a.webm"] {
        let path = format!("/media/{name}");
        let here = format!("location.pathname == '{path}' && document.querySelector('video')");
        browser.open(&site.url(&path));
        check_playing(&mut browser, &format!("{name} by its link"), &here);
        site.sideman.log_line("a part that was sought", |line| {
            line["path"] == path.as_str() && line["status"] == 206
        });

        browser.open(&site.url(&format!("/page/{name}")));
        for (place, player) in [
            (
                "a frame",
                "document.querySelector('iframe')?.contentDocument?.querySelector('video')",
            ),
            (
                "an object",
                "document.querySelector('object')?.contentDocument?.querySelector('video')",
            ),
            ("an embed", "frames[2]?.document.querySelector('video')"),
            ("a video element", "document.querySelector('video')"),
            ("an audio element", "document.querySelector('audio')"),
        ] {
            let here = format!("location.pathname == '/page/{name}' && {player}");
            check_playing(&mut browser, &format!("{name} in {place}"), &here);
        }
    }
}

/// Files that would run a script; one of them can have any name.
fn active() -> Vec<(&'static str, String)> {
    let call = |name: &str| format!("fetch('{RAN}{name}')");
    let svg = |name: &str| {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10' onload=\"{}\">
                <script>{}</script><rect width='10' height='10'/></svg>",
            call(name),
            call(name)
        )
    };
    let html = |name: &str| format!("<!doctype html><script>{}</script>", call(name));
    let xhtml = |name: &str| {
        format!("<html xmlns='http://www.w3.org/1999/xhtml'><script>{}</script></html>", call(name))
    };
    vec![
        ("a.svg", svg("a.svg")),
        ("a.html", html("a.html")),
        ("a.xhtml", xhtml("a.xhtml")),
        ("a.xml", xhtml("a.xml")),
        ("fake.webm", html("fake.webm")),
        ("fake.mp4", html("fake.mp4")),
        ("fake.wav", svg("fake.wav")),
        ("fake.png", svg("fake.png")),
        ("fake.txt", html("fake.txt")),
        ("fake", html("fake")),
    ]
}

/// Every way to embed a file in a page.
fn page(prefix: &str, name: &str) -> String {
    let path = format!("{prefix}{name}");
    format!(
        "<title>loading</title><body onload=\"document.title = 'loaded'\">
         <iframe src={path}></iframe><object data={path}></object><embed src={path}>
         <img src={path}><video src={path}></video><audio src={path}></audio>"
    )
}

#[test]
fn uploaded_scripts_never_run_in_the_origin_of_the_site() {
    let Some(mut browser) = Browser::start() else { return };
    let prefixes = ["/media/", "/static/"];
    let names = active().into_iter().map(|(name, _)| name);
    let pages = names.flat_map(|name| {
        prefixes.map(|prefix| (format!("/page{prefix}{name}"), page(prefix, name)))
    });
    let site = Site::start(pages.collect());
    for (name, content) in active() {
        site.directory.write(name, content);
    }
    // A new page that leads to a download closes itself.
    browser.open(&site.url("/"));
    browser.until(
        "a page of the site",
        "location.pathname == '/' && document.readyState == 'complete'",
    );
    for prefix in prefixes {
        for (name, _) in active() {
            browser.open(&site.url(&format!("{prefix}{name}")));
            let path = format!("/page{prefix}{name}");
            browser.open(&site.url(&path));
            let here = format!("location.pathname == '{path}' && document.title == 'loaded'");
            browser.until(&format!("{path} is loaded"), &here);
            if name == "a.svg" {
                let shown = "document.querySelector('img').naturalWidth";
                assert_eq!(browser.evaluate(shown).unwrap(), 10, "{path}");
                // As a top-level document it is saved, not shown.
                // As a top-level document it is a download, which an object or a frame ignores.
                let shown = "[...Array(3).keys()].map(at => frames[at].location.href).join(' ')";
                let shown = browser.evaluate(shown).unwrap();
                let expected =
                    if prefix == "/media/" { "about:blank" } else { &site.url("/static/a.svg") };
                assert_eq!(shown, [expected; 3].join(" "), "{path}");
            }
        }
        // Delayed scripts would have run by then.
        browser.evaluate("new Promise(done => setTimeout(done, 500))").unwrap();
        let ran = site.ran();
        if prefix == "/media/" {
            assert!(ran.is_empty(), "{ran:?}");
        } else {
            // Control: the same files as static files run, so the test can detect it.
            for name in ["a.svg", "a.html", "a.xhtml", "a.xml"] {
                assert!(ran.iter().any(|one| one == name), "{name} of {ran:?}");
            }
        }
    }
}
