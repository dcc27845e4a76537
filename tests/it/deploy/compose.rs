//! config/deploy/compose.yaml.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    example::{Container, Example, Mount, list, number, port, word},
    rules, seconds, text, yaml,
};

const FILE: &str = "config/deploy/compose.yaml";

/// The value of a variable that is not set: `${NAME:-default}`.
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
        environment: variables.map(|(key, value)| (key.clone(), expand(&word(value)))).collect(),
        secrets: BTreeMap::new(),
        command: [list(&service["entrypoint"], word), list(&service["command"], word)].concat(),
        health: None,
        ports: published.iter().map(|one| port(&one.rsplit(':').next().unwrap().into())).collect(),
        mounts: list(&service["volumes"], mount),
        depends: service["depends_on"].as_object().into_iter().flatten().map(depends).collect(),
        // In compose, the end of one container does not end the others.
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

/// `volume:path`, or the long form.
fn mount(value: &Value) -> Mount {
    if let Some(text) = value.as_str() {
        let (volume, path) = text.split_once(':').unwrap();
        return Mount { volume: volume.into(), path: path.into(), is_read_only: false };
    }
    assert_eq!(value["type"], "volume");
    Mount {
        volume: word(&value["source"]),
        path: word(&value["target"]),
        is_read_only: value["read_only"] == true,
    }
}

fn depends((name, how): (&String, &Value)) -> (String, String) {
    let condition = match word(&how["condition"]).as_str() {
        "service_completed_successfully" => "success",
        "service_started" => "start",
        "service_healthy" => "healthy",
        other => panic!("{name}: {other}"),
    };
    (name.clone(), condition.to_owned())
}

fn file() -> Value {
    yaml::parse(&text(FILE))
}

fn example() -> Example {
    let services = file()["services"].clone();
    let containers = services.as_object().unwrap().iter().map(container).collect();
    Example { file: FILE.into(), containers, balancer: None }
}

#[test]
fn compose_file_follows_the_rules() {
    let (file, example) = (file(), example());
    rules::check(&example, "app");
    let services = &file["services"];
    let volumes = file["volumes"].as_object().unwrap();
    for container in &example.containers {
        for mount in &container.mounts {
            assert!(volumes.contains_key(&mount.volume), "{}: {mount:?}", container.name);
        }
    }
    // Bodies that do not fit in memory are spilled to disk.
    let sideman = example.container("sideman");
    assert!(sideman.mounts.iter().any(|one| one.path == "/tmp" && !one.is_read_only));
    assert_eq!(services["sideman"]["ports"], serde_json::json!(["${PUBLISH:-8080}:8080"]));
    // Both use the same program, so it is built once.
    for part in ["image", "build"] {
        assert_eq!(services["startup"][part], services["app"][part]);
    }
}

#[test]
fn compose_comes_back_after_a_crash_or_a_reboot() {
    for (name, service) in file()["services"].as_object().unwrap() {
        // startup ends.
        let expected = if name == "startup" { Value::Null } else { "unless-stopped".into() };
        assert_eq!(service["restart"], expected, "{name}");
    }
}

/// config/deploy/compose-https.yaml in addition.
#[test]
fn compose_with_https_obtains_a_certificate() {
    const HTTPS: &str = "config/deploy/compose-https.yaml";
    let more = yaml::parse(&text(HTTPS));
    let added = container((&"sideman".to_owned(), &more["services"]["sideman"]));
    let mut both = example().container("sideman").clone();
    both.environment.extend(added.environment);
    let plan = rules::settings(HTTPS, &both).plan;
    let tls = plan.tls.as_ref().unwrap();
    let acme = tls.acme().unwrap();
    // On a volume, and at the ports that are published.
    let [mount] = added.mounts.as_slice() else { panic!("{:?}", added.mounts) };
    assert_eq!((mount.path.as_str(), mount.is_read_only), (acme.storage.to_str().unwrap(), false));
    assert!(more["volumes"].as_object().unwrap().contains_key(&mount.volume));
    let listening = plan.server.listen.iter().chain(&tls.listen).map(ToString::to_string);
    let published = added.ports.iter().map(|port| format!("0.0.0.0:{port}"));
    assert_eq!(listening.collect::<Vec<_>>(), published.collect::<Vec<_>>());
    assert!(plan.server.redirect_https);
    // A first try uses up no limit.
    assert!(acme.directory.contains("staging"), "{}", acme.directory);
    assert!(text("Dockerfile").contains(acme.storage.to_str().unwrap()));
}

#[test]
fn compose_has_a_database_and_uploads() {
    let (file, example) = (file(), example());
    let database = &file["services"]["database"];
    let set = |name: &str| expand(&word(&database["environment"][name]));
    let expected = format!(
        "postgres://{}:{}@database:5432/{}",
        set("POSTGRES_USER"),
        set("POSTGRES_PASSWORD"),
        set("POSTGRES_DB")
    );
    assert_eq!(example.container("app").environment["DATABASE_URL"], expected);
    // The password has one value everywhere.
    let source = text(FILE);
    assert_eq!(source.matches("${DATABASE_PASSWORD:-site}").count(), 2);
    let check = list(&database["healthcheck"]["test"], word);
    assert_eq!(check[..3], ["CMD", "pg_isready", "--host=127.0.0.1"]);
    let startup = example.container("startup");
    assert!(startup.depends.contains(&("database".to_owned(), "healthy".to_owned())));
    assert!(database["ports"].is_null() && database["volumes"].is_array());

    // startup makes the volume for uploads writable for every user.
    let media = startup.mounts.iter().find(|one| one.volume == "media").unwrap();
    assert!(startup.command.join(" ").contains(&format!("chmod 1777 {} ", media.path)));
    assert_eq!(startup.user.as_deref(), Some("0"));
    // Otherwise the engine would give it the owner of the image's directory again.
    for name in ["startup", "app"] {
        let mounts = file["services"][name]["volumes"].as_array().unwrap();
        let media = mounts.iter().find(|one| one["source"] == "media").unwrap();
        assert_eq!(media["volume"]["nocopy"], true, "{name}");
    }
}

/// All values to change are at the top of the file.
#[test]
fn compose_has_three_values_to_change() {
    let source = text(FILE);
    let marks: Vec<usize> =
        ["\n# 1. ", "\n# 2. ", "\n# 3. "].map(|mark| source.find(mark).unwrap()).to_vec();
    assert!(marks.is_sorted() && source.find("\nservices:").unwrap() > marks[2]);
    let (file, example) = (file(), example());
    let app = example.container("app");
    for (mark, directory) in [("x-static-root", "static"), ("x-media-root", "media")] {
        let mount = app.mounts.iter().find(|one| one.volume == directory).unwrap();
        assert_eq!(mount.path, word(&file[mark]));
        assert_eq!(source.matches(&word(&file[mark])).count(), 1, "{mark}");
    }
    let application = word(&file["x-application"]);
    assert_eq!(source.matches(&application).count(), 1);
    assert!(app.command.ends_with(&[application]));
}

/// The project of the tests is a usual one: the example starts it unchanged.
#[test]
fn the_project_reads_what_compose_sets() {
    let settings = text("tests/django/project/settings.py");
    for name in example().container("app").environment.keys() {
        assert!(settings.contains(&format!("os.environ.get(\"{name}\"")), "{name} is not read");
    }
    let dockerfile = text("tests/django/Dockerfile");
    // Flags would win over GUNICORN_CMD_ARGS, and would be hidden in the image.
    let command = dockerfile.lines().rfind(|line| line.starts_with("CMD ")).unwrap();
    assert!(command.contains("--bind=127.0.0.1:8001"), "{command}");
    // tests/docker/run starts it with this command.
    assert!(text("tests/docker/run").contains("SITE_BUILD="));
    assert!(text("README.md").contains("SITE_BUILD=../../tests/django docker compose"));
}
