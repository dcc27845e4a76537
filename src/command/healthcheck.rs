//! `sideman healthcheck`: checks the running process, as a container's health command. It prints nothing if the process
//! is healthy, because ECS treats output as a problem.

use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::config::{self, Environment, HealthTarget};

use super::{
    args::HealthcheckArgs,
    http_request::{self, CheckPeer},
    listener_peer,
    own_port::use_own_port,
};

const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The address and path of a check.
#[derive(Debug, PartialEq, Eq)]
struct HealthRequest {
    peer: CheckPeer,
    /// The header that the listener requires before the request.
    preface: &'static str,
    path: String,
}

/// Runs the check. The exit status is 0 for a 2xx response, and 1 otherwise.
pub(super) fn healthcheck(
    args: &HealthcheckArgs,
    environment: &Environment,
    err: &mut dyn io::Write,
) -> ExitCode {
    match check(args, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(err, "{fault}");
            ExitCode::FAILURE
        }
    }
}

fn check(args: &HealthcheckArgs, environment: &Environment) -> Result<(), String> {
    let timeout = config::duration(&args.timeout, Duration::from_millis(1), MAX_TIMEOUT)
        .map_err(|fault| format!("--timeout {:?}: {fault}", args.timeout))?;
    let target =
        || config::health_target(&args.settings.flags(), environment).map_err(|p| p.to_string());
    let request = match &args.url {
        Some(url) => HealthRequest::of_url(url, || target().map(|target| target.path))?,
        None => HealthRequest::of_target(target()?)?,
    };
    let begin = Instant::now();
    let fault = match request.send(timeout) {
        Err(fault) if fault.is_unreachable => fault,
        result => return result.map_err(|fault| fault.text),
    };
    let Some(other) = at_own_port(args, environment).filter(|other| *other != request) else {
        return Err(fault.text);
    };
    let left = timeout.saturating_sub(begin.elapsed()).max(Duration::from_millis(1));
    other.send(left).map_err(|second| format!("{}; {}", fault.text, second.text))
}

/// Returns the request for a process that `exec` has started where a platform names the port.
fn at_own_port(args: &HealthcheckArgs, environment: &Environment) -> Option<HealthRequest> {
    let mut flags = args.settings.flags();
    if args.url.is_some() || !use_own_port(&mut flags, environment) {
        return None;
    }
    HealthRequest::of_target(config::health_target(&flags, environment).ok()?).ok()
}

/// Why a check has failed.
#[derive(Debug)]
struct HealthFault {
    text: String,
    /// Whether nothing listens at the address.
    is_unreachable: bool,
}

// === impl HealthRequest ===

impl HealthRequest {
    /// Sends the request, and checks the response.
    fn send(&self, timeout: Duration) -> Result<(), HealthFault> {
        http_request::get(&self.peer, self.preface, &self.path, timeout).map_err(|fault| {
            let is_unreachable = fault.starts_with(http_request::CANNOT_CONNECT);
            // One line, whatever the response contains.
            let fault: String =
                fault.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            // A query may contain a token.
            let path = self.path.split('?').next().unwrap_or_default();
            let text = match &self.peer {
                CheckPeer::Host(authority) => {
                    let url = format!("http://{authority}{path}");
                    format!("GET {}: {fault}", config::masked_url(&url))
                }
                CheckPeer::Unix(socket) => {
                    format!("GET {path} at unix:{}: {fault}", socket.display())
                }
            };
            HealthFault { text, is_unreachable }
        })
    }

    /// Returns the address of the process that runs with the same settings.
    fn of_target(target: HealthTarget) -> Result<Self, String> {
        let path = target.path.clone();
        let (peer, preface) = listener_peer::of_target(target)?;
        Ok(Self { peer, preface, path })
    }

    /// Returns the address from the command line. Without a path it uses the path of the settings.
    fn of_url(url: &str, path: impl Fn() -> Result<String, String>) -> Result<Self, String> {
        let wrong = |fault: &str| Err(format!("{:?}: {fault}", config::masked_url(url)));
        let Some(rest) = url.strip_prefix("http://") else {
            return wrong("write a URL such as http://127.0.0.1:8080/healthz");
        };
        let (authority, given) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return wrong("write the host as in http://127.0.0.1:8080/healthz");
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("only visible ASCII characters are allowed");
        }
        let has_port = authority.rsplit(':').next().is_some_and(|port| {
            authority.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let authority = match has_port {
            true => authority.to_owned(),
            false => format!("{authority}:80"),
        };
        let path = match given.split('#').next().unwrap_or_default() {
            "" => path()?,
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        Ok(Self { peer: CheckPeer::Host(authority), preface: "", path })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener, TcpStream},
        thread::{self, JoinHandle},
    };

    use clap::Parser as _;

    use crate::{
        command::args::{Cli, Command},
        plan::ListenAddress,
    };

    use super::*;

    /// Serves one connection; the request is read whole before `response` runs.
    fn serve(
        response: impl FnOnce(&mut TcpStream) + Send + 'static,
    ) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            response(&mut stream);
            String::from_utf8(request).unwrap()
        });
        (address, server)
    }

    fn responses(bytes: &'static str) -> (SocketAddr, JoinHandle<String>) {
        serve(move |stream| stream.write_all(bytes.as_bytes()).unwrap())
    }

    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (ExitCode, String) {
        let cli = Cli::try_parse_from([&["sideman", "healthcheck"], arguments].concat()).unwrap();
        let Some(Command::Healthcheck(args)) = cli.command else { panic!("{:?}", cli.command) };
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let mut err = Vec::new();
        let code = healthcheck(&args, &environment.collect(), &mut err);
        (code, String::from_utf8(err).unwrap())
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

    #[test]
    fn good_response_prints_nothing() {
        let (address, server) = responses(GOOD);
        let found = run(&[&format!("http://{address}/up?full")], &[]);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        let request = server.join().unwrap();
        assert!(request.starts_with(&format!("GET /up?full HTTP/1.0\r\nHost: {address}\r\n")));
    }

    #[test]
    fn the_settings_say_where_and_what() {
        let (address, server) = responses(GOOD);
        let port = address.port().to_string();
        // The application's address is missing, as if `run` got it from a flag.
        let found = run(&[], &[("SIDEMAN_LISTEN", &port), ("SIDEMAN_HEALTH__PATH", "/alive")]);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        assert!(server.join().unwrap().starts_with("GET /alive HTTP/1.0\r\n"));

        let (address, server) = responses(GOOD);
        let found = run(&["--listen", &address.to_string()], &[("SIDEMAN_LISTEN", "1")]);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        assert!(server.join().unwrap().starts_with("GET /healthz HTTP/1.0\r\n"));
    }

    #[test]
    fn port_of_the_environment_is_asked_if_nothing_listens_at_the_default() {
        let (address, server) = responses(GOOD);
        let port = address.port().to_string();
        let found = run(&[], &[("PORT", &port)]);
        // Another program may listen at the default of this machine; then the port is not asked.
        if TcpStream::connect("127.0.0.1:8080").is_err() {
            assert_eq!(found, (ExitCode::SUCCESS, String::new()));
            server.join().unwrap();
        }
        // An address that was set is the only one.
        let (code, err) = run(&["--listen", "127.0.0.1:1"], &[("PORT", &port)]);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(err.starts_with("GET http://127.0.0.1:1/healthz: cannot connect: "), "{err}");
        assert!(!err.contains(';'), "{err}");
    }

    #[test]
    fn listener_of_the_proxy_protocol_gets_its_header() {
        let (address, server) = responses(GOOD);
        let listen = address.to_string();
        let variables =
            [("SIDEMAN_LISTEN", listen.as_str()), ("SIDEMAN_SERVER__PROXY_PROTOCOL", &listen)];
        let found = run(&[], &variables);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        assert!(server.join().unwrap().starts_with("PROXY UNKNOWN\r\nGET /healthz HTTP/1.0\r\n"));
    }

    #[test]
    fn a_good_status_is_enough() {
        // The response never ends, and the client does not wait for its end.
        let (address, server) = serve(|stream| {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n").unwrap();
            let _ = stream.read(&mut [0]);
        });
        let found = run(&[&format!("http://{address}/"), "--timeout", "1m"], &[]);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        server.join().unwrap();
    }

    #[test]
    fn bad_response_prints_one_line_with_its_reason() {
        let check = |response, expected: &str| {
            let (address, server) = responses(response);
            let found = run(&[&format!("http://{address}/up")], &[]);
            let expected = format!("GET http://{address}/up: {expected}\n");
            assert_eq!(found, (ExitCode::FAILURE, expected));
            server.join().unwrap();
        };
        let unavailable = "HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\x1b[1m\nmore\n";
        check(unavailable, "the response was 503: draining [1m");
        check("HTTP/1.0 404 Not Found\r\n\r\n", "the response was 404");
        check("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "the response was 301");
        check("SSH-2.0-server\r\n", "the response was not HTTP");
        check("", "the connection was closed without a response");
    }

    #[test]
    fn a_socket_is_asked_too() {
        let name = format!("sideman-health-{}-{:08x}.sock", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 512];
            let count = stream.read(&mut request).unwrap();
            stream.write_all(GOOD.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let socket = format!("unix:{}", path.display());
        let found = run(&["--listen", &socket], &[]);
        assert_eq!(found, (ExitCode::SUCCESS, String::new()));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /healthz HTTP/1.0\r\nHost: localhost\r\n"), "{request}");
        std::fs::remove_file(&path).unwrap();
        let (_, err) = run(&["--listen", &socket], &[]);
        assert!(err.starts_with(&format!("GET /healthz at {socket}: cannot connect: ")), "{err}");
    }

    #[test]
    fn nothing_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (code, err) = run(&["--listen", &address.to_string()], &[]);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            err.starts_with(&format!("GET http://{address}/healthz: cannot connect: ")),
            "{err}"
        );
        assert_eq!(err.lines().count(), 1);
    }

    #[test]
    fn the_time_is_for_the_whole_check() {
        // Each byte arrives in time, the whole response does not.
        let (address, server) = serve(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            while stream.write_all(b"H").is_ok() && !matches!(stream.read(&mut [0]), Ok(0)) {}
        });
        let found = run(&[&format!("http://{address}/"), "--timeout", "100ms"], &[]);
        let expected = format!("GET http://{address}/: no response in time\n");
        assert_eq!(found, (ExitCode::FAILURE, expected));
        server.join().unwrap();

        let (address, server) = serve(|stream| drop(stream.read(&mut [0])));
        let found = run(&[&format!("http://{address}/"), "--timeout", "50ms"], &[]);
        let expected = format!("GET http://{address}/: no response in time\n");
        assert_eq!(found, (ExitCode::FAILURE, expected));
        server.join().unwrap();
    }

    #[test]
    fn bad_usage_fails_with_a_sentence() {
        let check = |arguments: &[&str], variables: &[(&str, &str)], expected: &str| {
            let (code, err) = run(arguments, variables);
            assert_eq!(code, ExitCode::FAILURE);
            assert!(err.contains(expected), "{err}");
        };
        check(&["--timeout", "3"], &[], "--timeout \"3\": the unit is missing: write 3s");
        check(&["https://a/"], &[], "\"https://a/\": write a URL such as");
        check(&["http:///up"], &[], "write the host as in");
        check(&["http://a/\n"], &[], "only visible ASCII");
        check(&[], &[("SIDEMAN_LISTEN", "web:80")], "server.listen = \"web:80\" (SIDEMAN_LISTEN)");
        check(&["--listen", "127.0.0.1:0"], &[], "server.listen has port 0");
        let tls = [("SIDEMAN_LISTEN", "none")];
        check(&[], &tls, "server.listen is none, and the health check uses plain HTTP");
        check(&["--config", "/nowhere.toml"], &[], "cannot read /nowhere.toml");
    }

    #[test]
    fn urls() {
        let check = |url: &str, expected: &str| {
            let request = HealthRequest::of_url(url, || Ok("/healthz".into())).unwrap();
            let CheckPeer::Host(authority) = &request.peer else { panic!("{request:?}") };
            assert_eq!(format!("{authority} {}", request.path), expected);
        };
        check("http://a", "a:80 /healthz");
        check("http://a:81", "a:81 /healthz");
        check("http://a/", "a:80 /");
        check("http://a?x", "a:80 /?x");
        check("http://[::1]/up#x", "[::1]:80 /up");
        check("http://[::1]:81/up", "[::1]:81 /up");
        let target = |listen: &str| {
            let listen = Some(ListenAddress::Tcp(listen.parse().unwrap()));
            let path = "/healthz".into();
            let target = HealthTarget { listen, has_proxy_header: false, path };
            HealthRequest::of_target(target).unwrap().peer
        };
        assert_eq!(target("0.0.0.0:8080"), CheckPeer::Host("127.0.0.1:8080".into()));
        assert_eq!(target("[::]:8080"), CheckPeer::Host("[::1]:8080".into()));
        assert_eq!(target("10.0.0.1:8080"), CheckPeer::Host("10.0.0.1:8080".into()));
    }
}
