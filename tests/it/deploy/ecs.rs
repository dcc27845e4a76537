//! config/deploy/ecs/*.json: task definitions as `aws ecs register-task-definition` takes them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    example::{Container, Example, Health, Mount, list, number, port, word},
    rules, text,
};

/// Fields that the API knows, as far as they are used.
const FIELDS: [&str; 20] = [
    "command",
    "dependsOn",
    "entryPoint",
    "environment",
    "essential",
    "healthCheck",
    "image",
    "linuxParameters",
    "logConfiguration",
    "memory",
    "mountPoints",
    "name",
    "portMappings",
    "readonlyRootFilesystem",
    "secrets",
    "stopTimeout",
    "ulimits",
    "user",
    "cpu",
    "dockerLabels",
];

/// The containers of a task definition, and that it is one.
#[track_caller]
pub(super) fn containers(file: &str, task: &Value) -> Vec<Container> {
    assert_eq!(task["networkMode"], "awsvpc", "{file}: the containers share an address");
    assert_eq!(task["requiresCompatibilities"], serde_json::json!(["FARGATE"]), "{file}");
    assert!(task["executionRoleArn"].is_string(), "{file}: nobody may fetch images");
    let volumes: BTreeSet<String> =
        list(&task["volumes"], |one| word(&one["name"])).into_iter().collect();
    let definitions = list(&task["containerDefinitions"], Clone::clone);
    let memory: u64 = definitions.iter().filter_map(|one| one.get("memory")).map(number).sum();
    assert!(memory < number(&task["memory"]), "{file}: the application has no memory left");
    for definition in &definitions {
        for field in definition.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&field.as_str()), "{file}: {field}");
        }
        assert_eq!(definition["logConfiguration"]["logDriver"], "awslogs", "{file}");
        let mounts = list(&definition["mountPoints"], |one| word(&one["sourceVolume"]));
        assert!(mounts.iter().all(|one| volumes.contains(one)), "{file}: {mounts:?}");
        assert!(definition["image"].is_string(), "{file}");
    }
    // On Fargate a volume belongs to root, unless the image has a VOLUME at its path.
    let startup = definitions.iter().find(|one| one["name"] == "startup").unwrap();
    assert_eq!(startup["user"], "0", "{file}: startup can't write to the volume");
    let sideman = definitions.iter().find(|one| one["name"] == "sideman").unwrap();
    let dropped = &sideman["linuxParameters"]["capabilities"]["drop"];
    assert_eq!(*dropped, serde_json::json!(["ALL"]), "{file}");
    definitions.iter().map(container).collect()
}

fn container(definition: &Value) -> Container {
    let health = definition.get("healthCheck").map(|check| Health {
        command: list(&check["command"], word),
        interval: number(&check["interval"]),
        timeout: number(&check["timeout"]),
        retries: number(&check["retries"]),
        start: number(&check["startPeriod"]),
    });
    let stop_seconds = definition.get("stopTimeout").map_or(30, number);
    // The most that Fargate allows.
    assert!(stop_seconds <= 120, "stopTimeout");
    Container {
        name: word(&definition["name"]),
        environment: list(&definition["environment"], |one| {
            (word(&one["name"]), word(&one["value"]))
        })
        .into_iter()
        .collect(),
        command: list(&definition["command"], word).join(" "),
        health,
        ports: list(&definition["portMappings"], |one| port(&one["containerPort"])),
        mounts: list(&definition["mountPoints"], |one| Mount {
            volume: word(&one["sourceVolume"]),
            path: word(&one["containerPath"]),
            is_read_only: one["readOnly"] == true,
        }),
        depends: list(&definition["dependsOn"], |one| {
            (word(&one["containerName"]), word(&one["condition"]).to_ascii_lowercase())
        }),
        is_essential: definition["essential"] != false,
        stop_seconds,
        has_read_only_root: definition["readonlyRootFilesystem"] == true,
        descriptors: list(&definition["ulimits"], Clone::clone)
            .iter()
            .find(|one| one["name"] == "nofile")
            .map(|one| number(&one["softLimit"]).min(number(&one["hardLimit"]))),
        memory: definition.get("memory").map(|mebibytes| number(mebibytes) << 20),
        user: definition["user"].as_str().map(str::to_owned),
    }
}

#[track_caller]
fn check(name: &str) -> Value {
    let file = format!("config/deploy/ecs/{name}.json");
    let task: Value = serde_json::from_str(&text(&file)).unwrap();
    let containers = containers(&file, &task);
    // The balancer belongs to the service; who is believed is the same.
    let mut example = Example { file, containers, balancer: None };
    example.balancer = Some(super::cloudformation::balancer());
    rules::check(&example, "app");
    task
}

#[test]
fn task_definitions() {
    let (gunicorn, uwsgi) = (check("gunicorn"), check("uwsgi"));
    // They differ in what speaks to whom, and in nothing else.
    let without = |mut task: Value| {
        for container in task["containerDefinitions"].as_array_mut().unwrap() {
            container.as_object_mut().unwrap().remove("environment");
        }
        task
    };
    assert_eq!(without(gunicorn), without(uwsgi));
}
