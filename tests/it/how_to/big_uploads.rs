//! docs/how-to/big-uploads.md, with MiB instead of GiB.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use sideman::config::{self, Environment, Flags};

use super::{Page, changed};
use crate::deploy::Checker;
use crate::support::{
    App, Client, Gate, Origin, Settings, Sideman, TempDir, close, eventually, expect, open,
    pattern, receive, send,
};

const MIB: usize = 1 << 20;

fn counting() -> App {
    App::start(|request| App::reply(request.body.len().to_string().as_bytes()))
}

/// The first block of the page, scaled to a thousandth.
fn start(application: &App, home: &TempDir) -> Sideman {
    let spool = home.join("spool");
    fs::create_dir(&spool).unwrap();
    let changes = [("11GiB", "10MiB"), ("24GiB", "24MiB"), ("/spool", spool.to_str().unwrap())];
    let page = Page::read("big-uploads.md");
    page.file("max_body", &changes, Settings::before(&application.url()), home).start()
}

/// Begins an upload of 10 MiB and holds back its last byte.
fn almost(sideman: &Sideman) -> Client {
    let mut client = sideman.connect();
    let length = 10 * MIB;
    let head = format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n");
    client.send([head.as_bytes(), &pattern(length)[1..]].concat());
    client
}

#[test]
fn settings_of_the_page_fit_each_other() {
    let home = TempDir::new();
    let block = changed(
        Page::read("big-uploads.md").block("toml", "max_body"),
        &[("/spool", home.path().to_str().unwrap())],
    );
    let path = home.write("page.toml", block);
    let arguments = ["check", "--strict", "--config", path.to_str().unwrap()];
    let checked =
        Settings::default().args(&arguments).args(&["--upstream", "http://127.0.0.1:8000"]);
    let ended = checked.run_to_end();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn two_uploads_of_the_full_size_fit_and_a_longer_one_is_refused() {
    let (application, home) = (counting(), TempDir::new());
    let sideman = start(&application, &home);
    let mut uploads = [almost(&sideman), almost(&sideman)];
    eventually("two uploads on disk", || {
        let waiting = sideman.metric("sideman_buffer_bytes", &[("kind", "disk")]);
        (waiting > 19.0 * MIB as f64).then_some(())
    });
    let limit = sideman.metric("sideman_limit", &[("setting", "buffers.disk")]);
    assert_eq!(limit, 24.0 * MIB as f64);
    // A third one finds no space.
    let mut third = sideman.connect();
    assert_eq!(third.post("/", "", &pattern(6 * MIB)).status, 503);
    assert_eq!(application.requests(), 0);
    for upload in &mut uploads {
        upload.send("x");
        assert_eq!(upload.response().text(), (10 * MIB).to_string());
    }
    let longer = "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10485761\r\n\r\n";
    assert_eq!(sideman.connect().send(longer).response().status, 413);
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "disk")], 0.0);
}

#[test]
fn interrupted_upload_never_reaches_the_application() {
    let (application, home) = (counting(), TempDir::new());
    let sideman = start(&application, &home);
    almost(&sideman).reset_connection();
    sideman.log_line("the upload", |line| {
        line["error"] == "client_disconnected" || line["error"] == "client_body"
    });
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "disk")], 0.0);
    assert_eq!(application.requests(), 0);
}

/// `max_body` alone is not sufficient.
#[test]
fn body_beyond_the_default_disk_is_refused_before_it_is_read() {
    let application = counting();
    let sideman = Settings::before(&application.url()).set("server.max_body", "10GiB").start();
    let warning = sideman.event("server.max_body");
    assert!(warning.contains("WARN"), "{warning}");
    let head = "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10737418240\r\n\r\n";
    assert_eq!(sideman.connect().send(head).response().status, 413);
    sideman.log_line("refused", |line| line["error"] == "body_exceeds_buffers");
}

/// The application may take up to the timeout after the last byte.
#[test]
fn read_timeout_begins_after_the_last_byte() {
    let timeout = Duration::from_millis(1500);
    let refused = Gate::new();
    let until_refused = refused.clone();
    let application = App::start(move |request| {
        if request.target() == "/long" {
            until_refused.pass();
        }
        App::reply(b"done")
    });
    let sideman =
        Settings::before(&application.url()).set("upstream.read_timeout", "1500ms").start();
    // The upload alone takes longer than the timeout: the pauses are the case, and nothing waits for something else.
    let mut client = sideman.connect();
    client.send("POST /short HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3\r\n\r\n");
    let begin = Instant::now();
    for _ in 0..3 {
        std::thread::sleep(timeout * 2 / 3);
        client.send("x");
    }
    assert_eq!(client.response().text(), "done");
    assert!(begin.elapsed() > timeout);
    assert_eq!(sideman.connect().post("/long", "", b"x").status, 504);
    refused.open();
}

#[test]
fn uploads_may_have_an_application_of_their_own() {
    let (site, uploads, home) = (App::saying("site"), App::saying("uploads"), TempDir::new());
    let page = Page::read("big-uploads.md");
    let url = uploads.url();
    let changes = [("http://127.0.0.1:8001", url.as_str())];
    let sideman = page.file("upstream = ", &changes, Settings::before(&site.url()), &home).start();
    assert_eq!(sideman.connect().post("/upload/", "", b"x").text(), "uploads");
    assert_eq!(sideman.get("/").text(), "site");
}

#[test]
fn read_timeout_of_the_page_is_the_load_balancers() {
    let (page, home) = (Page::read("big-uploads.md"), TempDir::new());
    let path = home.write("page.toml", page.block("toml", "read_timeout"));
    let flags = Flags { config: Some(path), ..Flags::default() };
    let upstream = ("SIDEMAN_UPSTREAM".into(), "http://127.0.0.1:8000".into());
    let environment: Environment = std::iter::once(upstream).collect();
    let plan = config::load(&flags, &environment).unwrap().plan;
    page.says(&["300 s"]);
    assert_eq!(plan.upstream.read_timeout, Duration::from_secs(300));
}

#[test]
fn ecs_accepts_the_larger_disk() {
    let Some(checker) = Checker::prepared() else { return };
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let task = fs::read(home.join("config/deploy/ecs/gunicorn.json")).unwrap();
    let mut task: Value = serde_json::from_slice(&task).unwrap();
    let block = Page::read("big-uploads.md").block("json", "ephemeralStorage");
    let block: Value = serde_json::from_str(&block).unwrap();
    task["ephemeralStorage"] = block["ephemeralStorage"].clone();
    assert!(task["ephemeralStorage"]["sizeInGiB"].is_u64());
    let found = checker.service_input("ecs", "RegisterTaskDefinition", &task);
    assert_eq!(found, [] as [&str; 0]);
}

#[test]
fn unbuffered_upload_arrives_while_it_is_sent_and_uses_no_disk() {
    let asked = Gate::new();
    let origin = Origin::script([
        expect("POST /upload/ "),
        receive("first"),
        open(&asked),
        receive("last"),
        send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        close(),
    ]);
    let (page, home) = (Page::read("big-uploads.md"), TempDir::new());
    let settings =
        Settings::before(&origin.url()).set("buffers.disk", "0B").set("server.max_body", "1KiB");
    let sideman = page.file("stream = \"request\"", &[], settings, &home).start();
    let mut client = sideman.connect();
    client.send("POST /upload/ HTTP/1.1\r\nHost: example.test\r\nContent-Length: 9\r\n\r\nfirst");
    asked.pass();
    assert_eq!(client.send("last").response().text(), "ok");
    // The size is limited here too.
    let longer = "POST /upload/ HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1025\r\n\r\n";
    assert_eq!(sideman.connect().send(longer).response().status, 413);
}
