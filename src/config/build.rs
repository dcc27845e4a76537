//! Values to a [`Plan`], one function a section; those of files are in `build_files`. Each reads all
//! of its keys before it gives up, so that every problem is found in one run.

use std::net::SocketAddr;

use crate::plan::{AccessLog, Admin, Health, Level, Log, Plan, Server, Shutdown, Upstream};

use super::{address, build_files, path, reader::Reader, url};

pub(super) const LISTEN: &str = "server.listen";
pub(super) const HEALTH_PATH: &str = "health.path";

/// The plan, unless a problem was reported.
pub(super) fn plan(reader: &mut Reader<'_>) -> Option<Plan> {
    let server = server(reader);
    let upstream = upstream(reader);
    let files = build_files::files(reader);
    let health = health(reader);
    let admin = admin(reader, server.as_ref());
    let log = log(reader);
    let shutdown = shutdown(reader);
    let (files, media, missing) = files?;
    Some(Plan {
        server: server?,
        upstream: upstream?,
        routes: Vec::new(),
        unbuffered: Vec::new(),
        fields: Vec::new(),
        buffers: crate::plan::Buffers {
            memory: 64 << 20,
            each: 256 << 10,
            spill: crate::plan::Spill::Auto,
            disk: 4 << 30,
            answer: 1 << 30,
        },
        pages: crate::plan::Pages::default(),
        files,
        media,
        missing,
        health: health?,
        admin: admin?,
        log: log?,
        shutdown: shutdown?,
    })
}

/// The addresses to listen on.
pub(super) fn listen(reader: &mut Reader<'_>) -> Option<Vec<SocketAddr>> {
    let listen = reader.list(LISTEN, address::listen, SocketAddr::to_string)?;
    if pairs(&listen).any(|(a, b)| address::clash(*a, *b)) {
        reader.conflict(LISTEN, "two of these want the same port of the same IP: leave one out");
        return None;
    }
    Some(listen)
}

/// The path of the health check.
pub(super) fn health_path(reader: &mut Reader<'_>) -> Option<String> {
    reader.one(HEALTH_PATH, path::health, String::clone)
}

fn server(reader: &mut Reader<'_>) -> Option<Server> {
    let listen = listen(reader);
    let workers = reader.workers("server.workers");
    let trusted = reader.list("server.trusted_proxies", address::networks, |networks| {
        networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    });
    let idle_timeout = reader.duration("server.idle_timeout");
    let header_timeout = reader.duration("server.header_timeout");
    Some(Server {
        listen: listen?,
        workers: workers?,
        trusted_proxies: trusted?.concat(),
        idle_timeout: idle_timeout?,
        header_timeout: header_timeout?,
        max_body: Some(100 * 1024 * 1024),
        allowed_hosts: Vec::new(),
        redirect_https: false,
    })
}

fn upstream(reader: &mut Reader<'_>) -> Option<Upstream> {
    let url = reader.one("upstream.url", url::upstream, |(_, target)| url::show(target));
    let connect_timeout = reader.duration("upstream.connect_timeout");
    let read_timeout = reader.duration("upstream.read_timeout");
    let idle_timeout = reader.duration("upstream.idle_timeout");
    let max_idle = reader.integer("upstream.max_idle");
    let (protocol, target) = url?;
    Some(Upstream {
        protocol,
        targets: vec![target],
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        total_timeout: None,
        idle_timeout: idle_timeout?,
        max_idle: max_idle?,
        max_age: std::time::Duration::from_secs(600),
        admission: crate::plan::Admission {
            max_in_flight: 100,
            queue: 1024,
            queue_timeout: std::time::Duration::from_secs(10),
            wait: std::time::Duration::from_secs(10),
        },
        probe: None,
        abort: false,
        tunnel_timeout: std::time::Duration::from_secs(3600),
    })
}

fn health(reader: &mut Reader<'_>) -> Option<Health> {
    let path = health_path(reader);
    let ready_path = reader.one("health.ready_path", path::health, String::clone);
    let wait_for_application = reader.boolean("health.wait_for_application");
    if path.is_some() && path == ready_path {
        reader.conflict("health.ready_path", "this is health.path too: they must differ");
    }
    Some(Health {
        path: path?,
        ready_path: ready_path?,
        wait_for_application: wait_for_application?,
    })
}

fn admin(reader: &mut Reader<'_>, server: Option<&Server>) -> Option<Admin> {
    let show = |listen: &Option<SocketAddr>| match listen {
        Some(address) => address.to_string(),
        None => "off".into(),
    };
    let listen = reader.one("admin.listen", address::listen_or_off, show)?;
    let taken = |admin| server.is_some_and(|s| s.listen.iter().any(|l| address::clash(admin, *l)));
    if listen.is_some_and(taken) {
        reader.conflict("admin.listen", "server.listen has this port: use another, or off");
    }
    Some(Admin { listen })
}

fn log(reader: &mut Reader<'_>) -> Option<Log> {
    const ACCESS: [AccessLog; 3] = [AccessLog::Json, AccessLog::Combined, AccessLog::Off];
    const LEVELS: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    let access = reader.choice("log.access", &ACCESS);
    let level = reader.choice("log.level", &LEVELS);
    let buffer = reader.size("log.buffer");
    Some(Log { access: access?, level: level?, buffer: usize::try_from(buffer?).ok()? })
}

fn shutdown(reader: &mut Reader<'_>) -> Option<Shutdown> {
    let delay = reader.duration("shutdown.delay");
    let timeout = reader.duration("shutdown.timeout");
    let (delay, timeout) = (delay?, timeout?);
    if timeout < delay {
        reader.conflict("shutdown.timeout", "this is shorter than shutdown.delay: raise it");
    }
    Some(Shutdown { delay, timeout, tunnels: timeout })
}

/// Every two items.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    let after = |index: usize| items.get(index + 1..).unwrap_or_default();
    items.iter().enumerate().flat_map(move |(index, a)| after(index).iter().map(move |b| (a, b)))
}
