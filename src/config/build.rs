//! Values to a [`Plan`], one function a section; the larger ones have files of their own. Each reads
//! all of its keys before it gives up, so that every problem is found in one run.

use std::{net::SocketAddr, num::NonZeroU64, path::PathBuf};

use http::StatusCode;

use crate::{
    plan::{Admin, Buffers, Health, Listen, Pages, Plan, Server, Shutdown},
    rfc::request_head::Limits,
};

use super::{
    address, build_files, build_log, build_routes, build_tls, build_upstream, header_name, host,
    keys, local_path, own_address, path, reader::Reader, repeated::repeated,
};

pub(super) const LISTEN: &str = "server.listen";
pub(super) const HEALTH_PATH: &str = "health.path";

/// The plan, unless a problem was reported.
pub(super) fn plan(reader: &mut Reader<'_>) -> Option<Plan> {
    let server = server(reader);
    let tls = build_tls::tls(reader, server.as_ref().map(|server| server.listen.as_slice()));
    let upstream = build_upstream::upstream(reader);
    let routes = build_routes::routes(reader);
    let buffers = buffers(reader);
    let pages = pages(reader);
    let files = build_files::files(reader);
    let health = health(reader);
    let tls_listen = tls.iter().flatten().flat_map(|tls| &tls.listen);
    let taken = server.iter().flat_map(|server| &server.listen).chain(tls_listen);
    let admin = admin(reader, taken.clone());
    let log = build_log::log(reader);
    let shutdown = shutdown(reader);
    let listening: Vec<&Listen> = taken.clone().collect();
    if let Some((servers, _)) = &upstream {
        own_address::check_default(reader, servers, &listening);
    }
    if let Some(routes) = &routes {
        routes.elsewhere(reader, &listening);
    }
    if let Some((_, _, missing)) = &files {
        let targets = missing.fallback.iter().flat_map(|fallback| &fallback.server.targets);
        own_address::check(reader, ("static.fallback", targets), &listening);
    }
    if let (Some(routes), Some((files, media, _))) = (&routes, &files) {
        routes.reachable(reader, [files, media]);
    }
    let (servers, manner) = upstream?;
    let (files, media, missing) = files?;
    let routes = routes?;
    Some(Plan {
        server: server?,
        tls: tls?,
        upstream: manner.towards(servers)?,
        routes: routes.upstreams(&manner),
        unbuffered: routes.unbuffered,
        fields: routes.fields,
        buffers: buffers?,
        pages: pages?,
        files,
        media,
        missing,
        health: health?,
        admin: admin?,
        log: log?,
        shutdown: shutdown?,
    })
}

/// Where plain HTTP is spoken.
pub(super) fn listen(reader: &mut Reader<'_>) -> Option<Vec<Listen>> {
    let listen = reader.list(LISTEN, address::endpoint, Listen::to_string)?;
    if pairs(&listen).any(|(a, b)| address::same(a, b)) {
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
    let trusted_headers = trusted_headers(reader);
    let idle_timeout = reader.duration("server.idle_timeout");
    let header_timeout = reader.duration("server.header_timeout");
    let body_timeout = reader.duration("server.body_timeout");
    let min_body_rate = reader.size_or_word("server.min_body_rate");
    let write_timeout = reader.duration("server.write_timeout");
    let max_requests = reader.integer("server.max_requests");
    let max_connections = reader.workers("server.max_connections");
    let head = head(reader);
    let max_body = reader.size_or_word("server.max_body");
    let allowed_hosts = allowed_hosts(reader);
    let redirect_https = reader.boolean("server.redirect_https");
    Some(Server {
        listen: listen?,
        workers: workers?,
        trusted_proxies: trusted?.concat(),
        trusted_headers: trusted_headers?,
        idle_timeout: idle_timeout?,
        header_timeout: header_timeout?,
        head: head?,
        body_timeout: body_timeout?,
        min_body_rate: min_body_rate?.and_then(NonZeroU64::new),
        write_timeout: write_timeout?,
        max_requests: max_requests? as u64,
        max_connections: max_connections?,
        max_body: max_body?,
        allowed_hosts: allowed_hosts?,
        redirect_https: redirect_https?,
    })
}

fn head(reader: &mut Reader<'_>) -> Option<Limits> {
    const ALL: &str = "server.max_head";
    let mut size = |name| reader.size(name).and_then(|bytes| usize::try_from(bytes).ok());
    let (line, field, head) =
        (size("server.max_request_line"), size("server.max_header"), size(ALL));
    let fields = reader.integer("server.max_headers");
    let limits = Limits { line: line?, field: field?, head: head?, fields: fields? };
    if limits.head < limits.line.max(limits.field) {
        reader.conflict(
            ALL,
            "this is less than server.max_request_line or server.max_header: raise it",
        );
    }
    Some(limits)
}

fn allowed_hosts(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    const NAME: &str = "server.allowed_hosts";
    let hosts = reader.list(NAME, host::allowed, String::clone)?;
    for host in repeated(hosts.iter()) {
        let fault = format!("{host} is here twice: leave one out");
        reader.conflict_of(&[NAME], fault, "a host is here twice: leave one out");
    }
    Some(hosts)
}

fn trusted_headers(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    const NAME: &str = "server.trusted_headers";
    let names = reader.list(NAME, header_name::trusted, String::clone)?;
    for name in repeated(names.iter()) {
        let fault = format!("{name} is here twice: leave one out");
        reader.conflict_of(&[NAME], fault, "a name is here twice: leave one out");
    }
    Some(names)
}

fn buffers(reader: &mut Reader<'_>) -> Option<Buffers> {
    const EACH: &str = "buffers.each";
    let memory = reader.size("buffers.memory");
    let each = reader.size(EACH);
    let spill = reader.one("buffers.directory", local_path::spill, local_path::show_spill);
    let disk = reader.size("buffers.disk");
    let answer = reader.size("buffers.answer");
    let (memory, each) = (memory?, each?);
    if each > memory {
        reader.conflict(EACH, "this is above buffers.memory: lower it, or raise that");
    }
    Some(Buffers { memory, each, spill: spill?, disk: disk?, answer: answer? })
}

/// The sections `errors` and `maintenance`.
fn pages(reader: &mut Reader<'_>) -> Option<Pages> {
    let show = |path: &PathBuf| path.display().to_string();
    let mut errors = Vec::new();
    let mut is_whole = true;
    for key in keys::KEYS.iter().filter(|key| key.section() == "errors") {
        let file = reader.one_or_none(key.name, local_path::file, show);
        is_whole &= file.is_some();
        if let (Some(Some(file)), Ok(status)) = (file, key.leaf().parse::<StatusCode>()) {
            errors.push((status, file));
        }
    }
    let maintenance = reader.one_or_none("maintenance.flag", local_path::file, show);
    is_whole.then_some(Pages { errors, maintenance: maintenance? })
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

/// `taken` is what clients have.
fn admin<'a>(
    reader: &mut Reader<'_>,
    mut taken: impl Iterator<Item = &'a Listen>,
) -> Option<Admin> {
    let show = |listen: &Option<SocketAddr>| match listen {
        Some(address) => address.to_string(),
        None => "off".into(),
    };
    let listen = reader.one("admin.listen", address::listen_or_off, show)?;
    let own = listen.map(Listen::Tcp);
    if own.is_some_and(|own| taken.any(|other| address::same(&own, other))) {
        let fault = "server.listen or tls.listen has this port: use another, or off";
        reader.conflict("admin.listen", fault);
    }
    Some(Admin { listen })
}

fn shutdown(reader: &mut Reader<'_>) -> Option<Shutdown> {
    const TUNNELS: &str = "shutdown.tunnels";
    let delay = reader.duration("shutdown.delay");
    let timeout = reader.duration("shutdown.timeout");
    let tunnels = reader.duration(TUNNELS);
    let (delay, timeout) = (delay?, timeout?);
    if timeout < delay {
        reader.conflict("shutdown.timeout", "this is shorter than shutdown.delay: raise it");
    }
    let tunnels = tunnels?;
    // The default goes along with a shorter timeout; whoever names a time means it.
    if tunnels > timeout && !reader.is_default(TUNNELS) {
        reader.conflict(TUNNELS, "this is longer than shutdown.timeout: lower it, or raise that");
    }
    Some(Shutdown { delay, timeout, tunnels: tunnels.min(timeout) })
}

/// Every two items.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    let after = |index: usize| items.get(index + 1..).unwrap_or_default();
    items.iter().enumerate().flat_map(move |(index, a)| after(index).iter().map(move |b| (a, b)))
}
