//! `sideman purge`: asks the running process, at its admin listener, to purge stored responses.

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use crate::config::{self, Environment};

use super::{
    admin_peer,
    args::PurgeArgs,
    http_request::{self, CheckPeer},
};

const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Tags have room in one field of a request's head.
const MAX_TAGS: usize = 8 * 1024;

/// Purges, and prints the number of responses. The exit status is 1 if a request fails.
pub(super) fn purge(
    args: &PurgeArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    match send(args, environment) {
        Ok(count) => {
            let responses = if count == 1 { "response" } else { "responses" };
            let _ = writeln!(out, "purged {count} stored {responses}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let _ = writeln!(err, "{fault}");
            ExitCode::FAILURE
        }
    }
}

fn send(args: &PurgeArgs, environment: &Environment) -> Result<u64, String> {
    let timeout = config::duration(&args.timeout, Duration::from_millis(1), MAX_TIMEOUT)
        .map_err(|fault| format!("--timeout {:?}: {fault}", args.timeout))?;
    let address = admin_peer::address(&args.settings.flags(), environment)?;
    // All requests are made before the first is sent.
    let requests = requests(args, address)?;
    let peer = CheckPeer::Host(address.to_string());
    let mut count: u64 = 0;
    for request in requests {
        let body = http_request::send(&peer, &request, timeout)
            .map_err(|fault| format!("PURGE at http://{address}/: {fault}"))?;
        count = count.saturating_add(purged(&body).ok_or_else(|| {
            format!("PURGE at http://{address}/: the response has no count: is it another program?")
        })?);
    }
    Ok(count)
}

fn requests(args: &PurgeArgs, admin: SocketAddr) -> Result<Vec<String>, String> {
    let mode = if args.soft { "Sideman-Purge: soft\r\n" } else { "" };
    // HTTP/1.0 avoids a chunked response.
    let request = |target: &str, host: &str, fields: &str| {
        format!(
            "PURGE {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: sideman-purge\r\n{fields}\r\n"
        )
    };
    let mut requests = Vec::new();
    for url in &args.urls {
        requests.push(request(url, host_of(url)?, mode));
    }
    if !args.tag.is_empty() {
        let tags = args.tag.iter().map(|tag| checked_tag(tag)).collect::<Result<Vec<_>, _>>()?;
        let tags = tags.join(" ");
        if tags.len() > MAX_TAGS {
            return Err(format!(
                "the tags are longer than {MAX_TAGS} bytes: purge some of them at a time"
            ));
        }
        let fields = format!("Surrogate-Key: {tags}\r\n{mode}");
        requests.push(request("/", &admin.to_string(), &fields));
    }
    if args.all {
        let what = if args.soft { "all, soft" } else { "all" };
        let fields = format!("Sideman-Purge: {what}\r\n");
        requests.push(request("/", &admin.to_string(), &fields));
    }
    Ok(requests)
}

/// Returns the host of a URL that can be the target of a request.
fn host_of(url: &str) -> Result<&str, String> {
    let wrong = |fault: &str| Err(format!("{:?}: {fault}", config::masked_url(url)));
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return wrong("write the URL of a page, such as https://example.org/blog/");
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return wrong(
            "only visible ASCII characters without # are possible: encode others, as in %C3%A4",
        );
    }
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if host.is_empty() || host.contains('@') {
        return wrong("write the host as in https://example.org/blog/");
    }
    if !path.starts_with('/') {
        return wrong("the path is missing: write a / behind the host");
    }
    Ok(host)
}

fn checked_tag(tag: &str) -> Result<&str, String> {
    match !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(tag),
        false => Err(format!("--tag {tag:?}: a tag has visible ASCII characters without spaces")),
    }
}

/// Returns the number in `{"purged":3}`.
fn purged(body: &str) -> Option<u64> {
    body.trim().strip_prefix("{\"purged\":")?.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread::{self, JoinHandle},
    };

    use clap::Parser as _;

    use crate::command::args::{Cli, Command};

    use super::*;

    fn run(arguments: &[&str]) -> (ExitCode, String, String) {
        let cli = Cli::try_parse_from([&["sideman", "purge"], arguments].concat()).unwrap();
        let Some(Command::Purge(args)) = cli.command else { panic!("{:?}", cli.command) };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = purge(&args, &Environment::new(), &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// Answers each connection with the next response, and returns the requests.
    fn admin(responses: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let serve = |response: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(response.as_bytes()).unwrap();
                String::from_utf8(request).unwrap()
            };
            responses.iter().map(serve).collect()
        });
        (address, server)
    }

    const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"purged\":2}\n";

    #[test]
    fn urls_and_tags_are_requests_whose_counts_are_added() {
        let (address, server) = admin(&[TWO, TWO, TWO]);
        let arguments = ["https://a.test/x?y", "http://b.test:81/*", "--tag", "t1", "--tag", "t2"];
        let found = run(&[&arguments[..], &["--soft", "--admin", &address]].concat());
        let expected = "purged 6 stored responses\n";
        assert_eq!(found, (ExitCode::SUCCESS, expected.into(), String::new()));
        let requests = server.join().unwrap();
        for (request, begin) in requests.iter().zip([
            "PURGE https://a.test/x?y HTTP/1.0\r\nHost: a.test\r\n".to_owned(),
            "PURGE http://b.test:81/* HTTP/1.0\r\nHost: b.test:81\r\n".to_owned(),
            format!("PURGE / HTTP/1.0\r\nHost: {address}\r\n"),
        ]) {
            assert!(request.starts_with(&begin), "{request}");
            assert!(request.contains("\r\nSideman-Purge: soft\r\n"), "{request}");
        }
        assert!(requests[2].contains("\r\nSurrogate-Key: t1 t2\r\n"), "{requests:?}");
    }

    #[test]
    fn everything_is_one_request() {
        let (address, server) = admin(&["HTTP/1.1 200 OK\r\n\r\n{\"purged\":1}\n"]);
        let found = run(&["--all", "--admin", &address]);
        let expected = "purged 1 stored response\n";
        assert_eq!(found, (ExitCode::SUCCESS, expected.into(), String::new()));
        let requests = server.join().unwrap();
        assert!(requests[0].contains("\r\nSideman-Purge: all\r\n"), "{requests:?}");
    }

    #[test]
    fn failures_are_one_line_and_status_1() {
        let check = |response: &'static [&'static str], expected: &str| {
            let (address, server) = admin(response);
            let (code, out, err) = run(&["--all", "--admin", &address]);
            assert_eq!((code, out.as_str()), (ExitCode::FAILURE, ""));
            assert_eq!(err, format!("PURGE at http://{address}/: {expected}\n"));
            server.join().unwrap();
        };
        check(&["HTTP/1.1 403 Forbidden\r\n\r\nno\n"], "the response was 403: no");
        check(
            &["HTTP/1.1 200 OK\r\n\r\nhello"],
            "the response has no count: is it another program?",
        );
        check(&["SSH-2.0"], "the response was not HTTP");
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (_, _, err) = run(&["--all", "--admin", &refused]);
        assert!(err.starts_with(&format!("PURGE at http://{refused}/: cannot connect: ")), "{err}");
    }

    #[test]
    fn bad_usage_has_a_remedy_and_sends_nothing() {
        let check = |arguments: &[&str], expected: &str| {
            let (code, _, err) = run(&[arguments, &["--admin", "127.0.0.1:1"]].concat());
            assert_eq!(code, ExitCode::FAILURE);
            assert!(err.contains(expected), "{err}");
        };
        check(&["example.org/blog/"], "write the URL of a page");
        check(&["https://a.test/x", "https://"], "write the host as in");
        check(&["https://a.test"], "the path is missing");
        check(&["https://a.test/\u{e4}"], "encode others");
        check(&["--tag", "a b"], "a tag has visible ASCII characters without spaces");
        check(&["--all", "--timeout", "3"], "the unit is missing: write 3s");
        let (_, _, err) = run(&["--all", "--admin", "off"]);
        assert!(err.contains("admin.listen is off"), "{err}");
        let (_, _, err) = run(&["--all", "--admin", "127.0.0.1:0"]);
        assert!(err.contains("admin.listen has port 0"), "{err}");
        for wrong in [&[][..], &["--soft"], &["--all", "https://a.test/"]] {
            assert!(Cli::try_parse_from([&["sideman", "purge"], wrong].concat()).is_err());
        }
    }
}
