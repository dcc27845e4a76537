//! Probes the servers at an interval, independently of all requests (`upstream.probe`), and finds out whether the
//! application is ready (`health.application`).
//!
//! A probe holds no permit: a full queue does not delay it. A server gets one at a time, from the whole process, so
//! probes add no load.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use super::{server::UpstreamServer, state::Backends};
use crate::{
    error::{Error, FailureKind},
    plan::{ProbePurpose, ProbeSettings, UpstreamSettings},
    telemetry::EjectionCause,
    upstream::probe::{self, ProbeFailure},
};

/// The longest pause between two checks of an application that is not ready.
const NOT_READY_INTERVAL: Duration = Duration::from_secs(1);

/// The results of probing every server once.
struct ProbeRound {
    has_passed: bool,
    failures: Vec<(Arc<UpstreamServer>, ProbeFailure)>,
}

// === impl Backends ===

impl Backends {
    /// Probes each server, if the settings say so.
    pub(super) async fn probe_all(self: &Arc<Self>) {
        loop {
            let settings = self.settings();
            tokio::select! {
                // The settings are read again, and the interval starts again.
                () = self.changed.notified() => {}
                never = self.probe_repeatedly(&settings) => match never {},
            }
        }
    }

    async fn probe_repeatedly(self: &Arc<Self>, settings: &Arc<UpstreamSettings>) -> Infallible {
        let readiness = settings.probe.as_ref().filter(|probe| is_readiness(probe));
        self.set_checked(readiness.is_some());
        let Some(probe) = &settings.probe else { return pending().await };
        let mut pause = if readiness.is_some() { Duration::ZERO } else { probe.interval };
        loop {
            sleep(pause).await;
            pause = probe.interval;
            // A shortage of descriptors in this process says nothing about the servers.
            let Some(round) = self.probe_round(settings, probe).await else { continue };
            if readiness.is_some() && !self.report_readiness(&round) {
                pause = pause.min(NOT_READY_INTERVAL);
            }
        }
    }

    /// Probes all servers once, and takes those out of use that fail.
    async fn probe_round(
        self: &Arc<Self>,
        settings: &Arc<UpstreamSettings>,
        probe: &ProbeSettings,
    ) -> Option<ProbeRound> {
        let mut probes = JoinSet::new();
        for server in self.servers().iter() {
            let (server, settings, probe) =
                (Arc::clone(server), Arc::clone(settings), probe.clone());
            probes.spawn(async move {
                let result = probe::send(&server.address, &settings, &probe).await;
                (server, result)
            });
        }
        let mut round = ProbeRound { has_passed: false, failures: Vec::new() };
        while let Some(joined) = probes.join_next().await {
            match joined {
                // It is known that the server accepts connections. `probe_unavailable` checks its protocol.
                Ok((server, Ok(()))) if server.speaks_other() => {}
                Ok((server, Ok(()))) => {
                    round.has_passed = true;
                    // Requests failed at an ejected server, so it returns in its own time (`ejected`).
                    if !server.is_ejected() {
                        self.on_reachable(&server);
                    }
                }
                Ok((_, Err(failure)))
                    if failure.error.kind() == FailureKind::DescriptorsExhausted =>
                {
                    return None;
                }
                Ok((server, Err(failure))) => round.failures.push((server, failure)),
                // A probe has panicked.
                Err(_) => {}
            }
        }
        round.failures.sort_by_key(|(server, _)| server.id);
        for (server, ProbeFailure { error, .. }) in &round.failures {
            if !error.is_unsent() {
                self.request_probe(server, &probe::host(&server.address, settings));
            }
            // A server that refuses connections is retried on its usual schedule, so that requests do not wait longer
            // for it. If no server passes, a wrong path may be the cause, and a bad response is better than none.
            if error.is_unsent() {
                self.mark_unavailable(server, error, EjectionCause::Refused);
                self.end_ejections_if_alone();
            } else if round.has_passed {
                self.eject(server, error, EjectionCause::Probe);
            }
        }
        Some(round)
    }

    /// Records whether the application is ready: whether any of its servers has passed. Returns whether it is.
    fn report_readiness(&self, round: &ProbeRound) -> bool {
        if round.has_passed {
            self.record_ready();
            return true;
        }
        match round.failures.first() {
            Some((server, failure)) => self.record_unready(server.name(), failure),
            None => {
                let error = self.unavailable_error();
                let error =
                    error.unwrap_or_else(|| Error::new(FailureKind::UpstreamUnresolved).unsent());
                self.record_unready("none", &error.into());
            }
        }
        false
    }
}

fn is_readiness(probe: &ProbeSettings) -> bool {
    matches!(probe.purpose, ProbePurpose::Readiness { .. })
}
