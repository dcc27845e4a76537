//! Runs `--target` as its users do, in a process of its own, against scripted peers.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Parser as _;
use serde_json::Value;

use super::{
    destination, histogram,
    peers::{ClosedPort, Peer, Reply},
};
use crate::options::Options;

/// A check and its name.
type Check = (&'static str, fn() -> io::Result<()>);

const CHECKS: &[Check] = &[
    ("percentiles of the histogram are right", histogram_is_right),
    ("private addresses are distinguished from public ones", addresses_are_distinguished),
    ("every form of a response is read to its end", forms_of_responses),
    ("paths take turns and statuses are counted", paths_and_statuses),
    ("header fields are sent and replace the defaults", header_fields),
    ("a paced load counts latency from when a request was due", paced),
    ("requests that found no connection are counted", not_sent),
    ("failures are counted by kind", failures),
    ("nothing answered is a failure that says what to do", nothing_answered),
    ("TLS certificates are verified", tls),
    ("options without a bound or a meaning are refused", options),
    ("the commands of docs/load-test.md are valid", commands_of_the_page),
    ("runs and plots are saved, and never overwritten", saved),
];

/// Short, and long enough for a few requests.
const SHORT: [&str; 2] = ["--seconds", "0.3"];

/// How a run of this program ended.
struct Outcome {
    success: bool,
    /// What it printed, errors too.
    text: String,
}

/// Runs every check; the error names all that failed.
pub(crate) fn run() -> io::Result<()> {
    let failed: Vec<_> = CHECKS
        .iter()
        .filter_map(|(name, check)| Some(format!("\n{name}: {}", check().err()?)))
        .collect();
    if failed.is_empty() {
        println!("target: {} checks passed", CHECKS.len());
        return Ok(());
    }
    Err(io::Error::other(failed.concat()))
}

fn histogram_is_right() -> io::Result<()> {
    histogram::check().map_err(io::Error::other)
}

fn addresses_are_distinguished() -> io::Result<()> {
    destination::check().map_err(io::Error::other)
}

fn forms_of_responses() -> io::Result<()> {
    let peer = Peer::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        match path {
            "/length" => Reply::ok("0123456789"),
            "/chunked" => Reply {
                delay: Duration::ZERO,
                pieces: [
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n01",
                    "23\r",
                    "\n6;name=value\r\n456789\r\n0\r\nTrailer: x\r\n\r\n",
                ]
                .map(Into::into)
                .into(),
                closes: false,
            },
            "/close" => Reply::text("HTTP/1.1 200 OK\r\n\r\n0123456789").closing(),
            "/empty" => Reply::text("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
            "/interim" => Reply::text(
                "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            ),
            _ => Reply::text("HTTP/1.1 500 Unexpected\r\nContent-Length: 0\r\n\r\n"),
        }
    })?;
    for (path, status, bytes) in [
        ("/length", 200, 10),
        ("/chunked", 200, 10),
        ("/close", 200, 10),
        ("/empty", 304, 0),
        ("/interim", 204, 0),
    ] {
        let outcome = load(&peer.url(path), &["--connections", "2", "--rate", "50"])?;
        let first = format!("first response: GET {path}: {status}, {bytes} bytes");
        outcome.expect(true, &[&first, &format!("  {status}: 15\n"), "errors: none"])?;
    }
    Ok(())
}

fn paths_and_statuses() -> io::Result<()> {
    let peer = Peer::start(|head, _| {
        if head.starts_with("GET /b?c=d ") {
            return Reply::text("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        }
        Reply::ok("page")
    })?;
    let options = ["--path", "/a", "--path", "/b?c=d", "--rate", "100", "--connections", "4"];
    let outcome = load(&peer.url("/"), &options)?;
    outcome.expect(
        true,
        &[
            "requests: GET /a /b?c=d, in turn",
            "100 requests/s for 300ms, 30 in all, on up to 4 connections",
            "  200: 15\n",
            "  503: 15\n",
            "  200: 15, 503: 15\n",
        ],
    )?;
    // Two requests for the first look.
    let requests = peer.requests();
    require(requests == 32, format!("the peer got {requests} requests"))?;

    let before = peer.connections();
    let outcome = load(&peer.url("/a"), &["--connections", "3"])?;
    outcome.expect(true, &["load: 3 connections for 300ms", "connections opened: 3\n"])?;
    // Two more for the first look: one that only connects.
    let connections = peer.connections() - before;
    require(connections == 5, format!("the peer got {connections} connections"))
}

fn header_fields() -> io::Result<()> {
    let peer = Peer::start(|head, _| {
        let wanted = ["\r\nHost: www.example.com\r\n", "\r\nCookie: a=b; c=d\r\n"];
        let is_right = wanted.iter().all(|field| head.contains(field))
            && head.to_ascii_lowercase().matches("\r\nhost:").count() == 1;
        if is_right { Reply::ok("page") } else { Reply::text("HTTP/1.1 400 No\r\n\r\n").closing() }
    })?;
    let fields = ["--header", "Host: www.example.com", "--header", "Cookie: a=b; c=d"];
    load(&peer.url("/"), &fields)?.expect(true, &["first response: GET /: 200, 4 bytes\n"])?;
    let django = "first response: GET /: 400, 0 bytes; Django refuses hosts";
    load(&peer.url("/"), &[])?.expect(true, &[django])
}

/// One connection and one long pause: without the schedule a single request would be slow.
fn paced() -> io::Result<()> {
    let peer = Peer::start(|_, number| {
        let pause = if number == 20 { Duration::from_millis(600) } else { Duration::ZERO };
        Reply::ok("page").after(pause)
    })?;
    let directory = Scratch::new("paced")?;
    let options = ["--rate", "100", "--connections", "1", "--seconds", "1", "--save"];
    let outcome = load_for(&peer.url("/"), &[&options[..], &[directory.path()]].concat())?;
    outcome.expect(true, &["latency: from when a request was due"])?;
    let run = directory.only_run()?;
    let figure = |index: usize| run.get(index).and_then(Value::as_u64).unwrap_or_default();
    let (responses, p50, p90, unsent) = (figure(1), figure(3), figure(4), figure(10));
    // Half of the requests were due within the 600 ms. On a crowded machine some may come too late.
    let right = responses + unsent == 100 && responses > 20 && p90 >= 400_000 && p50 >= 20_000;
    require(right, format!("{run}"))
}

/// One connection to a slow peer: most requests find it busy until the end.
fn not_sent() -> io::Result<()> {
    let peer = Peer::start(|_, _| Reply::ok("page").after(Duration::from_millis(200)))?;
    let directory = Scratch::new("not-sent")?;
    let options = ["--rate", "100", "--connections", "1", "--save", directory.path()];
    let outcome = load(&peer.url("/"), &options)?;
    outcome.expect(
        true,
        &[
            "not sent (no free connection): all connections were busy until the end",
            "of `timed out` and `not sent` count in the latencies",
        ],
    )?;
    let run = directory.only_run()?;
    let figure = |index: usize| run.get(index).and_then(Value::as_u64).unwrap_or_default();
    // One begins every 200 ms; p50 is of those that never began.
    let (responses, p50, unsent) = (figure(1), figure(3), figure(10));
    let right = responses + unsent == 30 && (1..=7).contains(&responses) && p50 >= 100_000;
    require(right, format!("{run}"))
}

fn failures() -> io::Result<()> {
    let peer = Peer::start(|head, number| {
        // The first look sees a page.
        if number == 0 {
            return Reply::ok("page");
        }
        match head.split(' ').nth(1).unwrap_or_default() {
            "/truncated" => {
                Reply::text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234").closing()
            }
            "/closed" => Reply::text("").closing(),
            "/invalid" => Reply::text("SSH-2.0-server\r\n\r\n").closing(),
            "/lengths" => {
                Reply::text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
            }
            "/more" => Reply::text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"),
            "/slow" => Reply::ok("page").after(Duration::from_secs(3)),
            _ => Reply::ok("page"),
        }
    })?;
    let paths = ["/truncated", "/closed", "/invalid", "/lengths", "/more", "/slow", "/fine"];
    let paths: Vec<_> = paths.iter().flat_map(|path| ["--path", path]).collect();
    let options = ["--rate", "23", "--timeout", "1", "--connections", "7"];
    let outcome = load(&peer.url("/"), &[&paths[..], &options].concat())?;
    outcome.expect(
        true,
        &[
            "  200: 1\n",
            "errors: 6 requests without a complete response",
            "  1 closed before the response",
            "  1 closed within the response",
            "  1 timed out (no complete response within 1s): the server is overloaded or hangs",
            "  3 invalid response",
        ],
    )
}

fn nothing_answered() -> io::Result<()> {
    let closed = ClosedPort::take()?;
    let outcome = load(&format!("http://{}/", closed.address), &[])?;
    outcome.expect(false, &["connection refused", "start the server, or correct host and port"])?;

    let peer = Peer::start(|_, _| Reply::text("").closing())?;
    let outcome = load(&peer.url("/"), &["--connections", "2"])?;
    outcome.expect(false, &["closed before the response", "no request was answered"])?;
    // Two connections that wait 100 ms after each failure.
    let requests = peer.requests();
    require(requests <= 1 + 2 * 4, format!("{requests} requests to a peer that never responds"))
}

fn tls() -> io::Result<()> {
    let (peer, certificate) = Peer::start_tls(|_, _| Reply::ok("page"))?;
    let directory = Scratch::new("tls")?;
    let file = directory.0.join("ca.pem");
    fs::write(&file, certificate)?;
    let url = format!("https://{}/", peer.address);
    let file = file.to_string_lossy();
    load(&url, &["--ca", &file])?.expect(true, &["GET /: 200, 4 bytes", "errors: none"])?;
    load(&url, &["--insecure"])?.expect(true, &["GET /: 200, 4 bytes", "errors: none"])?;
    let (_other, certificate) = Peer::start_tls(|_, _| Reply::ok("page"))?;
    fs::write(&*file, certificate)?;
    let outcome = load(&url, &["--ca", &file])?;
    outcome.expect(false, &["TLS handshake failed", "name the CA's certificates with --ca"])?;
    fs::write(&*file, "no certificate")?;
    load(&url, &["--ca", &file])?.expect(false, &["it must be a file of PEM certificates"])
}

fn options() -> io::Result<()> {
    let url = "http://127.0.0.1:9/";
    for (target, options, words) in [
        (url, &["--seconds", "0"][..], "every load ends"),
        (url, &["--seconds", "inf"], "every load ends"),
        (url, &["--seconds", "601"], "every load ends"),
        (url, &["--connections", "1001"], "1001 is not in 1..=1000"),
        (url, &["--connections", "0"], "0 is not in 1..=1000"),
        (url, &["--rate", "20001"], "20001 is not in 1..=20000"),
        (url, &["--rows", "health"], "cannot be used with"),
        (url, &["--path", "static/a.css"], "must start with `/`"),
        (url, &["--header", "Host"], "write it as 'Name: value'"),
        (url, &["--header", "Content-Length: 3"], "a GET without a body"),
        ("127.0.0.1:9", &[], "must start with http:// or https://"),
        ("ftp://127.0.0.1/", &[], "must start with http:// or https://"),
        ("http://user:secret@127.0.0.1/", &[], "use --header 'Authorization: …'"),
        ("http://127.0.0.1:99999/", &[], "the port must be a number up to 65535"),
        ("http://203.0.113.9/", &[], "add --public"),
    ] {
        load_for(target, options)?.expect(false, &[words])?;
    }
    Ok(())
}

/// Parses them, and looks for the defaults that the page names.
fn commands_of_the_page() -> io::Result<()> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/load-test.md"))?;
    let mut count = 0;
    for line in page.lines() {
        let Some(arguments) = line.trim_start().strip_prefix("cargo bench --bench load -- ") else {
            continue;
        };
        // Every other part stands between quotes.
        let parts = arguments.split('\'').enumerate();
        let words = parts.flat_map(|(index, part)| match index % 2 {
            0 => part.split_ascii_whitespace().collect(),
            _ => vec![part],
        });
        Options::try_parse_from(std::iter::once("load").chain(words))
            .map_err(|error| io::Error::other(format!("{line}: {error}")))?;
        count += 1;
    }
    require(count >= 8, format!("{count} commands"))?;
    let options = Options::try_parse_from(["load", "--target", "http://127.0.0.1/"])
        .map_err(io::Error::other)?;
    let default = format!(
        "{} s on {} connections, with a timeout of {} s",
        options.target_length().as_secs(),
        options.target_connections(),
        options.deployment.timeout().as_secs()
    );
    require(page.contains(&default), format!("the page does not say `{default}`"))
}

fn saved() -> io::Result<()> {
    let peer = Peer::start(|_, _| Reply::ok("<page>"))?;
    let directory = Scratch::new("saved")?;
    let options = ["--rate", "50", "--save", directory.path(), "--path", "/?a=1&b=<"];
    let refused = load(&peer.url("/"), &options)?;
    refused.expect(false, &["must start with `/` and have no spaces"])?;
    let options = ["--rate", "50", "--save", directory.path(), "--path", "/?a=1&b=2"];
    for _ in 0..2 {
        load(&peer.url("/"), &options)?.expect(true, &["saved: "])?;
    }
    let mut names: Vec<_> = directory.names()?;
    names.sort();
    let ends = ["-target-2.json", "-target-2.svg", "-target.json", "-target.svg"];
    let right = names.len() == 4 && names.iter().zip(ends).all(|(name, end)| name.ends_with(end));
    require(right, format!("{names:?}"))?;
    let svg = fs::read_to_string(directory.0.join(names.get(3).map_or("", String::as_str)))?;
    require(svg.contains("/?a=1&amp;b=2 p99") && svg.ends_with("</svg>\n"), svg)
}

/// Loads for a short time.
fn load(target: &str, options: &[&str]) -> io::Result<Outcome> {
    load_for(target, &[&SHORT[..], options].concat())
}

fn load_for(target: &str, options: &[&str]) -> io::Result<Outcome> {
    let output = Command::new(env::current_exe()?)
        .args(["--bench", "--target", target])
        .args(options)
        .stdin(Stdio::null())
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Outcome { success: output.status.success(), text })
}

fn require(is_met: bool, otherwise: String) -> io::Result<()> {
    if is_met { Ok(()) } else { Err(io::Error::other(otherwise)) }
}

// === impl Outcome ===

impl Outcome {
    /// Whether it ended so, and printed all of these.
    fn expect(&self, success: bool, words: &[&str]) -> io::Result<()> {
        let text = &self.text;
        require(self.success == success, format!("success is {}:\n{text}", self.success))?;
        let missing = words.iter().find(|words| !text.contains(**words));
        missing.map_or(Ok(()), |words| {
            Err(io::Error::other(format!("`{words}` was not printed:\n{text}")))
        })
    }
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

// === impl Scratch ===

impl Scratch {
    fn new(name: &str) -> io::Result<Self> {
        let name = format!("load-target-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.0)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// The only run of the only saved file.
    fn only_run(&self) -> io::Result<Value> {
        let names = self.names()?;
        let name = names.iter().find(|name| name.ends_with(".json"));
        let text = fs::read_to_string(self.0.join(name.map_or("", String::as_str)))?;
        let saved: Value = serde_json::from_str(&text)?;
        let run = saved.pointer("/runs/0").cloned();
        run.ok_or_else(|| io::Error::other(format!("no run in {text}")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("load: cannot remove {}: {error}", self.0.display());
        }
    }
}
