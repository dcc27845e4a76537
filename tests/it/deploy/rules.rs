//! Rules for every example, in any form. The settings become a plan with the loader of `sideman run`,
//! so they are checked like at a start.

use std::time::Duration;

use clap::Parser as _;
use sideman::{
    command::args::{Cli, Command},
    config::{self, Environment, Flags, LoadedSettings, ValueOrigin},
    plan::{ListenAddress, Protocol},
};

use super::example::{Balancer, Container, Example};

const MIB: u64 = 1 << 20;
/// Memory for the program itself and its connections, beside the configured budgets.
const PROGRAM: u64 = 32 * MIB;
/// The idle timeout of an ALB.
const BALANCER_IDLE: Duration = Duration::from_secs(60);

/// All rules; the containers are called `startup`, `app` and `sideman`.
#[track_caller]
pub(super) fn check(example: &Example, app: &str) {
    let sideman = example.container("sideman");
    let loaded = settings(&example.file, sideman);
    check_application(example, example.container(app), &loaded);
    check_environment(example, app);
    check_files(example, app, &loaded);
    check_uploads(example, app, &loaded);
    check_container(&example.file, sideman, &loaded);
    check_order(example, app, &loaded);
    if let Some(balancer) = &example.balancer {
        check_balancer(&example.file, balancer, sideman, &loaded);
    }
    let trusted = &loaded.plan.server.trusted_proxies;
    let file = &example.file;
    assert_eq!(trusted.is_empty(), example.balancer.is_none(), "{file}: who is believed");
}

/// Loads the container's environment. Each of its variables belongs to Sideman and sets something.
#[track_caller]
pub(super) fn settings(file: &str, sideman: &Container) -> LoadedSettings {
    let variables = sideman.environment.iter();
    let environment: Environment = variables.map(|(a, b)| (a.into(), b.into())).collect();
    let loaded = config::load(&Flags::default(), &environment)
        .unwrap_or_else(|problems| panic!("{file}: {problems}"));
    for name in sideman.environment.keys() {
        let is_it = |origin: &ValueOrigin| matches!(origin, ValueOrigin::Environment { name: n } if n == name);
        let count = loaded.settings.iter().filter(|one| is_it(&one.origin)).count();
        assert_eq!(count, 1, "{file}: {name} sets nothing");
    }
    loaded
}

/// The application's port and concurrency equal Sideman's settings.
fn check_application(example: &Example, app: &Container, loaded: &LoadedSettings) {
    let file = &example.file;
    let upstream = &loaded.plan.upstream;
    let (bind, concurrency) = match upstream.protocol {
        Protocol::Http1 => gunicorn(app),
        Protocol::Uwsgi(uwsgi) => {
            assert_eq!(app.command[0], "uwsgi", "{file}");
            let size: usize = option(app, "--buffer-size=").parse().unwrap();
            assert_eq!(uwsgi.buffer_size, size, "{file}: the buffer size");
            for name in ["--master", "--die-on-term", "--need-app"] {
                assert!(app.command.iter().any(|one| one == name), "{file}: {name}");
            }
            let number = |name: &str| option(app, name).parse::<usize>().unwrap();
            let bind = option(app, "--uwsgi-socket=").to_owned();
            (bind, number("--processes=") * number("--threads="))
        }
    };
    // With awsvpc or compose each container has an address; otherwise they share the loopback.
    let reached = bind.replace("0.0.0.0:", &format!("{}:", app.name));
    assert_eq!(upstream.names(), reached, "{file}: where the application listens");
    // Workers are counted where their sockets can be seen; elsewhere the number is better.
    let is_counted = upstream.admission.tunes && bind.starts_with("127.0.0.1:");
    assert!(
        is_counted || upstream.admission.max_in_flight == concurrency,
        "{file}: workers x threads"
    );
    assert!(app.ports.is_empty(), "{file}: the application is reached past Sideman");
}

/// `--bind`, and workers x threads. The command is complete, whatever the image's command is.
#[track_caller]
pub(super) fn gunicorn(app: &Container) -> (String, usize) {
    assert_eq!(app.command.first().map(String::as_str), Some("gunicorn"), "{}", app.name);
    assert!(!app.command.last().unwrap().starts_with('-'), "{:?}: no application", app.command);
    let count = |name| option(app, name).parse::<usize>().unwrap();
    (option(app, "--bind=").to_owned(), count("--workers=") * count("--threads="))
}

/// An option's value in the command.
#[track_caller]
fn option<'a>(app: &'a Container, name: &str) -> &'a str {
    let mut found = app.command.iter().filter_map(|one| one.strip_prefix(name));
    let value = found.next().unwrap_or_else(|| panic!("no {name} in {:?}", app.command));
    assert!(found.next().is_none(), "{name} twice in {:?}", app.command);
    value
}

/// Migrations need the settings of the application. Flags of the image's command win over
/// GUNICORN_CMD_ARGS, so nothing depends on the latter.
fn check_environment(example: &Example, app: &str) {
    let file = &example.file;
    let (startup, app) = (example.container("startup"), example.container(app));
    assert_eq!(startup.environment, app.environment, "{file}: the variables of startup");
    assert_eq!(startup.secrets, app.secrets, "{file}: the secrets of startup");
    for name in ["DATABASE_URL", "SECRET_KEY"] {
        let is_set = app.environment.contains_key(name) || app.secrets.contains_key(name);
        assert!(is_set, "{file}: {name}");
        // A template for AWS is in version control, and many users can read task definitions.
        let is_kept = app.secrets.contains_key(name) || example.balancer.is_none();
        assert!(is_kept, "{file}: the value of {name}");
    }
    for name in app.environment.keys() {
        assert!(!name.starts_with("GUNICORN_") && !name.starts_with("UWSGI_"), "{file}: {name}");
    }
}

/// Uploads are served from the directory where the application writes them.
fn check_uploads(example: &Example, app: &str, loaded: &LoadedSettings) {
    let file = &example.file;
    let [root] = loaded.plan.media.roots.as_slice() else {
        assert!(
            example.containers.iter().all(|one| one.mounts.iter().all(|it| it.volume != "media"))
        );
        return;
    };
    let [directory] = root.directories.as_slice() else { panic!("{file}: media.roots") };
    assert_eq!(root.prefix, "/media/", "{file}");
    let mounts = &example.container("sideman").mounts;
    let served = mounts.iter().find(|one| one.path == directory.to_str().unwrap());
    let served = served.unwrap_or_else(|| panic!("{file}: no volume at {}", directory.display()));
    assert!(served.is_read_only, "{file}: Sideman can write to {}", served.path);
    let mut mounts = example.container(app).mounts.iter();
    let written = mounts.find(|one| one.volume == served.volume);
    assert!(written.is_some_and(|one| !one.is_read_only), "{file}: nothing can be uploaded");
}

/// Static files are served from the directory where they are collected.
fn check_files(example: &Example, app: &str, loaded: &LoadedSettings) {
    let file = &example.file;
    let [root] = loaded.plan.files.roots.as_slice() else { panic!("{file}: static.roots") };
    let [directory] = root.directories.as_slice() else { panic!("{file}: static.roots") };
    assert_eq!(root.prefix, "/static/", "{file}");
    let mounts = &example.container("sideman").mounts;
    let served = mounts.iter().find(|one| one.path == directory.to_str().unwrap());
    let served = served.unwrap_or_else(|| panic!("{file}: no volume at {}", directory.display()));
    assert!(served.is_read_only, "{file}: Sideman can write to {}", served.path);
    let mount = |name: &str| {
        let mut mounts = example.container(name).mounts.iter();
        mounts.find(|one| one.volume == served.volume).unwrap_or_else(|| panic!("{file}: {name}"))
    };
    assert!(!mount("startup").is_read_only, "{file}: nothing can be collected");
    // Django looks names up in the manifest there.
    assert_eq!(mount(app).path, mount("startup").path, "{file}: STATIC_ROOT");
    let startup = example.container("startup").command.join(" ");
    for part in ["migrate --noinput", "collectstatic --noinput"] {
        assert!(startup.contains(part), "{file}: startup runs no {part}");
    }
}

/// Privileges, and the health check.
fn check_container(file: &str, sideman: &Container, loaded: &LoadedSettings) {
    let plan = &loaded.plan;
    let port = match plan.server.listen.as_slice() {
        [ListenAddress::Tcp(address)] => address.port(),
        other => panic!("{file}: {other:?}"),
    };
    assert_eq!(sideman.ports, [port], "{file}: ports");
    assert!(sideman.has_read_only_root, "{file}: the root can be written to");
    assert_eq!(sideman.user, None, "{file}: the image has a user of its own");
    assert!(sideman.descriptors.is_none_or(|count| count >= 65536), "{file}: nofile");
    if let Some(health) = &sideman.health {
        assert_eq!(health.command, ["CMD", "/sideman", "healthcheck"], "{file}");
        let Some(Command::Healthcheck(arguments)) =
            Cli::parse_from(["sideman", "healthcheck"]).command
        else {
            panic!("healthcheck is another command")
        };
        let own = arguments.timeout.trim_end_matches('s').parse::<u64>().unwrap();
        // A killed container leaves no reason.
        assert!(health.timeout > own && health.interval >= health.timeout, "{file}: {health:?}");
        // The first connection of the application may take a while.
        assert!(health.retries >= 2 && health.start >= 30, "{file}: {health:?}");
    }
    if let Some(memory) = sideman.memory {
        // Budgets with auto are shares of the container's memory (`lifecycle/memory.rs`).
        let set = [
            (plan.memory.is_static_auto, plan.files.memory),
            (plan.memory.is_media_auto || plan.media.roots.is_empty(), plan.media.memory),
            (plan.memory.is_buffers_auto, plan.buffers.memory),
        ];
        let set = set.iter().filter(|(is_auto, _)| !is_auto).map(|(_, bytes)| bytes);
        let most = set.sum::<u64>() + PROGRAM;
        assert!(memory >= most, "{file}: {most} bytes may be used of {memory}");
    }
}

/// The application starts after its dependencies, and stops after Sideman.
fn check_order(example: &Example, app: &str, loaded: &LoadedSettings) {
    let file = &example.file;
    let has = |name: &str, on: &str, condition: &str| {
        let depends = &example.container(name).depends;
        assert!(depends.contains(&(on.to_owned(), condition.to_owned())), "{file}: {depends:?}");
    };
    has(app, "startup", "success");
    has("sideman", app, "start");
    assert!(example.is_ordered(app, "sideman") && !example.is_ordered("sideman", app), "{file}");
    assert!(example.is_ordered("startup", "sideman"), "{file}");
    assert!(!example.container("startup").is_essential, "{file}: its end would be that of all");
    for name in [app, "sideman"] {
        assert!(example.container(name).is_essential, "{file}: {name} is not essential");
    }
    let (shutdown, stop) = (loaded.plan.shutdown, example.container("sideman").stop_seconds);
    assert!(shutdown.timeout < Duration::from_secs(stop), "{file}: killed after {stop} s");
    assert!(shutdown.delay < shutdown.timeout, "{file}");
}

/// The load balancer sends requests to Sideman, at its port and health path, and waits for its shutdown.
fn check_balancer(file: &str, balancer: &Balancer, sideman: &Container, loaded: &LoadedSettings) {
    let plan = &loaded.plan;
    assert_eq!(balancer.container, "sideman", "{file}: the target");
    assert_eq!([balancer.port], sideman.ports.as_slice(), "{file}: the target's port");
    assert_eq!(balancer.path, plan.health.path, "{file}: the health path");
    assert_eq!(balancer.codes, "200", "{file}: what is healthy");
    assert!(balancer.interval > balancer.timeout, "{file}: health checks overlap");
    let deregistration = Duration::from_secs(balancer.deregistration);
    assert!(deregistration >= plan.shutdown.timeout, "{file}: the balancer cuts what still runs");
    let start = sideman.health.as_ref().map_or(0, |health| health.start);
    assert!(balancer.grace >= start, "{file}: replaced while it starts");
    assert!(plan.server.idle_timeout > BALANCER_IDLE, "{file}: closed under the balancer's hands");
}
