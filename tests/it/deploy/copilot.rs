//! config/deploy/copilot/manifest.yml, by itself and as each of its environments has it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    example::{Balancer, Container, Example, Health, Mount, list, number, port, word},
    rules, seconds, text, yaml,
};

const FILE: &str = "config/deploy/copilot/manifest.yml";

/// What an environment says lies above the rest, key by key.
fn overlay(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                overlay(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

fn environment(value: &Value) -> BTreeMap<String, String> {
    value.as_object().into_iter().flatten().map(|(key, one)| (key.clone(), word(one))).collect()
}

/// What the rules of `taskdef_overrides` set for the container of that number.
fn overrides(manifest: &Value, index: usize) -> BTreeMap<String, Value> {
    let prefix = format!("ContainerDefinitions[{index}].");
    let rules =
        list(&manifest["taskdef_overrides"], |rule| (word(&rule["path"]), rule["value"].clone()));
    rules
        .into_iter()
        .filter_map(|(path, value)| Some((path.strip_prefix(&prefix)?.to_owned(), value)))
        .collect()
}

fn sidecar(manifest: &Value, index: usize, name: &str) -> Container {
    let sidecar = &manifest["sidecars"][name];
    let overrides = overrides(manifest, index);
    let health = sidecar.get("healthcheck").map(|check| Health {
        command: list(&check["command"], word),
        interval: seconds(&word(&check["interval"])),
        timeout: seconds(&word(&check["timeout"])),
        retries: number(&check["retries"]),
        start: seconds(&word(&check["start_period"])),
    });
    Container {
        name: name.to_owned(),
        environment: environment(&sidecar["variables"]),
        command: list(&sidecar["command"], word).join(" "),
        health,
        ports: sidecar.get("port").map(port).into_iter().collect(),
        mounts: list(&sidecar["mount_points"], |one| Mount {
            volume: word(&one["source_volume"]),
            path: word(&one["path"]),
            is_read_only: one["read_only"] != false,
        }),
        depends: environment(&sidecar["depends_on"]).into_iter().collect(),
        is_essential: sidecar["essential"] != false,
        stop_seconds: overrides.get("StopTimeout").map_or(30, number),
        has_read_only_root: overrides
            .get("ReadonlyRootFilesystem")
            .is_some_and(|value| *value == true),
        descriptors: overrides.get("Ulimits[-]").map(|one| number(&one["SoftLimit"])),
        memory: None,
        user: overrides.get("User").map(word),
    }
}

fn example(file: String, manifest: &Value) -> Example {
    assert_eq!(manifest["type"], "Load Balanced Web Service");
    let name = word(&manifest["name"]);
    let volumes = manifest["storage"]["volumes"].as_object().unwrap();
    let app = Container {
        name,
        environment: environment(&manifest["variables"]),
        mounts: volumes
            .iter()
            .map(|(volume, how)| {
                // With it the files would lie on a network file system.
                assert!(how.get("efs").is_none(), "{file}: {volume} is not of the task");
                Mount {
                    volume: volume.clone(),
                    path: word(&how["path"]),
                    is_read_only: how["read_only"] != false,
                }
            })
            .collect(),
        depends: environment(&manifest["image"]["depends_on"]).into_iter().collect(),
        is_essential: true,
        stop_seconds: 30,
        ..Container::default()
    };
    let (bind, _) = rules::gunicorn(&app);
    assert!(
        bind.ends_with(&format!(":{}", number(&manifest["image"]["port"]))),
        "{file}: image.port"
    );
    // Copilot puts the sidecars behind the application, in the order of their names.
    let mut names: Vec<&String> = manifest["sidecars"].as_object().unwrap().keys().collect();
    names.sort();
    let sidecars = names.iter().enumerate().map(|(at, name)| sidecar(manifest, at + 1, name));
    let mut containers: Vec<Container> = sidecars.collect();
    let http = &manifest["http"];
    let check = &http["healthcheck"];
    let target = word(&http["target_container"]);
    let balancer = Balancer {
        port: containers.iter().find(|one| one.name == target).unwrap().ports[0],
        container: target,
        path: word(&check["path"]),
        codes: word(&check["success_codes"]),
        interval: seconds(&word(&check["interval"])),
        timeout: seconds(&word(&check["timeout"])),
        deregistration: seconds(&word(&http["deregistration_delay"])),
        grace: seconds(&word(&check["grace_period"])),
    };
    assert_eq!(http["path"], "/", "{file}");
    containers.push(app);
    Example { file, containers, balancer: Some(balancer) }
}

#[test]
fn every_environment() {
    let manifest = yaml::parse(&text(FILE));
    rules::check(&example(FILE.into(), &manifest), "site");
    let environments = manifest["environments"].as_object().unwrap();
    assert!(environments.len() >= 2);
    for (name, above) in environments {
        let mut whole = manifest.clone();
        overlay(&mut whole, above);
        rules::check(&example(format!("{FILE} in {name}"), &whole), "site");
    }
}

#[test]
fn whoever_runs_the_application_has_its_secrets() {
    let manifest = yaml::parse(&text(FILE));
    let secrets = manifest["secrets"].as_object().unwrap();
    assert_eq!(manifest["sidecars"]["startup"]["secrets"].as_object(), Some(secrets));
    assert_eq!(manifest["sidecars"]["startup"]["image"]["build"], manifest["image"]["build"]);
    for (name, parameter) in secrets {
        let expected = format!(
            "/copilot/${{COPILOT_APPLICATION_NAME}}/${{COPILOT_ENVIRONMENT_NAME}}/secrets/{name}"
        );
        assert_eq!(word(parameter), expected, "where copilot secret init puts it");
    }
    // On Fargate a volume belongs to root.
    let user = example(FILE.into(), &manifest).container("startup").user.clone();
    assert_eq!(user.as_deref(), Some("0"));
}
