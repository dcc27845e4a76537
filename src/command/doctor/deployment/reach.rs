//! Checks addresses and ports: clients and the load balancer must reach Sideman, and Sideman the application.

use std::net::IpAddr;

use super::{facts::DeploymentKind, subject::Subject};
use crate::{
    command::doctor::server_command::{Bind, ServerCommand},
    finding::{Check, Finding, Severity},
    plan::{ListenAddress, Plan, UpstreamTarget},
};

const APPLICATION_PAGE: &str = "docs/troubleshooting.md#502";
const HEALTH_PAGE: &str = "docs/troubleshooting.md#the-health-check-is-red";

pub(in crate::command::doctor) static LISTEN_PORT: Check = Check {
    id: "listen-port",
    severity: Severity::Error,
    page: "docs/ecs.md#other-settings-in-the-files",
};
pub(in crate::command::doctor) static APPLICATION_ADDRESS: Check =
    Check { id: "application-address", severity: Severity::Error, page: APPLICATION_PAGE };
pub(in crate::command::doctor) static HEALTH_COMMAND: Check =
    Check { id: "health-command", severity: Severity::Error, page: HEALTH_PAGE };
pub(in crate::command::doctor) static HEALTH_PATH: Check =
    Check { id: "health-path", severity: Severity::Error, page: HEALTH_PAGE };
pub(in crate::command::doctor) static BALANCER_TARGET: Check =
    Check { id: "balancer-target", severity: Severity::Error, page: "docs/ecs.md#start" };
pub(in crate::command::doctor) static TRUSTED_PROXIES: Check = Check {
    id: "trusted-proxies",
    severity: Severity::Error,
    page: "docs/ecs.md#which-addresses-are-trusted",
};

/// A port that is published or registered must be one that Sideman listens on.
pub(super) fn listen_port(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["server.listen", "tls.listen"])?;
    let sideman = subject.sideman;
    let listening: Vec<std::net::SocketAddr> = listeners(plan).collect();
    let shown = || listening.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if sideman.ports.is_empty() || listening.is_empty() {
        return None;
    }
    let name = &sideman.name;
    let wrong = sideman.ports.iter().find(|port| !listening.iter().any(|one| one.port() == **port));
    // The admin listener may be published too.
    let is_admin = |port: &u16| plan.admin.listen.is_some_and(|admin| admin.port() == *port);
    if let Some(port) = wrong.filter(|port| !is_admin(port)) {
        return Some(LISTEN_PORT.finding(
            format!("Sideman does not listen on port {port} of {name}"),
            format!("the port is published, and Sideman listens on {}", shown()),
            format!("use the port of server.listen, or set SIDEMAN_LISTEN=0.0.0.0:{port}"),
        ));
    }
    let is_own = |port: &u16| {
        let mut at = listening.iter().filter(|one| one.port() == *port);
        at.clone().next().is_some() && at.all(|one| one.ip().is_loopback())
    };
    let port = sideman.ports.iter().find(|port| is_own(port))?;
    Some(LISTEN_PORT.finding(
        format!("nobody outside of the container {name} can reach Sideman"),
        format!("port {port} is published, and Sideman listens on {}", shown()),
        format!("set SIDEMAN_LISTEN=0.0.0.0:{port}"),
    ))
}

fn listeners(plan: &Plan) -> impl Iterator<Item = std::net::SocketAddr> {
    let tls = plan.tls.iter().flat_map(|tls| &tls.listen);
    plan.server.listen.iter().chain(tls).filter_map(|listen| match listen {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    })
}

/// The application must listen where Sideman connects.
pub(super) fn application_address(subject: &Subject<'_>) -> Option<Finding> {
    let [UpstreamTarget::Tcp { host, port }] = subject.targets() else { return None };
    let (deployment, sideman) = (subject.deployment, subject.sideman);
    let seen = format!("SIDEMAN_UPSTREAM of {} leads to {host}:{port}", sideman.name);
    if !deployment.shares_network && !sideman.borrows_network {
        if is_loopback(host) {
            let others = deployment.containers.iter().filter(|one| one.name != sideman.name);
            let example = others.filter(|one| one.is_essential).map(|one| one.name.as_str()).next();
            return Some(
                APPLICATION_ADDRESS.finding(
                    "Sideman looks for the application in its own container",
                    format!("{seen}, and the containers do not share the loopback"),
                    match deployment.kind {
                        DeploymentKind::TaskDefinition => {
                            "set networkMode to awsvpc, so that the containers share the loopback"
                                .into()
                        }
                        DeploymentKind::Compose | DeploymentKind::Copilot => format!(
                            "name the service of the application, such as http://{}:{port}",
                            example.unwrap_or("app")
                        ),
                    },
                ),
            );
        }
        let is_name = host.parse::<IpAddr>().is_err() && !host.contains('.');
        if is_name && !deployment.has_other_names && deployment.container(host).is_none() {
            let names: Vec<&str> =
                deployment.containers.iter().map(|one| one.name.as_str()).collect();
            return Some(APPLICATION_ADDRESS.finding(
                format!("there is no service {host}"),
                format!("{seen}; the services are {}", names.join(", ")),
                "name the service of the application",
            ));
        }
    }
    let app = subject.application?;
    let binds = ServerCommand::of(app.words())?.binds();
    let (mut own, mut any) = (Vec::new(), false);
    for bind in &binds {
        let Bind::Tcp { host, port: bound } = bind else { continue };
        any |= bound == port && (deployment.shares_network || !is_loopback(host));
        own.push(format!("{host}:{bound}"));
    }
    if any || binds.is_empty() {
        return None;
    }
    let wanted = if deployment.shares_network { "127.0.0.1" } else { "0.0.0.0" };
    let own = if own.is_empty() { "a unix socket".into() } else { own.join(", ") };
    Some(APPLICATION_ADDRESS.finding(
        "Sideman cannot reach the application",
        format!("{seen}, and the command of {} listens on {own}", app.name),
        format!("let the application listen on {wanted}:{port}, or change SIDEMAN_UPSTREAM"),
    ))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The image has no shell and no curl.
pub(super) fn health_command(subject: &Subject<'_>) -> Option<Finding> {
    let sideman = subject.sideman;
    let [kind, program, rest @ ..] = sideman.health.as_slice() else { return None };
    if !sideman.has_own_image() {
        return None;
    }
    let is_sideman = program.rsplit('/').next() == Some("sideman");
    if kind != "CMD" || !is_sideman {
        return (kind != "NONE").then(|| {
            HEALTH_COMMAND.finding(
                "the health check of Sideman always fails",
                format!("its command is {} {program}, and the image has neither a shell nor other programs", kind),
                "use [\"CMD\", \"/sideman\", \"healthcheck\"]",
            )
        });
    }
    let [command, url] = rest else { return None };
    let plan = subject.settings.plan(&["server.listen", "health.path", "health.ready_path"])?;
    let (authority, path) = url.strip_prefix("http://")?.split_once('/')?;
    let path = format!("/{path}");
    let port: u16 = authority.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok())?;
    let knows_port = listeners(plan).any(|address| address.port() == port);
    let knows_path = [&plan.health.path, &plan.health.ready_path].contains(&&path);
    (command == "healthcheck" && !(knows_port && knows_path)).then(|| {
        HEALTH_COMMAND.finding(
            "the health check of Sideman asks at another address than its own",
            format!("its URL is {url}, health.path is {}", plan.health.path),
            "leave the URL out: sideman healthcheck finds it by the settings",
        )
    })
}

/// The load balancer checks a path that Sideman answers itself.
pub(super) fn health_path(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["health.path", "health.ready_path"])?;
    let balancer = subject.deployment.balancer.as_ref()?;
    if balancer.container != subject.sideman.name {
        return None;
    }
    let path = balancer.health_path.as_deref().unwrap_or("/");
    let own = &plan.health.path;
    if path == own || path == plan.health.ready_path {
        return None;
    }
    // A path of the application may be right, if it accepts every host there.
    let is_meant = path == "/"
        || path.trim_end_matches('/') == own.trim_end_matches('/')
        || path == "/healthz";
    is_meant.then(|| {
        HEALTH_PATH.finding(
            "the load balancer's health check goes to Django, which refuses its Host",
            format!("the path is {path}, health.path of Sideman is {own}"),
            format!("set the path of the health check to {own}"),
        )
    })
}

/// The load balancer sends requests to Sideman.
pub(super) fn balancer_target(subject: &Subject<'_>) -> Option<Finding> {
    let balancer = subject.deployment.balancer.as_ref()?;
    let name = &subject.sideman.name;
    let has_port = balancer.port.is_some_and(|port| subject.sideman.ports.contains(&port));
    if balancer.container == *name || has_port || subject.settings.is_exec {
        return None;
    }
    Some(BALANCER_TARGET.finding(
        "the load balancer sends requests past Sideman",
        format!("http.target_container is {}", balancer.container),
        format!("set target_container: {name}"),
    ))
}

/// Behind a load balancer its headers must count.
pub(super) fn trusted_proxies(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["server.trusted_proxies", "server.proxy_protocol"])?;
    subject.deployment.balancer.as_ref()?;
    (plan.server.trusted_proxies.is_empty() && plan.server.proxy_protocol.is_empty()).then(|| {
        TRUSTED_PROXIES.finding(
            "all clients have the load balancer's address, and Django takes https for http",
            "the file has a load balancer, and server.trusted_proxies is none",
            "set SIDEMAN_TRUSTED_PROXIES=alb, or to the load balancer's subnets",
        )
    })
}
