//! A deployment as its file describes it: containers, volumes and the load balancer, in one form for all kinds of
//! files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::sideman_command::{self, last_part};
use crate::command::doctor::server_command::ServerCommand;

/// Variables that say to other programs where Sideman's admin listener is.
const OF_OTHERS: [&str; 2] = ["SIDEMAN_ADMIN", "SIDEMAN_ADMIN__LISTEN"];

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command::doctor) enum DeploymentKind {
    /// A task definition of Amazon ECS.
    TaskDefinition,
    /// A file of docker compose.
    Compose,
    /// A manifest of AWS Copilot.
    Copilot,
}

/// The containers and volumes that a file describes.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) kind: DeploymentKind,
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
    /// Whether all containers share the loopback.
    pub(super) shares_network: bool,
    /// Whether other containers than these may be reached by name.
    pub(super) has_other_names: bool,
    /// Whether other files may add to these containers, or have more containers.
    pub(super) is_partial: bool,
    /// The environment of Copilot whose changes are included.
    pub(super) environment: Option<String>,
    pub(super) balancer: Option<Balancer>,
    /// The limit of all containers together, in bytes.
    pub(super) memory: Option<u64>,
}

/// One container.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) name: String,
    /// Further names by which other containers reach it.
    pub(super) aliases: Vec<String>,
    pub(super) image: String,
    /// `None` is a value that is not in the file, such as a secret.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// Whether there may be more variables, from another file.
    pub(super) has_more_variables: bool,
    /// Whether another service, perhaps of another file, may set what is missing here.
    pub(super) inherits: bool,
    /// Whether its image is built from a file of its own.
    pub(super) is_built: bool,
    /// Whether there may be more mounts than these.
    pub(super) has_more_mounts: bool,
    /// Whether it uses the network of another container.
    pub(super) borrows_network: bool,
    /// Empty if it is that of the image, or none.
    pub(super) entry_point: Vec<String>,
    /// Whether it has none, not even that of the image.
    pub(super) has_no_entry_point: bool,
    /// Empty if it is that of the image.
    pub(super) command: Vec<String>,
    /// The command of the health check.
    pub(super) health: Vec<String>,
    /// Ports in the container that can be reached from outside.
    pub(super) ports: Vec<u16>,
    pub(super) mounts: Vec<Mount>,
    /// Directories in memory.
    pub(super) in_memory: Vec<String>,
    pub(super) depends: Vec<Dependency>,
    pub(super) is_essential: bool,
    /// How long it may take to stop.
    pub(super) stop: Option<Duration>,
    pub(super) memory: Option<u64>,
    pub(super) descriptors: Option<u64>,
}

/// A volume in a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The volume's name; `None` is a directory of the host, or unknown.
    pub(super) volume: Option<String>,
    pub(super) path: String,
    pub(super) is_read_only: bool,
}

/// A volume of the deployment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) name: String,
    /// Whether only these containers can fill it.
    pub(super) is_private: bool,
}

/// A container that starts before, and stops after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) on: String,
    /// Whether it is awaited to the end.
    pub(super) until_end: bool,
}

/// A load balancer that the file describes.
#[derive(Debug)]
pub(super) struct Balancer {
    /// The container that it sends requests to.
    pub(super) container: String,
    pub(super) port: Option<u16>,
    pub(super) health_path: Option<String>,
    pub(super) deregistration: Option<Duration>,
}

// === impl Deployment ===

impl Deployment {
    /// Finds a container by a name of the network, which has no case.
    pub(super) fn container(&self, name: &str) -> Option<&Container> {
        let of_compose = service_of(name);
        let is_it = |own: &String| {
            let is_end = |rest: &str| rest.is_empty() || rest.ends_with(['-', '_']);
            let of_compose = of_compose.and_then(|service| service.strip_suffix(own.as_str()));
            own.eq_ignore_ascii_case(name) || of_compose.is_some_and(is_end)
        };
        self.containers.iter().find(|one| is_it(&one.name) || one.aliases.iter().any(is_it))
    }

    /// Whether a container uses the network of another one, so that they share the loopback.
    pub(super) fn borrows_network(&self) -> bool {
        self.containers.iter().any(|one| one.borrows_network)
    }

    /// Whether a volume has only what these containers write.
    pub(super) fn is_private(&self, volume: &str) -> bool {
        self.volumes.iter().any(|one| one.name == volume && one.is_private) && !self.is_partial
    }

    /// Returns the containers except for one.
    pub(super) fn others<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().filter(move |one| one.name != name)
    }

    /// Returns the containers that run Sideman.
    pub(super) fn sidemen(&self) -> Vec<&Container> {
        let with = |is_it: fn(&Container) -> bool| {
            self.containers.iter().filter(|one| is_it(one)).collect::<Vec<_>>()
        };
        let certain = with(|one| one.is_named_sideman() || one.runs_sideman());
        let likely = || with(Container::has_settings);
        let all = [certain, likely(), with(|one| one.name == "sideman")];
        all.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// Whether `first` is among the dependencies of `then`, directly or through others.
    pub(super) fn is_ordered(&self, first: &str, then: &str) -> bool {
        let mut known = vec![then];
        let mut next = 0;
        while let Some(name) = known.get(next) {
            next += 1;
            let depends =
                self.container(name).map(|one| one.depends.as_slice()).unwrap_or_default();
            for dependency in depends {
                if dependency.on == first {
                    return true;
                }
                if !known.contains(&dependency.on.as_str()) {
                    known.push(&dependency.on);
                }
            }
        }
        false
    }
}

// === impl Container ===

impl Container {
    /// Whether the image has the name of Sideman's own, or is derived from it.
    pub(super) fn is_named_sideman(&self) -> bool {
        let image = self.image.split('@').next().unwrap_or_default();
        last_part(image).split(':').next() == Some("sideman")
    }

    /// Whether the image is Sideman's own, which has no shell, no application and no files of the site.
    pub(super) fn has_own_image(&self) -> bool {
        let starts_application = || self.words().iter().any(|word| word == "exec");
        self.is_named_sideman() && !self.is_built && !self.inherits && !starts_application()
    }

    fn has_settings(&self) -> bool {
        let is_setting = |name: &String| {
            let name = name.to_ascii_uppercase();
            name.starts_with("SIDEMAN_") && !OF_OTHERS.contains(&name.as_str())
        };
        self.variables.keys().any(is_setting)
    }

    /// Whether the command starts Sideman. One that is hidden, or has its name, does if there are settings as well.
    fn runs_sideman(&self) -> bool {
        let words = self.words();
        let may_run = words.is_empty() || words.iter().any(|word| word.contains("sideman"));
        sideman_command::find(&words).is_some() || (may_run && self.has_settings())
    }

    /// Returns the application server that the command starts, if it is known.
    pub(super) fn server(&self) -> Option<ServerCommand> {
        Some(ServerCommand::of(self.words())?.with_variables(&self.variables))
    }

    /// The whole command, or nothing if a part of it is in the image.
    pub(super) fn words(&self) -> Vec<String> {
        [self.entry_point.as_slice(), self.command.as_slice()].concat()
    }

    /// Returns the mount that a path is in, the innermost one.
    pub(super) fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let above = self.mounts.iter().filter(|mount| mount.rest_of(path).is_some());
        above.max_by_key(|mount| mount.path.len())
    }

    /// Whether a volume is mounted in it, as far as its mounts are known.
    pub(super) fn has_volume(&self, volume: &str) -> bool {
        self.mounts.iter().any(|mount| mount.volume.as_deref() == Some(volume))
    }
}

// === impl Mount ===

impl Mount {
    /// Returns the part of a path below the mount.
    pub(super) fn rest_of(&self, path: &Path) -> Option<PathBuf> {
        real(path).strip_prefix(real(Path::new(&self.path))).ok().map(Path::to_owned)
    }
}

/// Follows the link `/var/run` that images have.
fn real(path: &Path) -> PathBuf {
    match path.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => path.to_owned(),
    }
}

/// Returns `project-service` of the name `project-service-1` that docker compose gives a container.
fn service_of(name: &str) -> Option<&str> {
    let service = name.trim_end_matches(|c: char| c.is_ascii_digit());
    service.strip_suffix(['-', '_']).filter(|_| service.len() < name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_may_be_those_of_docker_compose() {
        assert_eq!(service_of("site-web-1"), Some("site-web"));
        assert_eq!(service_of("site_web_12"), Some("site_web"));
        assert_eq!(service_of("web1"), None);
        assert_eq!(service_of("site-web"), None);
    }
}
