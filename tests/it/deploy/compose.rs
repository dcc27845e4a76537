//! config/deploy/compose.yaml.

use serde_json::Value;

use super::{
    example::{Container, Example, Mount, list, number, port, word},
    rules, seconds, text, yaml,
};

const FILE: &str = "config/deploy/compose.yaml";

/// What a variable that is not set stands for: `${NAME:-default}`.
fn expand(text: &str) -> String {
    match text.split_once("${") {
        None => text.to_owned(),
        Some((before, rest)) => {
            let (inner, after) = rest.split_once('}').unwrap();
            let (_, default) =
                inner.split_once(":-").unwrap_or_else(|| panic!("{text}: no default"));
            format!("{before}{default}{}", expand(after))
        }
    }
}

fn container((name, service): (&String, &Value)) -> Container {
    let variables = service["environment"].as_object().into_iter().flatten();
    let published = list(&service["ports"], |one| expand(&word(one)));
    Container {
        name: name.clone(),
        environment: variables.map(|(key, value)| (key.clone(), word(value))).collect(),
        command: list(&service["command"], word).join(" "),
        health: None,
        ports: published.iter().map(|one| port(&one.rsplit(':').next().unwrap().into())).collect(),
        mounts: list(&service["volumes"], |one| {
            let text = word(one);
            let parts: Vec<&str> = text.split(':').collect();
            let is_read_only = parts.get(2).is_some_and(|mode| *mode == "ro");
            Mount { volume: parts[0].into(), path: parts[1].into(), is_read_only }
        }),
        depends: service["depends_on"].as_object().into_iter().flatten().map(depends).collect(),
        // Here the end of one is not the end of all.
        is_essential: name != "startup",
        stop_seconds: service["stop_grace_period"].as_str().map_or(10, seconds),
        has_read_only_root: service["read_only"] == true,
        descriptors: service["ulimits"].get("nofile").map(number),
        memory: service["mem_limit"]
            .as_str()
            .map(|text| text.strip_suffix('m').unwrap().parse::<u64>().unwrap() << 20),
        user: service["user"].as_str().map(str::to_owned),
    }
}

fn depends((name, how): (&String, &Value)) -> (String, String) {
    let condition = match word(&how["condition"]).as_str() {
        "service_completed_successfully" => "success",
        "service_started" => "start",
        other => panic!("{name}: {other}"),
    };
    (name.clone(), condition.to_owned())
}

#[test]
fn compose() {
    let file = yaml::parse(&text(FILE));
    let services = file["services"].as_object().unwrap();
    let containers: Vec<Container> = services.iter().map(container).collect();
    let example = Example { file: FILE.into(), containers, balancer: None };
    rules::check(&example, "app");

    let volumes = file["volumes"].as_object().unwrap();
    for container in &example.containers {
        for mount in &container.mounts {
            assert!(volumes.contains_key(&mount.volume), "{}: {mount:?}", container.name);
        }
    }
    // Bodies that don't fit into the little memory have somewhere to go.
    let sideman = example.container("sideman");
    assert!(sideman.mounts.iter().any(|one| one.path == "/tmp" && !one.is_read_only));
    assert_eq!(services["sideman"]["ports"], serde_json::json!(["${PUBLISH:-8080}:8080"]));
    // The same program in both, so that it is built once.
    for part in ["image", "build"] {
        assert_eq!(services["startup"][part], services["app"][part]);
    }
}

#[test]
fn the_project_reads_what_compose_sets() {
    let file = yaml::parse(&text(FILE));
    let settings = text("tests/django/project/settings.py");
    let read: Vec<&str> = settings
        .split("os.environ[\"")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').unwrap()])
        .collect();
    assert!(!read.is_empty());
    for name in ["startup", "app"] {
        let environment = &file["services"][name]["environment"];
        for variable in &read {
            assert!(environment[variable].is_string(), "{name} has no {variable}");
        }
    }
    let environment = &file["services"]["startup"]["environment"];
    let mounted = list(&file["services"]["startup"]["volumes"], word);
    assert!(mounted.contains(&format!("static:{}", word(&environment["SITE_STATIC_ROOT"]))));
    let build = word(&file["services"]["app"]["build"]);
    assert_eq!(build, "../../tests/django", "the context, from where the file is");
    let dockerfile = text("tests/django/Dockerfile");
    assert!(dockerfile.contains(&word(&environment["SITE_STATIC_ROOT"])), "who owns STATIC_ROOT");
}
