//! Checks beside the running process, with the settings that it has: a few labelled requests through its listener to
//! the application, its metrics, and the limits of the container.

mod connection;
mod links;
mod metrics;
mod page;
mod probe;
mod processes;
mod site;
mod target;

use std::time::Duration;

use crate::{
    command::{admin_peer, args::DoctorArgs},
    config::{self, Environment, LoadedSettings},
    finding::{self, Finding, ProcessFacts},
    lifecycle,
    plan::{Plan, Protocol, RouteAction, UwsgiFlavour, UwsgiSettings},
};

#[cfg(test)]
use super::workers::WORKERS;
#[cfg(test)]
use crate::finding::{CLIENT_ADDRESS, Check, SETTINGS_WARNING};

use super::examination::Examination;

use self::{
    links::Asset,
    metrics::Metrics,
    probe::{Probe, ProbeResponse},
    site::{BOGUS_HOST, Forms, Pair, SchemeSource},
    target::Target,
};

/// Maximum number of stylesheets and scripts to ask for.
const MAX_ASSETS: usize = 20;
/// Maximum number of application servers to connect to.
const MAX_SERVERS: usize = 3;
/// Pages of Django that often exist, and have a form.
const LOGIN_PAGES: [&str; 2] = ["/accounts/login/", "/admin/login/"];
/// A page that does not exist.
const NO_PAGE: &str = "/sideman-doctor-404/";
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The checks beside the running process.
#[cfg(test)]
pub(super) static CHECKS: [&Check; 12] = [
    &site::REDIRECT_LOOP,
    &site::SECURE_COOKIES,
    &site::CSRF_ORIGIN,
    &site::ANY_HOST,
    &site::DEBUG,
    &links::STATIC_PREFIX,
    &links::STATIC_MISSING,
    &connection::KEEP_ALIVE,
    &connection::CLOCK,
    &SETTINGS_WARNING,
    &CLIENT_ADDRESS,
    &WORKERS,
];

/// A page of the site, with its response.
struct SitePage {
    path: String,
    response: ProbeResponse,
}

/// Checks the running process. The error says why nothing could be checked.
pub(super) fn examine(args: &DoctorArgs, environment: &Environment) -> Result<Examination, String> {
    let time = config::duration(&args.timeout, Duration::from_millis(1), MAX_TIMEOUT)
        .map_err(|fault| format!("--timeout {:?}: {fault}", args.timeout))?;
    let is_path =
        |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(path) = args.page.iter().find(|path| !is_path(path)) {
        return Err(format!("--page {path:?}: write a path such as /shop/"));
    }
    let (loaded, knows_upstream) = target::load(&args.settings.flags(), environment)?;
    let plan = &loaded.plan;
    let mut examination = Examination::default();
    // Before the requests of the doctor itself.
    let metrics = admin_peer::address(&args.settings.flags(), environment)
        .and_then(|address| Metrics::fetch(&address.to_string(), time));
    examination.findings.extend(of_process(&loaded, metrics.as_ref().ok()));
    if let Err(fault) = metrics {
        examination.not_checked.push(format!("clients and open files: {fault}"));
    }
    match Target::new(plan, args.host.as_deref(), time, knows_upstream) {
        Ok(target) => {
            let is_reached = of_site(plan, &target, &args.page, &mut examination);
            if is_reached && knows_upstream {
                of_application(plan, &target, &mut examination.findings);
            }
        }
        Err(fault) => examination.not_checked.push(format!("pages: {fault}")),
    }
    if knows_upstream {
        examination.findings.extend(processes::workers(&plan.upstream));
    }
    Ok(examination)
}

fn of_process(loaded: &LoadedSettings, metrics: Option<&Metrics>) -> Vec<Finding> {
    let sum = |name, label| metrics.map_or(0, |metrics| metrics.sum(name, label));
    finding::of_process(&ProcessFacts {
        plan: &loaded.plan,
        warnings: config::warnings(loaded),
        container_memory: lifecycle::container_memory(),
        max_files: Some(sum("process_max_fds", "")).filter(|max| *max > 0),
        requests: sum("sideman_requests_total", "route=\"proxy\""),
        headers_dropped: sum("sideman_request_headers_dropped_total", ""),
    })
}

/// Checks the site's pages. Returns whether the application responds.
fn of_site(plan: &Plan, target: &Target, more: &[String], examination: &mut Examination) -> bool {
    let host = target.host.as_str();
    let plain = match target.plain.send(&Probe::get(host, "/")) {
        Ok(plain) => plain,
        Err(fault) => {
            examination.not_checked.push(format!(
                "pages: {fault}; is Sideman running here, with these settings? To check a file, give --compose, \
                 --task-definition or --copilot"
            ));
            return false;
        }
    };
    let https = target.https.as_ref().map(|one| one.send(&target.secure(Probe::get(host, "/"))));
    let https = match https.transpose() {
        Ok(https) => https,
        Err(fault) => {
            examination.not_checked.push(format!("pages: {fault}"));
            return false;
        }
    };
    let source = target.source;
    let pair = Pair { host, path: "/", plain: &plain, https: https.as_ref(), source };
    let best = https.as_ref().unwrap_or(&plain);
    if let Some(found) = site::debug("/", best) {
        examination.findings.push(found);
        return true;
    }
    if let Some(found) = site::redirect_loop(&pair) {
        examination.findings.push(found);
        return true;
    }
    if https.is_none() && site::is_for_https(&pair) {
        let why = match source {
            SchemeSource::Own => "the doctor does not use TLS",
            SchemeSource::Proxy | SchemeSource::AlwaysHttp => {
                "this machine is not a trusted proxy: add its address to server.trusted_proxies to have them checked"
            }
        };
        examination.not_checked.push(format!("pages: http is redirected to https, and {why}"));
        return false;
    }
    if best.status == 400 {
        let text = format!(
            "pages: GET / with Host: {host} got 400; give one of ALLOWED_HOSTS, as in --host www.example.org"
        );
        examination.not_checked.push(text);
        return true;
    }
    if best.status >= 500 || best.status == 421 {
        let text =
            format!("pages: GET / got {}; sideman status shows the last errors", best.status);
        examination.not_checked.push(text);
        return false;
    }
    if let Err(fault) = of_no_page(plan, target, best, examination) {
        examination.not_checked.push(format!("hosts and DEBUG: {fault}"));
    }
    let pages = pages(target, best.clone(), more, examination);
    for page in &pages {
        let pair = Pair { host, path: &page.path, plain: &page.response, https: None, source };
        if let Some(found) = site::secure_cookies(&pair) {
            examination.findings.push(found);
            break;
        }
    }
    let assets = assets(target, &pages, examination);
    examination.findings.extend(links::missing(&assets, &plan.files.roots, &plan.media.roots));
    let uses_https = target.is_https_only
        || plain.redirect().is_some_and(|location| location.starts_with("https://"))
        || pages.iter().any(|page| {
            !page.response.secure_cookies().is_empty()
                || page.response.values("strict-transport-security").next().is_some()
        });
    if let Some(page) = pages.iter().find(|page| page::has_login_form(&page.response.body)) {
        match csrf(target, &page.path, uses_https) {
            Ok(found) => examination.findings.extend(found),
            Err(fault) => examination.not_checked.push(format!("forms: {fault}")),
        }
    }
    true
}

/// Checks the response to a page that does not exist, and those for a host that belongs to nobody. `first` is the
/// response to `/`. Both pages must be there for any host: a static page in front of Django does not look at it.
fn of_no_page(
    plan: &Plan,
    target: &Target,
    first: &ProbeResponse,
    examination: &mut Examination,
) -> Result<(), String> {
    let missing = target.get(&target.host, NO_PAGE)?;
    examination.findings.extend(site::debug(NO_PAGE, &missing));
    if leads_to_application(plan) && first.status < 400 {
        let pairs = [("/", first), (NO_PAGE, &missing)];
        let mut is_accepted = true;
        for (path, own) in pairs {
            is_accepted = is_accepted && target.get(BOGUS_HOST, path)?.status == own.status;
        }
        examination.findings.extend(is_accepted.then(|| site::any_host("/", first)));
    }
    Ok(())
}

/// Whether requests for any host get to the application with it.
fn leads_to_application(plan: &Plan) -> bool {
    let roots = plan.files.roots.iter().chain(&plan.media.roots);
    let is_plain = plan.routes.iter().all(|route| {
        matches!(route.action, None | Some(RouteAction::Upstream(_)))
            && route.policies.host_header.is_none()
            && route.policies.request_headers.is_empty()
    });
    is_plain
        && plan.server.allowed_hosts.is_empty()
        && roots.into_iter().all(|root| root.prefix != "/")
}

/// Asks for some pages: those that were named, the one that / leads to, and login pages.
fn pages(
    target: &Target,
    first: ProbeResponse,
    more: &[String],
    examination: &mut Examination,
) -> Vec<SitePage> {
    let mut paths: Vec<String> = more.to_vec();
    let own = first.redirect().filter(|path| path.starts_with('/') && !path.starts_with("//"));
    paths.extend(own.map(str::to_owned));
    paths.extend(LOGIN_PAGES.map(str::to_owned));
    let mut pages = vec![SitePage { path: "/".into(), response: first }];
    for path in paths {
        match target.get(&target.host, &path) {
            Ok(response) => {
                // A query may contain a token.
                let path = path.split('?').next().unwrap_or_default().to_owned();
                pages.push(SitePage { path, response });
            }
            Err(fault) => examination.not_checked.push(format!("a page: {fault}")),
        }
    }
    pages.retain(|page| page.response.is_good());
    pages
}

/// Asks for the stylesheets and scripts of the pages, until one does not respond.
fn assets(target: &Target, pages: &[SitePage], examination: &mut Examination) -> Vec<Asset> {
    let mut assets: Vec<Asset> = Vec::new();
    for page in pages {
        for path in page::assets(&page.response.body) {
            if assets.len() >= MAX_ASSETS {
                return assets;
            }
            if assets.iter().any(|asset| asset.path == path) {
                continue;
            }
            match target.get_file(&path) {
                Ok(response) => assets.push(Asset { page: page.path.clone(), path, response }),
                Err(fault) => {
                    examination.not_checked.push(format!("stylesheets and scripts: {fault}"));
                    return assets;
                }
            }
        }
    }
    assets
}

/// Sends three empty forms to a login page. Django refuses each: none has a cookie or a token.
fn csrf(target: &Target, path: &str, uses_https: bool) -> Result<Option<Finding>, String> {
    let (prober, scheme) = match (&target.https, uses_https) {
        (Some(https), true) => (https, "https"),
        _ => (&target.plain, "http"),
    };
    let origin = format!("{scheme}://{}", target.host);
    let send = |sent: Option<&str>| {
        let mut probe = Probe { method: "POST", ..Probe::get(&target.host, path) }
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Content-Length", "0")
            .with("Referer", format!("{origin}{path}"));
        if let Some(origin) = sent {
            probe = probe.with("Origin", origin);
        }
        prober.send(&if scheme == "https" { target.secure(probe) } else { probe })
    };
    let forms = Forms {
        without_origin: send(None)?,
        other_origin: send(Some(&format!("https://{BOGUS_HOST}")))?,
        own_origin: send(Some(&origin))?,
    };
    Ok(site::csrf_origin(path, &origin, &forms))
}

/// Checks connections to the application's servers.
fn of_application(plan: &Plan, target: &Target, findings: &mut Vec<Finding>) {
    let upstream = &plan.upstream;
    if let Protocol::Uwsgi(UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size }) =
        upstream.protocol
    {
        findings.extend(long_header(plan, target, buffer_size));
    }
    let wait = upstream.idle_timeout.min(connection::MAX_WAIT);
    for peer in target.servers.iter().take(MAX_SERVERS) {
        let measure = || connection::measure(peer, &target.host, target.plain.time, wait);
        let Some(measured) = measure() else { continue };
        findings.extend(connection::clock(&measured));
        let found = connection::keep_alive(&measured, upstream.idle_timeout);
        // A worker that restarts closes its connections once.
        let is_certain = found.is_some()
            && measure().is_some_and(|again| {
                connection::keep_alive(&again, upstream.idle_timeout).is_some()
            });
        findings.extend(found.filter(|_| is_certain && upstream.keeps_connections()));
    }
}

fn long_header(plan: &Plan, target: &Target, limit: usize) -> Option<Finding> {
    let head = &plan.server.head;
    let length = connection::long_field(limit, head.field, head.head)?;
    let send = |probe: Probe<'_>| target.plain.send(&probe).map(|response| response.status);
    let short = send(Probe::get(&target.host, "/")).ok()?;
    let long =
        || send(Probe::get(&target.host, "/").with("X-Sideman-Doctor", "a".repeat(length))).ok();
    // Once may be a worker that restarts.
    let (first, second) = (long()?, long()?);
    connection::uwsgi_buffer_size(length, short, first.min(second), limit)
}
