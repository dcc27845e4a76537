//! The commands of README.md run here as printed, with free ports and directories.
//! Its numbers are those of the settings and of docs/performance.md.

use std::fs;

use sideman::config::{self, Environment, Flags};

use super::text;
use crate::support::{App, Settings, TempDir};

/// Commands that take minutes or need a container engine: the script that runs each, and its line there.
const ELSEWHERE: [(&str, &str, &str); 6] = [
    ("cargo test --locked", ".ci/run", "cargo test --locked"),
    ("pip install ./python gunicorn", "python/tests/run", "pip wheel ./python"),
    (
        "python manage.py sideman --migrate",
        "tests/docker/wheel/Dockerfile",
        "\"python\", \"manage.py\", \"sideman\", \"--migrate\"",
    ),
    ("docker build -t sideman .", "tests/docker/run", "docker build --tag \"$PROXY_IMAGE\" ."),
    (
        "SITE_BUILD=../../tests/django docker compose -f config/deploy/compose.yaml up",
        "tests/docker/run",
        "export SITE_BUILD=../../tests/django",
    ),
    (
        "docker compose -f config/deploy/compose.yaml exec app python manage.py createsuperuser",
        "tests/docker/run",
        "createsuperuser",
    ),
];
/// Replaces the ports that the README names.
const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

/// The lines within fences of one language, without comments.
fn fenced(language: &str) -> Vec<String> {
    let readme = text("README.md");
    let open = format!("\n```{language}\n");
    let blocks = readme.split(&open).skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let lines = blocks.flat_map(str::lines).map(|line| line.split("  #").next().unwrap().trim());
    lines.filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The rows below a heading, each as its cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let readme = text("README.md");
    let (_, section) = readme.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect());
    cells.skip(1).collect()
}

#[track_caller]
fn after<'a>(command: &'a str, flag: &str) -> &'a str {
    let mut words = command.split(' ').skip_while(|word| *word != flag).skip(1);
    words.next().unwrap_or_else(|| panic!("no {flag} in {command}"))
}

/// Runs the command in front of a test application, with test files.
fn check_run(command: &str) {
    let (application, files) = (App::saying("hello"), TempDir::new());
    fs::write(files.path().join("site.css"), "b{}").unwrap();
    let command = command
        .replace("http://127.0.0.1:8000", &application.url())
        .replace("/srv/static", files.path().to_str().unwrap());
    let words: Vec<&str> = command.split(' ').skip(1).chain(FREE_PORTS).collect();
    let sideman = Settings::default().args(&words).start().until_ready();
    assert_eq!(sideman.get("/").text(), "hello");
    assert_eq!(sideman.get("/static/site.css").text(), "b{}");
}

#[test]
fn every_command_of_the_readme_works() {
    let commands = fenced("sh");
    let gunicorn = commands.iter().find(|command| command.starts_with("gunicorn ")).unwrap();
    for command in &commands {
        if let Some(arguments) = command.strip_prefix("cargo run --locked -- ") {
            let words: Vec<&str> = arguments.split(' ').chain(FREE_PORTS).collect();
            let sideman = Settings::default().args(&words).start_demo().until_ready();
            assert_eq!(sideman.get("/").status, 200, "{command}");
        } else if command.starts_with("sideman run ") {
            check_run(command);
            let count = |flag| after(gunicorn, flag).parse::<u32>().unwrap();
            let product = count("--workers") * count("--threads");
            assert_eq!(after(command, "--max-in-flight"), product.to_string());
            assert_eq!(
                after(command, "--upstream"),
                format!("http://{}", after(gunicorn, "--bind"))
            );
        } else if command != gunicorn {
            let elsewhere = ELSEWHERE.iter().find(|(known, ..)| known == command);
            let (_, script, words) = elsewhere.unwrap_or_else(|| panic!("nothing runs {command}"));
            assert!(text(script).contains(words), "{script} does not run {command}");
        }
    }
    for (command, ..) in ELSEWHERE {
        assert!(commands.iter().any(|known| known == command), "{command} is gone");
    }
}

#[test]
fn variables_that_replace_nginx_are_valid() {
    let pairs = fenced("ini");
    let pairs = pairs.iter().map(|line| line.split_once('=').unwrap());
    let environment: Environment = pairs.map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(environment.len(), 5);
    config::load(&Flags::default(), &environment).unwrap();
}

#[test]
fn settings_of_the_readme_have_these_defaults() {
    let rows = rows("\n## Settings");
    assert!(rows.len() >= 6, "{rows:?}");
    for row in rows.iter().filter(|row| row[0].starts_with('`')) {
        for name in row[0].split(", ").map(|name| name.trim_matches('`')) {
            let key = config::KEYS
                .iter()
                .find(|key| key.short_env == Some(name) || key.env_name() == name);
            let default = match key.unwrap_or_else(|| panic!("no {name}")).default {
                None => "must be set".to_owned(),
                Some([]) => "none".to_owned(),
                Some(items) => format!("`{}`", items.join(",")),
            };
            assert_eq!(row[1], default, "{name}");
        }
    }
}

#[test]
fn figures_of_the_readme_are_in_the_performance_page() {
    let page = text("docs/performance.md");
    let rows = rows("\n## Performance");
    assert!(rows.len() >= 6, "{rows:?}");
    for cell in rows.iter().flat_map(|row| row.iter().skip(1)) {
        let figure = cell.trim();
        assert!(figure.starts_with("-") || figure == "0" || page.contains(figure), "{figure}");
    }
}

/// Half of the readers stop after a few screens.
#[test]
fn readme_is_short_and_its_pictures_are_small() {
    let readme = text("README.md");
    let folded = readme.split("<details>").nth(1).unwrap().split("</details>").next().unwrap();
    let lines = readme.lines().count() - folded.lines().count();
    assert!(lines <= 170, "{lines} lines");
    let mut pictures = 0;
    for rest in readme.split("docs/images/").skip(1) {
        let name = rest.split('"').next().unwrap();
        let path = format!("{}/docs/images/{name}", env!("CARGO_MANIFEST_DIR"));
        assert!(fs::metadata(&path).unwrap().len() < 150_000, "{name} is too large");
        pictures += 1;
    }
    assert_eq!(pictures, 2);
}

/// Facts within sentences: the version, and how many values of an example must be edited.
#[test]
fn readme_names_the_version_and_counts_the_places_to_edit() {
    let readme = text("README.md");
    assert!(readme.contains(concat!("\nVersion ", env!("CARGO_PKG_VERSION"), " ")));
    let manifest = text("config/deploy/copilot/manifest.yml");
    assert!(readme.contains("the six places that are marked") && manifest.contains("# 6. "));
    assert!(!manifest.contains("# 7. "));
    let compose = text("config/deploy/compose.yaml");
    assert!(readme.contains("the three values at its top") && compose.contains("\n# 3. "));
    assert!(!compose.contains("\n# 4. "));
}
