//! Hands the chosen address over to the application.

use std::ffi::OsStr;

use crate::{command::own_port::PORT, config::Environment, lifecycle::ProgramCall};

use super::{
    address::ChildAddress,
    servers::{AddressHandover, KnownServer, Placeholders, ServerCommand},
};

const GUNICORN_OPTIONS: &str = "GUNICORN_CMD_ARGS";
/// Without it SIGTERM restarts uWSGI.
const UWSGI_ENDS: (&str, &str) = ("UWSGI_DIE_ON_TERM", "true");
/// In which gunicorn and uvicorn look for the proxies that they trust. Their default is 127.0.0.1.
const TRUSTED: &str = "FORWARDED_ALLOW_IPS";

/// Returns the call of the application, with the address in its arguments and variables.
pub(super) fn to(
    command: &ServerCommand,
    address: &ChildAddress,
    environment: &Environment,
) -> Result<ProgramCall, String> {
    let mut call = ProgramCall { words: filled(&command.words, address), ..ProgramCall::default() };
    call.variables.push((PORT.to_owned(), address.port().to_string()));
    if command.placeholders() != Placeholders::None {
        trust(command.server(), address, environment, &mut call);
        return Ok(call);
    }
    let Some(server) = command.server() else {
        for_scripts(address, environment, &mut call);
        return Ok(call);
    };
    if let Some(own) = command.own_address() {
        return Err(own_address(server, &own));
    }
    let socket = address.socket().and(server.socket);
    match socket.unwrap_or(server.port) {
        AddressHandover::Variable(name) => call.variables.push((name.to_owned(), shown(address))),
        AddressHandover::GunicornOptions => {
            call.variables.push(gunicorn_options(server, address, environment)?);
        }
        AddressHandover::Arguments(arguments) => {
            let arguments: Vec<_> = arguments.iter().map(|&text| text.to_owned()).collect();
            let (before, behind) = command.split();
            call.words = [before, &filled(&arguments, address), behind].concat();
        }
    }
    if server.name().ends_with("uwsgi") {
        let (name, value) = UWSGI_ENDS;
        call.variables.push((name.to_owned(), value.to_owned()));
    }
    trust(Some(server), address, environment, &mut call);
    Ok(call)
}

/// Returns what to do if the application never accepts a connection.
pub(super) fn advice(command: &ServerCommand, is_chosen: bool) -> String {
    if !is_chosen {
        return "let it listen at the address of upstream.url".into();
    }
    match command.server() {
        Some(server) => format!(
            "its output may say why; if a settings file of {} names another address, remove it there, or set upstream.url to it",
            server.name()
        ),
        None => "let it listen at the port in PORT, write {host}:{port} or {socket} into the command, or set upstream.url to its address"
            .into(),
    }
}

/// A script may start any server: each gets the port in the variable that it reads.
fn for_scripts(address: &ChildAddress, environment: &Environment, call: &mut ProgramCall) {
    let (host, port) = (address.host().to_string(), address.port().to_string());
    let both = format!("{host}:{port}");
    let options = text(environment, GUNICORN_OPTIONS).unwrap_or_default();
    let options = format!("{options} --bind {both}").trim_start().to_owned();
    let variables = [
        (GUNICORN_OPTIONS, options.as_str()),
        ("UVICORN_HOST", &host),
        ("UVICORN_PORT", &port),
        ("GRANIAN_HOST", &host),
        ("GRANIAN_PORT", &port),
        ("UWSGI_HTTP_SOCKET", &both),
        UWSGI_ENDS,
    ];
    call.variables.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

fn gunicorn_options(
    server: &KnownServer,
    address: &ChildAddress,
    environment: &Environment,
) -> Result<(String, String), String> {
    let given = text(environment, GUNICORN_OPTIONS).unwrap_or_default();
    let words = shell_words::split(given).unwrap_or_default();
    if let Some(own) = server.own_option(&words) {
        return Err(format!(
            "{GUNICORN_OPTIONS} binds gunicorn by {own:?}, but Sideman chooses its address: remove it from {GUNICORN_OPTIONS}, \
             or set upstream.url to that address"
        ));
    }
    let bind = match address.socket() {
        Some(path) => format!("unix:{}", path.display()),
        None => shown(address),
    };
    let options = format!("{given} --bind {bind}").trim_start().to_owned();
    Ok((GUNICORN_OPTIONS.to_owned(), options))
}

/// Only Sideman can connect to the socket, and connections to it have no address that could be trusted.
fn trust(
    server: Option<&KnownServer>,
    address: &ChildAddress,
    environment: &Environment,
    call: &mut ProgramCall,
) {
    let needs = server.is_some_and(|server| server.trusts_by_variable);
    if needs && address.socket().is_some() && !environment.contains_key(OsStr::new(TRUSTED)) {
        call.variables.push((TRUSTED.to_owned(), "*".to_owned()));
    }
}

fn own_address(server: &KnownServer, own: &str) -> String {
    let name = server.name();
    let placeholder = match server.socket {
        Some(_) => "{socket}",
        None => "{host}:{port}",
    };
    format!(
        "the command names an address for {name} by {own:?}, but Sideman chooses it: remove {own:?}, or write {placeholder} in place of \
         the address, or give the address to Sideman too, as in --upstream http://127.0.0.1:8000"
    )
}

/// The path of the socket, or host and port.
fn shown(address: &ChildAddress) -> String {
    match address.socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", address.host(), address.port()),
    }
}

/// Replaces the placeholders.
fn filled(words: &[String], address: &ChildAddress) -> Vec<String> {
    let socket = address.socket().map(|path| path.display().to_string()).unwrap_or_default();
    let (host, port) = (address.host().to_string(), address.port().to_string());
    let fill = |word: &String| {
        word.replace("{socket}", &socket).replace("{host}", &host).replace("{port}", &port)
    };
    words.iter().map(fill).collect()
}

/// Returns a variable that is text.
fn text<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(OsStr::new(name))?.to_str()
}

#[cfg(test)]
mod tests {
    use super::super::servers::AddressKind;
    use super::*;

    fn call(text: &str, variables: &[(&str, &str)]) -> (Result<ProgramCall, String>, ChildAddress) {
        let command = ServerCommand::of(&shell_words::split(text).unwrap()).unwrap();
        let address = ChildAddress::choose(command.wants()).unwrap();
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        (to(&command, &address, &environment.collect()), address)
    }

    /// The words and variables, with placeholders for the address, without PORT.
    fn shown_call(text: &str, variables: &[(&str, &str)]) -> String {
        let (call, address) = call(text, variables);
        let call = call.unwrap();
        let variables = call.variables.iter().filter(|(name, _)| name != PORT);
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let words = call.words.iter().cloned();
        let all = variables.chain(words).collect::<Vec<_>>().join(" ");
        let all = match address.socket() {
            Some(socket) => all.replace(socket.to_str().unwrap(), "SOCKET"),
            None => all,
        };
        all.replace(&address.port().to_string(), "PORT")
    }

    #[test]
    fn each_server_gets_the_address_as_it_knows_it() {
        for (text, expected) in [
            (
                "gunicorn shop.wsgi",
                "GUNICORN_CMD_ARGS=--bind unix:SOCKET FORWARDED_ALLOW_IPS=* gunicorn shop.wsgi",
            ),
            (
                "python -m uvicorn a:b",
                "UVICORN_UDS=SOCKET FORWARDED_ALLOW_IPS=* python -m uvicorn a:b",
            ),
            ("granian a:b", "GRANIAN_UDS=SOCKET granian a:b"),
            ("hypercorn a:b", "hypercorn --bind unix:SOCKET a:b"),
            ("daphne a:b", "daphne -u SOCKET a:b"),
            (
                "waitress-serve a:b",
                "waitress-serve --unix-socket=SOCKET --no-clear-untrusted-proxy-headers a:b",
            ),
            ("uwsgi --ini a", "UWSGI_UWSGI_SOCKET=SOCKET UWSGI_DIE_ON_TERM=true uwsgi --ini a"),
            (
                "python manage.py runserver --noreload",
                "python manage.py runserver 127.0.0.1:PORT --noreload",
            ),
            ("serve --to={host}:{port}", "serve --to=127.0.0.1:PORT"),
            ("serve unix:{socket}", "serve unix:SOCKET"),
            ("gunicorn -b unix:{socket} a", "FORWARDED_ALLOW_IPS=* gunicorn -b unix:SOCKET a"),
            (
                "./start.sh",
                "GUNICORN_CMD_ARGS=--bind 127.0.0.1:PORT UVICORN_HOST=127.0.0.1 UVICORN_PORT=PORT \
                 GRANIAN_HOST=127.0.0.1 GRANIAN_PORT=PORT UWSGI_HTTP_SOCKET=127.0.0.1:PORT \
                 UWSGI_DIE_ON_TERM=true ./start.sh",
            ),
        ] {
            assert_eq!(shown_call(text, &[]), expected);
        }
    }

    #[test]
    fn variables_of_the_user_are_kept() {
        let variables = [("GUNICORN_CMD_ARGS", "--workers 4"), ("FORWARDED_ALLOW_IPS", "10.0.0.1")];
        assert_eq!(
            shown_call("gunicorn a", &variables),
            "GUNICORN_CMD_ARGS=--workers 4 --bind unix:SOCKET gunicorn a"
        );
    }

    #[test]
    fn address_of_the_command_is_refused_with_its_remedy() {
        let (refused, _) = call("uvicorn --port 80 a:b", &[]);
        let expected = "remove \"--port 80\", or write {socket} in place of the address";
        assert!(refused.unwrap_err().contains(expected));
    }

    #[test]
    fn port_is_set_for_every_command() {
        for text in ["gunicorn a", "./start.sh", "serve {socket}"] {
            let (call, address) = call(text, &[]);
            let port = (PORT.to_owned(), address.port().to_string());
            assert!(call.unwrap().variables.contains(&port), "{text}");
        }
    }

    #[test]
    fn server_that_cannot_use_a_socket_gets_none() {
        let command = ServerCommand::of(&["manage.py".into(), "runserver".into()]).unwrap();
        assert_eq!(command.wants().kind, AddressKind::Port);
    }
}
