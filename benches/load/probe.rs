//! The probe of one response before the load: a server that does less than the others is not measured.
//!
//! It checks status, headers and every byte of the body, and returns the requests and expected
//! responses of the load.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    client::{self, Ask, Client, Reply},
    content,
    endpoint::Door,
    origin,
    rows::{ExpectedResponse, Get, Via},
    site::Site,
};

/// The headers that every server under test must send to the application.
const FORWARDED: &[&str] = &["x-forwarded-for:", "x-forwarded-proto:", "x-request-id:"];

/// The variables that an application with the uwsgi protocol needs in addition.
const VARIABLES: &[&str] = &[
    "request_method: get",
    "request_uri: /echo",
    "path_info: /echo",
    "server_protocol: http/1.1",
    "remote_addr: 127.0.0.1",
    "server_port:",
];

/// The result of the probe for the load.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The requests: of a tree each file, else one. The probe sent the first.
    pub(crate) asks: Vec<Ask>,
    /// Requests that the probe made.
    pub(crate) requests: u64,
}

/// Time limit until a page comes from the cache in its compressed form, which may be made in the background.
const STORED: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// One probe.
struct Look<'a> {
    client: Client,
    address: SocketAddr,
    get: &'a Get,
    via: Via,
    site: &'a Site,
    url: &'a str,
    requests: u64,
}

/// Compares the received bytes with those of a file while reading: neither is kept.
struct Comparison {
    file: BufReader<File>,
    same: bool,
}

/// Sends the request of `get`, checks the response, and prepares the load.
pub(crate) async fn probe(door: &Door, get: &Get, via: Via, site: &Site) -> io::Result<Probed> {
    let address = door.address;
    let urls = site.urls(get.path)?;
    let url = urls.first().ok_or_else(|| io::Error::other(format!("{} is empty", get.path)))?;
    let client = Client::connect(door).await?;
    let mut look = Look { client, address, get, via, site, url, requests: 0 };
    let first = look.check().await?;
    let alike = |url: &String| -> io::Result<Ask> {
        let length = usize::try_from(site.file(url).metadata()?.len()).unwrap_or(usize::MAX);
        Ok(Ask { request: client::request(address, url, ""), length, ..first.clone() })
    };
    let others = urls.iter().skip(1).map(alike).collect::<io::Result<Vec<_>>>()?;
    let asks = std::iter::once(first).chain(others).collect();
    Ok(Probed { asks, requests: look.requests })
}

// === impl Look ===

impl Look<'_> {
    /// Checks the response for the row's kind; returns the request with its response.
    async fn check(&mut self) -> io::Result<Ask> {
        match self.get.answer {
            ExpectedResponse::Any => self.any(200).await,
            ExpectedResponse::Missing => self.any(404).await,
            ExpectedResponse::Origin { posted, size } => self.origin(posted, size).await,
            ExpectedResponse::Stored(size) => self.stored("", &origin::body(size)).await,
            ExpectedResponse::Text { size, accepted, is_stored: true } => {
                self.stored(accepted, &origin::text(size)).await
            }
            ExpectedResponse::Text { size, accepted, is_stored: false } => {
                self.page(accepted, &origin::text(size)).await
            }
            ExpectedResponse::File(_) | ExpectedResponse::Tree { .. } => self.whole().await,
            ExpectedResponse::Encoded(accepted) => self.encoded(accepted).await,
            ExpectedResponse::Unchanged(_) => self.unchanged().await,
            ExpectedResponse::Part { size, first, length } => self.part(size, first, length).await,
        }
    }

    async fn any(&mut self, status: u16) -> io::Result<Ask> {
        let reply = self.fetch("", |_| {}).await?;
        self.head(&reply, status)?;
        Ok(self.ask("", &reply))
    }

    async fn origin(&mut self, posted: usize, size: usize) -> io::Result<Ask> {
        let sent = content::noise(posted as u64, posted);
        let request = self.request_with(self.url, &sent);
        let mut body = Vec::new();
        self.requests += 2;
        let reply = self.client.fetch(&request, |piece| body.extend_from_slice(piece)).await?;
        self.head(&reply, 200)?;
        self.demand(body == origin::body(size), || "the body is not the origin's".into())?;

        let mut echo = Vec::new();
        let again = self.request_with(origin::ECHO, &sent);
        self.client.fetch(&again, |piece| echo.extend_from_slice(piece)).await?;
        self.demand(echo.ends_with(&sent), || "the application was sent another body".into())?;
        let head = String::from_utf8_lossy(&echo).to_ascii_lowercase();
        let variables = if self.via == Via::Uwsgi { VARIABLES } else { &[] };
        for &start in FORWARDED.iter().chain(variables) {
            self.demand(head.lines().any(|line| line.starts_with(start)), || {
                format!("the application was not sent `{start}`")
            })?;
        }
        Ok(Ask { request, status: reply.status, length: reply.length, is_longest: false })
    }

    /// A page that the origin is not asked for any more.
    async fn stored(&mut self, accepted: &str, expected: &[u8]) -> io::Result<Ask> {
        let deadline = Instant::now() + STORED;
        loop {
            let before = origin::stored_requests();
            let page = self.page(accepted, expected).await;
            if origin::stored_requests() == before && page.is_ok() {
                return page;
            }
            if Instant::now() > deadline {
                page?;
                return Err(wrong(format!("GET {}: the origin was asked again", self.url)));
            }
            sleep(POLL).await;
        }
    }

    /// A page of the origin, in one of these encodings if there are any.
    async fn page(&mut self, accepted: &str, expected: &[u8]) -> io::Result<Ask> {
        let fields = match accepted {
            "" => String::new(),
            some => format!("Accept-Encoding: {some}\r\n"),
        };
        let mut body = Vec::new();
        let reply = self.fetch(&fields, |piece| body.extend_from_slice(piece)).await?;
        self.head(&reply, 200)?;
        let mut ask = self.ask(&fields, &reply);
        if !accepted.is_empty() {
            let encoding = reply.header("content-encoding").unwrap_or_default();
            body = content::decoded(encoding, &body)?;
            (ask.length, ask.is_longest) = (expected.len(), true);
        }
        self.demand(body == expected, || "the body is not the origin's".into())?;
        Ok(ask)
    }

    async fn whole(&mut self) -> io::Result<Ask> {
        let mut comparison = Comparison::with(&self.site.file(self.url))?;
        let reply = self.fetch("", |piece| comparison.next(piece)).await?;
        self.head(&reply, 200)?;
        self.immutable(&reply)?;
        self.demand(comparison.finish()?, || "the body is not the file".into())?;
        Ok(self.ask("", &reply))
    }

    async fn encoded(&mut self, accepted: &str) -> io::Result<Ask> {
        let fields = format!("Accept-Encoding: {accepted}\r\n");
        let mut body = Vec::new();
        let reply = self.fetch(&fields, |piece| body.extend_from_slice(piece)).await?;
        self.head(&reply, 200)?;
        self.immutable(&reply)?;
        let encoding = reply.header("content-encoding").unwrap_or_default();
        let suffix = match encoding {
            "gzip" => ".gz",
            "br" => ".br",
            _ => "",
        };
        let known = accepted.split(", ").any(|one| one == encoding) && !suffix.is_empty();
        self.demand(known, || {
            format!(
                "Content-Encoding `{encoding}` is not that of a sibling allowed by `{accepted}`"
            )
        })?;
        let precompressed = self.site.file(&format!("{}{suffix}", self.url));
        self.demand(body == fs::read(precompressed)?, || {
            format!("the body is not the file `{suffix}`")
        })?;
        let vary = reply.header("vary").unwrap_or_default().to_ascii_lowercase();
        let varies = vary.split(',').any(|name| name.trim() == "accept-encoding");
        self.demand(varies, || format!("Vary `{vary}` does not name Accept-Encoding"))?;
        let kind = reply.header("content-type").unwrap_or_default();
        self.demand(kind.starts_with("text/css"), || {
            format!("Content-Type `{kind}` is not that of a stylesheet")
        })?;
        Ok(self.ask(&fields, &reply))
    }

    async fn unchanged(&mut self) -> io::Result<Ask> {
        let reply = self.fetch("", |_| {}).await?;
        let tag = reply.header("etag").filter(|_| reply.status == 200);
        let tag = tag.ok_or_else(|| {
            wrong(format!("GET {}: no ETag to ask with, status {}", self.url, reply.status))
        })?;
        let fields = format!("If-None-Match: {tag}\r\n");
        let reply = self.fetch(&fields, |_| {}).await?;
        self.head(&reply, 304)?;
        self.immutable(&reply)?;
        Ok(self.ask(&fields, &reply))
    }

    async fn part(&mut self, size: usize, first: usize, length: usize) -> io::Result<Ask> {
        let range = format!("bytes={first}-{}", first + length - 1);
        let fields = format!("Range: {range}\r\n");
        let mut body = Vec::new();
        let reply = self.fetch(&fields, |piece| body.extend_from_slice(piece)).await?;
        self.head(&reply, 206)?;
        let file = fs::read(self.site.file(self.url))?;
        let same = file.get(first..first + length) == Some(body.as_slice());
        self.demand(same, || format!("the body is not `{range}` of the file"))?;
        let expected = format!("bytes {first}-{}/{size}", first + length - 1);
        let got = reply.header("content-range").unwrap_or_default();
        self.demand(got == expected, || {
            format!("Content-Range is `{got}` instead of `{expected}`")
        })?;
        Ok(self.ask(&fields, &reply))
    }

    async fn fetch(&mut self, fields: &str, piece: impl FnMut(&[u8])) -> io::Result<Reply> {
        self.requests += 1;
        self.client.fetch(&client::request(self.address, self.url, fields), piece).await
    }

    /// A GET, or the POST of a body.
    fn request_with(&self, path: &str, body: &[u8]) -> Vec<u8> {
        if body.is_empty() {
            return client::request(self.address, path, "");
        }
        client::post(self.address, path, body)
    }

    /// The load's request, with this response as the expected one.
    fn ask(&self, fields: &str, reply: &Reply) -> Ask {
        let request = client::request(self.address, self.url, fields);
        Ask { request, status: reply.status, length: reply.length, is_longest: false }
    }

    fn head(&self, reply: &Reply, status: u16) -> io::Result<()> {
        self.demand(reply.status == status, || {
            format!("expected status {status}, got {}", reply.status)
        })?;
        for &name in self.get.headers {
            self.demand(reply.header(name).is_some(), || format!("no {name} came"))?;
        }
        Ok(())
    }

    fn immutable(&self, reply: &Reply) -> io::Result<()> {
        let cache = reply.header("cache-control").unwrap_or_default();
        let expected = self.get.is_immutable();
        self.demand(cache.contains("immutable") == expected, || {
            let verb = if expected { "does not say" } else { "says" };
            format!("Cache-Control `{cache}` {verb} immutable")
        })
    }

    fn demand(&self, holds: bool, otherwise: impl FnOnce() -> String) -> io::Result<()> {
        if holds { Ok(()) } else { Err(wrong(format!("GET {}: {}", self.url, otherwise()))) }
    }
}

// === impl Comparison ===

impl Comparison {
    fn with(file: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(file)?), same: true })
    }

    fn next(&mut self, piece: &[u8]) {
        let mut expected = vec![0; piece.len()];
        self.same = self.same && self.file.read_exact(&mut expected).is_ok() && expected == piece;
    }

    /// Whether all bytes were equal and the file is at its end.
    fn finish(mut self) -> io::Result<bool> {
        Ok(self.same && self.file.fill_buf()?.is_empty())
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
