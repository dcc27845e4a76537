//! Files of deployments: the examples of config/deploy are healthy, and each change here breaks one of them.

use std::{fs, path::Path};

use super::ids;
use crate::support::{Ended, Settings, TempDir};

pub(super) const GUNICORN: &str = "config/deploy/ecs/gunicorn.json";
const UWSGI: &str = "config/deploy/ecs/uwsgi.json";
pub(super) const COMPOSE: &str = "config/deploy/compose.yaml";
pub(super) const COPILOT: &str = "config/deploy/copilot/manifest.yml";

/// A replacement in a file, and the findings that follow.
pub(super) type Broken<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

fn option(example: &str) -> &'static str {
    match example {
        COMPOSE => "--compose",
        COPILOT => "--copilot",
        _ => "--task-definition",
    }
}

#[track_caller]
pub(super) fn text(example: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(example)).unwrap()
}

/// Runs the doctor on a text in place of an example.
#[track_caller]
pub(super) fn examine(example: &str, text: &str) -> Ended {
    let directory = TempDir::new();
    let path = directory.join("file");
    fs::write(&path, text).unwrap();
    let arguments = ["doctor", option(example), path.to_str().unwrap(), "--json"];
    Settings::default().args(&arguments).run_to_end()
}

#[track_caller]
pub(super) fn check(broken: &[Broken<'_>]) {
    for (example, changes, expected) in broken {
        let mut text = text(example);
        for (from, to) in *changes {
            assert!(text.contains(from), "{example} has no {from}");
            text = text.replace(from, to);
        }
        let ended = examine(example, &text);
        assert_eq!(ids(&ended), *expected, "{example}: {changes:?}\n{ended:?}");
    }
}

#[test]
fn examples_of_deployments_are_healthy() {
    for example in [GUNICORN, UWSGI, COMPOSE, COPILOT] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        let arguments = ["doctor", option(example), path.to_str().unwrap()];
        let ended = Settings::default().args(&arguments).run_to_end();
        let found = (ended.code, ended.stdout.as_str(), ended.stderr.as_str());
        assert_eq!(found, (Some(0), "nothing found\n", ""), "{example}");
    }
}

/// The first place where the task definitions set a variable of Sideman.
const STATIC: &str = "SIDEMAN_STATIC\", \"value\"";

#[test]
fn order_and_times_of_stopping() {
    let depends = r#"      "dependsOn": [{"containerName": "app", "condition": "START"}],"#;
    let compose = "    depends_on:\n      app:\n        condition: service_started\n";
    check(&[
        (GUNICORN, &[(depends, "")], &["depends-on"]),
        (
            GUNICORN,
            &[
                (depends, ""),
                (
                    r#""dependsOn": [{"containerName": "startup", "condition": "SUCCESS"}]"#,
                    r#""dependsOn": [{"containerName": "startup", "condition": "SUCCESS"}, {"containerName": "sideman", "condition": "START"}]"#,
                ),
            ],
            &["depends-on"],
        ),
        (COMPOSE, &[(compose, "")], &["depends-on"]),
        (COPILOT, &[("    depends_on:\n      site: start ", "    #")], &["depends-on"]),
        (
            GUNICORN,
            &[("\"stopTimeout\": 30,\n      \"readonly", "\"stopTimeout\": 20,\n      \"readonly")],
            &["stop-time"],
        ),
        (
            COMPOSE,
            &[("    stop_grace_period: 30s\n    # Started", "    # Started")],
            &["stop-time"],
        ),
        (
            COPILOT,
            &[
                (
                    "SIDEMAN_TRUSTED_PROXIES: alb",
                    "SIDEMAN_TRUSTED_PROXIES: alb\n      SIDEMAN_SHUTDOWN__TIMEOUT: 30s",
                ),
                ("deregistration_delay: 30s", "deregistration_delay: 40s"),
            ],
            &["stop-time"],
        ),
        (
            COPILOT,
            &[("deregistration_delay: 30s", "deregistration_delay: 10s")],
            &["deregistration-delay"],
        ),
        // The default of Copilot is enough.
        (COPILOT, &[("deregistration_delay: 30s", "stickiness: false")], &[]),
    ]);
}

#[test]
fn addresses_ports_and_health_checks() {
    check(&[
        (GUNICORN, &[("\"containerPort\": 8080", "\"containerPort\": 80")], &["listen-port"]),
        (COMPOSE, &[("${PUBLISH:-8080}:8080", "80:80")], &["listen-port"]),
        (
            COMPOSE,
            &[("SIDEMAN_UPSTREAM__WAIT: 30s", "SIDEMAN_LISTEN: 127.0.0.1:8080")],
            &["listen-port"],
        ),
        (GUNICORN, &[("--bind=127.0.0.1:8000", "--bind=127.0.0.1:8001")], &["application-address"]),
        (COMPOSE, &[("--bind=0.0.0.0:8000", "--bind=127.0.0.1:8000")], &["application-address"]),
        (
            COMPOSE,
            &[("SIDEMAN_UPSTREAM: http://app:8000", "SIDEMAN_UPSTREAM: http://127.0.0.1:8000")],
            &["application-address"],
        ),
        (
            COMPOSE,
            &[("SIDEMAN_UPSTREAM: http://app:8000", "SIDEMAN_UPSTREAM: http://web:8000")],
            &["application-address"],
        ),
        (
            GUNICORN,
            &[("\"awsvpc\"", "\"bridge\""), ("\"requiresCompatibilities\": [\"FARGATE\"],", "")],
            &["application-address"],
        ),
        (
            GUNICORN,
            &[(
                r#"["CMD", "/sideman", "healthcheck"]"#,
                r#"["CMD-SHELL", "curl -f http://localhost:8080/healthz"]"#,
            )],
            &["health-command"],
        ),
        (
            GUNICORN,
            &[(r#""healthcheck"]"#, r#""healthcheck", "http://127.0.0.1:8000/healthz"]"#)],
            &["health-command"],
        ),
        (COPILOT, &[("    path: /healthz\n", "    path: /\n")], &["health-path"]),
        (
            COPILOT,
            &[(
                "SIDEMAN_TRUSTED_PROXIES: alb",
                "SIDEMAN_TRUSTED_PROXIES: alb\n      SIDEMAN_HEALTH__PATH: /up",
            )],
            &["health-path"],
        ),
        (COPILOT, &[("  target_container: sideman\n", "")], &["balancer-target"]),
        (COPILOT, &[("      SIDEMAN_TRUSTED_PROXIES: alb\n", "")], &["trusted-proxies"]),
        (
            GUNICORN,
            &[(
                "SIDEMAN_MAX_IN_FLIGHT\", \"value\": \"8\"",
                "SIDEMAN_SERVER__IDLE_TIMEOUT\", \"value\": \"30s\"",
            )],
            &["idle-timeout"],
        ),
    ]);
}

#[test]
fn volumes_with_files() {
    let startup = r#"{"sourceVolume": "static", "containerPath": "/app/staticfiles"}"#;
    let mounted =
        r#"{"sourceVolume": "static", "containerPath": "/srv/static", "readOnly": true},"#;
    let read_only = r#""/srv/static", "readOnly": true"#;
    check(&[
        (GUNICORN, &[(mounted, "")], &["files-missing"]),
        (
            GUNICORN,
            &[
                (startup, r#"{"sourceVolume": "spool", "containerPath": "/x"}"#),
                (
                    r#"{"sourceVolume": "static", "containerPath": "/app/staticfiles", "readOnly": true}"#,
                    "",
                ),
            ],
            &["files-missing"],
        ),
        (
            COMPOSE,
            &[
                ("source: static, target: /srv/static", "source: other, target: /srv/static"),
                ("  spool:\n", "  spool:\n  other:\n"),
            ],
            &["files-missing"],
        ),
        (GUNICORN, &[(read_only, r#""/srv/static""#)], &["files-writable"]),
        (
            COMPOSE,
            &[("target: /srv/static, read_only: true", "target: /srv/static")],
            &["files-writable"],
        ),
        (
            COPILOT,
            &[(
                "path: /srv/media\n        read_only: true",
                "path: /srv/media\n        read_only: false",
            )],
            &["files-writable"],
        ),
        (
            GUNICORN,
            &[
                ("http://127.0.0.1:8000", "http+unix:/run/app/app.sock"),
                ("--bind=127.0.0.1:8000", "--bind=unix:/run/app/app.sock"),
            ],
            &["socket-missing"],
        ),
        (
            COMPOSE,
            &[
                ("      SIDEMAN_UPSTREAM__WAIT: 30s", "      SIDEMAN_BUFFERS__DIRECTORY: /spill"),
                ("    cap_drop: [ALL]", "    cap_drop: [ALL]\n    tmpfs: [/spill]"),
            ],
            &["spill-in-memory"],
        ),
    ]);
}

#[test]
fn limits_and_servers() {
    check(&[
        (
            GUNICORN,
            &[(
                STATIC,
                "SIDEMAN_CACHE\", \"value\": \"512MiB\"}, {\"name\": \"SIDEMAN_STATIC\", \"value\"",
            )],
            &["memory-limit"],
        ),
        (
            COMPOSE,
            &[("SIDEMAN_UPSTREAM__WAIT: 30s", "SIDEMAN_MEMORY__LIMIT: 1GiB")],
            &["memory-limit"],
        ),
        (
            GUNICORN,
            &[
                (
                    STATIC,
                    "SIDEMAN_SERVER__MAX_CONNECTIONS\", \"value\": \"5000\"}, {\"name\": \"SIDEMAN_STATIC\", \"value\"",
                ),
                ("\"hardLimit\": 65536", "\"hardLimit\": 4096"),
            ],
            &["descriptors"],
        ),
        (GUNICORN, &[("--workers=4", "--workers=2")], &["workers"]),
        (UWSGI, &[("--processes=4", "--processes=2")], &["workers"]),
        (UWSGI, &[("--buffer-size=65535", "--buffer-size=8192")], &["uwsgi-buffer"]),
        (
            COMPOSE,
            &[(
                "  DATABASE_URL: postgres",
                "  GUNICORN_CMD_ARGS: --bind=0.0.0.0:9000 --workers=2\n  DATABASE_URL: postgres",
            )],
            &["gunicorn-args"],
        ),
    ]);
}

#[test]
fn settings_that_are_refused() {
    check(&[
        (GUNICORN, &[("SIDEMAN_STATIC", "SIDEMAN_STATICS")], &["settings"]),
        (COMPOSE, &[("SIDEMAN_UPSTREAM__WAIT: 30s", "SIDEMAN_UPSTREAM__WAIT: 30")], &["settings"]),
        (COPILOT, &[("SIDEMAN_LOG__LEVEL: debug", "SIDEMAN_LOG__LEVEL: loud")], &["settings"]),
        // The name of a secret is checked, its value is not in the file.
        (
            GUNICORN,
            &[(
                "\"portMappings\": [{\"containerPort\": 8080",
                "\"secrets\": [{\"name\": \"SIDEMAN_CACHE__REDI\", \"valueFrom\": \"/x\"}], \"portMappings\": [{\"containerPort\": 8080",
            )],
            &["settings"],
        ),
        (
            GUNICORN,
            &[(
                "\"portMappings\": [{\"containerPort\": 8080",
                "\"secrets\": [{\"name\": \"SIDEMAN_CACHE__REDIS\", \"valueFrom\": \"/x\"}], \"portMappings\": [{\"containerPort\": 8080",
            )],
            &[],
        ),
    ]);
    let ended = examine(GUNICORN, &text(GUNICORN).replace("SIDEMAN_STATIC", "SIDEMAN_STATICS"));
    assert!(
        ended
            .stdout
            .contains("SIDEMAN_STATICS: there is no such setting: did you mean SIDEMAN_STATIC?"),
        "{ended:?}"
    );
    // What the file sets is checked all the same, what it seems not to set is not.
    check(&[(
        COMPOSE,
        &[
            ("SIDEMAN_UPSTREAM__WAIT: 30s", "SIDEMAN_SHUTDOWN_TIME: 5s"),
            ("stop_grace_period: 30s\n    # Started", "stop_grace_period: 20s\n    # Started"),
            ("http://app:8000", "http://app:9000"),
        ],
        &["settings", "application-address"],
    )]);
}

#[test]
fn what_the_file_does_not_say_is_no_finding() {
    check(&[
        // The settings file may set everything.
        (
            GUNICORN,
            &[
                (
                    STATIC,
                    "SIDEMAN_CONFIG\", \"value\": \"/etc/sideman.toml\"}, {\"name\": \"SIDEMAN_STATIC\", \"value\"",
                ),
                ("\"stopTimeout\": 30", "\"stopTimeout\": 20"),
            ],
            &[],
        ),
        // The command is in the image.
        (
            GUNICORN,
            &[
                ("        \"--bind=127.0.0.1:8000\",\n        \"--workers=4\",\n", ""),
                ("        \"--threads=2\",\n", ""),
            ],
            &[],
        ),
        // Another image may contain the files, and a shell.
        (
            COMPOSE,
            &[
                ("${PROXY_IMAGE:-sideman}", "site-proxy"),
                (
                    "      - {type: volume, source: static, target: /srv/static, read_only: true}\n",
                    "",
                ),
                (" && python manage.py collectstatic --noinput", ""),
            ],
            &[],
        ),
        // A value of the shell that is not set here.
        (COMPOSE, &[("http://app:8000", "${UPSTREAM}")], &[]),
        // A volume that others fill.
        (
            COMPOSE,
            &[
                ("source: static, target: /srv/static", "source: other, target: /srv/static"),
                ("  spool:\n", "  spool:\n  other: {external: true}\n"),
            ],
            &[],
        ),
    ]);
}

#[test]
fn a_file_that_cannot_be_read_is_status_2() {
    for (example, text, expected) in [
        (GUNICORN, "{", "not JSON"),
        (GUNICORN, "{}", "containerDefinitions is missing"),
        (COMPOSE, "a: [", "not YAML"),
        (COMPOSE, "a: 1\n", "services is missing"),
        (COPILOT, "a: 1\n", "name is missing"),
        (COMPOSE, "services: {web: {image: nginx}}\n", "no container runs Sideman"),
    ] {
        let ended = examine(example, text);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
    let arguments = ["doctor", "--compose", "/nowhere/compose.yaml"];
    let ended = Settings::default().args(&arguments).run_to_end();
    assert!(ended.stderr.starts_with("/nowhere/compose.yaml: "), "{ended:?}");
}

#[test]
fn report_for_people_has_the_remedy_and_the_page() {
    let directory = TempDir::new();
    let path = directory.join("compose.yaml");
    let text = text(COMPOSE).replace("target: /srv/static, read_only: true", "target: /srv/static");
    fs::write(&path, text.replace("30s\n    # Started", "20s\n    # Started")).unwrap();
    let arguments = ["doctor", "--compose", path.to_str().unwrap()];
    let ended = Settings::default().args(&arguments).run_to_end();
    let expected = "error: Sideman is killed before it has finished its requests [stop-time]\n  \
         seen: shutdown.timeout is 28 s, stop_grace_period of sideman is 20 s\n  \
         do:   raise stop_grace_period above 28 s, or lower SIDEMAN_SHUTDOWN__TIMEOUT\n  \
         see:  docs/ecs.md#stop-without-losing-a-request\n\n\
         warning: Sideman can write to the files that it serves [files-writable]\n  \
         seen: /srv/static of sideman is mounted with write access\n  \
         do:   mount it read-only\n  \
         see:  config/deploy/README.md#composeyaml\n\n\
         1 error, 1 warning\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), expected));
}
