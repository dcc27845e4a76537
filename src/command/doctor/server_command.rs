//! What the command of an application server says: where it listens, and how many requests it works on. An option that
//! may also come from a file in the image is unknown if the command does not have it.

/// The variable with arguments of gunicorn.
pub(super) const GUNICORN_CMD_ARGS: &str = "GUNICORN_CMD_ARGS";

/// The servers whose options are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Gunicorn,
    Uvicorn,
    Uwsgi,
}

/// The command of an application server.
#[derive(Debug)]
pub(super) struct ServerCommand {
    pub(super) server: Server,
    words: Vec<String>,
}

/// An address in a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bind {
    Tcp { host: String, port: u16 },
    Unix(String),
}

// === impl ServerCommand ===

impl ServerCommand {
    /// Finds a known server in the words of a command. `None` if they are those of another program.
    pub(super) fn of(mut words: Vec<String>) -> Option<Self> {
        if let [shell, flag, script, ..] = words.as_slice()
            && matches!(shell.rsplit('/').next(), Some("sh" | "bash" | "ash"))
            && matches!(flag.as_str(), "-c" | "-lc")
        {
            words = shell_words::split(script).ok()?;
        }
        let (at, server) = words.iter().enumerate().find_map(|(at, word)| {
            let server = match word.rsplit('/').next()? {
                "gunicorn" => Server::Gunicorn,
                "uvicorn" => Server::Uvicorn,
                "uwsgi" => Server::Uwsgi,
                _ => return None,
            };
            Some((at, server))
        })?;
        let rest = words.get(at + 1..)?.iter();
        let words = rest.take_while(|word| !matches!(word.as_str(), "&&" | "||" | ";" | "|" | "&"));
        Some(Self { server, words: words.cloned().collect() })
    }

    /// The options of `GUNICORN_CMD_ARGS`.
    pub(super) fn of_cmd_args(text: &str) -> Option<Self> {
        Some(Self { server: Server::Gunicorn, words: shell_words::split(text).ok()? })
    }

    /// Returns the values of an option, which may have a short name.
    fn values(&self, long: &str, short: Option<&str>) -> Vec<&str> {
        let mut values = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            let next = || self.words.get(at + 1).map(String::as_str);
            if word == long || Some(word.as_str()) == short {
                values.extend(next());
            } else if let Some(value) =
                word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='))
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

    /// Returns the last value of an option.
    pub(super) fn value(&self, option: GunicornOption) -> Option<&str> {
        self.values(option.long, option.short).pop()
    }

    /// Returns where the server listens; nothing if that is unknown.
    pub(super) fn binds(&self) -> Vec<Bind> {
        let binds = match self.server {
            Server::Gunicorn => self.values(BIND.long, BIND.short),
            Server::Uwsgi => {
                let names = ["--http-socket", "--uwsgi-socket", "--socket", "--http"];
                names
                    .into_iter()
                    .flat_map(|name| self.values(name, (name == "--socket").then_some("-s")))
                    .collect()
            }
            Server::Uvicorn => return self.uvicorn().into_iter().collect(),
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

    /// Returns how many requests the server works on at once, if the command says so for a server that takes no more.
    pub(super) fn concurrency(&self) -> Option<(usize, String)> {
        let number = |long: &str, short: Option<&str>| {
            self.values(long, short).pop()?.parse::<usize>().ok().filter(|number| *number > 0)
        };
        match self.server {
            Server::Gunicorn => {
                let workers = number(WORKERS.long, WORKERS.short)?;
                let threads = match (number(THREADS.long, None), self.value(WORKER_CLASS)) {
                    (Some(threads), None | Some("sync" | "gthread")) => threads,
                    (None, Some("sync")) => 1,
                    _ => return None,
                };
                Some((workers * threads, format!("{workers} workers x {threads} threads")))
            }
            Server::Uwsgi => {
                let is_async = ["--gevent", "--async", "--asyncio", "--cheaper", "--ini"];
                if is_async.iter().any(|name| !self.values(name, None).is_empty()) {
                    return None;
                }
                let processes =
                    number("--processes", Some("-p")).or_else(|| number("--workers", None))?;
                let threads = number("--threads", None)?;
                Some((processes * threads, format!("{processes} processes x {threads} threads")))
            }
            Server::Uvicorn => None,
        }
    }

    /// Returns uWSGI's `buffer-size`.
    pub(super) fn buffer_size(&self) -> Option<usize> {
        match self.server {
            Server::Uwsgi => self.values("--buffer-size", Some("-b")).pop()?.parse().ok(),
            Server::Gunicorn | Server::Uvicorn => None,
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

/// Parses `HOST:PORT`, `:PORT`, or the path of a socket.
fn bind(text: &str) -> Option<Bind> {
    if text.contains('$') {
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
    }
}
