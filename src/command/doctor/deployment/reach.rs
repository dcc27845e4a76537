//! Checks addresses and ports: clients and the load balancer must reach Sideman, and Sideman the application.

use std::net::{IpAddr, SocketAddr};

use super::{
    facts::DeploymentKind,
    listeners::listeners,
    subject::{Subject, is_loopback},
};
use crate::{
    command::doctor::server_command::Bind,
    finding::{Check, Finding, Severity},
    plan::UpstreamTarget,
};

const APPLICATION_PAGE: &str = "docs/troubleshooting.md#502";

pub(in crate::command::doctor) static LISTEN_PORT: Check = Check {
    id: "listen-port",
    severity: Severity::Error,
    page: "docs/ecs.md#other-settings-in-the-files",
};
pub(in crate::command::doctor) static APPLICATION_ADDRESS: Check =
    Check { id: "application-address", severity: Severity::Error, page: APPLICATION_PAGE };
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
    let listening: Vec<SocketAddr> = listeners(plan).collect();
    let shown = || listening.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if sideman.ports.is_empty() || listening.is_empty() {
        return None;
    }
    let name = &sideman.name;
    let is_wrong = |port: &&u16| {
        // The admin listener may be published too.
        let mut own = listening.iter().chain(&plan.admin.listen);
        !own.any(|one| one.port() == **port)
    };
    // Another program may listen in the same image or network, such as a debugger.
    let is_alone = sideman.has_own_image()
        && !subject.deployment.borrows_network()
        && subject.settings.plan(&["admin.listen"]).is_some();
    if let Some(port) = sideman.ports.iter().find(is_wrong).filter(|_| is_alone) {
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

/// The application must listen where Sideman connects.
pub(super) fn application_address(subject: &Subject<'_>) -> Option<Finding> {
    subject.targets().iter().find_map(|target| of_target(subject, target))
}

fn of_target(subject: &Subject<'_>, target: &UpstreamTarget) -> Option<Finding> {
    let UpstreamTarget::Tcp { host, port } = target else { return None };
    let (deployment, sideman) = (subject.deployment, subject.sideman);
    let seen = format!("SIDEMAN_UPSTREAM of {} leads to {host}:{port}", sideman.name);
    if !deployment.shares_network && !deployment.borrows_network() && !deployment.is_partial {
        if is_loopback(host) {
            let others = deployment.others(&sideman.name);
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
                "name the service of the application; if it is in another file, check the output of docker compose config",
            ));
        }
    }
    let app = subject.application_at(target)?;
    let binds = app.server()?.binds();
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
