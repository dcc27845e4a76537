//! config/deploy/copilot/manifest.yml, alone and merged with each of its environments.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    example::{Balancer, Container, Example, Health, Mount, list, number, port, word},
    rules, seconds, text, yaml,
};

const FILE: &str = "config/deploy/copilot/manifest.yml";
const PATCHES: &str = "config/deploy/copilot/overrides/cfn.patches.yml";

/// The keys of an environment override those of the rest.
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

/// The containers by source: the application, those that Copilot adds, the sidecars by name.
fn place(manifest: &Value, name: &str) -> usize {
    let sidecars = manifest["sidecars"].as_object().unwrap();
    let own = ["logging", "observability"].into_iter().filter(|key| manifest[*key].is_object());
    let mut names: Vec<&String> = sidecars.keys().collect();
    names.sort();
    1 + own.count() + names.iter().position(|one| *one == name).unwrap()
}

/// The settings of cfn.patches.yml for a sidecar.
fn patches(manifest: &Value, name: &str) -> BTreeMap<String, Value> {
    let place = place(manifest, name);
    let prefix = format!("/Resources/TaskDefinition/Properties/ContainerDefinitions/{place}/");
    let patches = list(&yaml::parse(&text(PATCHES)), |patch| {
        assert_eq!(patch["op"], "add", "Copilot knows add, remove and replace");
        (word(&patch["path"]), patch["value"].clone())
    });
    patches
        .into_iter()
        .filter_map(|(path, value)| Some((path.strip_prefix(&prefix)?.to_owned(), value)))
        .collect()
}

fn sidecar(manifest: &Value, name: &str) -> Container {
    let sidecar = &manifest["sidecars"][name];
    let patches = patches(manifest, name);
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
        secrets: environment(&sidecar["secrets"]),
        command: [list(&sidecar["entrypoint"], word), list(&sidecar["command"], word)].concat(),
        health,
        ports: sidecar.get("port").map(port).into_iter().collect(),
        mounts: list(&sidecar["mount_points"], |one| Mount {
            volume: word(&one["source_volume"]),
            path: word(&one["path"]),
            is_read_only: one["read_only"] != false,
        }),
        depends: environment(&sidecar["depends_on"]).into_iter().collect(),
        is_essential: sidecar["essential"] != false,
        // The default size of Fargate.
        stop_seconds: 30,
        has_read_only_root: patches
            .get("ReadonlyRootFilesystem")
            .is_some_and(|value| *value == true),
        descriptors: None,
        memory: None,
        user: patches.get("User").map(word),
    }
}

fn example(file: String, manifest: &Value) -> Example {
    assert_eq!(manifest["type"], "Load Balanced Web Service");
    let name = word(&manifest["name"]);
    let volumes = manifest["storage"]["volumes"].as_object().unwrap();
    let app = Container {
        name,
        environment: environment(&manifest["variables"]),
        secrets: environment(&manifest["secrets"]),
        command: [list(&manifest["entrypoint"], word), list(&manifest["command"], word)].concat(),
        mounts: volumes
            .iter()
            .map(|(volume, how)| {
                // Static files belong to one task, uploads are shared by all.
                let is_shared = how["efs"] == true;
                assert_eq!(is_shared, volume == "media", "{file}: {volume}");
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
    let names = manifest["sidecars"].as_object().unwrap().keys();
    let mut containers: Vec<Container> = names.map(|name| sidecar(manifest, name)).collect();
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
fn every_environment_follows_the_rules() {
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
fn startup_has_what_the_application_has() {
    let manifest = yaml::parse(&text(FILE));
    let startup = &manifest["sidecars"]["startup"];
    assert_eq!(startup["image"]["build"], manifest["image"]["build"]);
    let secrets = manifest["secrets"].as_object().unwrap();
    for (name, parameter) in secrets {
        let expected = format!(
            "/copilot/${{COPILOT_APPLICATION_NAME}}/${{COPILOT_ENVIRONMENT_NAME}}/secrets/{name}"
        );
        assert_eq!(word(parameter), expected, "where copilot secret init puts it");
    }
    // On Fargate root owns a volume.
    let user = example(FILE.into(), &manifest).container("startup").user.clone();
    assert_eq!(user.as_deref(), Some("0"));
}

/// A value that occurs several times has the same mark everywhere.
#[test]
fn every_value_to_change_is_marked() {
    let manifest = yaml::parse(&text(FILE));
    let source = text(FILE);
    let marked = |value: &str| {
        let lines = source.lines().filter(|line| line.split('#').next().unwrap().contains(value));
        let marks: Vec<&str> = lines
            .map(|line| {
                let mark = line.split_once("# ").unwrap_or_else(|| panic!("no mark: {line}")).1;
                mark.split('.').next().unwrap()
            })
            .collect();
        assert!(
            marks.len() >= 2 && marks.iter().all(|mark| *mark == marks[0]),
            "{value}: {marks:?}"
        );
    };
    // The container has the name of the service.
    let name = word(&manifest["name"]);
    let depends = environment(&manifest["sidecars"]["sideman"]["depends_on"]);
    assert!(depends.contains_key(&name));
    for line in [format!("name: {name} "), format!("{name}: start")] {
        let line = source.lines().find(|one| one.trim().starts_with(&line)).unwrap();
        assert!(line.contains("# 1. "), "{line}");
    }
    marked("build: Dockerfile");
    for mark in ["# 3. ", "# 4. ", "# 5. ", "# 6. "] {
        assert!(source.contains(mark), "{mark}");
    }
}

#[test]
fn every_patch_is_for_a_container_of_the_manifest() {
    let manifest = yaml::parse(&text(FILE));
    let known = ["startup", "sideman"].map(|name| patches(&manifest, name).len());
    assert_eq!(known.iter().sum::<usize>(), yaml::parse(&text(PATCHES)).as_array().unwrap().len());
    // Deprecated, together with placement.
    assert!(manifest["taskdef_overrides"].is_null());
    // Copilot's own containers come before the sidecars.
    let mut logged = manifest;
    logged["logging"] = serde_json::json!({"enableMetadata": true});
    assert_eq!(["sideman", "startup"].map(|name| place(&logged, name)), [2, 3]);
}

#[test]
fn tasks_are_scaled_in_every_environment_that_people_use() {
    let manifest = yaml::parse(&text(FILE));
    let range = |count: &Value| {
        let (least, most) = count["range"].as_str().unwrap().split_once('-').unwrap();
        (least.parse::<u32>().unwrap(), most.parse::<u32>().unwrap())
    };
    for count in [&manifest["count"], &manifest["environments"]["production"]["count"]] {
        let (least, most) = range(count);
        assert!(least >= 2 && most > least, "{count}");
    }
    assert!(number(&manifest["count"]["cpu_percentage"]) <= 75);
}
