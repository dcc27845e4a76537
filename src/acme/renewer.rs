//! The thread that obtains and renews the certificate.

use std::{
    fmt, io,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, SystemTime},
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
    guard::{Panicked, catch_panic},
    history::{AttemptHistory, DAY, FailedAttempt, HOUR, MINUTE, RenewalWindow},
    issued::IssuedCertificate,
    order::OrderRequest,
    schedule::{self, Trigger},
    storage::{AcmeStorage, read_file},
    stored::find_better,
    transport::Transport,
};
use crate::{
    outgoing::{Authorities, HttpClient},
    plan::{AcmeChallenge, AcmeSettings},
    rfc::date,
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
    /// The fault of the storage, which is logged once until it is gone.
    reported: Option<String>,
    /// The fault of the stored certificate, which is logged once until it is gone.
    reported_certificate: Option<String>,
}

// === impl Renewer ===

impl Renewer {
    /// Checks that the result of an order could be stored, and reads the authorities.
    pub fn open(settings: &AcmeSettings) -> Result<Self, AcmeError> {
        let storage = AcmeStorage::open(settings).map_err(AcmeError)?;
        let client = client(settings).map_err(AcmeError)?;
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
            reported_certificate: None,
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
                // A turn that has panicked may do so again, so the next one is not at once.
                pause = catch_panic(self.turn(trigger)) => pause.unwrap_or(LONGEST_PAUSE),
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
        match self.try_turn(trigger).await {
            Ok(pause) => {
                self.reported = None;
                pause
            }
            Err(error) => self.cannot_store(&error),
        }
    }

    /// Fails if the storage does.
    async fn try_turn(&mut self, trigger: Trigger) -> io::Result<u64> {
        let Some(lock) = self.renewer.storage.lock()? else { return Ok(STORAGE_PAUSE) };
        self.save()?;
        let certificate = self.certificate()?;
        let mut history = self.renewer.storage.history(date::seconds(SystemTime::now()));
        if let Some(certificate) = &certificate {
            self.ask_for_window(certificate, &mut history).await;
        }
        let (now, domains) = (date::seconds(SystemTime::now()), &self.renewer.settings.domains);
        let at = schedule::next_order(&history, certificate.as_ref(), domains, trigger);
        if at > now {
            let window = certificate.and_then(|certificate| certificate.name());
            let window = window.and_then(|name| history.window_of(&name));
            let check_at = window.map_or(u64::MAX, |window| window.check_at);
            return Ok(at.min(check_at).saturating_sub(now));
        }
        self.attempt(&mut history, certificate.as_ref()).await?;
        drop(lock);
        Ok(1)
    }

    /// Orders a certificate, and stores it. Fails if the storage does.
    async fn attempt(
        &mut self,
        history: &mut AttemptHistory,
        before: Option<&IssuedCertificate>,
    ) -> io::Result<()> {
        let Renewer { settings, storage, client } = &self.renewer;
        let failures = history.failures_of(&settings.domains).saturating_add(1);
        let pause = schedule::pause(failures, true, fastrand::f64());
        history.begin(date::seconds(SystemTime::now()), &settings.domains, pause);
        // First, because a result that cannot be stored must not be ordered.
        storage.write_history(history)?;
        let transport = Transport::new(client.clone());
        let window = before.and_then(IssuedCertificate::name);
        let window = window.and_then(|name| history.window_of(&name));
        let knows_window = window.is_some_and(|window| window.start < window.end);
        let request = OrderRequest {
            settings,
            storage,
            transport: &transport,
            challenges: &self.challenges,
            challenge: challenge(&settings.challenges, failures),
            replaces: before.and_then(|before| before.id.as_ref()).filter(|_| knows_window),
        };
        let result = catch_panic(timeout(ATTEMPT_TIME, request.obtain())).await;
        let result = match result {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AcmeFailure::local(
                "the order took longer than 10 minutes".to_owned(),
                "wait for the next attempt",
            )),
            Err(Panicked) => Err(AcmeFailure {
                is_reached: transport.has_posted(),
                ..AcmeFailure::local(
                    "a response has caused an internal error".to_owned(),
                    "report the error that was logged before this one",
                )
            }),
        };
        let now = date::seconds(SystemTime::now());
        match result {
            Ok(text) => {
                history.succeed(now);
                let issued = IssuedCertificate::read(text.as_bytes());
                self.unsaved = Some(text);
                self.counts.acme_ok.fetch_add(1, Ordering::Relaxed);
                let end = issued.map(|issued| date::format(issued.end)).unwrap_or_default();
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
                let pause = schedule::pause(failures, failure.is_reached, fastrand::f64());
                let attempt = FailedAttempt {
                    not_before: transport.retry_after().map(date::seconds),
                    has_order: failure.is_reached || transport.has_posted(),
                    is_issued: failure.is_issued,
                };
                history.fail(now, pause, attempt);
                let written = storage.write_history(history);
                let next = now.saturating_add(pause).max(history.not_before);
                report(settings, &failure, next, before, now);
                written
            }
        }
    }

    /// Returns the stored certificate, if it can be used. If another file has a better one, copies it to the file that
    /// the TLS listeners watch. Fails if it cannot be written.
    fn certificate(&mut self) -> io::Result<Option<IssuedCertificate>> {
        let Renewer { settings, storage, .. } = &self.renewer;
        let own = storage.certificate();
        let usable = own.as_ref().ok().and_then(Option::as_ref);
        let file = storage.certificate_file();
        if let Some(better) =
            find_better(file, usable, &settings.domains, date::seconds(SystemTime::now()))
        {
            storage.write_certificate(&better.text)?;
            let (from, to) = (better.path.display(), file.display());
            tracing::info!(%from, %to, "stored certificate copied, as it covers more of acme.domains or is newer");
            self.reported_certificate = None;
            return Ok(Some(better.certificate));
        }
        match own {
            Ok(certificate) => {
                self.reported_certificate = None;
                Ok(certificate)
            }
            Err(fault) => {
                if self.reported_certificate.as_ref() != Some(&fault) {
                    tracing::warn!(
                        fault,
                        "the stored certificate cannot be used: obtaining another"
                    );
                    self.reported_certificate = Some(fault);
                }
                Ok(None)
            }
        }
    }

    /// Stores a certificate that could not be stored before.
    fn save(&mut self) -> io::Result<()> {
        let Some(text) = &self.unsaved else { return Ok(()) };
        self.renewer.storage.write_certificate(text.as_bytes())?;
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
        let (name, now) = (id.to_string(), date::seconds(SystemTime::now()));
        let known = history.window_of(&name);
        if known.is_some_and(|window| window.check_at > now) {
            return;
        }
        let transport = Box::new(Transport::new(client.clone()));
        let asked = async {
            let account =
                Account::builder_with_http(transport).from_credentials(credentials).await?;
            account.renewal_info(id).await
        };
        let window = match catch_panic(asked).await {
            Ok(Ok((info, pause))) => {
                let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
                let window = info.suggested_window;
                RenewalWindow {
                    certificate: name,
                    start: seconds(window.start.unix_timestamp()),
                    end: seconds(window.end.unix_timestamp()),
                    check_at: now.saturating_add(pause.as_secs().clamp(MINUTE, DAY)),
                }
            }
            result => {
                if let Ok(Err(error)) = result {
                    tracing::debug!(%error, "the authority suggests no time for the renewal");
                }
                let known = known.cloned().unwrap_or_default();
                let check_at = now.saturating_add(WINDOW_CHECK);
                RenewalWindow { certificate: name, check_at, ..known }
            }
        };
        history.set_window(window);
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
    let (domains, next) = (settings.domains.join(" "), date::format(next));
    match before.filter(|before| before.end > now && before.covers(&settings.domains)) {
        Some(before) => {
            let end = date::format(before.end);
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

/// Returns the fault of the file of authorities, if one is set and cannot be used.
pub fn authorities_fault(settings: &AcmeSettings) -> Option<String> {
    settings.tls_ca.as_ref().and_then(|_| client(settings).err())
}

/// Creates the client for the authority. The error is a sentence with a remedy.
fn client(settings: &AcmeSettings) -> Result<HttpClient, String> {
    let Some(path) = &settings.tls_ca else {
        return HttpClient::new(Authorities::Public).map_err(|error| error.to_string());
    };
    let explained = |fault: &dyn fmt::Display| {
        format!(
            "acme.tls_ca = {path:?}: {fault}; name a PEM file with the certificate that signs those of acme.directory, \
             or write default for the public authorities"
        )
    };
    let text =
        read_file(path).map_err(|error| explained(&format_args!("cannot read it: {error}")))?;
    let text = text.ok_or_else(|| explained(&"the file is missing"))?;
    HttpClient::new(Authorities::Pem(&text)).map_err(|error| explained(&error))
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

    struct StorageDirectory(std::path::PathBuf);

    impl Drop for StorageDirectory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn fault_of_the_storage_is_reported_again_after_a_repair() {
        let name = format!("sideman-renewer-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let place = StorageDirectory(std::env::temp_dir().join(name));
        let settings = AcmeSettings {
            domains: vec!["a.test".into()],
            directory: "https://ca.test/dir".into(),
            storage: place.0.clone(),
            ..AcmeSettings::default()
        };
        let renewer = Renewer::open(&settings).unwrap();
        // Nothing is to be done for an hour.
        let history = AttemptHistory {
            not_before: date::seconds(SystemTime::now()) + HOUR,
            ..AttemptHistory::default()
        };
        let mut state = RenewerState {
            renewer,
            challenges: Arc::default(),
            counts: Arc::default(),
            unsaved: None,
            reported: None,
            reported_certificate: None,
        };
        for _ in 0..2 {
            // A file in the place of the directory: root may write to any directory.
            std::fs::remove_dir_all(&place.0).unwrap();
            std::fs::write(&place.0, "").unwrap();
            assert_eq!(state.turn(Trigger::Timer).await, STORAGE_PAUSE);
            assert!(state.reported.is_some());
            std::fs::remove_file(&place.0).unwrap();
            std::fs::create_dir_all(settings.authority_directory()).unwrap();
            state.renewer.storage.write_history(&history).unwrap();
            assert!(state.turn(Trigger::Timer).await > STORAGE_PAUSE);
            assert_eq!(state.reported, None);
        }
    }

    #[test]
    fn file_of_authorities_is_explained_with_the_remedy() {
        let settings =
            |path: &str| AcmeSettings { tls_ca: Some(path.into()), ..AcmeSettings::default() };
        for (path, part) in [
            ("/nowhere/ca.pem", "the file is missing"),
            ("/dev/null", "no certificate in the file of authorities"),
            ("/dev/zero", "larger than 1MiB"),
        ] {
            let fault = authorities_fault(&settings(path)).unwrap();
            let begin = format!("acme.tls_ca = {path:?}: ");
            assert!(fault.starts_with(&begin) && fault.contains(part), "{fault}");
            assert!(fault.contains("name a PEM file"), "{fault}");
        }
        assert_eq!(authorities_fault(&AcmeSettings::default()), None);
    }

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
