//! The Dockerfile: the properties that the examples rely on.

use sideman::plan::ListenAddress;

use super::{
    example::{Container, Health},
    rules, text,
};

/// The instructions, with their continued lines joined.
fn instructions() -> Vec<String> {
    let text = text("Dockerfile").replace("\\\n", " ");
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The arguments of an instruction in the last stage.
#[track_caller]
fn last(instruction: &str) -> String {
    let all = instructions();
    let stage = all.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let found: Vec<&str> = all[stage..]
        .iter()
        .filter_map(|line| line.strip_prefix(instruction))
        .map(str::trim)
        .collect();
    assert_eq!(found.len(), 1, "{instruction}: {found:?}");
    found[0].to_owned()
}

#[test]
fn image_runs_as_the_examples_expect() {
    assert_eq!(last("FROM"), "scratch");
    assert_eq!(last("USER"), "65532:65532");
    assert_eq!((last("ENTRYPOINT"), last("CMD")), ("[\"/sideman\"]".into(), "[\"run\"]".into()));
    let sideman = Container {
        environment: [("SIDEMAN_UPSTREAM".to_owned(), "http://a:1".to_owned())].into(),
        ..Container::default()
    };
    let loaded = rules::settings("the default", &sideman);
    let [ListenAddress::Tcp(address)] = loaded.plan.server.listen.as_slice() else { panic!() };
    assert_eq!(last("EXPOSE"), address.port().to_string());
}

#[test]
fn image_health_command_is_that_of_the_examples() {
    let line = last("HEALTHCHECK");
    let (options, command) = line.split_once(" CMD ").unwrap();
    let option = |name: &str| {
        let found = options.split(' ').find_map(|one| one.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    let health = Health {
        command: [vec!["CMD".to_owned()], command].concat(),
        interval: super::seconds(&option("--interval=")),
        timeout: super::seconds(&option("--timeout=")),
        retries: option("--retries=").parse().unwrap(),
        start: super::seconds(&option("--start-period=")),
    };
    assert_eq!(health.command, ["CMD", "/sideman", "healthcheck"]);
    assert!(health.interval > health.timeout && health.timeout > 3, "{health:?}");
}

#[test]
fn image_has_the_labels_of_the_package() {
    let labels = last("LABEL");
    for (key, value) in [
        ("title", env!("CARGO_PKG_NAME")),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("version", "$VERSION"),
        ("revision", "$REVISION"),
    ] {
        let label = format!("org.opencontainers.image.{key}=\"{value}\"");
        assert!(labels.contains(&label), "{label} is not in {labels}");
    }
}

#[test]
fn image_builds_with_any_builder_and_on_any_architecture() {
    for line in instructions() {
        // Only BuildKit supports these, and some machines do not have it.
        for word in ["--mount", "<<", "--link", "--parents", "TARGETARCH", "BUILDPLATFORM"] {
            assert!(!line.contains(word), "{word}: {line}");
        }
        assert!(!line.contains("x86_64") && !line.contains("aarch64"), "of one machine: {line}");
    }
}
