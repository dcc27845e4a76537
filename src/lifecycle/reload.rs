//! Loads new settings without a restart, on SIGHUP or a request to the admin listener. All steps that can fail come
//! first, on a separate thread: they read settings and certificates, and bind new sockets. Then the workers apply the
//! settings; each request keeps the settings that it began with.

use std::{
    cell::RefCell,
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    select,
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    prepare::{
        PreparedReload, RunningSettings, SettingsAdvice, announce_listener, log_settings_advice,
        prepare,
    },
    process_checks::ProcessChecks,
    signals::{HangUp, HangUps},
    source::SettingsSource,
};
use crate::{
    acme::{AcmeError, Renewer, RenewerThread},
    config::Setting,
    pipeline::App,
    server::{
        AcceptorHandle, ListenerSet, ReloadReply, ReloadRequest, TlsContext, Workers,
        most_connections,
    },
    telemetry::limits,
};

/// How long sockets may take to close. Only the requester of the reload waits for it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of checks whether the last request with old settings has ended.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reloads, one at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    /// `None` if the settings are built into the program.
    pub(super) source: Option<SettingsSource>,
    pub(super) hang_ups: HangUps,
    pub(super) requests: mpsc::Receiver<ReloadRequest>,
    /// The settings in use.
    pub(super) settings: Vec<Setting>,
    /// The warnings that were logged about them.
    pub(super) advice: SettingsAdvice,
    /// For the status.
    pub(super) checks: Arc<ProcessChecks>,
    pub(super) tls: Option<Arc<TlsContext>>,
    /// Obtains the certificate, if an authority issues it.
    pub(super) acme: Option<RenewerThread>,
    /// Old settings that requests may still use. They are dropped here and not by a worker, because a file store is
    /// large.
    pub(super) retired: Vec<Arc<App>>,
    /// Whether Sideman has started the application.
    pub(super) has_child: bool,
}

/// The parts that a reload changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReloadTarget<'a> {
    /// The parts of the settings in use.
    pub(super) app: &'a RefCell<Arc<App>>,
    pub(super) workers: &'a Workers,
    pub(super) accepting: &'a AcceptorHandle,
}

// === impl Reloader ===

impl Reloader {
    /// Reloads on each request. Returns the name of the signal that ends the process.
    pub(super) async fn run(&mut self, subject: ReloadTarget<'_>) -> &'static str {
        loop {
            self.retired.retain(|app| Arc::strong_count(app) > 1);
            let requester = select! {
                hang_up = self.hang_ups.next() => match hang_up {
                    HangUp::Terminal => return "SIGHUP",
                    HangUp::Reload => None,
                },
                Some(requester) = self.requests.recv() => Some(requester),
                () = sleep(CHECK_INTERVAL), if !self.retired.is_empty() => continue,
            };
            let reply = self.reload(subject).await;
            if let Some(requester) = requester {
                // The requester may have disconnected.
                let _ = requester.send(reply);
            }
        }
    }

    /// Refuses to reload, because the process is shutting down.
    pub(super) async fn refuse(&mut self) -> Infallible {
        loop {
            let requester = select! {
                _ = self.hang_ups.next() => None,
                Some(requester) = self.requests.recv() => Some(requester),
            };
            tracing::warn!("not reloaded: the process is shutting down");
            if let Some(requester) = requester {
                let _ = requester.send(ReloadReply::Refused(
                    "not reloaded: the process is shutting down\n".into(),
                ));
            }
        }
    }

    async fn reload(&mut self, subject: ReloadTarget<'_>) -> ReloadReply {
        let Some(source) = self.source.clone() else {
            let why = "nothing to reload: the settings are built into the program";
            tracing::warn!("{why}");
            return ReloadReply::Refused(format!("{why}\n"));
        };
        let begin = Instant::now();
        let old = Arc::clone(&subject.app.borrow());
        let running = RunningSettings {
            app: Arc::clone(&old),
            tls: self.tls.clone(),
            has_child: self.has_child,
        };
        let prepared = spawn_blocking(move || prepare(&*source.0, &running)).await;
        let prepared =
            prepared.unwrap_or_else(|panic| Err(vec![format!("internal error: {panic}")]));
        match prepared {
            Ok(next) => self.apply(next, old, subject, begin).await,
            Err(problems) => fail(&old, &problems),
        }
    }

    /// Replaces the old settings with the new ones. Must not fail.
    async fn apply(
        &mut self,
        next: PreparedReload,
        old: Arc<App>,
        subject: ReloadTarget<'_>,
        begin: Instant,
    ) -> ReloadReply {
        let PreparedReload {
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
        } = next;
        // Immediately, so that a shutdown during the reload uses the new settings.
        *subject.app.borrow_mut() = Arc::clone(&app);
        app.supervise_upstreams();
        subject.workers.change(&app).await;
        // Last, so that connections on a new socket always get the new settings.
        let done = subject.accepting.change(ListenerSet { sockets, shared: shared.clone() });
        if timeout(CLOSE_TIMEOUT, done).await.is_err() {
            tracing::warn!("the acceptor has not started the new listeners yet");
        }
        let process = app.metrics.process();
        if shared.tls.is_none() {
            process.tls.set_expiries(Vec::new());
        }
        self.change_acme(acme, &app);
        old.retire(&app);
        self.retired.push(old);
        self.tls = shared.tls;
        process.reloads.ok.fetch_add(1, Ordering::Relaxed);
        process.reloads.set_loaded(SystemTime::now());
        let connections = most_connections(app.plan.server.max_connections);
        process.limits.set(limits::of(&app.plan, connections));

        let changed = changed(&self.settings, &settings, &fixed);
        self.settings = settings;
        log_settings_advice(&advice, &self.advice);
        self.advice = advice;
        self.checks.set(loaded);
        for (address, mode) in opened {
            announce_listener(&address, mode);
        }
        for listen_address in closed {
            tracing::info!(address = %listen_address, "no longer listening");
        }
        for setting in &fixed {
            tracing::warn!(setting, "changed, but needs a restart: keeping the current value");
        }
        let changed = match changed.is_empty() {
            true => "no setting; the files that settings name were read again".to_owned(),
            false => changed.join(", "),
        };
        tracing::info!(changed, after = ?begin.elapsed(), "reloaded");
        let mut text = format!("reloaded; changed: {changed}\n");
        if !fixed.is_empty() {
            text.push_str(&format!("needs a restart: {}\n", fixed.join(", ")));
        }
        ReloadReply::Done(text)
    }

    /// Obtains the certificate with the new settings. Unchanged ones are a reason to try again.
    fn change_acme(&mut self, next: Result<Option<Renewer>, AcmeError>, app: &App) {
        let next = match next {
            Ok(Some(next)) => next,
            Ok(None) => {
                self.acme = None;
                return;
            }
            Err(fault) => {
                tracing::warn!(%fault, "certificates cannot be obtained or renewed until this is fixed");
                if let Some(running) = &self.acme {
                    running.retry();
                }
                return;
            }
        };
        if let Some(running) = self.acme.as_ref().filter(|running| next.has_settings_of(running)) {
            running.retry();
            return;
        }
        match next.start(&app.challenges, &app.metrics.process().tls) {
            Ok(thread) => self.acme = Some(thread),
            Err(error) => tracing::error!(
                %error,
                "cannot start the thread that obtains certificates; check the limit of threads, and restart"
            ),
        }
    }
}

/// Logs the problems. The settings in use stay unchanged.
fn fail(app: &App, problems: &[String]) -> ReloadReply {
    app.metrics.process().reloads.on_failure(SystemTime::now());
    let mut text = "not reloaded, keeping the current settings:\n".to_owned();
    for (index, problem) in problems.iter().enumerate() {
        tracing::error!(problem, "the new settings are invalid");
        text.push_str(&format!("{:>3}. {problem}\n", index + 1));
    }
    let count = problems.len();
    tracing::error!(
        problems = count,
        "not reloaded, keeping the current settings; run `sideman check` to test a file without loading it"
    );
    ReloadReply::Failed(text)
}

/// Returns the names of changed settings, without those that need a restart. Settings of routes are unset by leaving
/// them out.
fn changed(old: &[Setting], new: &[Setting], fixed: &[&'static str]) -> Vec<String> {
    let differs = |new: &&Setting| {
        let known = old.iter().find(|old| old.id == new.id);
        // The value of a secret file is hidden, and may have changed.
        known.is_none_or(|old| old.text != new.text) && !fixed.contains(&new.id.key.name)
    };
    let is_gone = |old: &&Setting| !new.iter().any(|new| old.id == new.id);
    let changed = new.iter().filter(differs).chain(old.iter().filter(is_gone));
    changed.map(|setting| setting.id.to_string()).collect()
}
