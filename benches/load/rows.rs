//! The table of rows, by grid name: the requests, and the expected responses. Data only.
//!
//! A row of a known scenario is one entry here: `site` makes its files. A new scenario is a
//! new variant with a function beside `measure::Bench::keep_alive`.

use crate::{endpoint::Protocol, load_target::Manner};

/// One line of the result.
#[derive(Debug)]
pub(crate) struct Row {
    /// `<content>_<size>_<how>`.
    pub(crate) name: &'static str,
    /// A description for choosing rows, and for the table of docs/performance.md.
    pub(crate) what: &'static str,
    pub(crate) scenario: Scenario,
    /// The server's protocol to the application.
    pub(crate) via: Via,
}

/// A protocol and its kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over a unix socket.
    Unix,
    /// The uwsgi protocol over TCP.
    Uwsgi,
}

/// The kind of load.
#[derive(Debug)]
pub(crate) enum Scenario {
    /// A fixed number of keep-alive connections, each with one request at a time.
    KeepAlive(Get),
    /// `KeepAlive` over TLS.
    Tls(Get),
    /// HTTP/2 over TLS, with a number of concurrent requests on each of a number of connections.
    Http2 { get: Get, streams: u32, connections: u32 },
    /// A new TLS connection for each request, with a full handshake or a resumed one.
    Handshakes { get: Get, resumed: bool },
    /// Few keep-alive connections, each busy with one response for so long that the window
    /// begins and ends within responses: the bytes received within the window count.
    Large { get: Get, connections: u32 },
    /// Every file of a tree once, none of them in the page cache.
    Cold(Cold),
}

/// A walk through cold files.
#[derive(Debug)]
pub(crate) struct Cold {
    /// The expected response is a tree.
    pub(crate) get: Get,
    /// At most this many of the load's connections.
    pub(crate) connections: u32,
    /// Requested at a steady pace meanwhile; its latency is then the row's result.
    pub(crate) beside: Option<Get>,
}

/// One request, or one for each file of a tree, and the expected response.
#[derive(Debug)]
pub(crate) struct Get {
    /// `@` is the hash that Django's manifest storage adds to names: twelve digits of the
    /// content's MD5. The path of a tree is its directory.
    pub(crate) path: &'static str,
    pub(crate) answer: ExpectedResponse,
    /// Headers without which the response would be cheaper than an equivalent one.
    pub(crate) headers: &'static [&'static str],
    /// Whether every request must leave a line in the access log.
    pub(crate) logged: bool,
}

/// The expected response, which also determines the request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ExpectedResponse {
    /// 200 with any body that never changes.
    Any,
    /// 200 with this number of bytes from the origin, to a GET or to a POST of as many.
    Origin { posted: usize, size: usize },
    /// 200 with a file of this size.
    File(usize),
    /// 200 with one of this number of files, of `least` to `most` bytes.
    Tree { files: usize, least: usize, most: usize },
    /// 200 with a stylesheet in one of the encodings that this `Accept-Encoding` names.
    Encoded(&'static str),
    /// 304, requested with the `ETag` of the file of this size.
    Unchanged(usize),
    /// 206 with `length` bytes from `first` on, of a file of `size` bytes.
    Part { size: usize, first: usize, length: usize },
    /// 200 with this number of bytes from the origin, which any cache may store: the origin is asked once.
    Stored(usize),
    /// 200 with a page of text from the origin, of this size before it was compressed with one of the encodings that
    /// this `Accept-Encoding` names. Any cache may store it, if it `is_stored`.
    Text { size: usize, accepted: &'static str, is_stored: bool },
    /// 404.
    Missing,
}

/// The figure of a row that the ratio compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    Cpu,
    P99,
}

/// The required headers of every file: type, validators, and Cache-Control.
const FILE: &[&str] = &["etag", "last-modified", "cache-control", "content-type"];
const ENCODED: &[&str] =
    &["etag", "last-modified", "cache-control", "content-type", "content-encoding", "vary"];
const PART: &[&str] = &["etag", "last-modified", "cache-control", "content-type", "content-range"];
/// RFC 9110, 15.4.5: these headers of the 200 response.
const UNCHANGED: &[&str] = &["etag", "cache-control"];

const BROWSERS: &str = "gzip, deflate, br, zstd";
/// RFC 9110, 12.5.3: caches must know.
const COMPRESSED: &[&str] = &["content-type", "content-encoding", "vary"];
/// 400 MiB: more than any server's own memory budget.
const COLD: ExpectedResponse =
    ExpectedResponse::Tree { files: 4096, least: 100 << 10, most: 100 << 10 };

const PAGE: ExpectedResponse = ExpectedResponse::Origin { posted: 0, size: 1 << 10 };
const TYPE: &[&str] = &["content-type"];

/// Every row, in the order in which they run.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "health",
        what: "health check",
        scenario: Scenario::KeepAlive(Get {
            path: "/healthz",
            answer: ExpectedResponse::Any,
            headers: &[],
            logged: false,
        }),
        via: Via::Http,
    },
    file("files_1k_keepalive", "1 KiB file", "/static/1k.@.bin", 1 << 10),
    file("files_10k_keepalive", "10 KiB file", "/static/10k.@.bin", 10 << 10),
    file("files_100k_keepalive", "100 KiB file", "/static/100k.@.bin", 100 << 10),
    file("files_1m_keepalive", "1 MiB file", "/static/1m.@.bin", 1 << 20),
    large(
        "files_10m_keepalive",
        "10 MiB file, immutable name",
        get("/static/10m.@.bin", ExpectedResponse::File(10 << 20), FILE),
    ),
    large(
        "files_10m_mutable",
        "10 MiB file, other name",
        get("/static/mutable/10m.bin", ExpectedResponse::File(10 << 20), FILE),
    ),
    large(
        "files_100m_keepalive",
        "100 MiB file, immutable name",
        get("/static/100m.@.bin", ExpectedResponse::File(100 << 20), FILE),
    ),
    large(
        "files_100m_mutable",
        "100 MiB file, other name",
        get("/static/mutable/100m.bin", ExpectedResponse::File(100 << 20), FILE),
    ),
    kept(
        "files_css_keepalive",
        "60 KiB stylesheet, br from Sideman, gzip from nginx",
        get("/static/css/site.@.css", ExpectedResponse::Encoded(BROWSERS), ENCODED),
    ),
    kept(
        "files_css_gzip_keepalive",
        "60 KiB stylesheet, gzip from both",
        get("/static/css/site.@.css", ExpectedResponse::Encoded("gzip"), ENCODED),
    ),
    kept(
        "files_304_keepalive",
        "304 for a 10 KiB file",
        get("/static/10k.@.bin", ExpectedResponse::Unchanged(10 << 10), UNCHANGED),
    ),
    kept(
        "files_range_keepalive",
        "4 KiB of a 1 MiB file",
        get(
            "/static/1m.@.bin",
            ExpectedResponse::Part { size: 1 << 20, first: 512 << 10, length: 4 << 10 },
            PART,
        ),
    ),
    kept(
        "files_404_keepalive",
        "404 for a missing file",
        get("/static/css/missing.css", ExpectedResponse::Missing, &[]),
    ),
    kept(
        "files_50k_tree",
        "50,000 files of 1 KiB, each in turn",
        get("/static/tree", tree(1 << 10, 1 << 10), FILE),
    ),
    kept(
        "files_50k_uncached",
        "50,000 files of 2 to 20 KiB, nginx without open_file_cache",
        get("/static/uncached", tree(2 << 10, 20 << 10), FILE),
    ),
    Row {
        name: "files_cold_100k",
        what: "100 KiB files that come from the disk",
        scenario: Scenario::Cold(Cold {
            get: get("/static/cold", COLD, FILE),
            connections: u32::MAX,
            beside: None,
        }),
        via: Via::Http,
    },
    Row {
        name: "files_beside_cold",
        what: "1 KiB file beside those",
        scenario: Scenario::Cold(Cold {
            get: get("/static/cold", COLD, FILE),
            connections: 8,
            beside: Some(get("/static/1k.@.bin", ExpectedResponse::File(1 << 10), FILE)),
        }),
        via: Via::Http,
    },
    proxied("proxy_1k_keepalive", "proxied, 1 KiB", get("/page?of=1", PAGE, TYPE), Via::Http),
    proxied(
        "proxy_100k_keepalive",
        "proxied, 100 KiB",
        get("/large?of=1", ExpectedResponse::Origin { posted: 0, size: 100 << 10 }, TYPE),
        Via::Http,
    ),
    proxied(
        "proxy_post_10k_keepalive",
        "proxied, POST of 10 KiB",
        get("/page?of=1", ExpectedResponse::Origin { posted: 10 << 10, size: 1 << 10 }, TYPE),
        Via::Http,
    ),
    proxied(
        "proxy_1k_close",
        "proxied, the application closes each connection",
        get("/last?of=1", PAGE, TYPE),
        Via::Http,
    ),
    proxied(
        "proxy_1k_unix",
        "proxied, 1 KiB over a unix socket",
        get("/page?of=1", PAGE, TYPE),
        Via::Unix,
    ),
    proxied(
        "proxy_1k_uwsgi",
        "proxied, 1 KiB over uwsgi",
        get("/page?of=1", PAGE, TYPE),
        Via::Uwsgi,
    ),
    kept(
        "proxy_60k_compressed",
        "proxied, 60 KiB of text, zstd from Sideman, gzip from nginx",
        text("/text/61440", BROWSERS, false),
    ),
    kept(
        "proxy_60k_gzip",
        "proxied, 60 KiB of text, gzip from both",
        text("/text/61440", "gzip", false),
    ),
    kept("cache_1k", "1 KiB from the cache", stored("/stored/1024", 1 << 10)),
    kept("cache_100k", "100 KiB from the cache", stored("/stored/102400", 100 << 10)),
    kept("cache_1m", "1 MiB from the cache", stored("/stored/1048576", 1 << 20)),
    kept(
        "cache_60k_gzip",
        "60 KiB of text from the cache, gzip from both",
        text("/stored/text/61440", "gzip", true),
    ),
    by_tls("tls_files_1k_keepalive", "TLS, 1 KiB file", Scenario::Tls(small())),
    by_tls(
        "tls_files_100k_keepalive",
        "TLS, 100 KiB file",
        Scenario::Tls(get("/static/100k.@.bin", ExpectedResponse::File(100 << 10), FILE)),
    ),
    by_tls(
        "h2_files_1k_1_stream",
        "HTTP/2, 1 KiB file, one request at a time",
        Scenario::Http2 { get: small(), streams: 1, connections: u32::MAX },
    ),
    by_tls(
        "h2_files_1k_32_streams",
        "HTTP/2, 1 KiB file, 32 requests at a time",
        Scenario::Http2 { get: small(), streams: 32, connections: 4 },
    ),
    by_tls(
        "tls_handshake",
        "TLS handshake (ECDSA P-256), full",
        Scenario::Handshakes { get: small(), resumed: false },
    ),
    by_tls(
        "tls_handshake_resumed",
        "TLS handshake, resumed",
        Scenario::Handshakes { get: small(), resumed: true },
    ),
];

/// The rows with these names, in the table's order; all rows if there are no names.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Row>, String> {
    if let Some(unknown) = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        let known = ROWS.iter().map(|row| format!("\n  {:<24} {}", row.name, row.what));
        return Err(format!(
            "there is no row `{unknown}`; the rows are{}",
            known.collect::<String>()
        ));
    }
    Ok(ROWS
        .iter()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
        .collect())
}

// === impl Get ===

impl Get {
    /// Whether the names of the files declare their contents immutable.
    pub(crate) fn is_immutable(&self) -> bool {
        self.path.contains('@') || matches!(self.answer, ExpectedResponse::Tree { .. })
    }
}

// === impl Row ===

impl Row {
    /// All requests of the row.
    pub(crate) fn gets(&self) -> impl Iterator<Item = &Get> {
        let (get, beside) = match &self.scenario {
            Scenario::KeepAlive(get)
            | Scenario::Tls(get)
            | Scenario::Http2 { get, .. }
            | Scenario::Handshakes { get, .. }
            | Scenario::Large { get, .. } => (get, None),
            Scenario::Cold(cold) => (&cold.get, cold.beside.as_ref()),
        };
        std::iter::once(get).chain(beside)
    }

    /// Whether the server has a cache in front of the application.
    pub(crate) fn is_cached(&self) -> bool {
        self.gets().any(|get| {
            matches!(
                get.answer,
                ExpectedResponse::Stored(_) | ExpectedResponse::Text { is_stored: true, .. }
            )
        })
    }

    /// Whether the length of responses is a result of the row.
    pub(crate) fn is_compressed(&self) -> bool {
        self.gets().any(|get| matches!(get.answer, ExpectedResponse::Text { .. }))
    }

    /// How many of the load's connections the row uses.
    pub(crate) fn connections(&self, load: u32) -> u32 {
        match &self.scenario {
            Scenario::KeepAlive(_) | Scenario::Tls(_) | Scenario::Handshakes { .. } => load,
            Scenario::Http2 { connections, .. } | Scenario::Large { connections, .. } => {
                load.min(*connections)
            }
            Scenario::Cold(cold) => load.min(cold.connections),
        }
    }

    /// Whether its clients use TLS, and the protocol over it.
    pub(crate) fn tls(&self) -> Option<Protocol> {
        match &self.scenario {
            Scenario::Tls(_) | Scenario::Handshakes { .. } => Some(Protocol::Http1),
            Scenario::Http2 { .. } => Some(Protocol::Http2),
            Scenario::KeepAlive(_) | Scenario::Large { .. } | Scenario::Cold(_) => None,
        }
    }

    /// How its connections send requests.
    pub(crate) fn manner(&self) -> Manner {
        match &self.scenario {
            Scenario::Http2 { streams, .. } => Manner::Streams(*streams),
            Scenario::Handshakes { resumed: false, .. } => Manner::Handshakes,
            Scenario::Handshakes { resumed: true, .. } => Manner::Resumptions,
            Scenario::KeepAlive(_)
            | Scenario::Tls(_)
            | Scenario::Large { .. }
            | Scenario::Cold(_) => Manner::Kept,
        }
    }

    /// The content of the row.
    pub(crate) fn compared(&self) -> Compared {
        match &self.scenario {
            Scenario::Cold(Cold { beside: Some(_), .. }) => Compared::P99,
            Scenario::KeepAlive(_)
            | Scenario::Tls(_)
            | Scenario::Http2 { .. }
            | Scenario::Handshakes { .. }
            | Scenario::Large { .. }
            | Scenario::Cold(_) => Compared::Cpu,
        }
    }
}

const fn file(name: &'static str, what: &'static str, path: &'static str, size: usize) -> Row {
    kept(name, what, get(path, ExpectedResponse::File(size), FILE))
}

const fn kept(name: &'static str, what: &'static str, get: Get) -> Row {
    proxied(name, what, get, Via::Http)
}

/// The number of connections, if each is busy with one response for so long that they count by bytes.
const fn large(name: &'static str, what: &'static str, get: Get) -> Row {
    Row { name, what, scenario: Scenario::Large { get, connections: 2 }, via: Via::Http }
}

const fn text(path: &'static str, accepted: &'static str, is_stored: bool) -> Get {
    get(path, ExpectedResponse::Text { size: 60 << 10, accepted, is_stored }, COMPRESSED)
}

const fn stored(path: &'static str, size: usize) -> Get {
    get(path, ExpectedResponse::Stored(size), TYPE)
}

const fn tree(least: usize, most: usize) -> ExpectedResponse {
    ExpectedResponse::Tree { files: 50_000, least, most }
}

const fn proxied(name: &'static str, what: &'static str, get: Get, via: Via) -> Row {
    Row { name, what, scenario: Scenario::KeepAlive(get), via }
}

const fn by_tls(name: &'static str, what: &'static str, scenario: Scenario) -> Row {
    Row { name, what, scenario, via: Via::Http }
}

/// The request of the rows with a 1 KiB file.
pub(crate) const fn small() -> Get {
    get("/static/1k.@.bin", ExpectedResponse::File(1 << 10), FILE)
}

const fn get(
    path: &'static str,
    answer: ExpectedResponse,
    headers: &'static [&'static str],
) -> Get {
    Get { path, answer, headers, logged: true }
}
