//! One container of Sideman in a deployment, with its settings and its application: what the checks look at.

use crate::{
    command::doctor::server_command::{Bind, ServerCommand},
    plan::UpstreamTarget,
};

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
        let settings = ContainerSettings::read(sideman);
        let application = match settings.is_exec {
            true => None,
            false => application(deployment, sideman, &settings),
        };
        Self { deployment, sideman, settings, application }
    }

    /// The addresses of the application, if they are in the file.
    pub(super) fn targets(&self) -> &[UpstreamTarget] {
        let plan = self.settings.plan(&["upstream.url"]).filter(|_| !self.settings.is_exec);
        plan.map(|plan| plan.upstream.targets.as_slice()).unwrap_or_default()
    }
}

/// Finds the container of the application.
fn application<'a>(
    deployment: &'a Deployment,
    sideman: &Container,
    settings: &ContainerSettings,
) -> Option<&'a Container> {
    let plan = settings.plan(&["upstream.url"])?;
    let others = || deployment.containers.iter().filter(|one| one.name != sideman.name);
    let target = plan.upstream.targets.first();
    if let Some(UpstreamTarget::Tcp { host, port }) = target {
        if !deployment.shares_network {
            return deployment.container(host).filter(|one| one.name != sideman.name);
        }
        let listens = |one: &&Container| {
            let binds =
                ServerCommand::of(one.words()).map(|command| command.binds()).unwrap_or_default();
            binds.iter().any(|bind| matches!(bind, Bind::Tcp { port: own, .. } if own == port))
        };
        if let Some(found) = others().find(listens) {
            return Some(found);
        }
    }
    let mut essential = others().filter(|one| one.is_essential && !ends_early(deployment, one));
    match (essential.next(), essential.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Whether another container waits for the end of this one.
fn ends_early(deployment: &Deployment, container: &Container) -> bool {
    let depends = deployment.containers.iter().flat_map(|one| &one.depends);
    depends.into_iter().any(|dependency| dependency.until_end && dependency.on == container.name)
}
