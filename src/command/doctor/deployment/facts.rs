//! A deployment as its file describes it: containers, volumes and the load balancer, in one form for all kinds of
//! files.

use std::{collections::BTreeMap, path::Path, time::Duration};

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
    /// Whether it uses the network of another container.
    pub(super) borrows_network: bool,
    /// Empty if it is that of the image.
    pub(super) entry_point: Vec<String>,
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
    /// The volume's name; `None` is a directory of the host.
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
    pub(super) fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|one| one.name == name || one.aliases.iter().any(|a| a == name))
    }

    /// Returns the containers that run Sideman.
    pub(super) fn sidemen(&self) -> Vec<&Container> {
        let with = |is_it: fn(&Container) -> bool| {
            self.containers.iter().filter(|one| is_it(one)).collect::<Vec<_>>()
        };
        let certain = with(|one| one.has_own_image() || one.has_settings() || one.runs_sideman());
        if certain.is_empty() { with(|one| one.name == "sideman") } else { certain }
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
    /// Whether the image's name is that of Sideman's own, which has no shell and no files of the site.
    pub(super) fn has_own_image(&self) -> bool {
        let image = self.image.split('@').next().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split(':').next() == Some("sideman")
    }

    fn has_settings(&self) -> bool {
        self.variables.keys().any(|name| name.to_ascii_uppercase().starts_with("SIDEMAN_"))
    }

    fn runs_sideman(&self) -> bool {
        self.words().iter().take(2).any(|word| word.rsplit('/').next() == Some("sideman"))
    }

    /// The whole command, or nothing if a part of it is in the image.
    pub(super) fn words(&self) -> Vec<String> {
        [self.entry_point.as_slice(), self.command.as_slice()].concat()
    }

    /// Returns the mount that a path is in, the innermost one.
    pub(super) fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let above = self.mounts.iter().filter(|mount| path.starts_with(&mount.path));
        above.max_by_key(|mount| mount.path.len())
    }
}
