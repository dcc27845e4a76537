//! The servers that Sideman knows, and how each of them gets its address.

/// How a server gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressHandover {
    /// In this variable.
    Variable(&'static str),
    /// In gunicorn's variable with options, behind those that it has.
    GunicornOptions,
    /// As arguments right behind the server's name; `{}` is the address.
    Arguments(&'static [&'static str]),
}

/// The kind of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressKind {
    Socket,
    Port,
}

/// The address that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressWish {
    pub(super) kind: AddressKind,
    /// Whether the other kind cannot take its place.
    pub(super) is_required: bool,
}

/// The protocol that a server speaks at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerProtocol {
    Http,
    Uwsgi,
}

/// Which placeholders a command contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholders {
    None,
    Socket,
    /// `{host}` or `{port}`.
    Port,
}

/// A server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KnownServer {
    /// Its program, or its module after `-m`.
    name: &'static str,
    pub(super) protocol: ServerProtocol,
    /// How it gets a unix socket; `None` if it cannot use one.
    pub(super) socket: Option<AddressHandover>,
    /// How it gets a port of 127.0.0.1, as `host:port`; `None` for separate options, which PORT is for.
    pub(super) port: AddressHandover,
    /// Whether it must be told to trust the headers of a proxy at a unix socket.
    pub(super) trusts_by_variable: bool,
    /// Options that name an address.
    own: &'static [&'static str],
}

const SERVERS: &[KnownServer] = &[
    KnownServer {
        name: "gunicorn",
        protocol: ServerProtocol::Http,
        socket: Some(AddressHandover::GunicornOptions),
        port: AddressHandover::GunicornOptions,
        trusts_by_variable: true,
        own: &["-b", "--bind"],
    },
    KnownServer {
        name: "uvicorn",
        protocol: ServerProtocol::Http,
        socket: Some(AddressHandover::Variable("UVICORN_UDS")),
        port: AddressHandover::Arguments(&["--host", "{host}", "--port", "{port}"]),
        trusts_by_variable: true,
        own: &["--uds", "--fd", "--host", "--port"],
    },
    KnownServer {
        name: "granian",
        protocol: ServerProtocol::Http,
        socket: Some(AddressHandover::Variable("GRANIAN_UDS")),
        port: AddressHandover::Arguments(&["--host", "{host}", "--port", "{port}"]),
        trusts_by_variable: false,
        own: &["--uds", "--host", "--port"],
    },
    KnownServer {
        name: "hypercorn",
        protocol: ServerProtocol::Http,
        socket: Some(AddressHandover::Arguments(&["--bind", "unix:{socket}"])),
        port: AddressHandover::Arguments(&["--bind", "{host}:{port}"]),
        trusts_by_variable: false,
        own: &["-b", "--bind", "--insecure-bind", "--quic-bind"],
    },
    KnownServer {
        name: "daphne",
        protocol: ServerProtocol::Http,
        socket: Some(AddressHandover::Arguments(&["-u", "{socket}"])),
        port: AddressHandover::Arguments(&["-b", "{host}", "-p", "{port}"]),
        trusts_by_variable: false,
        own: &["-u", "--unix-socket", "-b", "--bind", "-p", "--port", "-e", "--endpoint", "--fd"],
    },
    WAITRESS,
    KnownServer { name: "waitress", ..WAITRESS },
    UWSGI,
    KnownServer { name: "pyuwsgi", ..UWSGI },
    KnownServer {
        name: "runserver",
        protocol: ServerProtocol::Http,
        socket: None,
        port: AddressHandover::Arguments(&["{host}:{port}"]),
        trusts_by_variable: false,
        own: &[],
    },
];

/// Without it waitress hides the headers from Django that only Sideman can have sent.
const FORWARDED: &str = "--no-clear-untrusted-proxy-headers";

const WAITRESS: KnownServer = KnownServer {
    name: "waitress-serve",
    protocol: ServerProtocol::Http,
    socket: Some(AddressHandover::Arguments(&["--unix-socket={socket}", FORWARDED])),
    port: AddressHandover::Arguments(&["--listen={host}:{port}", FORWARDED]),
    trusts_by_variable: false,
    own: &["--listen", "--host", "--port", "--unix-socket"],
};

const UWSGI: KnownServer = KnownServer {
    name: "uwsgi",
    protocol: ServerProtocol::Uwsgi,
    socket: Some(AddressHandover::Variable("UWSGI_UWSGI_SOCKET")),
    port: AddressHandover::Variable("UWSGI_UWSGI_SOCKET"),
    trusts_by_variable: false,
    own: &[
        "-s",
        "--socket",
        "--uwsgi-socket",
        "--http",
        "--http-socket",
        "--http11-socket",
        "--https",
        "--https-socket",
        "--fastcgi-socket",
        "--scgi-socket",
    ],
};

/// The command of the application, with what is known about its server.
#[derive(Clone, Debug)]
pub(super) struct ServerCommand {
    pub(super) words: Vec<String>,
    /// The server, and the index of its name in the words.
    server: Option<(&'static KnownServer, usize)>,
    placeholders: Placeholders,
}

// === impl ServerCommand ===

impl ServerCommand {
    pub(super) fn of(words: &[String]) -> Result<Self, String> {
        let has = |name: &str| words.iter().any(|word| word.contains(name));
        let placeholders = match (has("{socket}"), has("{host}") || has("{port}")) {
            (true, true) => {
                return Err(
                    "the command has {socket} and also {host} or {port}: an application has \
                            one address, so keep one of them"
                        .into(),
                );
            }
            (true, false) => Placeholders::Socket,
            (false, true) => Placeholders::Port,
            (false, false) => Placeholders::None,
        };
        // Others may stand before it: `python -m`, `uv run`, `newrelic-admin run-program`.
        let find = |word: &String| SERVERS.iter().find(|server| server.name == file_name(word));
        let server = words.iter().enumerate().find_map(|(at, word)| Some((find(word)?, at)));
        Ok(Self { words: words.to_vec(), server, placeholders })
    }

    pub(super) fn server(&self) -> Option<&'static KnownServer> {
        self.server.map(|(server, _)| server)
    }

    pub(super) fn placeholders(&self) -> Placeholders {
        self.placeholders
    }

    /// The address that it needs.
    pub(super) fn wants(&self) -> AddressWish {
        let has_socket = self.server().is_some_and(|server| server.socket.is_some());
        let (kind, is_required) = match self.placeholders {
            Placeholders::Socket => (AddressKind::Socket, true),
            Placeholders::Port => (AddressKind::Port, true),
            Placeholders::None if has_socket => (AddressKind::Socket, false),
            Placeholders::None => (AddressKind::Port, false),
        };
        AddressWish { kind, is_required }
    }

    /// The protocol that it speaks at the address.
    pub(super) fn protocol(&self) -> ServerProtocol {
        let protocol = self.server().map_or(ServerProtocol::Http, |server| server.protocol);
        // Such as `uwsgi --http-socket {socket}`.
        let is_http = |word: &String| word.starts_with("--http");
        match self.placeholders {
            Placeholders::Socket | Placeholders::Port if self.words.iter().any(is_http) => {
                ServerProtocol::Http
            }
            Placeholders::None | Placeholders::Socket | Placeholders::Port => protocol,
        }
    }

    /// Returns the words before and with the server's name, and those behind it.
    pub(super) fn split(&self) -> (&[String], &[String]) {
        let at = self.server.map_or(self.words.len(), |(_, at)| at + 1);
        self.words.split_at_checked(at).unwrap_or((&self.words, &[]))
    }

    /// Returns the address that the command itself names, as it is written.
    pub(super) fn own_address(&self) -> Option<String> {
        let server = self.server()?;
        let (_, arguments) = self.split();
        match server.name {
            "runserver" => own_of_runserver(arguments),
            _ => server.own_option(arguments),
        }
    }
}

// === impl KnownServer ===

impl KnownServer {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the first argument that names an address, with its value.
    pub(super) fn own_option(&self, arguments: &[String]) -> Option<String> {
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if self.own.contains(&argument.as_str()) {
                let value = arguments.next().map_or("", String::as_str);
                return Some(format!("{argument} {value}").trim_end().to_owned());
            }
            let has_value = |option: &&&str| match argument.strip_prefix(**option) {
                Some(rest) if option.starts_with("--") => rest.starts_with('='),
                Some(rest) => !rest.is_empty() && !argument.starts_with("--"),
                None => false,
            };
            if self.own.iter().any(|option| has_value(&option)) {
                return Some(argument.clone());
            }
        }
        None
    }
}

/// Returns the argument with the address for `manage.py runserver`.
fn own_of_runserver(arguments: &[String]) -> Option<String> {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = |word: &str| is_port(word.rsplit(':').next().unwrap_or_default());
    let mut before = "";
    for argument in arguments {
        if is_address(argument) && !["-v", "--verbosity"].contains(&before) {
            return Some(argument.clone());
        }
        before = argument;
    }
    None
}

fn file_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> ServerCommand {
        ServerCommand::of(&shell_words::split(text).unwrap()).unwrap()
    }

    #[test]
    fn server_is_found_behind_other_programs() {
        for (text, expected) in [
            ("gunicorn shop.wsgi", Some("gunicorn")),
            ("/venv/bin/gunicorn -k uvicorn.workers.UvicornWorker shop.asgi", Some("gunicorn")),
            ("python3 -m uvicorn shop.asgi:application", Some("uvicorn")),
            ("newrelic-admin run-program uwsgi --ini a.ini", Some("uwsgi")),
            ("uv run granian --interface wsgi shop.wsgi", Some("granian")),
            ("python -m waitress shop.wsgi:application", Some("waitress")),
            ("python manage.py runserver", Some("runserver")),
            ("./start.sh", None),
            ("sh -c 'gunicorn shop.wsgi'", None),
        ] {
            assert_eq!(command(text).server().map(KnownServer::name), expected, "{text}");
        }
    }

    #[test]
    fn own_address_is_found_in_every_form() {
        for (text, expected) in [
            ("gunicorn shop.wsgi", None),
            ("gunicorn -b :80 shop.wsgi", Some("-b :80")),
            ("gunicorn -b:80 shop.wsgi", Some("-b:80")),
            ("gunicorn --bind=:80 shop.wsgi", Some("--bind=:80")),
            ("gunicorn shop.wsgi --bind unix:/a", Some("--bind unix:/a")),
            ("gunicorn --backlog 5 shop.wsgi", None),
            ("python -b -m gunicorn shop.wsgi", None),
            ("uvicorn --host 0.0.0.0 a:b", Some("--host 0.0.0.0")),
            ("uwsgi --http :8000", Some("--http :8000")),
            ("uwsgi --socket-timeout 5 --http-timeout=3", None),
            ("manage.py runserver 0.0.0.0:8000", Some("0.0.0.0:8000")),
            ("manage.py runserver 8000 -v 2", Some("8000")),
            ("manage.py runserver -v 2 --settings shop.settings", None),
            ("manage.py runserver [::]:80", Some("[::]:80")),
            ("other --bind :80", None),
        ] {
            assert_eq!(command(text).own_address().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn placeholders_choose_the_kind_of_address() {
        for (text, kind, is_required) in [
            ("gunicorn a", AddressKind::Socket, false),
            ("manage.py runserver", AddressKind::Port, false),
            ("./serve", AddressKind::Port, false),
            ("./serve {socket}", AddressKind::Socket, true),
            ("./serve --listen={host}:{port}", AddressKind::Port, true),
            ("gunicorn --bind {host}:{port} a", AddressKind::Port, true),
        ] {
            assert_eq!(command(text).wants(), AddressWish { kind, is_required }, "{text}");
        }
        let both = ["serve", "{socket}", "{port}"].map(str::to_owned);
        assert!(ServerCommand::of(&both).unwrap_err().contains("keep one of them"));
    }

    #[test]
    fn protocol_is_that_of_the_server_and_of_its_option() {
        for (text, expected) in [
            ("gunicorn a", ServerProtocol::Http),
            ("uwsgi --ini a.ini", ServerProtocol::Uwsgi),
            ("uwsgi --socket {socket}", ServerProtocol::Uwsgi),
            ("uwsgi --http-socket {socket}", ServerProtocol::Http),
            ("uwsgi --http-timeout 3", ServerProtocol::Uwsgi),
        ] {
            assert_eq!(command(text).protocol(), expected, "{text}");
        }
    }
}
