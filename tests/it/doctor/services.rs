//! Small files of docker compose and ECS: healthy ones that look like mistakes, and mistakes that look healthy.

use std::fs;

use super::{
    files::{COMPOSE, COPILOT, GUNICORN, check, examine, text},
    ids,
};
use crate::support::{Settings, TempDir};

const APP: &str = "app: {image: site, command: gunicorn --bind 0.0.0.0:8000 project.wsgi}";
const SIDEMAN: &str = "image: sideman:1, stop_grace_period: 40s, depends_on: [app]";
const UPSTREAM: &str = "environment: {SIDEMAN_UPSTREAM: 'http://app:8000'}";

/// Lines below `services`, or the whole rest of a file of docker compose, and the findings that follow.
#[track_caller]
fn check_services(rows: &[(&str, &str, &[&str])]) {
    for (why, lines, expected) in rows {
        let lines = lines.replace("APP;", APP).replace("SIDEMAN;", SIDEMAN);
        let services = lines.replace("UPSTREAM;", UPSTREAM);
        let text = format!("services:\n  {}\n", services.replace('\n', "\n  "));
        let ended = examine(COMPOSE, &text);
        assert_eq!(ids(&ended), *expected, "{why}\n{text}{ended:?}");
    }
}

#[test]
fn arguments_of_other_programs_are_not_those_of_sideman() {
    check_services(&[
        ("command of Django", "web: {image: site, command: python manage.py sideman}", &[]),
        ("with flags", "web: {image: site, command: [./manage.py, sideman, --asgi]}", &[]),
        ("behind uv", "web: {image: site, command: uv run manage.py sideman}", &[]),
        (
            "an argument ends in /sideman",
            "APP;\nsideman: {SIDEMAN;, command: [run, --upstream, 'http://app:8000', --accel, /protected/=/srv/sideman]}",
            &[],
        ),
        (
            "a directory is called sideman",
            "APP;\nsideman: {SIDEMAN;, command: [run, --config, /etc/sideman]}",
            &[],
        ),
        (
            "a script",
            "APP;\nproxy: {image: proxy, stop_grace_period: 40s, depends_on: [app], UPSTREAM;, entrypoint: [sh, -c, 'envsubst </a >/b && exec /usr/local/bin/sideman']}",
            &[],
        ),
        (
            "a wrapper",
            "web: {image: site, stop_grace_period: 40s, command: dumb-init -- sideman exec -- gunicorn project.wsgi}",
            &[],
        ),
        (
            "tini",
            "APP;\nproxy: {image: proxy, depends_on: [app], entrypoint: [tini, --, /usr/local/bin/sideman], command: [run, --upstream, 'http://app:8000']}",
            &["stop-time"],
        ),
        (
            "no entry point",
            "APP;\nsideman: {SIDEMAN;, UPSTREAM;, entrypoint: [], command: [/sideman, run]}",
            &[],
        ),
        ("help", "sideman: {image: sideman:1, command: [--help]}", &[]),
        ("no command", "APP;\nsideman: {SIDEMAN;, UPSTREAM;, entrypoint: /sideman}", &["settings"]),
        ("twice", "APP;\nsideman: {SIDEMAN;, UPSTREAM;, command: sideman run}", &["settings"]),
        (
            "a variable for sideman.purge",
            "app: {image: site, environment: {SIDEMAN_ADMIN: 'sideman:9180'}, command: gunicorn --bind 0.0.0.0:8000 a.wsgi}\n\
             sideman: {SIDEMAN;, environment: {SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_ADMIN: '0.0.0.0:9180'}}",
            &[],
        ),
        (
            "variables that other services share",
            "web: {image: site, stop_grace_period: 40s, command: sideman exec -- gunicorn a.wsgi, environment: {SIDEMAN_STATIC: /static/=/app/static}}\n\
             flower: {image: site, command: celery -A a flower, ports: ['5555:5555'], environment: {SIDEMAN_STATIC: /static/=/app/static}}",
            &[],
        ),
    ]);
}

#[test]
fn variables_of_aws_and_opentelemetry_count() {
    let media = "{\"name\": \"SIDEMAN_MEDIA\", \"value\": \"/media/=s3://shop-files/media\"}, {\"name\": \"SIDEMAN_STATIC\", \"value\"";
    let static_files = "{\"name\": \"SIDEMAN_STATIC\", \"value\"";
    let with = |more: &str| format!("{more}, {static_files}");
    let region = with("{\"name\": \"AWS_REGION\", \"value\": \"eu-west-1\"}");
    let endpoint = with("{\"name\": \"OTEL_EXPORTER_OTLP_ENDPOINT\", \"value\": \"ftp://x\"}");
    let bad = with("{\"name\": \"AWS_REGION\", \"value\": \"EU\"}");
    check(&[
        // ECS sets the region.
        (GUNICORN, &[(static_files, media)], &[]),
        (GUNICORN, &[(static_files, media), (static_files, &region)], &[]),
        (GUNICORN, &[(static_files, media), (static_files, &bad)], &["settings"]),
        (GUNICORN, &[(static_files, &endpoint)], &["settings"]),
    ]);
    let bucket = "SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_MEDIA: '/media/=s3://files'";
    let row = |more: &str| format!("APP;\nsideman: {{SIDEMAN;, {more}}}");
    let set = row(&format!("environment: {{{bucket}, AWS_REGION: eu-west-1}}"));
    let secret = row(&format!("environment: {{{bucket}, AWS_REGION: , AWS_ACCESS_KEY_ID: a}}"));
    let file = row(&format!("environment: {{{bucket}}}, env_file: .env.aws"));
    let missing = row(&format!("environment: {{{bucket}}}"));
    check_services(&[
        ("set", &set, &[]),
        ("a value of the shell", &secret, &[]),
        ("perhaps in another file", &file, &[]),
        ("missing", &missing, &["settings"]),
    ]);
}

#[test]
fn variables_without_a_value_are_unknown() {
    check_services(&[
        (
            "a part of an address",
            "APP;\nsideman: {SIDEMAN;, environment: ['SIDEMAN_UPSTREAM=http://app:${UNSET_PORT}']}",
            &[],
        ),
        (
            "a time",
            "APP;\nsideman: {image: sideman, depends_on: [app], stop_grace_period: 20s, environment: ['SIDEMAN_UPSTREAM=http://app:8000', 'SIDEMAN_SHUTDOWN__TIMEOUT=${UNSET_TIME}']}",
            &[],
        ),
        (
            "a word of a command",
            "APP;\nsideman: {SIDEMAN;, command: 'run --upstream http://app:${UNSET_PORT}'}",
            &[],
        ),
        (
            "an item of a command",
            "APP;\nsideman: {SIDEMAN;, command: [run, --upstream, 'http://app:${UNSET_PORT}']}",
            &[],
        ),
        (
            "the source of a volume",
            "start: {image: site, command: python manage.py collectstatic}\nAPP;\nsideman: {SIDEMAN;, environment: {SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_STATIC: /static/=/srv/static}, volumes: ['${UNSET_DIR}:/srv/static:ro']}",
            &[],
        ),
        (
            "options of the application",
            "app: {image: site, command: 'gunicorn ${UNSET_OPTIONS} --bind 127.0.0.1:8001 a.wsgi'}\nsideman: {SIDEMAN;, UPSTREAM;}",
            &[],
        ),
        (
            "a default of a default",
            "APP;\nsideman: {SIDEMAN;, environment: ['SIDEMAN_UPSTREAM=http://app:${UNSET_A:-${UNSET_B:-8000}}']}",
            &[],
        ),
        (
            "the rest is known",
            "APP;\nsideman: {SIDEMAN;, UPSTREAM;, command: 'run --log-level ${UNSET_LEVEL} --nothing'}",
            &[],
        ),
    ]);
}

#[test]
fn what_other_services_and_files_may_set_is_unknown() {
    let files =
        "environment: {SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_STATIC: /static/=/srv/static}";
    let start = "start: {image: site, command: python manage.py collectstatic}";
    let inherited = format!(
        "APP;\n{start}\nbase: {{image: sideman, depends_on: [app], volumes: ['static:/srv/static']}}\n\
         sideman: {{extends: base, stop_grace_period: 40s, {files}}}"
    );
    let volumes_from = format!(
        "APP;\nstart: {{image: site, volumes: [/srv/static], command: python manage.py collectstatic}}\n\
         sideman: {{SIDEMAN;, volumes_from: [start], {files}}}"
    );
    let built = format!(
        "APP;\n{start}\nsideman: {{build: {{dockerfile: Dockerfile.sideman}}, image: site/sideman:42, stop_grace_period: 40s, depends_on: [app], {files}, healthcheck: {{test: curl -f localhost}}}}"
    );
    let exec = format!(
        "{start}\nweb: {{image: site, stop_grace_period: 40s, command: sideman exec --static /static/=/app/static -- gunicorn a.wsgi}}"
    );
    check_services(&[
        ("extends", &inherited, &[]),
        ("volumes of another service", &volumes_from, &[]),
        ("an image with more than Sideman", &built, &[]),
        ("the site's image", &exec, &[]),
        (
            "an additional file",
            "sideman: {image: sideman:1, stop_grace_period: 40s, environment: {SIDEMAN_UPSTREAM: 'http://django:8000'}}",
            &[],
        ),
        (
            "an additional file with a change of another service",
            "worker: {restart: always}\nsideman: {image: sideman:1, stop_grace_period: 40s, environment: {SIDEMAN_UPSTREAM: 'http://django:8000'}}",
            &[],
        ),
        (
            "links",
            "APP;\nsideman: {image: sideman:1, stop_grace_period: 40s, links: ['app:web'], UPSTREAM;}",
            &[],
        ),
        (
            "one loopback",
            "app: {image: site, network_mode: 'service:sideman', command: gunicorn --bind 127.0.0.1:8000 a.wsgi}\n\
             sideman: {image: sideman:1, stop_grace_period: 40s, ports: ['80:8080', '5678:5678'], environment: {SIDEMAN_UPSTREAM: 'http://127.0.0.1:8000'}}",
            &[],
        ),
        (
            "a socket of the host",
            "redis: {image: redis}\nsideman: {image: sideman:1, stop_grace_period: 40s, volumes: ['/run/app:/run/app'], environment: {SIDEMAN_UPSTREAM: 'http+unix:/run/app/app.sock'}}",
            &[],
        ),
        (
            "ports of other programs",
            "web: {image: site, stop_grace_period: 40s, environment: {PORT: '5000'}, ports: ['80:5000', '5678:5678'], command: sideman exec -- gunicorn a.wsgi}",
            &[],
        ),
        (
            "names without case",
            "Web: {image: site, command: gunicorn --bind 0.0.0.0:8000 a.wsgi}\nsideman: {image: sideman, stop_grace_period: 40s, depends_on: [Web], environment: {SIDEMAN_UPSTREAM: 'http://Web:8000'}}",
            &[],
        ),
        (
            "the name of a container",
            "APP;\nsideman: {SIDEMAN;, environment: {SIDEMAN_UPSTREAM: 'http://site-app-1:8000'}}",
            &[],
        ),
        (
            "no limit",
            "APP;\nsideman: {SIDEMAN;, mem_limit: 0, environment: {SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_CACHE: 16MiB}}",
            &[],
        ),
        (
            "a boolean as text",
            "app: {image: site, command: gunicorn --bind 0.0.0.0:8000 a.wsgi, volumes: ['media:/m']}\nsideman: {SIDEMAN;, environment: {SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_MEDIA: /media/=/srv/media}, volumes: [{type: volume, source: media, target: /srv/media, read_only: '${UNSET_RO:-true}'}]}",
            &[],
        ),
    ]);
    // A proxy alone, beside a container for its log.
    let start = text(GUNICORN).find("    {\n      \"name\": \"startup\"").unwrap();
    let end = text(GUNICORN).find("    {\n      \"name\": \"sideman\"").unwrap();
    let mut alone = text(GUNICORN);
    alone.replace_range(start..end, "{\"name\": \"log_router\", \"image\": \"fluent-bit\"},\n");
    let alone = alone.replace("http://127.0.0.1:8000", "http://django.internal:8000");
    let alone = alone.replace(
        "      \"dependsOn\": [{\"containerName\": \"app\", \"condition\": \"START\"}],\n",
        "",
    );
    let ended = examine(
        GUNICORN,
        &alone.replace("{\"name\": \"SIDEMAN_STATIC\", \"value\": \"/static/=/srv/static\"},", ""),
    );
    assert_eq!(ids(&ended), Vec::<String>::new(), "{ended:?}");
}

#[test]
fn addresses_of_the_application_are_compared() {
    let row = |command: &str| {
        format!("app: {{image: site, {command}}}\nsideman: {{SIDEMAN;, UPSTREAM;}}")
    };
    let loopback: &[&str] = &["application-address"];
    let rows = [
        (
            "command: [sh, -c, 'uvicorn a.asgi --host 0.0.0.0 --port 8001 & exec gunicorn --bind 0.0.0.0:8000 a.wsgi']",
            &[][..],
        ),
        ("command: uwsgi --ini /app/uwsgi.ini --http-socket 127.0.0.1:9090", &[]),
        (
            "command: gunicorn a.wsgi, environment: {GUNICORN_CMD_ARGS: '--bind=127.0.0.1:8000'}",
            loopback,
        ),
        ("command: [sh, -ec, 'exec gunicorn --bind 127.0.0.1:8000 a.wsgi']", loopback),
        ("command: daphne -b 127.0.0.1 a.asgi", loopback),
        ("command: daphne -b 0.0.0.0 -p 8000 a.asgi", &[]),
        ("command: 'python manage.py runserver 127.0.0.1:8000'", loopback),
        ("command: 'python manage.py runserver --settings a.b 0:8000'", &[]),
    ];
    for (command, expected) in rows {
        check_services(&[(command, &row(command), expected)]);
    }
    check_services(&[(
        "the second of two",
        "APP;\nother: {image: site, command: gunicorn --bind 127.0.0.1:8000 a.wsgi}\nsideman: {SIDEMAN;, environment: {SIDEMAN_UPSTREAM: 'http://app:8000,http://other:8000'}}",
        loopback,
    )]);
    let limits = |command: &str| {
        format!(
            "app: {{image: site, command: {command}}}\nsideman: {{SIDEMAN;, environment: {{SIDEMAN_UPSTREAM: 'http://app:8000', SIDEMAN_MAX_IN_FLIGHT: 16}}}}"
        )
    };
    for command in [
        "gunicorn -c conf.py --bind 0.0.0.0:8000 --workers=2 --threads=1 a.wsgi",
        "uwsgi /app/uwsgi.ini --processes=2 --threads=2",
        "gunicorn --bind 0.0.0.0:8000 --workers 9999999999999 --threads 9999999999999 a.wsgi",
    ] {
        check_services(&[(command, &limits(command), &[])]);
    }
}

#[test]
fn sockets_are_compared() {
    let unix = "environment: {SIDEMAN_UPSTREAM: 'http+unix:/run/site/app.sock'}";
    let row = |bind: &str, app: &str, own: &str| {
        format!(
            "database: {{image: postgres}}\napp: {{image: site, command: 'gunicorn --bind {bind} a.wsgi', volumes: [{app}]}}\n\
             sideman: {{SIDEMAN;, {unix}, volumes: [{own}]}}\nvolumes: {{run: }}"
        )
        .replace("\nvolumes", "\n@volumes")
    };
    let missing: &[&str] = &["socket-missing"];
    for (bind, app, own, expected) in [
        ("unix:/run/site/app.sock", "'run:/run/site'", "'run:/run/site'", &[][..]),
        ("unix:/run/app/app.sock", "'run:/run/app'", "'run:/run/site'", &[]),
        ("unix:/run/app/app.sock", "'run:/var/run/app'", "'run:/run/site'", &[]),
        ("unix:/run/site/app.sock", "'run:/run/site'", "", missing),
        ("unix:/run/site/app.sock", "", "'run:/run/site'", missing),
        ("unix:/run/site/app.sock", "'run:/var/run/app'", "'run:/run/site'", missing),
        ("unix:/run/site/gunicorn.sock", "'run:/run/site'", "'run:/run/site'", missing),
    ] {
        let lines = row(bind, app, own).replace("SIDEMAN;", SIDEMAN).replace('\n', "\n  ");
        let text = format!("services:\n  {}\n", lines.replace("  @volumes", "volumes"));
        let ended = examine(COMPOSE, &text);
        assert_eq!(ids(&ended), expected, "{text}{ended:?}");
    }
}

#[test]
fn health_checks_run_the_one_program_of_the_image() {
    for (test, expected) in [
        ("[CMD, /sideman, healthcheck]", &[][..]),
        ("[CMD, /sideman, healthcheck, --timeout, 2s]", &[]),
        ("[CMD, /sideman, healthcheck, 'http://127.0.0.1:${UNSET_PORT}/healthz']", &[]),
        ("[NONE]", &[]),
        ("[CMD, sideman, healthcheck]", &["health-command"]),
        ("[CMD, /usr/local/bin/sideman, healthcheck]", &["health-command"]),
        ("[CMD, /sideman]", &["health-command"]),
        ("[CMD, /sideman, health]", &["health-command"]),
        ("[CMD-SHELL]", &["health-command"]),
    ] {
        let lines =
            format!("APP;\nsideman: {{SIDEMAN;, UPSTREAM;, healthcheck: {{test: {test}}}}}");
        check_services(&[(test, &lines, expected)]);
    }
}

#[test]
fn secrets_in_commands_are_not_shown() {
    for lines in [
        "sideman: {SIDEMAN;, UPSTREAM;, healthcheck: {test: curl -u admin:hunter2secret http://localhost:8080/healthz}}",
        "sideman: {SIDEMAN;, command: [run, --upstream, 'http://x:1', hunter2secret]}",
        "sideman: {SIDEMAN;, command: [run, --upstream, 'http://x:1', --password=hunter2secret]}",
        "sideman: {SIDEMAN;, command: [hunter2secret]}",
        "sideman: {SIDEMAN;, command: [run, \"it's'hunter2secret'\"]}",
    ] {
        let text = format!("services:\n  {APP}\n  {lines}\n").replace("SIDEMAN;", SIDEMAN);
        let ended = examine(COMPOSE, &text.replace("UPSTREAM;", UPSTREAM));
        assert!(!ids(&ended).is_empty(), "{ended:?}");
        assert!(!ended.stdout.contains("hunter2secret"), "{ended:?}");
    }
}

#[test]
fn messages_say_what_is_meant() {
    let first = |lines: &str| {
        let text = format!("services:\n  {}\n", lines.replace('\n', "\n  "));
        let text = text.replace("SIDEMAN;", SIDEMAN).replace("UPSTREAM;", UPSTREAM);
        examine(COMPOSE, &text).stdout
    };
    let both = "app: {image: site, depends_on: [sideman], command: gunicorn --bind 0.0.0.0:8000 a.wsgi}\nsideman: {SIDEMAN;, UPSTREAM;}";
    let stdout = first(both);
    assert!(stdout.contains("depend on each other"), "{stdout}");
    assert!(!stdout.contains("add app to"), "{stdout}");
    let stdout = first(&format!("{APP}\nsideman: {{SIDEMAN;, UPSTREAM;, entrypoint: /sideman}}"));
    assert!(stdout.contains("set its command to run"), "{stdout}");
    let delay = "SIDEMAN_TRUSTED_PROXIES: alb\n      SIDEMAN_SHUTDOWN__TIMEOUT: 30s";
    let stdout =
        examine(COPILOT, &text(COPILOT).replace("SIDEMAN_TRUSTED_PROXIES: alb", delay)).stdout;
    assert!(
        stdout.contains("shutdown.timeout is 30 s, ECS kills sideman after 30 s\""),
        "{stdout}"
    );
}

#[test]
fn environments_of_copilot_are_named_and_may_have_sideman_alone() {
    let broken = text(COPILOT).replace(
        "          SIDEMAN_LOG__LEVEL: debug",
        "          SIDEMAN_SHUTDOWN__TIMEOUT: 29s\n          SIDEMAN_TRUSTED_PROXIES: none",
    );
    let ended = examine(COPILOT, &broken);
    assert_eq!(ids(&ended), ["trusted-proxies"], "{ended:?}");
    assert!(ended.stdout.contains(", in the environment test\""), "{ended:?}");
    let manifest = "name: site\ntype: Load Balanced Web Service\nimage: {build: ., port: 8000}\nhttp: {path: /}\n";
    let one = format!(
        "{manifest}environments:\n  test: {{count: 1}}\n  production:\n    http: {{target_container: sideman, healthcheck: /healthz}}\n    \
         sidecars:\n      sideman:\n        port: 8080\n        image: sideman\n        depends_on: {{site: start}}\n        \
         variables: {{SIDEMAN_UPSTREAM: 'http://127.0.0.1:8000', SIDEMAN_TRUSTED_PROXIES: alb}}\n"
    );
    let ended = examine(COPILOT, &one);
    assert_eq!(ids(&ended), Vec::<String>::new(), "{ended:?}");
    let ended = examine(COPILOT, manifest);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn odd_files_are_read_or_refused() {
    let ended = examine(GUNICORN, &format!("\u{feff}{}", text(GUNICORN)));
    assert_eq!(ids(&ended), Vec::<String>::new(), "{ended:?}");
    let twice =
        text(COMPOSE).replace("    cap_drop: [ALL]", "    cap_drop: [ALL]\n    cap_drop: [ALL]");
    let ended = examine(COMPOSE, &twice);
    assert!(ended.code == Some(2) && ended.stderr.contains("occurs twice"), "{ended:?}");
    let directory = TempDir::new();
    let pipe = directory.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for (path, expected) in
        [(pipe.to_str().unwrap(), "is not a file"), ("/dev/zero", "is longer than")]
    {
        let ended = Settings::default().args(&["doctor", "--compose", path]).run_to_end();
        assert!(ended.code == Some(2) && ended.stderr.contains(expected), "{ended:?}");
    }
}

#[test]
fn values_of_a_file_that_is_no_utf8_are_unknown() {
    let directory = TempDir::new();
    fs::write(directory.join(".env"), b"# caf\xe9\nPORT=8000  # gunicorn\nHOST=a\xe9\n").unwrap();
    for (upstream, expected) in [
        ("http://app:${PORT:-9000}", &[][..]),
        ("http://${HOST:-app}:9000", &[]),
        ("http://app:${OTHER:-9000}", &["application-address"]),
    ] {
        let text = format!(
            "services:\n  {APP}\n  sideman: {{{SIDEMAN}, environment: {{SIDEMAN_UPSTREAM: '{upstream}'}}}}\n"
        );
        let path = directory.join("compose.yaml");
        fs::write(&path, text).unwrap();
        let arguments = ["doctor", "--compose", path.to_str().unwrap(), "--json"];
        let ended = Settings::default().args(&arguments).run_to_end();
        assert_eq!(ids(&ended), *expected, "{ended:?}");
    }
}
