//! Complete settings through [`load`]: the golden cases of tests/golden/plan, and properties of every key.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    environment::Environment,
    format::TomlType,
    keys::{KEYS, ROUTE_KEYS, ROUTE_SECTION, SECTIONS, SettingKey},
    load::{Flags, LoadedSettings, health_target, load},
    sources::ValueOrigin,
};

const RULER: &str = "----------\n";
const UPSTREAM: (&str, &str) = ("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000");

/// A temporary directory for one test.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("sideman-config-{}-{count}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn problems(flags: &Flags, variables: &[(&str, &str)]) -> String {
    load(flags, &environment(variables)).map(|_| ()).unwrap_err().to_string()
}

// Golden cases.

#[test]
fn golden() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan");
    let mut names: Vec<PathBuf> =
        fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 25, "cases are missing from {}", cases.display());
    let mut wrong = String::new();
    for name in names {
        let case = fs::read_to_string(&name).unwrap();
        let (input, expected) = case.split_once(RULER).unwrap_or((&case, ""));
        let found = run_case(input);
        if found == expected {
            continue;
        }
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&name, format!("{input}{RULER}{found}")).unwrap();
        } else {
            let name = name.file_name().unwrap().to_string_lossy();
            writeln!(wrong, "== {name}\n-- expected\n{expected}-- found\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nif this is right: UPDATE_EXPECT=1 cargo test --lib golden");
}

/// Loads the settings of a case. `== flags` has a flag on each line, `== env` a variable on each line; `== toml` is the
/// settings file, `== file NAME` another file, `$DIR` the directory of the files. The text before them describes the
/// case.
fn run_case(input: &str) -> String {
    let directory = TestDirectory::new();
    let here = directory.0.to_str().unwrap();
    let mut flags = Flags::default();
    let mut variables = Environment::new();
    let mut parts = input.split("\n== ");
    assert!(
        parts.next().is_some_and(|title| !title.trim().is_empty()),
        "a case says what it shows"
    );
    for part in parts {
        let (head, body) = part.split_once('\n').unwrap();
        let body = body.replace("$DIR", here);
        let lines = body.lines().filter(|line| !line.is_empty());
        match head.split_once(' ').unwrap_or((head, "")) {
            ("flags", _) => lines.for_each(|line| add_flag(&mut flags, line)),
            ("env", _) => lines.for_each(|line| {
                let (name, value) = line.split_once('=').unwrap();
                variables.insert(name.into(), value.into());
            }),
            ("toml", _) => flags.config = Some(directory.write("sideman.toml", body).into()),
            ("file", name) => drop(directory.write(name, body)),
            (other, _) => panic!("unknown part {other:?}"),
        }
    }
    let found = match load(&flags, &variables) {
        Ok(loaded) => show(&loaded),
        Err(problems) => format!("{problems}\n"),
    };
    found.replace(here, "$DIR")
}

fn add_flag(flags: &mut Flags, line: &str) {
    let (flag, value) = line.split_once(' ').unwrap();
    if flag == "--config" {
        flags.config = Some(value.into());
        return;
    }
    let key = KEYS.iter().find(|key| key.flag.is_some_and(|known| known.name == flag)).unwrap();
    match flags.values.iter_mut().find(|(name, _)| *name == key.name) {
        Some((_, values)) => values.push(value.into()),
        None => flags.values.push((key.name, vec![value.into()])),
    }
}

/// Returns the settings that differ from their defaults, and the plan.
fn show(loaded: &LoadedSettings) -> String {
    let set = loaded.settings.iter().filter(|setting| setting.origin != ValueOrigin::Default);
    let mut text = String::new();
    for setting in set {
        writeln!(text, "{} = {} ({})", setting.id, setting.text, setting.origin).unwrap();
    }
    format!("{text}{:#?}\n", loaded.plan)
}

// Properties of every key.

/// A value that every key rejects.
const GARBAGE: &str = "\u{1}";

#[test]
fn every_key_is_read_and_refuses_garbage() {
    for key in KEYS.iter() {
        let name = key.env_name();
        let mut variables = vec![(name.as_str(), GARBAGE)];
        if key.name != "upstream.url" {
            variables.push(UPSTREAM);
        }
        let found = problems(&Flags::default(), &variables);
        let shown = if key.kind.properties().is_secret { "(not shown)" } else { "\"\\u{1}\"" };
        let place = format!("  1. {} = {shown} ({name})\n", key.name);
        assert!(found.contains(&place), "{found}");
        assert!(found.contains(&format!("expected: {}", key.kind.expected())), "{found}");
        assert!(!found.contains("  2. "), "{found}");
    }
}

#[test]
fn every_key_of_a_route_is_read_and_refuses_garbage() {
    for key in ROUTE_KEYS {
        let name = format!("SIDEMAN_ROUTE__A1__{}", key.leaf().to_ascii_uppercase());
        let found = problems(&Flags::default(), &[UPSTREAM, (name.as_str(), GARBAGE)]);
        let shown = if key.kind.properties().is_secret { "(not shown)" } else { "\"\\u{1}\"" };
        let place = format!("  1. route.a1.{} = {shown} ({name})\n", key.leaf());
        assert!(found.contains(&place), "{found}");
        assert!(found.contains(&format!("expected: {}", key.kind.expected())), "{found}");
        assert!(!found.contains("  2. "), "{found}");
    }
}

/// A row that stores its value nowhere would not change the plan. Two rows that store it in one field would give equal
/// plans.
#[test]
fn every_setting_has_its_own_field_in_the_plan() {
    let base = [
        ("SIDEMAN_UPSTREAM", "uwsgi://app:3031"),
        ("SIDEMAN_UPSTREAM__PROBE", "9s"),
        ("SIDEMAN_STATIC", "/s/=/srv/s"),
        ("SIDEMAN_STATIC__FALLBACK", "http://before:80"),
        ("SIDEMAN_MEDIA", "/m/=/srv/m"),
        ("SIDEMAN_MEDIA__SIGNED", "timestamp max_age=7s"),
        ("SIDEMAN_MEDIA__SIGNING_KEYS", "/srv/keys"),
        ("SIDEMAN_TLS__LISTEN", "8443"),
        ("SIDEMAN_TLS__SELF_SIGNED", "true"),
        ("SIDEMAN_SERVER__PROXY_PROTOCOL_FROM", "127.0.0.1"),
        ("SIDEMAN_CACHE__REDIS", "rediss://cache"),
        ("SIDEMAN_ROUTE__TLS__PATH", "/tls/"),
        ("SIDEMAN_ROUTE__TLS__UPSTREAM", "https://app:8443"),
    ];
    // Each of these two is only valid with the other; the cases of tests/golden/plan have both.
    let keys =
        KEYS.iter().filter(|key| !["tls.self_signed", "tls.certificates"].contains(&key.name));
    let flags = Flags::default();
    // An authority's certificate takes the place of the self-signed one.
    let with_acme = base.map(|one| match one {
        ("SIDEMAN_TLS__SELF_SIGNED", _) => ("SIDEMAN_ACME__DOMAINS", "a.test"),
        one => one,
    });
    let mut plans = Vec::new();
    for key in keys {
        let base = if key.section() == "acme" { with_acme } else { base };
        let before = load(&flags, &environment(&base)).unwrap().plan;
        let expected = key.kind.expected();
        let (_, example) = expected.split_once("such as ").unwrap_or_default();
        let example = example.trim_end_matches("; or none");
        let parts = expected.split(' ').map(|part| part.trim_end_matches([',', ';']));
        let values = ["7s", "17KiB", "1MiB", "33", "true", "false", "/other", example]
            .into_iter()
            .chain(parts);
        let plan = values
            .filter_map(|value| {
                let mut variables = environment(&base);
                // The short name would set it twice.
                variables.retain(|name, _| key.short_env.is_none_or(|short| name != short));
                variables.insert(key.env_name().into(), value.into());
                load(&flags, &variables).ok()
            })
            .map(|loaded| loaded.plan)
            .find(|plan| *plan != before)
            .unwrap_or_else(|| panic!("{} changes nothing", key.name));
        if let Some((other, _)) = plans.iter().find(|(_, known)| *known == plan) {
            panic!("{} and {other} are stored in the same field", key.name);
        }
        plans.push((key.name, plan));
    }
    assert_eq!(plans.len(), KEYS.len() - 2);
}

#[test]
fn every_setting_is_shown_in_the_order_of_the_table() {
    let loaded = load(&Flags::default(), &environment(&[UPSTREAM])).unwrap();
    let shown: Vec<_> = loaded.settings.iter().map(|setting| setting.id.key.name).collect();
    assert_eq!(shown, KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
}

#[test]
fn every_name_is_there_once_and_in_its_section() {
    let mut sections: Vec<&str> = KEYS.iter().map(SettingKey::section).collect();
    sections.dedup();
    assert_eq!(sections, SECTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let mut names: Vec<String> = KEYS
        .iter()
        .flat_map(|key| {
            [
                Some(key.env_name()),
                key.short_env.map(Into::into),
                key.flag.map(|flag| flag.name.into()),
            ]
        })
        .flatten()
        .collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn an_example_of_every_kind_of_list_is_accepted_by_every_source() {
    let directory = TestDirectory::new();
    let toml = "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
    let flags = Flags {
        config: Some(directory.write("sideman.toml", toml).into()),
        values: vec![("server.listen", vec!["127.0.0.1:1".into(), "127.0.0.1:2".into()])],
        ..Flags::default()
    };
    let roots = ("SIDEMAN_STATIC", "/a/=/srv/a, /b/=/srv/b, /a/=/srv/old");
    let plan = load(&flags, &environment(&[UPSTREAM, roots])).unwrap().plan;
    assert_eq!(plan.server.listen.len(), 2);
    assert_eq!(plan.server.trusted_proxies.len(), 2);
    assert_eq!(plan.files.roots.len(), 2);
    assert_eq!(plan.files.roots[0].directories, [Path::new("/srv/a"), Path::new("/srv/old")]);
    assert_eq!(plan.files.roots[1].directories, [Path::new("/srv/b")]);
}

// config/sideman.toml.

const HEADER: [&str; 4] = [
    "Every setting of sideman.",
    "Each key stands here with its default, commented out: this file changes nothing until you \
     remove the # in front of a key. Only upstream.url has no default; what is shown is an example.",
    "The environment wins over this file: SIDEMAN_UPSTREAM__READ_TIMEOUT=30s is read_timeout in \
     [upstream], and so on for every key; a list is comma separated, and a name with _FILE behind \
     it reads the value from that file. Flags win over the environment. Some keys have shorter names.",
    "`sideman check --all` shows every value and where it was set, or everything that is wrong.",
];

const ROUTE_EXAMPLE: &str = "#
#   [route.api]
#   path = \"/api/\"
#   upstream = \"http://127.0.0.1:9000\"
#
";

/// Returns the file for the table of settings. Every key is commented out, so the file changes nothing until a line is
/// changed.
fn template() -> String {
    let mut text = String::new();
    for (index, paragraph) in HEADER.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "#\n" });
        wrap(&mut text, paragraph);
    }
    for (section, doc) in SECTIONS {
        writeln!(text).unwrap();
        wrap(&mut text, doc);
        writeln!(text, "[{section}]").unwrap();
        for key in KEYS.iter().filter(|key| key.section() == *section) {
            writeln!(text).unwrap();
            let names: Vec<_> =
                key.short_env.into_iter().chain(key.flag.map(|flag| flag.name)).collect();
            wrap(&mut text, key.doc);
            wrap(&mut text, &format!("Expected: {}.", key.kind.expected()));
            if !names.is_empty() {
                wrap(&mut text, &format!("Also: {}.", names.join(", ")));
            }
            let (name, value) = (key.leaf(), toml_value(key));
            writeln!(text, "#{name} = {value}").unwrap();
        }
    }
    writeln!(text).unwrap();
    wrap(&mut text, ROUTE_SECTION.1);
    wrap(&mut text, "For example:");
    text.push_str(ROUTE_EXAMPLE);
    for key in ROUTE_KEYS {
        wrap(&mut text, &format!("{}: {} Expected: {}.", key.leaf(), key.doc, key.kind.expected()));
    }
    text
}

/// Writes a comment in lines of at most 100 characters.
fn wrap(text: &mut String, comment: &str) {
    let mut line = String::from("#");
    for word in comment.split(' ') {
        if line.len() + 1 + word.len() > 100 {
            writeln!(text, "{line}").unwrap();
            line = String::from("#");
        }
        write!(line, " {word}").unwrap();
    }
    writeln!(text, "{line}").unwrap();
}

fn toml_value(key: &SettingKey) -> String {
    let items = key.default.unwrap_or(&["http://127.0.0.1:8000"]);
    let properties = key.kind.properties();
    match items {
        [only] if properties.stands_alone => return format!("{only:?}"),
        items if key.kind.is_list() => return format!("{items:?}"),
        _ => {}
    }
    match matches!(properties.toml, TomlType::Number | TomlType::Bool) {
        true => items[0].into(),
        false => format!("{:?}", items[0]),
    }
}

#[test]
fn the_settings_file_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sideman.toml");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, template()).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap();
    assert_eq!(file, template(), "UPDATE_EXPECT=1 cargo test --lib rewrites {}", path.display());
}

#[test]
fn the_settings_file_changes_nothing() {
    let directory = TestDirectory::new();
    // Unchanged, and with every key enabled.
    let uncommented: String = template()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with([' ', '#']) => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let is_key = |line: &&str| !line.starts_with('#') && line.contains(" = ");
    assert_eq!(uncommented.lines().filter(is_key).count(), KEYS.len());
    let defaults = load(&Flags::default(), &environment(&[UPSTREAM])).unwrap().plan;
    for (text, variables) in [(template(), &[UPSTREAM][..]), (uncommented, &[])] {
        let config = Some(directory.write("sideman.toml", text).into());
        let flags = Flags { config, ..Flags::default() };
        assert_eq!(load(&flags, &environment(variables)).unwrap().plan, defaults);
    }
}

// Cases that a golden file cannot express.

#[test]
fn bytes_that_are_not_text() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let directory = TestDirectory::new();
    let odd = || OsString::from_vec(b"SIDEMAN_\xff".to_vec());
    let mut variables = environment(&[UPSTREAM]);
    variables.insert("SIDEMAN_LOG__LEVEL".into(), OsString::from_vec(vec![0xff]));
    variables.insert(odd(), "x".into());
    variables.insert(OsString::from_vec(vec![0xff]), "another program's".into());
    let file = directory.write("secret", [0xff]);
    variables.insert("SIDEMAN_LOG__ACCESS_FILE".into(), file.clone().into());
    let found = load(&Flags::default(), &variables).unwrap_err().to_string();
    assert_eq!(
        found,
        format!(
            "3 problems with the settings:\n  \
             1. SIDEMAN_\u{fffd}\n     there is no such setting: the names are \
             SIDEMAN_SECTION__KEY, such as SIDEMAN_UPSTREAM__READ_TIMEOUT\n  \
             2. log.access (SIDEMAN_LOG__ACCESS_FILE={file})\n     {file} is not UTF-8 text\n  \
             3. log.level (SIDEMAN_LOG__LEVEL)\n     its value is not UTF-8 text"
        )
    );
}

#[test]
fn a_path_that_is_no_settings_file() {
    let directory = TestDirectory::new();
    for (path, fault) in [
        (directory.0.join("none.toml"), "No such file"),
        (directory.0.clone(), "Is a directory"),
        ("/dev/zero".into(), "/dev/zero is larger than 1MiB"),
    ] {
        let flags = Flags { config: Some(path), ..Flags::default() };
        let found = problems(&flags, &[]);
        assert!(found.starts_with("1 problem with the settings:\n"), "{found}");
        assert!(found.contains("the settings file (--config)"), "{found}");
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn a_health_check_needs_only_its_own_settings() {
    let read =
        |variables: [(&str, &str); 2]| health_target(&Flags::default(), &environment(&variables));
    let variables = [("SIDEMAN_LOG__LEVEL", "loud"), ("SIDEMAN_LISTEN", "[::]:9,127.0.0.1:1")];
    let target = read(variables).unwrap();
    let first = Some(crate::plan::ListenAddress::Tcp("[::]:9".parse().unwrap()));
    assert_eq!((target.listen, target.path.as_str()), (first, "/healthz"));

    let proxied = |listen: &str| {
        let variables =
            [("SIDEMAN_LISTEN", listen), ("SIDEMAN_SERVER__PROXY_PROTOCOL", "127.0.0.1:1")];
        let target = read(variables).unwrap();
        (target.listen.unwrap().to_string(), target.has_proxy_header)
    };
    assert_eq!(proxied("127.0.0.1:1,127.0.0.1:2"), ("127.0.0.1:2".into(), false));
    assert_eq!(proxied("127.0.0.1:1"), ("127.0.0.1:1".into(), true));

    let found = read([("SIDEMAN_HEALTH__PATH", "up"), ("SIDEMAN_LOG__LEVEL", "loud")]);
    let found = found.unwrap_err().to_string();
    assert!(found.contains("1. health.path = \"up\""), "{found}");
    assert!(!found.contains("loud"), "{found}");
    let misspelt = [("SIDEMAN_HEALHT__PATH", "/up"), ("SIDEMAN_LOG__LEVEL", "loud")];
    assert!(read(misspelt).is_err());
}
