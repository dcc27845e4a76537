//! What the command of an application server says: where it listens, and how many requests it works on. An option that
//! may also come from a file in the image is unknown if the command does not have it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

/// The variable with arguments of gunicorn.
pub(super) const GUNICORN_CMD_ARGS: &str = "GUNICORN_CMD_ARGS";

/// A variable of a shell, and one of a file whose value is not known.
const VARIABLE: [char; 2] = ['$', '\0'];
/// The ends of files with options of uWSGI.
const UWSGI_FILES: [&str; 5] = [".ini", ".xml", ".yaml", ".yml", ".json"];

/// The servers whose options are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Gunicorn,
    Uvicorn,
    Uwsgi,
    Daphne,
    /// Django's own, for development.
    Runserver,
}

/// The command of an application server.
#[derive(Debug)]
pub(super) struct ServerCommand {
    pub(super) server: Server,
    words: Vec<String>,
    /// Options of a variable, which those of the command override.
    defaults: Vec<String>,
    /// Whether a file or a variable may have more options.
    has_more: bool,
}

/// An address in a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bind {
    Tcp { host: String, port: u16 },
    Unix(String),
}

// === impl Bind ===

impl Display for Bind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

// === impl ServerCommand ===

impl ServerCommand {
    /// Finds a known server in the words of a command. `None` if they are those of another program, or of several
    /// servers, or if a variable may be any option.
    pub(super) fn of(words: Vec<String>) -> Option<Self> {
        let words = match script(&words) {
            Some(script) => shell_words::split(script).ok()?,
            None => words,
        };
        let mut found: Option<Self> = None;
        for command in words.split_inclusive(|word| ends_command(word)) {
            let Some((at, server)) =
                command.iter().enumerate().find_map(|(at, word)| Some((at, server(word)?)))
            else {
                continue;
            };
            if found.is_some() {
                return None;
            }
            let rest = command.get(at + 1..)?.iter();
            let rest = rest.map(|word| word.trim_end_matches([';', '&', '|']).to_owned());
            let words = rest.filter(|word| !word.is_empty()).collect();
            found = Some(Self { server, words, defaults: Vec::new(), has_more: false });
        }
        let mut found = found?;
        if found.words.iter().any(|word| word.starts_with(VARIABLE)) {
            return None;
        }
        found.has_more = found.has_file();
        Some(found)
    }

    /// The options of `GUNICORN_CMD_ARGS`.
    pub(super) fn of_cmd_args(text: &str) -> Option<Self> {
        let words = shell_words::split(text).ok()?;
        Some(Self { server: Server::Gunicorn, words, defaults: Vec::new(), has_more: false })
    }

    /// Adds the variables of the process; `None` is a value that is not known.
    pub(super) fn with_variables(mut self, variables: &BTreeMap<String, Option<String>>) -> Self {
        match self.server {
            Server::Gunicorn => match variables.get(GUNICORN_CMD_ARGS) {
                Some(Some(text)) => {
                    self.defaults = shell_words::split(text).unwrap_or_default();
                    self.has_more |= self.has_file();
                }
                Some(None) => self.has_more = true,
                None => {}
            },
            Server::Uwsgi => {
                self.has_more |= variables.keys().any(|name| name.starts_with("UWSGI_"));
            }
            Server::Uvicorn | Server::Daphne | Server::Runserver => {}
        }
        self
    }

    /// Whether an option names a file with more options.
    fn has_file(&self) -> bool {
        match self.server {
            Server::Gunicorn => !self.values("--config", Some("-c")).is_empty(),
            Server::Uwsgi => self.words.iter().any(|word| {
                let is_option = ["--ini", "--emperor"].iter().any(|name| word.starts_with(name));
                is_option || UWSGI_FILES.iter().any(|end| word.contains(end))
            }),
            Server::Uvicorn | Server::Daphne | Server::Runserver => false,
        }
    }

    /// Returns the values of an option, which may have a short name.
    fn values(&self, long: &str, short: Option<&str>) -> Vec<&str> {
        let values = values_in(&self.words, long, short);
        if values.is_empty() { values_in(&self.defaults, long, short) } else { values }
    }

    /// Returns the last value of an option.
    pub(super) fn value(&self, option: GunicornOption) -> Option<&str> {
        self.values(option.long, option.short).pop()
    }

    /// Returns where the server listens; nothing if that is unknown.
    pub(super) fn binds(&self) -> Vec<Bind> {
        let binds = match self.server {
            Server::Gunicorn => self.values(BIND.long, BIND.short),
            Server::Uwsgi if self.has_more => return Vec::new(),
            Server::Uwsgi => {
                let names = ["--http-socket", "--uwsgi-socket", "--socket", "--http"];
                names
                    .into_iter()
                    .flat_map(|name| self.values(name, (name == "--socket").then_some("-s")))
                    .collect()
            }
            Server::Uvicorn => return self.uvicorn().into_iter().collect(),
            Server::Daphne => return self.daphne(),
            Server::Runserver => {
                // A port alone may be a number of another option, and a path is never an address.
                let mut words = self.words.iter().filter(|word| !word.starts_with(['/', '-']));
                return words.find_map(|word| bind(word)).into_iter().collect();
            }
        };
        // If one is unknown, it may be the right one.
        binds.into_iter().map(bind).collect::<Option<Vec<Bind>>>().unwrap_or_default()
    }

    fn uvicorn(&self) -> Option<Bind> {
        let only = |name: &str| self.values(name, None).pop();
        if let Some(path) = only("--uds") {
            return Some(Bind::Unix(path.to_owned()));
        }
        // UVICORN_* may set the one that is missing.
        let (host, port) = (only("--host")?, only("--port")?);
        Some(Bind::Tcp { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// The address of daphne has defaults, unless it has another kind of address.
    fn daphne(&self) -> Vec<Bind> {
        let only = |long: &str, short: &str| self.values(long, Some(short)).pop();
        let is_other = only("--endpoint", "-e").is_some() || !self.values("--fd", None).is_empty();
        let socket = only("--unix-socket", "-u").map(|path| Bind::Unix(path.to_owned()));
        let (host, port) = (only("--bind", "-b"), only("--port", "-p"));
        if is_other {
            return Vec::new();
        }
        if let (Some(socket), None, None) = (socket, host, port) {
            return vec![socket];
        }
        let address = format!("{}:{}", host.unwrap_or("127.0.0.1"), port.unwrap_or("8000"));
        bind(&address).into_iter().collect()
    }

    /// Returns how many requests the server works on at once, if the command says so for a server that takes no more.
    pub(super) fn concurrency(&self) -> Option<(usize, String)> {
        let number = |long: &str, short: Option<&str>| {
            self.values(long, short).pop()?.parse::<usize>().ok().filter(|number| *number > 0)
        };
        match self.server {
            Server::Gunicorn => {
                let workers = number(WORKERS.long, WORKERS.short)?;
                let threads = match (number(THREADS.long, None), self.value(WORKER_CLASS)) {
                    // The class may be in the file.
                    (_, None) if self.has_more => return None,
                    (Some(threads), None | Some("sync" | "gthread")) => threads,
                    (None, Some("sync")) => 1,
                    _ => return None,
                };
                Some((
                    workers.saturating_mul(threads),
                    format!("{workers} workers x {threads} threads"),
                ))
            }
            Server::Uwsgi => {
                let is_async = ["--gevent", "--async", "--asyncio", "--cheaper"];
                if self.has_more || is_async.iter().any(|name| !self.values(name, None).is_empty())
                {
                    return None;
                }
                let processes =
                    number("--processes", Some("-p")).or_else(|| number("--workers", None))?;
                let threads = number("--threads", None)?;
                Some((
                    processes.saturating_mul(threads),
                    format!("{processes} processes x {threads} threads"),
                ))
            }
            Server::Uvicorn | Server::Daphne | Server::Runserver => None,
        }
    }

    /// Returns uWSGI's `buffer-size`.
    pub(super) fn buffer_size(&self) -> Option<usize> {
        match self.server {
            Server::Uwsgi if self.has_more => None,
            Server::Uwsgi => self.values("--buffer-size", Some("-b")).pop()?.parse().ok(),
            Server::Gunicorn | Server::Uvicorn | Server::Daphne | Server::Runserver => None,
        }
    }
}

/// An option of gunicorn.
#[derive(Clone, Copy, Debug)]
pub(super) struct GunicornOption {
    pub(super) long: &'static str,
    short: Option<&'static str>,
}

const BIND: GunicornOption = GunicornOption { long: "--bind", short: Some("-b") };
const WORKERS: GunicornOption = GunicornOption { long: "--workers", short: Some("-w") };
const THREADS: GunicornOption = GunicornOption { long: "--threads", short: None };
const WORKER_CLASS: GunicornOption = GunicornOption { long: "--worker-class", short: Some("-k") };

/// Options that matter to Sideman. Those of the command override the ones of `GUNICORN_CMD_ARGS`.
pub(super) const GUNICORN_OPTIONS: [GunicornOption; 7] = [
    BIND,
    WORKERS,
    THREADS,
    WORKER_CLASS,
    GunicornOption { long: "--timeout", short: Some("-t") },
    GunicornOption { long: "--keep-alive", short: None },
    GunicornOption { long: "--graceful-timeout", short: None },
];

/// Returns the script that a shell among the words runs: the word behind `-c`, `-ec` and the like.
fn script(words: &[String]) -> Option<&str> {
    let name = |word: &String| word.rsplit('/').next().map(str::to_owned);
    let is_shell = |word| matches!(name(word).as_deref(), Some("sh" | "bash" | "ash" | "dash"));
    let at = words.iter().position(is_shell)?;
    let mut rest = words.get(at + 1..)?.iter();
    let is_flag =
        |word: &&String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    rest.find(is_flag)?;
    rest.next().map(String::as_str)
}

/// Whether another command of the script begins behind a word.
fn ends_command(word: &str) -> bool {
    word.ends_with([';', '&', '|'])
}

fn server(word: &str) -> Option<Server> {
    Some(match word.rsplit('/').next()? {
        "gunicorn" => Server::Gunicorn,
        "uvicorn" => Server::Uvicorn,
        "uwsgi" => Server::Uwsgi,
        "daphne" => Server::Daphne,
        "runserver" => Server::Runserver,
        _ => return None,
    })
}

/// Returns the values of an option among words.
fn values_in<'a>(words: &'a [String], long: &str, short: Option<&str>) -> Vec<&'a str> {
    let mut values = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = || words.get(at + 1).map(String::as_str);
        if word == long || Some(word.as_str()) == short {
            values.extend(next());
        } else if let Some(value) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='))
        {
            values.push(value);
        } else if let Some(short) = short
            && !word.starts_with("--")
            && let Some(value) = word.strip_prefix(short)
        {
            values.push(value);
        }
    }
    values
}

/// Parses `HOST:PORT`, `:PORT`, or the path of a socket.
fn bind(text: &str) -> Option<Bind> {
    if text.contains(VARIABLE) {
        return None;
    }
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') || path.len() < text.len() {
        return Some(Bind::Unix(path.to_owned()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Bind::Tcp { host: host.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> ServerCommand {
        ServerCommand::of(words.iter().map(|word| (*word).to_owned()).collect()).unwrap()
    }

    fn tcp(host: &str, port: u16) -> Bind {
        Bind::Tcp { host: host.into(), port }
    }

    #[test]
    fn addresses_and_numbers_are_found_in_commands() {
        let gunicorn = of(&[
            "gunicorn",
            "-b",
            "127.0.0.1:8000",
            "--workers=4",
            "--threads",
            "2",
            "project.wsgi",
        ]);
        assert_eq!(gunicorn.binds(), [tcp("127.0.0.1", 8000)]);
        assert_eq!(gunicorn.concurrency().unwrap().0, 8);
        let shell = of(&[
            "sh",
            "-c",
            "python manage.py migrate && exec gunicorn -w4 -b [::]:80 project.wsgi",
        ]);
        assert_eq!(shell.binds(), [tcp("::", 80)]);
        // gunicorn.conf.py may set the threads.
        assert_eq!(shell.concurrency(), None);
        let uwsgi = of(&[
            "uwsgi",
            "--uwsgi-socket=:3031",
            "--processes=4",
            "--threads=2",
            "--buffer-size",
            "8192",
        ]);
        assert_eq!(uwsgi.binds(), [tcp("", 3031)]);
        assert_eq!((uwsgi.concurrency().unwrap().0, uwsgi.buffer_size()), (8, Some(8192)));
        let uvicorn = of(&["uvicorn", "--host", "0.0.0.0", "--port", "8000", "project.asgi"]);
        assert_eq!(uvicorn.binds(), [tcp("0.0.0.0", 8000)]);
        assert_eq!(
            of(&["gunicorn", "-b", "unix:/run/app.sock"]).binds(),
            [Bind::Unix("/run/app.sock".into())]
        );
    }

    #[test]
    fn what_the_command_does_not_say_is_unknown() {
        assert_eq!(of(&["gunicorn", "project.wsgi"]).binds(), []);
        assert_eq!(of(&["gunicorn", "--bind=0.0.0.0:$PORT"]).binds(), []);
        assert_eq!(of(&["gunicorn", "-w", "4", "--threads=8", "-k", "gevent"]).concurrency(), None);
        assert_eq!(
            of(&["uwsgi", "--ini", "uwsgi.ini", "-p", "2", "--threads=1"]).concurrency(),
            None
        );
        assert!(ServerCommand::of(Vec::new()).is_none());
        let script =
            |script: &str| ServerCommand::of(["sh", "-c", script].map(str::to_owned).into());
        assert!(script("uvicorn a.asgi --port 8001 & gunicorn -b :8000 a.wsgi").is_none());
        assert!(script("gunicorn $OPTIONS -b :8000 a.wsgi").is_none());
        assert!(script("pip install gunicorn && gunicorn -b :8000 a.wsgi").is_none());
        let file = ["uwsgi", "/app/uwsgi.yaml", "--http-socket=:80", "-p", "2", "--threads=1"];
        assert_eq!((of(&file).binds(), of(&file).concurrency()), (Vec::new(), None));
        let file = ["gunicorn", "-c", "conf.py", "-b", ":80", "-w", "2", "--threads=1"];
        assert_eq!((of(&file).binds(), of(&file).concurrency()), (vec![tcp("", 80)], None));
    }

    #[test]
    fn variables_have_options_that_the_command_overrides() {
        let with = |words: &[&str], name: &str, value: Option<&str>| {
            let variables = [(name.to_owned(), value.map(str::to_owned))].into_iter().collect();
            of(words).with_variables(&variables)
        };
        let arguments = Some("-b :1 -w 2 --threads 4");
        let command = with(&["gunicorn", "a.wsgi"], GUNICORN_CMD_ARGS, arguments);
        assert_eq!((command.binds(), command.concurrency().unwrap().0), (vec![tcp("", 1)], 8));
        let command = with(&["gunicorn", "-b", ":2", "a.wsgi"], GUNICORN_CMD_ARGS, arguments);
        assert_eq!(command.binds(), [tcp("", 2)]);
        let command = with(&["uwsgi", "--http-socket=:1"], "UWSGI_HTTP_SOCKET", None);
        assert_eq!(command.binds(), []);
    }

    #[test]
    fn servers_for_asgi_and_development_have_addresses() {
        assert_eq!(of(&["daphne", "a.asgi"]).binds(), [tcp("127.0.0.1", 8000)]);
        assert_eq!(of(&["daphne", "-b", "::", "-p", "80"]).binds(), [tcp("::", 80)]);
        assert_eq!(of(&["daphne", "-u", "/a.sock"]).binds(), [Bind::Unix("/a.sock".into())]);
        assert_eq!(of(&["daphne", "-e", "tcp:80"]).binds(), []);
        let runserver = of(&["python", "manage.py", "runserver", "--pythonpath", "/a", "[::1]:80"]);
        assert_eq!(runserver.binds(), [tcp("::1", 80)]);
        assert_eq!(of(&["python", "manage.py", "runserver", "80"]).binds(), []);
    }
}
