//! The part of a reload that can fail, and that blocks: settings and certificates are read, new sockets
//! bound. All problems come out together, and nothing that runs has changed then.

use std::sync::Arc;

use super::{cgroup::MemoryGroup, descriptors, memory, source::ReadSettings};
use crate::{
    config::{self, LoadedSettings, Setting},
    pipeline::App,
    plan::{ListenAddress, Plan},
    server::{BindError, ListenSocket, Listener, LoadedTls, TlsContext},
};

/// What runs.
#[derive(Debug)]
pub(super) struct RunningSettings {
    pub(super) app: Arc<App>,
    pub(super) tls: Option<Arc<TlsContext>>,
}

/// What can take its place.
#[derive(Debug)]
pub(super) struct PreparedReload {
    pub(super) app: Arc<App>,
    pub(super) tls: Option<Arc<TlsContext>>,
    pub(super) sockets: Vec<ListenSocket>,
    /// The new ones, with the ports that the system chose.
    pub(super) opened: Vec<(ListenAddress, bool)>,
    /// Those of the settings that are not wanted any more.
    pub(super) closed: Vec<ListenAddress>,
    pub(super) settings: Vec<Setting>,
    pub(super) advice: SettingsAdvice,
    /// Keys whose new value takes a restart.
    pub(super) fixed: Vec<&'static str>,
}

/// What is worth a word although the settings are valid.
#[derive(Debug, Default)]
pub(super) struct SettingsAdvice {
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Reads everything, and gets everything ready.
pub(super) fn prepare(
    read: &ReadSettings,
    running: &RunningSettings,
) -> Result<PreparedReload, Vec<String>> {
    let loaded = read().map_err(|problems| {
        problems.iter().map(|problem| one_line(&problem.to_string())).collect::<Vec<_>>()
    })?;
    let advice = SettingsAdvice::of(&loaded);
    let LoadedSettings { mut plan, settings } = loaded;
    let old = &running.app;
    let fixed = keep_fixed(&mut plan, &old.plan);

    let mut problems = Vec::new();
    let counts = &old.metrics.process().tls;
    let tls =
        match plan.tls.as_ref().map(|tls| TlsContext::load(tls, counts, running.tls.as_deref())) {
            Some(Ok(loaded)) => Some(loaded),
            Some(Err(errors)) => {
                problems.extend(errors.iter().map(ToString::to_string));
                None
            }
            None => None,
        };
    let before = listen_addresses(&old.plan);
    let MatchedListeners { kept, closed } = matched(&before, &listen_addresses(&plan));
    let (mut sockets, mut opened) = (Vec::new(), Vec::new());
    for (listen_address, is_tls, was_tls) in kept {
        match was_tls {
            Some(was_tls) => sockets.push(ListenSocket::Kept { listen_address, was_tls, is_tls }),
            None => match Listener::bind(&listen_address, is_tls) {
                Ok(listener) => {
                    opened.push((listener.local().clone(), is_tls));
                    sockets.push(ListenSocket::New(listener));
                }
                Err(error) => problems.push(explained(&error, &listen_address, &before)),
            },
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }

    // From here on nothing fails: what runs beside the requests begins.
    let memory = memory::divide(&mut plan, MemoryGroup::find().as_ref());
    memory.report();
    let workers = old.metrics.shards().len();
    if let Some(division) = descriptors::divide(&mut plan, workers, memory.connections) {
        division.report();
    }
    let app = Arc::new(old.next(plan));
    app.begin(Some(old));
    let tls = tls.map(LoadedTls::begin);
    Ok(PreparedReload { app, tls, sockets, opened, closed, settings, advice, fixed })
}

// === impl SettingsAdvice ===

impl SettingsAdvice {
    /// Looks at the settings, and at what they name.
    pub(super) fn of(loaded: &LoadedSettings) -> Self {
        Self { notes: config::notes(loaded), warnings: config::warnings(loaded) }
    }
}

/// Every place to listen at, with whether TLS is spoken there.
pub(super) fn listen_addresses(plan: &Plan) -> Vec<(ListenAddress, bool)> {
    let secure = plan
        .tls
        .iter()
        .flat_map(|tls| &tls.listen)
        .map(|listen_address| (listen_address.clone(), true));
    plan.server
        .listen
        .iter()
        .map(|listen_address| (listen_address.clone(), false))
        .chain(secure)
        .collect()
}

/// What is wrong with certificates that are there: nothing starts with them.
pub fn certificate_faults(plan: &Plan) -> Vec<String> {
    plan.tls.iter().flat_map(TlsContext::faults).map(|fault| fault.to_string()).collect()
}

/// Says what is worth a word about the settings, apart from what was said before: what `check` says.
pub(super) fn log_settings_advice(advice: &SettingsAdvice, before: &SettingsAdvice) {
    for note in advice.notes.iter().filter(|note| !before.notes.contains(note)) {
        tracing::info!("{note}");
    }
    for warning in advice.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
        tracing::warn!("{warning}");
    }
}

/// Puts back what can't change while the process runs; gives the keys of what was to change.
fn keep_fixed(plan: &mut Plan, old: &Plan) -> Vec<&'static str> {
    fn keep<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
        let differs = new != old;
        new.clone_from(old);
        differs
    }
    let kept = [
        ("server.workers", keep(&mut plan.server.workers, &old.server.workers)),
        ("admin.listen", keep(&mut plan.admin, &old.admin)),
        // A worker has one log for all its requests.
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

/// What becomes of the places.
#[derive(Debug, PartialEq, Eq)]
struct MatchedListeners {
    /// Those that are wanted, with whether TLS is spoken there and was until now; `None` is a new one.
    kept: Vec<(ListenAddress, bool, Option<bool>)>,
    closed: Vec<ListenAddress>,
}

/// A socket stays if its place is wanted, even if TLS begins or ends to be spoken there: it could not be
/// bound a second time.
fn matched(old: &[(ListenAddress, bool)], wanted: &[(ListenAddress, bool)]) -> MatchedListeners {
    let mut old = old.to_vec();
    let mut take = |fits: &dyn Fn(&(ListenAddress, bool)) -> bool| {
        let listen_address = old.iter().position(fits)?;
        Some(old.swap_remove(listen_address).1)
    };
    // The same place can be there twice, with a port that the system chooses.
    let same: Vec<_> = wanted.iter().map(|one| take(&|old| old == one)).collect();
    let kept = wanted.iter().zip(same).map(|((listen_address, is_tls), same)| {
        (listen_address.clone(), *is_tls, same.or_else(|| take(&|(old, _)| old == listen_address)))
    });
    let kept = kept.collect();
    MatchedListeners {
        kept,
        closed: old.into_iter().map(|(listen_address, _)| listen_address).collect(),
    }
}

/// A port in use may be our own: 0.0.0.0 in place of 127.0.0.1, or the other way round.
fn explained(
    error: &BindError,
    listen_address: &ListenAddress,
    before: &[(ListenAddress, bool)],
) -> String {
    let ListenAddress::Tcp(address) = listen_address else { return error.to_string() };
    let is_ours = |(old, _): &(ListenAddress, bool)| matches!(old, ListenAddress::Tcp(old) if old.port() == address.port() && old.port() != 0);
    if !before.iter().any(is_ours) {
        return error.to_string();
    }
    format!(
        "{error}; sideman itself has this port at another address: take that away in a reload before"
    )
}

/// A problem as one line.
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
        let all = |list: &[(&str, bool)]| -> Vec<_> {
            list.iter().map(|(text, is_tls)| (listen_address(text), *is_tls)).collect()
        };
        let check = |old: &[(&str, bool)],
                     wanted: &[(&str, bool)],
                     was: &[Option<bool>],
                     closed: &[&str]| {
            let found = matched(&all(old), &all(wanted));
            let found_was: Vec<_> = found.kept.iter().map(|(_, _, was)| *was).collect();
            assert_eq!(found_was, was, "{wanted:?}");
            let closed: Vec<_> = closed.iter().map(|text| listen_address(text)).collect();
            assert_eq!(found.closed, closed, "{wanted:?}");
        };
        let (a, b, any) = ("127.0.0.1:80", "/run/b.sock", "127.0.0.1:0");
        check(&[(a, false)], &[(a, false)], &[Some(false)], &[]);
        check(&[(a, false)], &[(b, false), (a, false)], &[None, Some(false)], &[]);
        check(&[(a, false), (b, false)], &[(b, false)], &[Some(false)], &[a]);
        check(&[(a, false)], &[(a, true)], &[Some(false)], &[]);
        // Ports that the system chose: each keeps its own way to be spoken to.
        check(
            &[(any, false), (any, true)],
            &[(any, true), (any, false)],
            &[Some(true), Some(false)],
            &[],
        );
        check(&[(any, false)], &[(any, true), (any, false)], &[None, Some(false)], &[]);
    }
}
