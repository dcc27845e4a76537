//! One container of Sideman in a deployment, with its settings and its application: what the checks look at.

use std::net::IpAddr;

use crate::{command::doctor::server_command::Bind, plan::UpstreamTarget};

use super::{
    container_settings::ContainerSettings,
    facts::{Container, Deployment},
};

/// What the checks look at.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) sideman: &'a Container,
    pub(super) settings: ContainerSettings,
    /// The application's container, if it is certain which one that is.
    pub(super) application: Option<&'a Container>,
}

// === impl Subject ===

impl<'a> Subject<'a> {
    pub(super) fn new(deployment: &'a Deployment, sideman: &'a Container) -> Self {
        let settings = ContainerSettings::read(sideman, deployment.kind);
        let mut subject = Self { deployment, sideman, settings, application: None };
        subject.application =
            subject.targets().first().and_then(|target| subject.application_at(target));
        subject
    }

    /// The addresses of the application, if they are in the file.
    pub(super) fn targets(&self) -> &[UpstreamTarget] {
        let plan = self.settings.plan(&["upstream.url"]).filter(|_| !self.settings.is_exec);
        plan.map(|plan| plan.upstream.targets.as_slice()).unwrap_or_default()
    }

    /// Finds the container that an address leads to, if that is certain.
    pub(super) fn application_at(&self, target: &UpstreamTarget) -> Option<&'a Container> {
        let (deployment, sideman) = (self.deployment, self.sideman);
        let others = || deployment.containers.iter().filter(|one| one.name != sideman.name);
        let essential = || others().filter(|one| one.is_essential && !ends_early(deployment, one));
        let binds = |container: &Container, is_it: &dyn Fn(&Bind) -> bool| {
            let server = container.server();
            server.is_some_and(|server| server.binds().iter().any(is_it))
        };
        match target {
            UpstreamTarget::Tcp { host, .. } if !deployment.shares_network => {
                deployment.container(host).filter(|one| one.name != sideman.name)
            }
            UpstreamTarget::Tcp { host, port } if is_loopback(host) => {
                let is_at =
                    |bind: &Bind| matches!(bind, Bind::Tcp { port: own, .. } if own == port);
                others().find(|one| binds(one, &is_at)).or_else(|| only(essential()))
            }
            // It may be anywhere.
            UpstreamTarget::Tcp { .. } => None,
            UpstreamTarget::Unix(path) => {
                let volume = sideman.mount_of(path)?.volume.as_deref()?;
                let sharing = || essential().filter(|one| one.has_volume(volume));
                let is_socket = |bind: &Bind| matches!(bind, Bind::Unix(_));
                only(sharing().filter(|one| binds(one, &is_socket))).or_else(|| only(sharing()))
            }
        }
    }
}

/// Whether an address can be reached in the same container only.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn only<'a>(mut containers: impl Iterator<Item = &'a Container>) -> Option<&'a Container> {
    containers.next().filter(|_| containers.next().is_none())
}

/// Whether another container waits for the end of this one.
fn ends_early(deployment: &Deployment, container: &Container) -> bool {
    let depends = deployment.containers.iter().flat_map(|one| &one.depends);
    depends.into_iter().any(|dependency| dependency.until_end && dependency.on == container.name)
}
