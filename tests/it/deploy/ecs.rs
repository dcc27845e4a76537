//! config/deploy/ecs/*.json: task definitions as `aws ecs register-task-definition` accepts them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    example::{Container, Example, Health, Mount, list, number, port, word},
    rules, text,
};

/// The containers of a task definition, after checks of the task itself.
#[track_caller]
pub(super) fn containers(file: &str, task: &Value) -> Vec<Container> {
    assert_eq!(task["networkMode"], "awsvpc", "{file}: the containers share an address");
    assert_eq!(task["requiresCompatibilities"], serde_json::json!(["FARGATE"]), "{file}");
    assert!(task["executionRoleArn"].is_string(), "{file}: nobody may fetch images");
    for field in ["cpu", "memory"] {
        assert!(task[field].is_string(), "{file}: {field}");
    }
    assert!(task["runtimePlatform"]["cpuArchitecture"].is_string(), "{file}: the processor");
    let volumes: BTreeSet<String> =
        list(&task["volumes"], |one| word(&one["name"])).into_iter().collect();
    let definitions = list(&task["containerDefinitions"], Clone::clone);
    let memory: u64 = definitions.iter().filter_map(|one| one.get("memory")).map(number).sum();
    assert!(memory < number(&task["memory"]), "{file}: the application has no memory left");
    for definition in &definitions {
        check_log(file, definition);
        let mounts = list(&definition["mountPoints"], |one| word(&one["sourceVolume"]));
        assert!(mounts.iter().all(|one| volumes.contains(one)), "{file}: {mounts:?}");
        assert!(definition["image"].is_string(), "{file}");
    }
    // On Fargate root owns a volume, unless the image has a VOLUME at its path.
    let startup = definitions.iter().find(|one| one["name"] == "startup").unwrap();
    assert_eq!(startup["user"], "0", "{file}: startup cannot write to the volume");
    let sideman = definitions.iter().find(|one| one["name"] == "sideman").unwrap();
    // Larger bodies are spilled to a volume that startup makes writable for every user.
    let spool = |one: &&Value| one["sourceVolume"] == "spool";
    let path = |container: &Value| {
        let mounts = container["mountPoints"].as_array().unwrap();
        word(&mounts.iter().find(spool).unwrap_or_else(|| panic!("{file}"))["containerPath"])
    };
    let opened = format!("chmod 1777 {} ", path(startup));
    assert!(word(&startup["command"][0]).contains(&opened), "{file}: {opened}");
    assert_eq!(path(sideman), "/tmp", "{file}");
    let dropped = &sideman["linuxParameters"]["capabilities"]["drop"];
    assert_eq!(*dropped, serde_json::json!(["ALL"]), "{file}");
    definitions.iter().map(container).collect()
}

/// The driver's default mode has changed once, and each account can change it.
pub(super) fn check_log(file: &str, definition: &Value) {
    let (name, log) = (&definition["name"], &definition["logConfiguration"]);
    assert_eq!(log["logDriver"], "awslogs", "{file}: {name}");
    let options = &log["options"];
    // Sideman never blocks on its log and counts dropped lines; other containers have no such protection.
    let mode = if name == "sideman" { "blocking" } else { "non-blocking" };
    assert_eq!(options["mode"], mode, "{file}: {name}");
    assert_eq!(options["max-buffer-size"].is_string(), mode == "non-blocking", "{file}: {name}");
    // The managed policy of the execution role lacks logs:CreateLogGroup.
    assert!(options["awslogs-create-group"].is_null(), "{file}: {name}");
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
    // The maximum of Fargate.
    assert!(stop_seconds <= 120, "stopTimeout");
    Container {
        name: word(&definition["name"]),
        environment: list(&definition["environment"], |one| {
            (word(&one["name"]), word(&one["value"]))
        })
        .into_iter()
        .collect(),
        secrets: list(&definition["secrets"], |one| (word(&one["name"]), word(&one["valueFrom"])))
            .into_iter()
            .collect(),
        command: [list(&definition["entryPoint"], word), list(&definition["command"], word)]
            .concat(),
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
    // The load balancer belongs to the service; the trusted proxies are the same.
    let mut example = Example { file, containers, balancer: None };
    example.balancer = Some(super::cloudformation::balancer());
    rules::check(&example, "app");
    task
}

#[test]
fn task_definitions_follow_the_rules() {
    let (gunicorn, uwsgi) = (check("gunicorn"), check("uwsgi"));
    // They differ only in the protocol between the containers.
    let without = |mut task: Value| {
        let containers = task["containerDefinitions"].as_array_mut().unwrap();
        for (name, field) in [("app", "entryPoint"), ("app", "command"), ("sideman", "environment")]
        {
            let container = containers.iter_mut().find(|one| one["name"] == name).unwrap();
            assert!(container.as_object_mut().unwrap().remove(field).is_some(), "{name}: {field}");
        }
        task
    };
    assert_eq!(without(gunicorn), without(uwsgi));
}
