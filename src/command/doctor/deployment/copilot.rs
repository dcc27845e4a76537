//! Reads a manifest of AWS Copilot: alone, and with the changes of each environment.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::Value;

use super::{
    expand::Values,
    facts::{Balancer, Container, Dependency, Deployment, DeploymentKind, Mount, Volume},
    read_json::{at, flag, list, number, pairs, time, variables, word, words},
    yaml,
};

/// The time that ECS gives a container to stop.
const STOP: Duration = Duration::from_secs(30);
/// Copilot's default.
const DEREGISTRATION_DELAY: Duration = Duration::from_secs(60);

/// Reads the file's text. Files in `overrides` beside it may change times and limits.
pub(super) fn read(text: &str, path: &Path) -> Result<Vec<Deployment>, String> {
    let file = &yaml::parse(text)?;
    let name = word(at(file, "name")).ok_or("name is missing: give a manifest of Copilot")?;
    let is_changed = !at(file, "taskdef_overrides").is_null()
        || fs::metadata(path.with_file_name("overrides")).is_ok();
    let alone = deployment(file, &name, is_changed);
    let environments = pairs(at(file, "environments")).map(|(environment, change)| {
        let mut file = file.clone();
        overlay(&mut file, change);
        let changed = deployment(&file, &name, is_changed);
        Deployment { environment: Some(environment.clone()), ..changed }
    });
    Ok([alone].into_iter().chain(environments).collect())
}

/// The keys of an environment override those of the rest.
fn overlay(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                overlay(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (below, above) => *below = above.clone(),
    }
}

fn deployment(file: &Value, name: &str, is_changed: bool) -> Deployment {
    let mut containers = vec![main(file, name)];
    containers.extend(pairs(at(file, "sidecars")).map(sidecar));
    for container in &mut containers {
        container.stop = (!is_changed).then_some(STOP);
    }
    let volumes = pairs(at(file, "storage.volumes")).map(|(name, volume)| Volume {
        name: name.clone(),
        is_private: !flag(at(volume, "efs"), false),
    });
    Deployment {
        kind: DeploymentKind::Copilot,
        containers,
        volumes: volumes.collect(),
        shares_network: true,
        has_other_names: true,
        is_partial: false,
        environment: None,
        balancer: balancer(file, name),
        memory: number(at(file, "memory")).map(|mebibytes| mebibytes.saturating_mul(1 << 20)),
    }
}

/// The container that the manifest itself describes.
fn main(file: &Value, name: &str) -> Container {
    let volumes = pairs(at(file, "storage.volumes"));
    let mount = |(name, volume): (&String, &Value)| {
        Some(Mount {
            volume: Some(name.clone()),
            path: word(at(volume, "path"))?,
            is_read_only: flag(at(volume, "read_only"), true),
        })
    };
    Container {
        name: name.to_owned(),
        image: word(at(file, "image.location")).unwrap_or_default(),
        ports: number(at(file, "image.port"))
            .and_then(|port| u16::try_from(port).ok())
            .into_iter()
            .collect(),
        health: words(at(file, "image.healthcheck.command")),
        depends: depends(at(file, "image.depends_on")),
        mounts: volumes.filter_map(mount).collect(),
        is_essential: true,
        ..shared(file)
    }
}

fn sidecar((name, sidecar): (&String, &Value)) -> Container {
    let mount = |one: &Value| {
        Some(Mount {
            volume: word(at(one, "source_volume")),
            path: word(at(one, "path"))?,
            is_read_only: flag(at(one, "read_only"), true),
        })
    };
    let image = at(sidecar, "image");
    Container {
        name: name.clone(),
        image: word(image).or_else(|| word(at(image, "location"))).unwrap_or_default(),
        ports: word(at(sidecar, "port"))
            .and_then(|port| port.split('/').next()?.parse().ok())
            .into_iter()
            .collect(),
        health: words(at(sidecar, "healthcheck.command")),
        depends: depends(at(sidecar, "depends_on")),
        mounts: list(at(sidecar, "mount_points")).iter().filter_map(mount).collect(),
        is_essential: *at(sidecar, "essential") != false,
        ..shared(sidecar)
    }
}

/// Reads the keys that the main container and sidecars share.
fn shared(value: &Value) -> Container {
    let secrets = pairs(at(value, "secrets")).map(|(name, _)| (name.clone(), None));
    // Variables of Copilot are known in the cloud only.
    let given = variables(&Values::default().expand(at(value, "variables").clone()));
    let all: BTreeMap<String, Option<String>> = given.into_iter().chain(secrets).collect();
    Container {
        variables: all,
        has_more_variables: !at(value, "env_file").is_null(),
        entry_point: words(at(value, "entrypoint")),
        command: words(at(value, "command")),
        ..Container::default()
    }
}

fn depends(value: &Value) -> Vec<Dependency> {
    let one = |(on, how): (&String, &Value)| Dependency {
        on: on.clone(),
        until_end: word(how)
            .is_some_and(|how| matches!(how.to_lowercase().as_str(), "success" | "complete")),
    };
    pairs(value).map(one).collect()
}

/// A load balanced service has one, unless it is turned off.
fn balancer(file: &Value, name: &str) -> Option<Balancer> {
    let http = at(file, "http");
    if *at(file, "type") != "Load Balanced Web Service" || !http.is_object() {
        return None;
    }
    let target = word(at(http, "target_container")).or_else(|| word(at(http, "targetContainer")));
    let check = at(http, "healthcheck");
    Some(Balancer {
        container: target.unwrap_or_else(|| name.to_owned()),
        port: number(at(http, "target_port")).and_then(|port| u16::try_from(port).ok()),
        health_path: word(check).or_else(|| word(at(check, "path"))),
        deregistration: match http.get("deregistration_delay") {
            None => Some(DEREGISTRATION_DELAY),
            Some(value) => time(value),
        },
    })
}
