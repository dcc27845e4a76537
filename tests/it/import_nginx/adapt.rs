//! Adapts a configuration to this machine, by rule: its paths lie in a temporary directory, its applications are
//! scripted ones, and its servers listen on one free port. nginx and the importer get the same text.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    application::{Application, Protocol},
    statements::{self, Statement},
};
use crate::support::TempDir;

/// A configuration that both servers can run.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) directory: TempDir,
    /// The text for the importer, with its own listeners.
    pub(super) text: String,
    /// The statements of the `http` block for nginx, whose listeners have `PORT` as their port.
    pub(super) nginx: String,
    pub(super) locations: Vec<Location>,
    /// Names of servers, and of headers that it adds.
    pub(super) hosts: Vec<String>,
    pub(super) headers: BTreeSet<String>,
    /// Paths of the pages of errors.
    pub(super) pages: BTreeSet<String>,
    _applications: BTreeMap<(String, Protocol), Application>,
}

/// What requests are made of.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) modifier: String,
    pub(super) path: String,
    pub(super) is_internal: bool,
}

/// Statements about the process, and those of modules or places that are not there.
const DROPPED: [&str; 20] = [
    "user",
    "pid",
    "daemon",
    "error_log",
    "access_log",
    "log_format",
    "events",
    "env",
    "use",
    "load_module",
    "resolver",
    "limit_req",
    "limit_req_zone",
    "limit_req_status",
    "limit_conn",
    "limit_conn_zone",
    "limit_conn_status",
    "gzip_static",
    "http2",
    "pcre_jit",
];
const DROPPED_BEGINNINGS: [&str; 9] = [
    "worker_",
    "proxy_cache",
    "uwsgi_cache",
    "brotli",
    "zstd",
    "open_file_cache",
    "thread_pool",
    "proxy_no_cache",
    "resolver_",
];

/// Files that come with nginx.
const KNOWN: [&str; 4] = ["mime.types", "uwsgi_params", "proxy_params", "fastcgi_params"];

// === impl Site ===

impl Site {
    /// `files` are names and texts; the first ones, as many as `main`, are given to nginx, the others are included.
    /// `None` if it cannot run here: it needs TLS, or a server that decides about requests.
    pub(super) fn new(files: &[(String, String)], main: usize) -> Option<Self> {
        let text: String =
            files.iter().take(main).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        let mut tree = included(statements::read(&rendered(&text)), files, 0);
        if let Some(at) = tree.iter().position(|one| one.name() == "http") {
            let http = tree.remove(at);
            tree = http.block.unwrap_or_default();
        }
        clean(&mut tree);
        let tree = one_port(tree)?;
        let mut site = Self {
            directory: TempDir::new(),
            text: String::new(),
            nginx: String::new(),
            locations: Vec::new(),
            hosts: Vec::new(),
            headers: BTreeSet::new(),
            pages: BTreeSet::new(),
            _applications: BTreeMap::new(),
        };
        let mut is_possible = true;
        for statement in &tree {
            statement.each(&mut |one| {
                is_possible &= !matches!(one.name(), "auth_request" | "proxy_ssl_server_name")
                    && !one
                        .words
                        .iter()
                        .any(|word| word.starts_with("https://") && one.name() == "proxy_pass");
            });
        }
        if !is_possible {
            return None;
        }
        for statement in &tree {
            statement.each(&mut |one| site.collect(one));
        }
        let mut tree = tree;
        site.addresses(&mut tree);
        let root = site.directory.path().display().to_string();
        paths(&mut tree, &root);
        site.populate(&tree);
        site.text = statements::write(&tree);
        listeners(&mut tree);
        site.nginx = statements::write(&tree);
        Some(site)
    }

    fn collect(&mut self, one: &Statement) {
        match one.name() {
            "server_name" => {
                let names = one.words.iter().skip(1).filter(|name| {
                    name.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
                        && name.contains('.')
                });
                self.hosts.extend(names.map(|name| name.trim_start_matches('.').to_owned()));
            }
            "error_page" => {
                self.pages.extend(one.words.last().cloned());
            }
            "add_header" => {
                self.headers.insert(one.arg(0).to_ascii_lowercase());
            }
            "location" => {
                let (first, second) = (one.arg(0), one.arg(1));
                let marks = ["^~", "~*", "~", "="];
                let (modifier, path) =
                    match marks.iter().find_map(|mark| Some((*mark, first.strip_prefix(mark)?))) {
                        Some((mark, "")) => (mark, second),
                        Some((mark, rest)) => (mark, rest),
                        None => ("", first),
                    };
                let is_internal =
                    one.block.iter().flatten().any(|inner| inner.name() == "internal");
                self.locations.push(Location {
                    modifier: modifier.into(),
                    path: path.into(),
                    is_internal,
                });
            }
            _ => {}
        }
    }

    /// Starts an application for each address, and writes its own in place.
    fn addresses(&mut self, tree: &mut [Statement]) {
        let mut upstreams: BTreeMap<String, Protocol> = BTreeMap::new();
        let names: Vec<String> = tree
            .iter()
            .filter(|one| one.name() == "upstream")
            .map(|one| one.arg(0).to_owned())
            .collect();
        replace_passes(tree, &mut |name, address| {
            let protocol = if name == "uwsgi_pass" { Protocol::Uwsgi } else { Protocol::Http };
            if names.contains(&address.to_owned()) {
                upstreams.insert(address.to_owned(), protocol);
                return address.to_owned();
            }
            self.address(address, protocol)
        });
        for upstream in tree.iter_mut().filter(|one| one.name() == "upstream") {
            let protocol = upstreams.get(upstream.arg(0)).copied().unwrap_or(Protocol::Http);
            for server in upstream.block.iter_mut().flatten().filter(|one| one.name() == "server") {
                let address = self.address(server.arg(0), protocol);
                server.words[1] = address;
                server.words.retain(|word| word != "resolve");
            }
        }
    }

    fn address(&mut self, name: &str, protocol: Protocol) -> String {
        let key = (name.to_owned(), protocol);
        self._applications
            .entry(key)
            .or_insert_with(|| Application::start(name, protocol))
            .address
            .clone()
    }

    /// Writes files where the configuration looks for them.
    fn populate(&self, tree: &[Statement]) {
        let mut directories: BTreeSet<String> = BTreeSet::new();
        let prefixes: Vec<String> = self
            .locations
            .iter()
            .filter(|one| {
                matches!(one.modifier.as_str(), "" | "^~" | "=") && one.path.starts_with('/')
            })
            .map(|one| one.path.clone())
            .collect();
        let mut bases = Vec::new();
        for statement in tree {
            statement.each(&mut |one| match one.name() {
                "root" => bases.push(one.arg(0).to_owned()),
                "alias" => {
                    directories.insert(one.arg(0).to_owned());
                }
                "auth_basic_user_file" => {
                    fs::create_dir_all(Path::new(one.arg(0)).parent().unwrap()).unwrap();
                    // user:secret
                    fs::write(one.arg(0), "user:$apr1$salt0000$V7gtPHq4uAVLHlvGVO4aI.\n").unwrap();
                }
                _ => {}
            });
        }
        for base in bases {
            directories.insert(base.clone());
            directories.extend(prefixes.iter().map(|prefix| format!("{base}{prefix}")));
        }
        let root = self.directory.path().display().to_string();
        for directory in directories.into_iter().filter(|one| one.starts_with(&root)) {
            let path = Path::new(directory.trim_end_matches('/'));
            let is_file = !directory.ends_with('/')
                && path.file_name().is_some_and(|name| {
                    name.to_string_lossy().trim_start_matches('.').contains('.')
                });
            if is_file && !path.is_dir() {
                // Its directory may be a file for another line.
                if fs::create_dir_all(path.parent().unwrap()).is_err() {
                    continue;
                }
                fs::write(path, format!("file {}", path.file_name().unwrap().display())).unwrap();
                continue;
            }
            if fs::create_dir_all(path.join("sub")).is_err() {
                continue;
            }
            for name in [
                "app.css",
                "sub/b.js",
                "index.html",
                "photo.jpg",
                "404.html",
                "50x.html",
                "redoc.html",
            ] {
                let shown = path.strip_prefix(self.directory.path()).unwrap_or(path);
                fs::write(path.join(name), format!("{} {name}", shown.display())).unwrap();
            }
        }
    }
}

/// Gives each placeholder of a template a value.
fn rendered(text: &str) -> String {
    let braces = regex::Regex::new(r"\{\{[ -]*[A-Za-z_.]+[ -]*\}\}").unwrap();
    let variables = regex::Regex::new(r"\$\{?([A-Z][A-Za-z0-9_]*)\}?").unwrap();
    let value = |found: &regex::Captures<'_>| {
        let name = found.get(0).map_or("", |name| name.as_str()).to_ascii_uppercase();
        let of_kinds = [
            ("DOLLAR", "$"),
            ("PORT", "8000"),
            ("BIND", "app:8000"),
            ("SIZE", "5m"),
            ("SCHEME", "http"),
            ("DIR", "/srv/site"),
            ("DOMAIN", "example.org"),
            ("SERVER_NAME", "example.org"),
        ];
        let found = of_kinds.iter().find(|(kind, _)| name.contains(kind));
        found.map_or("value", |(_, value)| value).to_owned()
    };
    let text = braces.replace_all(text, value);
    variables.replace_all(&text, value).into_owned()
}

/// Puts included files in their place.
fn included(tree: Vec<Statement>, files: &[(String, String)], depth: usize) -> Vec<Statement> {
    let mut whole = Vec::new();
    for mut statement in tree {
        if let Some(block) = statement.block.take() {
            statement.block = Some(included(block, files, depth));
        }
        if statement.name() != "include" {
            whole.push(statement);
            continue;
        }
        let path = statement.arg(0).to_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_pattern = name.contains('*');
        let found: Vec<&(String, String)> = files
            .iter()
            .filter(|(file, _)| {
                let own = file.rsplit('/').next().unwrap_or_default();
                match is_pattern {
                    true => {
                        file.contains('/')
                            && path.contains(file.split('/').next().unwrap_or_default())
                    }
                    false => own == name,
                }
            })
            .collect();
        // wsgi_params is a name for the same file.
        let name = name.strip_prefix("wsgi").map_or(name.to_owned(), |rest| format!("uwsgi{rest}"));
        if found.is_empty() && KNOWN.contains(&name.as_str()) {
            statement.words[1] = format!("/etc/nginx/{name}");
            whole.push(statement);
        }
        if depth < 4 {
            for (_, text) in found {
                whole.extend(included(statements::read(&rendered(text)), files, depth + 1));
            }
        }
    }
    whole
}

fn clean(tree: &mut Vec<Statement>) {
    tree.retain(|one| {
        let name = one.name();
        !DROPPED.contains(&name)
            && !DROPPED_BEGINNINGS.iter().any(|begin| name.starts_with(begin))
            && !name.ends_with("_temp_path")
    });
    for one in tree {
        if let Some(block) = &mut one.block {
            clean(block);
        }
    }
}

/// Keeps the servers on the port of the first one; `None` if one has TLS.
fn one_port(tree: Vec<Statement>) -> Option<Vec<Statement>> {
    let port = |listen: &Statement| listen.arg(0).rsplit(':').next().unwrap_or_default().to_owned();
    let ports = |server: &Statement| -> Vec<String> {
        let listens = server.block.iter().flatten().filter(|one| one.name() == "listen");
        let found: Vec<String> = listens.map(port).collect();
        if found.is_empty() { vec!["80".into()] } else { found }
    };
    let is_tls = tree.iter().filter(|one| one.name() == "server").any(|server| {
        server.block.iter().flatten().any(|one| {
            one.name().starts_with("ssl")
                || (one.name() == "listen" && one.words.iter().any(|word| word == "ssl"))
        })
    });
    let first = tree.iter().find(|one| one.name() == "server").map(ports)?.remove(0);
    (!is_tls).then(|| {
        tree.into_iter()
            .filter(|one| one.name() != "server" || ports(one).contains(&first))
            .collect()
    })
}

fn replace_passes(tree: &mut [Statement], replaced: &mut impl FnMut(&str, &str) -> String) {
    for one in tree {
        if let Some(block) = &mut one.block {
            replace_passes(block, replaced);
        }
        let name = one.name().to_owned();
        if !matches!(name.as_str(), "proxy_pass" | "uwsgi_pass") {
            continue;
        }
        let text = one.arg(0).to_owned();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme == "http" || scheme == "$scheme" => {
                (format!("{scheme}://"), rest.to_owned())
            }
            _ => (String::new(), text.clone()),
        };
        let (address, uri) = match rest.strip_prefix("unix:") {
            Some(path) => match path.split_once(':') {
                Some((path, uri)) => (format!("unix:{path}"), uri.to_owned()),
                None => (rest.clone(), String::new()),
            },
            None => {
                let end = rest
                    .find(['/', '?'])
                    .or_else(|| rest.find("$request_uri"))
                    .unwrap_or(rest.len());
                (rest[..end].to_owned(), rest[end..].to_owned())
            }
        };
        if address.contains('$') && !address.starts_with("$backend") {
            continue;
        }
        one.words[1] = format!("{scheme}{}{uri}", replaced(&name, &address));
    }
}

fn paths(tree: &mut [Statement], root: &str) {
    for one in tree {
        if let Some(block) = &mut one.block {
            paths(block, root);
        }
        let is_path = matches!(one.name(), "root" | "alias" | "auth_basic_user_file");
        let is_condition = one.name() == "if"
            && one.words.iter().any(|word| word.ends_with("-f") || word.ends_with("-e"));
        if !is_path && !is_condition {
            continue;
        }
        for word in one.words.iter_mut().skip(1) {
            if word.starts_with('/') {
                *word = format!("{root}{word}");
            } else if let Some(rest) =
                word.strip_prefix(['"', '\'']).filter(|rest| rest.starts_with('/'))
            {
                *word = format!("{root}{}", rest.trim_end_matches(['"', '\'']));
            }
        }
    }
}

/// Writes one listener for each server.
fn listeners(tree: &mut [Statement]) {
    for server in tree.iter_mut().filter(|one| one.name() == "server") {
        let Some(block) = &mut server.block else { continue };
        let is_default = block.iter().any(|one| {
            one.name() == "listen"
                && one.words.iter().any(|word| word == "default_server" || word == "default")
        });
        block.retain(|one| one.name() != "listen");
        let mut words = vec!["listen".to_owned(), "127.0.0.1:PORT".to_owned()];
        words.extend(is_default.then(|| "default_server".to_owned()));
        block.push(Statement { words, block: None });
    }
}
