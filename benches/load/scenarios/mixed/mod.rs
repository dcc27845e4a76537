//! `mixed`: every kind of client at once, while Sideman reloads and its certificate is replaced. No
//! request may fail.
//!
//! `visitors` are the clients, `reloads` the changes to Sideman, `tally` the result.

mod reloads;
mod scale;
mod tally;
mod visitors;

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

pub(super) use self::scale::Extent;
use self::{
    reloads::{Plan, Reloads},
    tally::Tally,
    visitors::{Errand, Visitor, Way},
};
use crate::{
    certificate::Certificate,
    endpoint::{Door, Protocol},
    generator,
    server::{self, Kind, Server},
    setup::{Application, IN_FLIGHT, Setup},
    site::Site,
};

pub(super) const NAME: &str = "mixed";
pub(super) const WHAT: &str =
    "every kind of client for 30 s, 20 reloads and 10 new certificates; Sideman alone";
pub(super) const LENGTH: Duration = Duration::from_secs(30);
pub(super) const RELOADS: u32 = 20;

/// Visitors of each kind that makes small requests.
const EACH: u32 = 3;
const CONNECTIONS: u32 = 100;

/// The result of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    tally: Tally,
    reloads: Reloads,
}

/// Runs it once.
pub(super) fn run(site: &Site, application: SocketAddr, extent: Extent) -> io::Result<Outcome> {
    let directory = site.server_directory()?;
    let (certificate, root) = (Certificate::make(&directory)?, site.root());
    let plan = Plan { settings: directory.join("sideman.toml"), extent };
    plan.write(0)?;
    let setup = Setup {
        listen: server::anywhere(),
        tls: Some((server::anywhere(), &certificate)),
        admin: server::anywhere(),
        application: &Application::Http(application),
        root: &root,
        directory: &directory,
        workers: extent.workers,
        connections: CONNECTIONS,
        is_cached: false,
        in_flight: IN_FLIGHT,
        settings: &[format!("CONFIG={}", plan.settings.display())],
        launcher: &[],
    };
    let server = Server::start(Kind::Sideman, &setup)?;
    let visitors = visitors(&server, &certificate, site)?;

    let tasks = LocalSet::new();
    let load = async {
        let tally = Rc::new(Tally::default());
        let end = Instant::now() + extent.length;
        let mut present = JoinSet::new();
        for visitor in visitors {
            present.spawn_local(visitor.visit(Rc::clone(&tally), end));
        }
        let reloads = reloads::run(&plan, &server, &certificate).await;
        while let Some(left) = present.join_next().await {
            left.map_err(io::Error::other)?;
        }
        let tally = Rc::into_inner(tally).ok_or_else(|| io::Error::other("a visitor stayed"))?;
        io::Result::Ok(Outcome { tally, reloads: reloads? })
    };
    let outcome = generator::runtime()?.block_on(tasks.run_until(load))?;
    // Connections that are still open close now, so that the server can end.
    drop(tasks);
    server.end()?;
    Ok(outcome)
}

/// The clients: their number, protocol, request and pace.
fn visitors(server: &Server, certificate: &Certificate, site: &Site) -> io::Result<Vec<Visitor>> {
    let plain = Door::plain(server.address);
    let tls = |protocol| Door::tls(server.tls, &certificate.known, protocol);
    let (h1, h2) = (tls(Protocol::Http1)?, tls(Protocol::Http2)?);
    let file = |path: &str| -> io::Result<Errand> {
        let url = site.urls(path)?.first().cloned().unwrap_or_default();
        let answer = std::fs::read(site.file(&url))?;
        Ok(Errand { path: url, upload: Vec::new(), answer })
    };
    let (small, large) = (file("/static/1k.@.bin")?, file("/static/100k.@.bin")?);
    let page = Errand::page();
    let (upload, big) = (Errand::upload(10 << 10), Errand::upload(1 << 20));
    let kinds = [
        ("h1 file", &plain, Way::Kept, &small, 10),
        ("h1 page", &plain, Way::Kept, &page, 10),
        ("h1 new", &plain, Way::New, &page, 20),
        ("h1 upload 10k", &plain, Way::Kept, &upload, 20),
        ("h1 upload 1m", &plain, Way::Kept, &big, 200),
        ("h1 websocket", &plain, Way::Socket, &page, 20),
        ("tls file", &h1, Way::Kept, &small, 10),
        ("tls file 100k", &h1, Way::Kept, &large, 50),
        ("tls page", &h1, Way::Kept, &page, 10),
        ("tls new", &h1, Way::New, &page, 50),
        ("tls upload 1m", &h1, Way::Kept, &big, 200),
        ("tls websocket", &h1, Way::Socket, &page, 20),
        ("h2 file", &h2, Way::Http2, &small, 10),
        ("h2 file 100k", &h2, Way::Http2, &large, 50),
        ("h2 page", &h2, Way::Http2, &page, 10),
        ("h2 upload 10k", &h2, Way::Http2, &upload, 20),
        ("h2 upload 1m", &h2, Way::Http2, &big, 200),
    ];
    let visitors = kinds.into_iter().flat_map(|(kind, door, way, errand, every)| {
        let visitor = move |_| Visitor {
            kind,
            door: door.clone(),
            way,
            errand: errand.clone(),
            every: Duration::from_millis(every),
        };
        let count = if errand.upload.len() > 100 << 10 { 1 } else { EACH };
        (0..count).map(visitor)
    });
    Ok(visitors.collect())
}

// === impl Outcome ===

impl Outcome {
    /// For people: a table, and the changes to Sideman.
    pub(super) fn said(&self) -> String {
        let verdict = if self.tally.failed() == 0 { "met" } else { "no" };
        let mut text = format!("{}\n", self.tally.table());
        for reason in self.tally.reasons() {
            text += &format!("failed, {reason}\n");
        }
        format!("{text}{}\nno request failed: {verdict}\n", self.reloads.said())
    }

    /// All figures, for programs.
    pub(super) fn json(&self) -> Value {
        json!({ "kinds": self.tally.json(), "reloads": self.reloads.json() })
    }

    /// Whether every kind of client was served, and no request failed.
    pub(super) fn check(&self) -> io::Result<()> {
        if let Some(kind) = self.tally.silent() {
            return Err(io::Error::other(format!("no `{kind}` succeeded\n{}", self.said())));
        }
        if self.tally.failed() > 0 {
            return Err(io::Error::other(format!("requests failed\n{}", self.said())));
        }
        Ok(())
    }
}
