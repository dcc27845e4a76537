//! Checks of AWS on the examples, without AWS: cfn-lint and botocore's service model, in a
//! virtual environment. See tests/aws/check.py.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Map, Value, json};

use super::{text, yaml};
use crate::support::{python, skip};

/// Files that CloudFormation or Copilot reads.
const YAML: [&str; 3] = [
    "config/deploy/ecs/cloudformation.yaml",
    "config/deploy/copilot/manifest.yml",
    "config/deploy/copilot/overrides/cfn.patches.yml",
];

/// tests/aws/check.py, ready to run.
pub(crate) struct Checker {
    environment: PathBuf,
}

// === impl Checker ===

impl Checker {
    /// The tools. Skips the test if they cannot be set up on this machine.
    #[track_caller]
    pub(crate) fn prepared() -> Option<&'static Self> {
        static CHECKER: OnceLock<Result<Checker, String>> = OnceLock::new();
        let prepared = CHECKER.get_or_init(|| {
            let environment = python::environment("aws", &home().join("requirements.txt"))?;
            Ok(Self { environment })
        });
        if let Err(missing) = prepared {
            skip(missing, python::REMEDY);
        }
        prepared.as_ref().ok()
    }

    /// The faults that CloudFormation would report in a template, one a line.
    pub(crate) fn template(&self, text: &str) -> Vec<String> {
        self.check(&["template", "/dev/stdin"], text)
    }

    /// The faults that ECS would report in an operation's input, one a line.
    pub(super) fn input(&self, operation: &str, input: &Value) -> Vec<String> {
        self.service_input("ecs", operation, input)
    }

    /// Like `input`, for any service.
    pub(crate) fn service_input(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
    ) -> Vec<String> {
        self.check(&["input", service, operation, "/dev/stdin"], &input.to_string())
    }

    fn check(&self, arguments: &[&str], text: &str) -> Vec<String> {
        let mut child = Command::new(self.environment.join("bin/python"))
            .arg(home().join("check.py"))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let found: Vec<String> =
            said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        // A status without a line means that a check did not run.
        let expected = if found.is_empty() { Some(0) } else { Some(1) };
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), expected, "{arguments:?}: {trouble}");
        found
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws")
}

/// A task definition in CloudFormation's form, alone in a template: cfn-lint knows the sizes that Fargate allows.
fn as_template(task: &Value) -> Value {
    let task = json!({"Type": "AWS::ECS::TaskDefinition", "Properties": pascal(task)});
    json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Task": task}})
}

/// `containerPort` to `ContainerPort`; the driver's options have names of their own.
fn pascal(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let name: String = first.into_iter().chain(letters).collect();
                let item = if key == "options" { item.clone() } else { pascal(item) };
                (name, item)
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(pascal).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn task(server: &str) -> Value {
    serde_json::from_str(&text(&format!("config/deploy/ecs/{server}.json"))).unwrap()
}

#[test]
fn cloudformation_accepts_the_template() {
    let Some(checker) = Checker::prepared() else { return };
    assert_eq!(checker.template(&text(YAML[0])), [] as [&str; 0]);
}

#[test]
fn ecs_accepts_the_task_definitions() {
    let Some(checker) = Checker::prepared() else { return };
    for server in ["gunicorn", "uwsgi"] {
        let task = task(server);
        assert_eq!(checker.input("RegisterTaskDefinition", &task), [] as [&str; 0], "{server}");
        let template = as_template(&task).to_string();
        assert_eq!(checker.template(&template), [] as [&str; 0], "{server}");
    }
}

#[test]
fn the_checks_find_what_aws_refuses() {
    let Some(checker) = Checker::prepared() else { return };
    let template = text(YAML[0]);
    for (from, to, expected) in [
        ("TargetType: ip", "TargetType: address", "'address' is not one of"),
        ("{Ref: Listener}", "{Ref: Listeners}", "Listeners"),
        ("NetworkMode: awsvpc", "NetworkModes: awsvpc", "NetworkModes"),
    ] {
        let changed = template.replacen(from, to, 1);
        assert_ne!(changed, template, "{from}");
        let found = checker.template(&changed);
        assert!(found.iter().any(|line| line.contains(expected)), "{to}: {found:?}");
    }
    let alias = "Resources:\n  One: &one {Type: AWS::SNS::Topic}\n  Two: *one\n";
    assert!(checker.template(alias)[0].contains("YAML alias"), "{:?}", checker.template(alias));

    let change = |pointer: &str, value: Value| {
        let mut changed = task("gunicorn");
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        changed
    };
    for (pointer, value) in [
        ("/containerDefinitions/2/healthCheck/interval", json!("10s")),
        ("/containerDefinitions/1/dependsOn/0/condition", json!("SUCCEEDED")),
        ("/containerDefinitions/0/environment", json!({"A": "b"})),
        ("/containerDefinitions/0/secrets/0", json!({"name": "A", "value": "b"})),
    ] {
        let found = checker.input("RegisterTaskDefinition", &change(pointer, value));
        assert!(!found.is_empty(), "{pointer}");
    }
    // Fargate has no tasks of one vCPU and 300 MiB; the service model does not check this.
    let small = change("/memory", json!("300"));
    assert_eq!(checker.input("RegisterTaskDefinition", &small), [] as [&str; 0]);
    assert!(!checker.template(&as_template(&small).to_string()).is_empty());
}

#[test]
fn yaml_for_aws_has_no_anchors_and_aliases() {
    for file in YAML {
        assert_eq!(yaml::sharing(&text(file)), [] as [&str; 0], "{file}");
    }
}
