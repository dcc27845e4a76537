//! Starts a process from a plan. Listeners are bound first, so a port in use is reported before anything else starts.

use std::{
    fmt,
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::SystemTime,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
};

use super::{
    cgroup::MemoryGroup,
    child::{ChildCommand, ChildSupervisor},
    descriptors, emf, memory, memory_watch,
    parts::ProcessParts,
    prepare::{SettingsAdvice, announce_listener, listen_addresses, log_settings_advice},
    process::{self, TooFewDescriptors},
    process_checks::ProcessChecks,
    reload::Reloader,
    service_manager::{InheritedSocketError, ServiceManager},
    shutdown::{ShutdownOutcome, serve_until_signal},
    signals::{HangUps, Signals},
    source::SettingsSource,
    traces,
};
use crate::{
    acme::{PendingChallenges, Renewer},
    config::{self, LoadedSettings, Setting},
    phase::Phase,
    pipeline::App,
    plan::{AccessLog, ListenAddress, Plan, TlsSettings},
    redis::{RedisLink, RedisTls},
    server::{
        AcceptorHandle, AdminListener, BindError, Listener, ListenerMode, ListenerShared,
        LoadedTls, ProxyProtocol, TlsContext, TlsError, Workers, adopt, bind, most_connections,
    },
    telemetry::{
        LogSink, Metrics, events, limits, log_writer::LogTarget, shared_output::SharedOutput,
    },
};

/// Maximum number of pending reloads.
const MAX_PENDING_RELOADS: usize = 8;

/// A serving process; [`RunningProcess::wait`] returns when it has ended.
#[derive(Debug)]
pub struct RunningProcess {
    pub addresses: BoundAddresses,
    runtime: Runtime,
    parts: ProcessParts,
}

/// The bound addresses, with the ports that the system chose.
#[derive(Clone, Debug)]
pub struct BoundAddresses {
    /// Each address with what a connection to it begins with.
    pub site: Vec<(ListenAddress, ListenerMode)>,
    pub admin: Option<SocketAddr>,
}

/// The reason why the start failed.
#[derive(Debug)]
pub enum StartError {
    Bind(BindError),
    Tls(Vec<TlsError>),
    /// Files of users or authorities could not be read.
    Files(Vec<String>),
    /// A socket of the service manager cannot be used.
    Sockets(InheritedSocketError),
    /// A thread or a runtime could not be created.
    System(io::Error),
    Descriptors(TooFewDescriptors),
}

/// Starts all parts of the process; `source` reads the settings again for a reload. `child` is started when the
/// process begins to wait for its end.
pub fn start(
    loaded: LoadedSettings,
    source: Option<SettingsSource>,
    child: Option<ChildCommand>,
    service_manager: ServiceManager,
) -> Result<RunningProcess, StartError> {
    process::refuse_huge_pages();
    let advice = SettingsAdvice::of(&loaded);
    let LoadedSettings { mut plan, settings } = loaded.clone();
    let faults = config::read_user_files(&mut plan);
    if !faults.is_empty() {
        return Err(StartError::Files(faults));
    }
    let redis_tls = RedisTls::load(&plan.cache).map_err(|fault| StartError::Files(vec![fault]))?;
    let traces_client =
        traces::client(&plan.traces).map_err(|fault| StartError::Files(vec![fault]))?;
    let count = match plan.server.workers {
        Some(count) => count,
        None => thread::available_parallelism()?.get(),
    };
    let metrics = Arc::new(Metrics::new(count));
    let events = events::install(plan.log.level, &metrics.process().events_dropped)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // The application uses the same stdout and the same memory.
    let is_shared = child.is_some();
    let (signals, hang_ups, child) = {
        let _within = runtime.enter();
        let child = child.map(ChildSupervisor::new).transpose()?;
        (Signals::listen(child.is_some())?, HangUps::listen()?, child)
    };
    process::raise_descriptors();
    let container = MemoryGroup::find(is_shared);
    let memory = memory::divide(&mut plan, container.as_ref());
    let division = descriptors::divide(&mut plan, count, memory.connections);
    division.as_ref().inspect(|division| division.reserve());
    let counts = &metrics.process().tls;
    let acme = plan.tls.as_ref().and_then(TlsSettings::acme).map(Renewer::open).transpose();
    let acme = acme.map_err(|fault| StartError::Files(vec![fault.to_string()]))?;
    let challenges = Arc::<PendingChallenges>::default();
    let load = |tls| TlsContext::load(tls, counts, &challenges, None);
    let tls = plan.tls.as_ref().map(load).transpose()?;
    let ServiceManager { mut sockets, notifier, task } = service_manager;
    let listeners = listen_addresses(&plan).into_iter().map(|(listen_address, mode)| match sockets
        .remove(&listen_address)
    {
        Some(socket) => Listener::adopt(socket, &listen_address, mode),
        None => Listener::bind(&listen_address, mode),
    });
    let listeners = listeners.collect::<Result<Vec<_>, BindError>>()?;
    let tls = tls.map(LoadedTls::begin);
    let admin_listener =
        plan.admin.listen.map(|address| match sockets.remove(&ListenAddress::Tcp(address)) {
            Some(socket) => adopt(socket, address),
            None => bind(address),
        });
    let admin_listener = admin_listener.transpose()?;
    sockets.check_all_used()?;
    let site = listeners.iter().map(|one| (one.local().clone(), one.mode())).collect();
    let admin = admin_listener.as_ref().map(TcpListener::local_addr).transpose()?;

    let has_access_log = plan.log.access != AccessLog::Off;
    let stdout = if has_access_log || plan.metrics.emf {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let target = LogTarget {
            out: if is_shared { Box::new(SharedOutput(out)) } else { Box::new(out) },
            name: "stdout",
            limit: plan.log.limit(),
            full_at: plan.log.full_at(),
            on_error: report_log_error,
        };
        Some(LogSink::start(target, Arc::clone(&metrics.process().access_log_dropped))?)
    } else {
        None
    };
    let log = stdout.clone().filter(|_| has_access_log);
    let first = if plan.health.wait_for_application { Phase::Starting } else { Phase::Ready };
    let (phase, watched) = watch::channel(first);
    let redis =
        plan.cache.redis.clone().map(|settings| {
            RedisLink::new(settings, redis_tls, Arc::clone(&metrics.process().redis))
        });
    let (spans, traces) = traces::start(&plan.traces, traces_client, &metrics)?.unzip();
    let app = App::new(plan, metrics).with_redis(redis.clone());
    let app = Arc::new(app.with_spans(spans).with_challenges(challenges));
    app.begin(None);
    if let Some(redis) = redis {
        let purger = Arc::clone(app.purger());
        redis.start(move |message| purger.apply(message))?;
    }
    app.metrics.process().reloads.set_loaded(SystemTime::now());
    let connections = most_connections(app.plan.server.max_connections);
    app.metrics.process().limits.set(limits::of(&app.plan, connections));
    let workers = Workers::start(&app, log.as_ref(), &watched)?;
    let (reload_sender, requests) = mpsc::channel(MAX_PENDING_RELOADS);
    let checks = Arc::new(ProcessChecks::new(loaded, Arc::clone(&app.metrics)));
    if let Some(listener) = admin_listener {
        let (purger, servers) = (Arc::clone(app.purger()), Arc::clone(app.servers()));
        let (metrics, checks) = (Arc::clone(&app.metrics), Arc::clone(&checks));
        let find = Box::new(move || checks.findings());
        AdminListener::new(metrics, watched, reload_sender, purger, servers)
            .with_findings(find)
            .start(listener)?;
    }

    let emf = stdout.filter(|_| app.plan.metrics.emf);
    let emf = emf.map(|stdout| emf::start(task, Arc::clone(&app.metrics), stdout)).transpose()?;
    let process = Arc::clone(app.metrics.process());
    memory_watch::start(container, Arc::clone(&process), Arc::downgrade(&workers.placement()))?;
    let proxy_protocol = ProxyProtocol::of(&app.plan.server);
    let shared = ListenerShared { tls: tls.clone(), proxy_protocol };
    let accepting = AcceptorHandle::start(listeners, shared, workers.placement(), process)?;
    // The listeners are there that an authority comes to.
    let acme = acme.map(|acme| acme.start(&app.challenges, &app.metrics.process().tls));
    let acme = acme.transpose()?;
    let retired = Vec::new();
    process::check_descriptors()?;
    let addresses = BoundAddresses { site, admin };
    announce(&addresses);
    notifier.ready();
    log_settings_advice(&advice, &SettingsAdvice::default());
    memory.report();
    division.as_ref().inspect(|division| division.report());
    started(&app.plan, &settings, count);
    let has_child = is_shared;
    let reloader = Reloader {
        source,
        hang_ups,
        requests,
        settings,
        advice,
        checks,
        tls,
        acme,
        retired,
        has_child,
    };
    let parts = ProcessParts {
        app,
        phase,
        accepting,
        workers,
        log,
        traces,
        emf: emf.flatten(),
        signals,
        notifier,
        reloader,
        child,
        events,
    };
    Ok(RunningProcess { addresses, runtime, parts })
}

// === impl RunningProcess ===

impl RunningProcess {
    /// Serves until a signal has come and the last request has ended.
    pub fn wait(self) -> io::Result<ShutdownOutcome> {
        let Self { runtime, parts, .. } = self;
        let outcome = runtime.block_on(serve_until_signal(parts));
        // Dropping it would wait for a name server that does not respond.
        runtime.shutdown_background();
        outcome
    }
}

fn report_log_error(error: &io::Error) {
    tracing::error!(
        %error,
        "cannot write the access log: free disk space where stdout goes, or set log.access = \"off\""
    );
}

fn announce(addresses: &BoundAddresses) {
    for (address, mode) in &addresses.site {
        announce_listener(address, *mode);
    }
    if let Some(address) = addresses.admin {
        tracing::info!(%address, "admin listening");
    }
}

/// Logs the settings in use. Where nobody can run `sideman check`, this event is the only place that shows them.
fn started(plan: &Plan, settings: &[Setting], workers: usize) {
    let version = env!("CARGO_PKG_VERSION");
    let is_secret =
        settings.iter().any(|one| one.id.key.name == "upstream.url" && one.origin.is_secret());
    let upstream = if is_secret { "(from file)".to_owned() } else { plan.upstream.names() };
    let max_in_flight = match plan.upstream.found_by() {
        Some(way) => format!("auto, {way}"),
        None => plan.upstream.admission.max_in_flight.to_string(),
    };
    let settings = config::summary(settings);
    tracing::info!(version, workers, upstream, max_in_flight, settings, "started");
}

// === impl StartError ===

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<InheritedSocketError> for StartError {
    fn from(error: InheritedSocketError) -> Self {
        Self::Sockets(error)
    }
}

impl From<Vec<TlsError>> for StartError {
    fn from(errors: Vec<TlsError>) -> Self {
        Self::Tls(errors)
    }
}

impl From<TooFewDescriptors> for StartError {
    fn from(error: TooFewDescriptors) -> Self {
        Self::Descriptors(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Sockets(error) => error.fmt(f),
            Self::Tls(errors) => {
                let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Files(faults) => f.write_str(&faults.join("\n")),
            Self::Descriptors(TooFewDescriptors { limit, min }) => write!(
                f,
                "cannot start: the limit of open files is {limit}, and serving needs at least {min}; raise \
                 the container's limit (nofile) to 1024 or more"
            ),
            Self::System(error) => {
                write!(
                    f,
                    "cannot start: {error}; check the limits of open files (nofile) and of threads"
                )
            }
        }
    }
}

impl std::error::Error for StartError {}
