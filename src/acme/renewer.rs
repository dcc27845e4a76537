//! The thread that obtains and renews the certificate.

use std::{
    fmt, fs, io,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use instant_acme::Account;
use tokio::{
    runtime::Builder,
    select,
    sync::watch,
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use super::{
    challenges::PendingChallenges,
    failure::AcmeFailure,
    history::{AttemptHistory, DAY, HOUR, MINUTE, RenewalWindow},
    issued::IssuedCertificate,
    order::OrderRequest,
    schedule::{self, Trigger},
    storage::AcmeStorage,
    transport::Transport,
};
use crate::{
    outgoing::{Authorities, HttpClient},
    plan::{AcmeChallenge, AcmeSettings},
    telemetry::TlsCounts,
};

/// The longest pause between two looks at the clock: it may be set, and the machine may sleep.
const LONGEST_PAUSE: u64 = HOUR;
/// The pause if another process has the lock, or the directory cannot be written to.
const STORAGE_PAUSE: u64 = 30;
/// The longest time of an attempt; the process that has the lock keeps others from ordering.
const ATTEMPT_TIME: Duration = Duration::from_secs(10 * MINUTE);
/// How often the authority is asked for its suggestion, unless it says so.
const WINDOW_CHECK: u64 = 6 * HOUR;

/// What the thread needs; nothing of it runs yet.
#[derive(Debug)]
pub struct Renewer {
    settings: AcmeSettings,
    storage: AcmeStorage,
    client: HttpClient,
}

/// The running thread. It ends when this is dropped.
#[derive(Debug)]
pub struct RenewerThread {
    settings: AcmeSettings,
    retry: watch::Sender<()>,
}

/// Why no certificates can be obtained; shown at the start.
#[derive(Debug)]
pub struct AcmeError(String);

/// The state of the thread.
struct RenewerState {
    renewer: Renewer,
    challenges: Arc<PendingChallenges>,
    counts: Arc<TlsCounts>,
    /// A certificate that could not be stored yet. No other is ordered until it is.
    unsaved: Option<Zeroizing<String>>,
    /// The last fault of the storage, which is logged once.
    reported: Option<String>,
}

// === impl Renewer ===

impl Renewer {
    /// Checks that the result of an order could be stored, and reads the authorities.
    pub fn open(settings: &AcmeSettings) -> Result<Self, AcmeError> {
        let storage = AcmeStorage::open(settings).map_err(AcmeError)?;
        let client = match &settings.tls_ca {
            None => HttpClient::new(Authorities::Public),
            Some(path) => {
                let at = path.display();
                let text = fs::read(path).map_err(|error| {
                    AcmeError(format!("acme.tls_ca: {at} cannot be read: {error}"))
                })?;
                HttpClient::new(Authorities::Pem(&text))
            }
        };
        let client = client.map_err(|error| AcmeError(format!("acme.tls_ca: {error}")))?;
        Ok(Self { settings: settings.clone(), storage, client })
    }

    /// Whether a running thread works with the same settings.
    pub fn has_settings_of(&self, thread: &RenewerThread) -> bool {
        self.settings == thread.settings
    }

    /// Starts the thread.
    pub fn start(
        self,
        challenges: &Arc<PendingChallenges>,
        counts: &Arc<TlsCounts>,
    ) -> io::Result<RenewerThread> {
        let (retry, retries) = watch::channel(());
        let settings = self.settings.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let state = RenewerState {
            renewer: self,
            challenges: Arc::clone(challenges),
            counts: Arc::clone(counts),
            unsaved: None,
            reported: None,
        };
        let run = move || {
            runtime.block_on(state.run(retries));
            // Dropping it would wait for a name server that does not respond.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("acme".to_owned()).spawn(run)?;
        Ok(RenewerThread { settings, retry })
    }
}

// === impl RenewerThread ===

impl RenewerThread {
    /// Tries again soon after a failure: somebody may have fixed something.
    pub fn retry(&self) {
        self.retry.send_replace(());
    }
}

// === impl RenewerState ===

impl RenewerState {
    async fn run(mut self, mut retries: watch::Receiver<()>) {
        let mut trigger = Trigger::Start;
        let mut stopped = retries.clone();
        let stop = async { while stopped.changed().await.is_ok() {} };
        let mut stop = std::pin::pin!(stop);
        loop {
            let pause = select! {
                pause = self.turn(trigger) => pause,
                () = &mut stop => return,
            };
            trigger = select! {
                changed = retries.changed() => match changed {
                    Ok(()) => Trigger::Start,
                    Err(_) => return,
                },
                () = sleep(Duration::from_secs(pause.clamp(1, LONGEST_PAUSE))) => Trigger::Timer,
            };
        }
    }

    /// Orders a certificate if it is time to. Returns the pause until the next turn, in seconds.
    async fn turn(&mut self, trigger: Trigger) -> u64 {
        let lock = match self.renewer.storage.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return STORAGE_PAUSE,
            Err(error) => return self.cannot_store(&error),
        };
        if let Err(error) = self.save() {
            return self.cannot_store(&error);
        }
        let certificate = self.certificate();
        let mut history = self.renewer.storage.history(seconds_now());
        if let Some(certificate) = &certificate {
            self.ask_for_window(certificate, &mut history).await;
        }
        let (now, domains) = (seconds_now(), &self.renewer.settings.domains);
        let at = schedule::next_order(&history, certificate.as_ref(), domains, trigger);
        if at > now {
            let check_at = history.window.as_ref().map_or(u64::MAX, |window| window.check_at);
            return at.min(check_at).saturating_sub(now);
        }
        let pause = match self.attempt(&mut history, certificate.as_ref()).await {
            Ok(()) => 1,
            Err(error) => self.cannot_store(&error),
        };
        drop(lock);
        pause
    }

    /// Orders a certificate, and stores it. Fails if the storage does.
    async fn attempt(
        &mut self,
        history: &mut AttemptHistory,
        before: Option<&IssuedCertificate>,
    ) -> io::Result<()> {
        let Renewer { settings, storage, client } = &self.renewer;
        let failures = history.failures;
        history.begin(
            seconds_now(),
            &settings.domains,
            schedule::pause(failures.saturating_add(1), true, fastrand::f64()),
        );
        // First, because a result that cannot be stored must not be ordered.
        storage.write_history(history)?;
        let transport = Transport::new(client.clone());
        let knows_window = history.window.as_ref().is_some_and(|window| window.start < window.end);
        let request = OrderRequest {
            settings,
            storage,
            transport: &transport,
            challenges: &self.challenges,
            challenge: challenge(&settings.challenges, history.failures),
            replaces: before.and_then(|before| before.id.as_ref()).filter(|_| knows_window),
        };
        let result = timeout(ATTEMPT_TIME, request.obtain()).await.unwrap_or_else(|_| {
            let fault = "the order took longer than 10 minutes".to_owned();
            Err(AcmeFailure::local(fault, "wait for the next attempt"))
        });
        let now = seconds_now();
        match result {
            Ok(text) => {
                history.succeed(now);
                let issued = IssuedCertificate::read(text.as_bytes());
                self.unsaved = Some(text);
                self.counts.acme_ok.fetch_add(1, Ordering::Relaxed);
                let end = issued.map(|issued| date(issued.end)).unwrap_or_default();
                let domains = settings.domains.join(" ");
                let what =
                    if before.is_some() { "certificate renewed" } else { "certificate obtained" };
                let directory = &settings.directory;
                tracing::info!(domains, end, directory, "{what}");
                // If one cannot be written, nor can the other, and the certificate is worth more.
                let saved = self.save();
                self.renewer.storage.write_history(history).and(saved)
            }
            Err(failure) => {
                self.counts.acme_failed.fetch_add(1, Ordering::Relaxed);
                let pause = schedule::pause(history.failures, failure.is_reached, fastrand::f64());
                let not_before = transport.retry_after().map(since_1970);
                history.fail(now, pause, not_before, failure.is_reached);
                let written = storage.write_history(history);
                report(settings, &failure, history.retry_at.max(history.not_before), before, now);
                written
            }
        }
    }

    /// Returns the stored certificate, if it can be used.
    fn certificate(&mut self) -> Option<IssuedCertificate> {
        match self.renewer.storage.certificate() {
            Ok(certificate) => certificate,
            Err(fault) => {
                if self.reported.as_ref() != Some(&fault) {
                    tracing::warn!(
                        fault,
                        "the stored certificate cannot be used: obtaining another"
                    );
                    self.reported = Some(fault);
                }
                None
            }
        }
    }

    /// Stores a certificate that could not be stored before.
    fn save(&mut self) -> io::Result<()> {
        let Some(text) = &self.unsaved else { return Ok(()) };
        self.renewer.storage.write_certificate(text)?;
        self.unsaved = None;
        Ok(())
    }

    fn cannot_store(&mut self, error: &io::Error) -> u64 {
        let fault = error.to_string();
        if self.reported.as_ref() != Some(&fault) {
            let directory = self.renewer.storage.directory().display();
            tracing::error!(
                fault,
                %directory,
                "cannot write to acme.storage, and no certificate is ordered until then; make it writable"
            );
            self.reported = Some(fault);
        }
        STORAGE_PAUSE
    }

    /// Asks the authority when it wants this certificate to be renewed, if it is time to.
    async fn ask_for_window(&self, certificate: &IssuedCertificate, history: &mut AttemptHistory) {
        let Renewer { storage, client, .. } = &self.renewer;
        let (Some(id), Some(credentials)) = (&certificate.id, storage.account()) else { return };
        let (name, now) = (id.to_string(), seconds_now());
        let known =
            history.window.take_if(|window| window.certificate != name || window.check_at <= now);
        if history.window.is_some() {
            return;
        }
        let transport = Box::new(Transport::new(client.clone()));
        let asked = async {
            let account =
                Account::builder_with_http(transport).from_credentials(credentials).await?;
            account.renewal_info(id).await
        };
        let window = match asked.await {
            Ok((info, pause)) => {
                let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
                let window = info.suggested_window;
                RenewalWindow {
                    certificate: name,
                    start: seconds(window.start.unix_timestamp()),
                    end: seconds(window.end.unix_timestamp()),
                    check_at: now.saturating_add(pause.as_secs().clamp(MINUTE, DAY)),
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the authority suggests no time for the renewal");
                let known = known.filter(|window| window.certificate == name);
                let known = known
                    .unwrap_or_else(|| RenewalWindow { certificate: name, ..Default::default() });
                RenewalWindow { check_at: now.saturating_add(WINDOW_CHECK), ..known }
            }
        };
        history.window = Some(window);
        // It is asked for again if this fails.
        let _ = storage.write_history(history);
    }
}

/// Returns the challenge for an attempt: the best one first, and then each in turn.
fn challenge(all: &[AcmeChallenge], failures: u32) -> AcmeChallenge {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or_default();
    let chosen = index.checked_rem(all.len()).and_then(|index| all.get(index));
    chosen.copied().unwrap_or(AcmeChallenge::Http)
}

fn report(
    settings: &AcmeSettings,
    failure: &AcmeFailure,
    next: u64,
    before: Option<&IssuedCertificate>,
    now: u64,
) {
    let AcmeFailure { fault, advice, .. } = failure;
    let (domains, next) = (settings.domains.join(" "), date(next));
    match before.filter(|before| before.end > now && before.covers(&settings.domains)) {
        Some(before) => {
            let end = date(before.end);
            tracing::warn!(
                domains,
                fault,
                next,
                end,
                "cannot renew the certificate, trying again; {advice}"
            );
        }
        None => tracing::error!(
            domains,
            fault,
            next,
            "cannot obtain a certificate, trying again; {advice}"
        ),
    }
}

fn seconds_now() -> u64 {
    since_1970(SystemTime::now())
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Formats a time for people.
fn date(seconds: u64) -> String {
    // The library accepts no later time.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)))
}

// === impl AcmeError ===

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AcmeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_take_turns_after_failures() {
        let both = [AcmeChallenge::TlsAlpn, AcmeChallenge::Http];
        let chosen = [0, 1, 2, 3, 4].map(|failures| challenge(&both, failures));
        let [alpn, http] = both;
        assert_eq!(chosen, [alpn, alpn, http, alpn, http]);
        assert_eq!(challenge(&[alpn], 2), alpn);
        assert_eq!(challenge(&[], u32::MAX), http);
    }
}
