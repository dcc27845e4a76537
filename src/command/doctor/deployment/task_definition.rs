//! Reads a task definition of Amazon ECS: what `aws ecs register-task-definition` gets, or what
//! `aws ecs describe-task-definition` prints.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    facts::{Container, Dependency, Deployment, DeploymentKind, Mount, Volume},
    read_json::{at, flag, list, number, word, words},
};

/// The time that a container has to stop, if it names none.
const STOP: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;

/// Reads the file's text.
pub(super) fn read(text: &str) -> Result<Deployment, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let task = file.get("taskDefinition").unwrap_or(&file);
    let containers = list(at(task, "containerDefinitions"));
    if containers.is_empty() {
        return Err("containerDefinitions is missing: give a task definition in JSON".into());
    }
    let is_fargate = list(at(task, "requiresCompatibilities")).iter().any(|one| one == "FARGATE");
    let mode = at(task, "networkMode").as_str();
    Ok(Deployment {
        kind: DeploymentKind::TaskDefinition,
        containers: containers.iter().map(container).collect(),
        volumes: list(at(task, "volumes")).iter().filter_map(volume).collect(),
        shares_network: is_fargate || matches!(mode, Some("awsvpc" | "host")),
        has_other_names: true,
        is_partial: false,
        environment: None,
        balancer: None,
        memory: number(at(task, "memory")).map(|mebibytes| mebibytes.saturating_mul(MIB)),
    })
}

fn container(definition: &Value) -> Container {
    let text = |name: &str| word(at(definition, name)).unwrap_or_default();
    let port = |one: &Value| u16::try_from(number(at(one, "containerPort"))?).ok();
    Container {
        name: text("name"),
        image: text("image"),
        variables: variables(definition),
        has_more_variables: !list(at(definition, "environmentFiles")).is_empty(),
        has_more_mounts: !list(at(definition, "volumesFrom")).is_empty(),
        entry_point: words(at(definition, "entryPoint")),
        command: words(at(definition, "command")),
        health: words(at(definition, "healthCheck.command")),
        ports: list(at(definition, "portMappings")).iter().filter_map(port).collect(),
        mounts: list(at(definition, "mountPoints")).iter().filter_map(mount).collect(),
        in_memory: list(at(definition, "linuxParameters.tmpfs"))
            .iter()
            .filter_map(|one| word(at(one, "containerPath")))
            .collect(),
        depends: depends(definition),
        is_essential: *at(definition, "essential") != false,
        stop: number(at(definition, "stopTimeout")).map(Duration::from_secs).or(Some(STOP)),
        memory: number(at(definition, "memory")).map(|mebibytes| mebibytes.saturating_mul(MIB)),
        descriptors: list(at(definition, "ulimits"))
            .iter()
            .find(|one| *at(one, "name") == "nofile")
            .and_then(|one| number(at(one, "hardLimit"))),
        ..Container::default()
    }
}

fn variables(definition: &Value) -> BTreeMap<String, Option<String>> {
    let given = list(at(definition, "environment"))
        .iter()
        .filter_map(|one| Some((word(at(one, "name"))?, word(at(one, "value")))));
    let secret = list(at(definition, "secrets"))
        .iter()
        .filter_map(|one| Some((word(at(one, "name"))?, None)));
    given.chain(secret).collect()
}

fn mount(value: &Value) -> Option<Mount> {
    Some(Mount {
        volume: word(at(value, "sourceVolume")),
        path: word(at(value, "containerPath"))?,
        is_read_only: flag(at(value, "readOnly"), false),
    })
}

fn volume(value: &Value) -> Option<Volume> {
    let has = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    let outside = [
        "efsVolumeConfiguration",
        "fsxWindowsFileServerVolumeConfiguration",
        "dockerVolumeConfiguration",
        "s3filesVolumeConfiguration",
    ];
    // `describe-task-definition` prints an empty `host` for a volume of the task.
    let is_of_host =
        at(value, "host.sourcePath").is_string() || *at(value, "configuredAtLaunch") == true;
    Some(Volume {
        name: word(at(value, "name"))?,
        is_private: !is_of_host && !outside.into_iter().any(has),
    })
}

/// Returns the containers that a container waits for. Links and volumes need them as `dependsOn` does.
fn depends(definition: &Value) -> Vec<Dependency> {
    let links = list(at(definition, "links")).iter().filter_map(word);
    let links = links.filter_map(|link| link.split(':').next().map(str::to_owned));
    let volumes = list(at(definition, "volumesFrom")).iter();
    let volumes = volumes.filter_map(|one| word(at(one, "sourceContainer")));
    let others = links.chain(volumes).map(|on| Dependency { on, until_end: false });
    list(at(definition, "dependsOn")).iter().filter_map(dependency).chain(others).collect()
}

fn dependency(value: &Value) -> Option<Dependency> {
    let condition = word(at(value, "condition")).unwrap_or_default().to_ascii_uppercase();
    Some(Dependency {
        on: word(at(value, "containerName"))?,
        until_end: matches!(condition.as_str(), "COMPLETE" | "SUCCESS"),
    })
}
