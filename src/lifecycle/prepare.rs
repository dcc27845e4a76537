//! The part of a reload that can fail and may block: it reads settings and certificates, and binds new sockets. It
//! reports all problems together, and then changes nothing of the running process.

use std::{fs, sync::Arc};

use super::{cgroup::MemoryGroup, descriptors, memory, source::ReadSettings, traces};
use crate::{
    acme::{self, AcmeError, Renewer},
    config::{self, LoadedSettings, Setting},
    pipeline::App,
    plan::{ListenAddress, Plan, TlsSettings},
    redis::RedisTls,
    server::{
        BindError, ListenSocket, Listener, ListenerMode, ListenerShared, LoadedTls, ProxyProtocol,
        TlsContext,
    },
};

/// The running configuration.
#[derive(Debug)]
pub(super) struct RunningSettings {
    pub(super) app: Arc<App>,
    pub(super) tls: Option<Arc<TlsContext>>,
    /// Whether Sideman has started the application.
    pub(super) has_child: bool,
}

/// The prepared configuration.
#[derive(Debug)]
pub(super) struct PreparedReload {
    pub(super) app: Arc<App>,
    pub(super) shared: ListenerShared,
    /// For the certificate, if an authority issues it. An error is one of settings that have not changed.
    pub(super) acme: Result<Option<Renewer>, AcmeError>,
    pub(super) sockets: Vec<ListenSocket>,
    /// The new addresses, with the ports that the system chose.
    pub(super) opened: Vec<(ListenAddress, ListenerMode)>,
    /// The sockets that the new settings do not use.
    pub(super) closed: Vec<ListenAddress>,
    pub(super) settings: Vec<Setting>,
    pub(super) advice: SettingsAdvice,
    /// The settings as they were read.
    pub(super) loaded: LoadedSettings,
    /// Keys whose new value needs a restart.
    pub(super) fixed: Vec<&'static str>,
}

/// Warnings about the valid settings.
#[derive(Debug, Default)]
pub(super) struct SettingsAdvice {
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Reads and prepares everything.
pub(super) fn prepare(
    read: &ReadSettings,
    running: &RunningSettings,
) -> Result<PreparedReload, Vec<String>> {
    let loaded = read().map_err(|problems| {
        problems.iter().map(|problem| one_line(&problem.to_string())).collect::<Vec<_>>()
    })?;
    let advice = SettingsAdvice::of(&loaded);
    let LoadedSettings { mut plan, settings } = loaded.clone();
    let old = &running.app;
    let fixed = keep_fixed(&mut plan, &old.plan);

    let mut problems = config::read_user_files(&mut plan);
    let counts = &old.metrics.process().tls;
    let tls = match plan
        .tls
        .as_ref()
        .map(|tls| TlsContext::load(tls, counts, &old.challenges, running.tls.as_deref()))
    {
        Some(Ok(loaded)) => Some(loaded),
        Some(Err(errors)) => {
            problems.extend(errors.iter().map(ToString::to_string));
            None
        }
        None => None,
    };
    let acme_settings = plan.tls.as_ref().and_then(TlsSettings::acme);
    let acme = acme_settings.map(Renewer::open).transpose();
    // The thread that runs with unchanged settings has the same fault, which no other setting has to wait for.
    let is_new = acme_settings != old.plan.tls.as_ref().and_then(TlsSettings::acme);
    problems.extend(acme.as_ref().err().filter(|_| is_new).map(ToString::to_string));
    let before = listen_addresses(&old.plan);
    let MatchedListeners { kept, closed } = matched(&before, &listen_addresses(&plan));
    let (mut sockets, mut opened) = (Vec::new(), Vec::new());
    for (listen_address, mode, old_mode) in kept {
        match old_mode {
            Some(old_mode) => sockets.push(ListenSocket::Kept { listen_address, old_mode, mode }),
            None => match Listener::bind(&listen_address, mode) {
                Ok(listener) => {
                    opened.push((listener.local().clone(), mode));
                    sockets.push(ListenSocket::New(listener));
                }
                Err(error) => problems.push(explained(&error, &listen_address, &before)),
            },
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }

    // Nothing fails after this point: the background tasks start.
    let memory = memory::divide(&mut plan, MemoryGroup::find(running.has_child).as_ref());
    memory.report();
    let workers = old.metrics.shards().len();
    if let Some(division) = descriptors::divide(&mut plan, workers, memory.connections) {
        division.report();
    }
    let app = Arc::new(old.next(plan));
    app.begin(Some(old));
    let tls = tls.map(LoadedTls::begin);
    let shared = ListenerShared { tls, proxy_protocol: ProxyProtocol::of(&app.plan.server) };
    Ok(PreparedReload {
        app,
        shared,
        acme,
        sockets,
        opened,
        closed,
        settings,
        advice,
        loaded,
        fixed,
    })
}

// === impl SettingsAdvice ===

impl SettingsAdvice {
    /// Checks the settings, and the files that they name.
    pub(super) fn of(loaded: &LoadedSettings) -> Self {
        Self { notes: config::notes(loaded), warnings: config::warnings(loaded) }
    }
}

/// Returns all listen addresses, each with what a connection begins with.
pub(super) fn listen_addresses(plan: &Plan) -> Vec<(ListenAddress, ListenerMode)> {
    let with_mode = |listen: &ListenAddress, is_tls| {
        let has_proxy_header = plan.server.proxy_protocol.contains(listen);
        (listen.clone(), ListenerMode { is_tls, has_proxy_header })
    };
    let secure = plan.tls.iter().flat_map(|tls| &tls.listen).map(|listen| with_mode(listen, true));
    plan.server.listen.iter().map(|listen| with_mode(listen, false)).chain(secure).collect()
}

/// Logs that clients can connect to an address.
pub(super) fn announce_listener(address: &ListenAddress, mode: ListenerMode) {
    let ListenerMode { is_tls, has_proxy_header } = mode;
    let proxy_protocol = has_proxy_header.then_some(true);
    match is_tls {
        true => tracing::info!(%address, proxy_protocol, "listening for TLS"),
        false => tracing::info!(%address, proxy_protocol, "listening"),
    }
}

/// Returns the problems of existing certificates, of users' files, and of the authorities for ACME and Redis, which
/// would prevent a start.
pub fn file_faults(plan: &Plan) -> Vec<String> {
    let certificates = plan.tls.iter().flat_map(TlsContext::faults).map(|fault| fault.to_string());
    let is_there = plan.cache.redis_ca.as_ref().is_none_or(|path| fs::metadata(path).is_ok());
    let redis = RedisTls::load(&plan.cache).err().filter(|_| is_there);
    let traces = traces::client(&plan.traces).err();
    let acme = plan.tls.as_ref().and_then(TlsSettings::acme).and_then(acme::authorities_fault);
    certificates
        .chain(acme)
        .chain(config::read_user_files(&mut plan.clone()))
        .chain(redis)
        .chain(traces)
        .collect()
}

/// Logs the warnings of `check` that were not logged before.
pub(super) fn log_settings_advice(advice: &SettingsAdvice, before: &SettingsAdvice) {
    for note in advice.notes.iter().filter(|note| !before.notes.contains(note)) {
        tracing::info!("{note}");
    }
    for warning in advice.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
        tracing::warn!("{warning}");
    }
}

/// Restores settings that cannot change while the process runs. Returns the keys of those that differ.
fn keep_fixed(plan: &mut Plan, old: &Plan) -> Vec<&'static str> {
    fn keep<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
        let differs = new != old;
        new.clone_from(old);
        differs
    }
    let kept = [
        ("server.workers", keep(&mut plan.server.workers, &old.server.workers)),
        ("admin.listen", keep(&mut plan.admin, &old.admin)),
        ("cache.redis", keep(&mut plan.cache.redis, &old.cache.redis)),
        ("cache.redis_ca", keep(&mut plan.cache.redis_ca, &old.cache.redis_ca)),
        ("metrics.emf", keep(&mut plan.metrics, &old.metrics)),
        // A worker uses one log for all its requests.
        ("log.access", keep(&mut plan.log.access, &old.log.access)),
        ("log.fields", keep(&mut plan.log.fields, &old.log.fields)),
        ("log.redact", keep(&mut plan.log.redact, &old.log.redact)),
        ("log.static_sample", keep(&mut plan.log.static_sample, &old.log.static_sample)),
        ("log.slow", keep(&mut plan.log.slow, &old.log.slow)),
        ("log.health", keep(&mut plan.log.health, &old.log.health)),
        ("log.level", keep(&mut plan.log.level, &old.log.level)),
        ("log.buffer", keep(&mut plan.log.buffer, &old.log.buffer)),
        ("log.when_slow", keep(&mut plan.log.when_slow, &old.log.when_slow)),
    ];
    kept.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// The changes of listeners.
#[derive(Debug, PartialEq, Eq)]
struct MatchedListeners {
    /// Wanted listeners, each with its mode and the one it had before; `None` is a new listener.
    kept: Vec<(ListenAddress, ListenerMode, Option<ListenerMode>)>,
    closed: Vec<ListenAddress>,
}

/// Keeps a socket if its address is wanted, even if its mode changes. The address could not be bound a second
/// time.
fn matched(
    old: &[(ListenAddress, ListenerMode)],
    wanted: &[(ListenAddress, ListenerMode)],
) -> MatchedListeners {
    let mut old = old.to_vec();
    let mut take = |fits: &dyn Fn(&(ListenAddress, ListenerMode)) -> bool| {
        let listen_address = old.iter().position(fits)?;
        Some(old.swap_remove(listen_address).1)
    };
    // An address can be listed twice if the system chooses the port.
    let same: Vec<_> = wanted.iter().map(|one| take(&|old| old == one)).collect();
    let kept = wanted.iter().zip(same).map(|((listen_address, mode), same)| {
        (listen_address.clone(), *mode, same.or_else(|| take(&|(old, _)| old == listen_address)))
    });
    let kept = kept.collect();
    MatchedListeners {
        kept,
        closed: old.into_iter().map(|(listen_address, _)| listen_address).collect(),
    }
}

/// Explains an error about a port that Sideman itself uses: 0.0.0.0 instead of 127.0.0.1, or the reverse.
fn explained(
    error: &BindError,
    listen_address: &ListenAddress,
    before: &[(ListenAddress, ListenerMode)],
) -> String {
    let ListenAddress::Tcp(address) = listen_address else { return error.to_string() };
    let is_ours = |(old, _): &(ListenAddress, ListenerMode)| matches!(old, ListenAddress::Tcp(old) if old.port() == address.port() && old.port() != 0);
    if !before.iter().any(is_ours) {
        return error.to_string();
    }
    format!(
        "{error}; sideman uses this port at another address: remove that address in an earlier reload"
    )
}

/// Returns a problem as one line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_stay_where_they_can() {
        let listen_address = |text: &str| match text.parse() {
            Ok(address) => ListenAddress::Tcp(address),
            Err(_) => ListenAddress::Unix(text.into()),
        };
        let mode = |is_tls| ListenerMode { is_tls, has_proxy_header: false };
        let all = |list: &[(&str, bool)]| -> Vec<_> {
            list.iter().map(|(text, is_tls)| (listen_address(text), mode(*is_tls))).collect()
        };
        let check = |old: &[(&str, bool)],
                     wanted: &[(&str, bool)],
                     was: &[Option<bool>],
                     closed: &[&str]| {
            let found = matched(&all(old), &all(wanted));
            let found_was: Vec<_> = found.kept.iter().map(|(_, _, was)| *was).collect();
            let was: Vec<_> = was.iter().map(|was| was.map(mode)).collect();
            assert_eq!(found_was, was, "{wanted:?}");
            let closed: Vec<_> = closed.iter().map(|text| listen_address(text)).collect();
            assert_eq!(found.closed, closed, "{wanted:?}");
        };
        let (a, b, any) = ("127.0.0.1:80", "/run/b.sock", "127.0.0.1:0");
        check(&[(a, false)], &[(a, false)], &[Some(false)], &[]);
        check(&[(a, false)], &[(b, false), (a, false)], &[None, Some(false)], &[]);
        check(&[(a, false), (b, false)], &[(b, false)], &[Some(false)], &[a]);
        check(&[(a, false)], &[(a, true)], &[Some(false)], &[]);
        // Ports chosen by the system: each keeps its protocol, plain or TLS.
        check(
            &[(any, false), (any, true)],
            &[(any, true), (any, false)],
            &[Some(true), Some(false)],
            &[],
        );
        check(&[(any, false)], &[(any, true), (any, false)], &[None, Some(false)], &[]);
    }
}
