//! Common HTTP/2 clients.

use std::process::Output;

use crate::support::{App, Settings, Sideman, TempDir, Tool, pattern};

fn run(tool: Tool, args: &[&str]) -> Option<Output> {
    tool.run(args, "")
}

fn start() -> (App, TempDir, Sideman) {
    let application = App::start(|request| App::reply(&request.body));
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    directory.write("large.bin", pattern(1 << 20));
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    (application, directory, sideman)
}

#[test]
fn curl_gets_pages_and_uploads() {
    let (_application, directory, sideman) = start();
    let url = |path: &str| format!("http://{}{path}", sideman.address());
    let known = ["--http2-prior-knowledge", "-sS", "--max-time", "20"];
    let curl = |args: &[&str]| run(Tool::Curl, &[&known[..], args].concat());
    let (small, large, echo) = (url("/static/a.txt"), url("/static/large.bin"), url("/echo"));
    let format = ["-w", " %{http_version} %{http_code}"];
    let Some(output) = curl(&[&format[..], &[&small]].concat()) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a file 2 200", "{output:?}");
    let output = curl(&[&large]).unwrap();
    assert!(output.status.success() && output.stdout == pattern(1 << 20));
    let file = directory.join("large.bin");
    let upload = format!("@{}", file.display());
    for more in
        [&["--data-binary", &upload][..], &["-H", "Content-Length:", "-T", file.to_str().unwrap()]]
    {
        let output = curl(&[more, &[&echo]].concat()).unwrap();
        assert!(output.stdout == pattern(1 << 20), "{} {:?}", output.stdout.len(), output.stderr);
    }
    let output = curl(&["-I", &small]).unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("HTTP/2 200"), "{output:?}");
}

#[test]
fn nghttp_gets_several_responses() {
    let (_application, directory, sideman) = start();
    let url = format!("http://{}/static/a.txt", sideman.address());
    let large = format!("http://{}/static/large.bin", sideman.address());
    // Windows of 2^14 bytes, several requests, a body.
    let Some(output) = run(Tool::Nghttp, &["-w", "14", "-m", "5", "-t", "20", &url]) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a file".repeat(5), "{output:?}");
    let output = run(Tool::Nghttp, &["-w", "14", "-W", "14", "-t", "20", &large]).unwrap();
    assert!(output.stdout == pattern(1 << 20), "{output:?}");
    let echo = format!("http://{}/echo", sideman.address());
    let file = directory.join("large.bin");
    let output = run(Tool::Nghttp, &["-d", file.to_str().unwrap(), "-t", "20", &echo]).unwrap();
    assert!(output.stdout == pattern(1 << 20), "{} bytes", output.stdout.len());
    let output = run(
        Tool::Nghttp,
        &["-n", "-v", "--trailer", "x-sum: 1", "-d", file.to_str().unwrap(), &echo],
    );
    assert!(String::from_utf8_lossy(&output.unwrap().stdout).contains(":status: 200"));
}

#[test]
fn h2load_finds_no_failure() {
    let (_application, _directory, sideman) = start();
    for path in ["/static/a.txt", "/static/large.bin", "/page"] {
        let url = format!("http://{}{path}", sideman.address());
        let Some(output) =
            run(Tool::H2load, &["-n", "640", "-c", "4", "-m", "32", "-T", "20", &url])
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("640 succeeded, 0 failed, 0 errored, 0 timeout"), "{path}: {text}");
    }
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}
