//! Decoders of others: curl, Python and Chromium. All of them skip the padding, and so does Firefox (153, by hand: 39
//! responses in each coding).

use std::fs;

use sideman::{
    compression::{After, Effort, Encoder, MAX_PADDING, MadeCoding},
    rfc::encoding::Coding,
};

use super::{CODINGS, application, page};
use crate::support::{App, Browser, Settings, TempDir, Tool};

#[test]
fn curl_decodes_every_coding_over_both_versions() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let directory = TempDir::new();
    let file = directory.path().join("page");
    let (output, url) = (file.to_str().unwrap(), format!("http://{}/", sideman.address()));
    for coding in CODINGS {
        let accepted = format!("Accept-Encoding: {}", coding.token());
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let arguments = [
                "-sS",
                "--compressed",
                version,
                "-H",
                &accepted,
                "-o",
                output,
                "-w",
                "%header{content-encoding}",
                &url,
            ];
            let Some(run) = Tool::Curl.run(&arguments, "") else { return };
            assert_eq!(String::from_utf8_lossy(&run.stderr), "");
            assert_eq!(String::from_utf8_lossy(&run.stdout), coding.token(), "{version}");
            assert!(fs::read_to_string(&file).unwrap() == page(), "{coding:?} {version}");
        }
    }
}

#[test]
fn python_decodes_gzip() {
    const SCRIPT: &str = "import gzip, sys, urllib.request as r\n\
        q = r.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'})\n\
        a = r.urlopen(q)\n\
        assert a.headers['Content-Encoding'] == 'gzip'\n\
        sys.stdout.write(gzip.decompress(a.read()).decode())";
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let url = format!("http://{}/", sideman.address());
    let Some(run) = Tool::Python.run(&["-c", SCRIPT, &url], "") else { return };
    assert!(String::from_utf8_lossy(&run.stdout) == page(), "{run:?}");
}

/// The page in a coding, with this much padding, in two pieces.
fn padded(coding: MadeCoding, padding: u8, text: &str) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(coding, Effort::Response).unwrap(), Vec::new());
    encoder.pad(padding);
    let (first, second) = text.split_at(text.len() / 2);
    encoder.encode(first.as_bytes(), After::Flush, &mut out).unwrap();
    encoder.encode(second.as_bytes(), After::Finish, &mut out).unwrap();
    out
}

#[test]
fn chromium_decodes_every_coding_with_padding() {
    let text = format!("{}last", page());
    let expected = text.clone();
    let application = App::start(move |request| {
        let (token, coding) = match request.target().split('/').nth(1).unwrap() {
            "gzip" => (Coding::Gzip.token(), MadeCoding::Gzip),
            "br" => (Coding::Brotli.token(), MadeCoding::Brotli),
            "zstd" => (Coding::Zstd.token(), MadeCoding::Zstd),
            _ => return App::reply(text.as_bytes()),
        };
        let padding = request.target().split('/').nth(2).unwrap().parse().unwrap();
        let body = padded(coding, padding, &text);
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n\
             Content-Encoding: {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    });
    let sideman = Settings::before(&application.url()).start();
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{}/page", sideman.address()));
    browser.until("the page", "document.body.innerText.endsWith('last')");
    let fetched = |target: &str| format!("fetch('{target}').then(answer => answer.text())");
    for coding in ["gzip", "br", "zstd"] {
        for padding in [0, 1, MAX_PADDING] {
            let text = browser.evaluate(&fetched(&format!("/{coding}/{padding}"))).unwrap();
            assert!(text.as_str() == Some(expected.as_str()), "{coding} {padding}: {text}");
        }
    }
    // And as Sideman itself compresses for it.
    let text = browser.evaluate(&fetched("/page")).unwrap();
    assert!(text.as_str() == Some(expected.as_str()));
    let counted = [("coding", "zstd")];
    assert!(sideman.metric("sideman_compressed_responses_total", &counted) >= 2.0);
}
