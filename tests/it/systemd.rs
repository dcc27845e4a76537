//! Sockets and reports of a service manager such as systemd, and the units of config/deploy.

use std::{
    fs,
    net::TcpListener,
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::support::{App, Client, Settings, TempDir, Tool, eventually};

#[test]
fn restart_with_an_inherited_socket_loses_no_request() {
    let application = App::saying("hello");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let settings = Settings::before(&application.url()).listen(&address.to_string()).socket(socket);
    let (responses, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients = [(); 4].map(|()| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                    let response = Client::connect(address).send(request).response();
                    assert_eq!(response.text(), "hello");
                    responses.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        for _ in 0..5 {
            let before = responses.load(Ordering::Relaxed);
            let sideman = settings.start();
            assert_eq!(sideman.address(), address);
            eventually("20 responses", || {
                (responses.load(Ordering::Relaxed) >= before + 20).then_some(())
            });
            assert_eq!(sideman.shut_down().0, Some(0));
        }
        // For the clients that wait now.
        let _sideman = settings.start();
        is_done.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn file_of_an_inherited_unix_socket_stays() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    let path = directory.path().join("http.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let listen = format!("unix:{}", path.display());
    let settings = Settings::before(&application.url()).args(&["--listen", &listen]).socket(socket);
    for _ in 0..2 {
        let sideman = settings.start();
        assert_eq!(sideman.get("/").text(), "hello");
        UnixStream::connect(&path).unwrap();
        assert_eq!(sideman.shut_down().0, Some(0));
        assert!(fs::symlink_metadata(&path).is_ok());
    }
}

#[test]
fn inherited_socket_that_no_setting_names_is_an_error() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let ended = Settings::before("http://127.0.0.1:8000").socket(socket).run_to_end();
    assert_eq!(ended.code, Some(1));
    let expected = format!(
        "no setting uses the socket {address} that the service manager passes; set server.listen, \
         tls.listen or admin.listen to this address, or remove it from the socket unit"
    );
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

#[test]
fn inherited_connection_is_an_error() {
    let (connection, _other) = UnixStream::pair().unwrap();
    let ended = Settings::before("http://127.0.0.1:8000").socket(connection).run_to_end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("without Accept=yes"), "{}", ended.stderr);
}

#[test]
fn service_manager_learns_when_it_listens_and_when_it_stops() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    let path = directory.path().join("notify");
    let reports = UnixDatagram::bind(&path).unwrap();
    reports.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let report = || {
        let mut buffer = [0; 256];
        let length = reports.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let sideman = Settings::before(&application.url())
        .variable("NOTIFY_SOCKET", path.to_str().unwrap())
        .start();
    assert_eq!(report(), "READY=1");
    assert_eq!(sideman.shut_down().0, Some(0));
    // shutdown.timeout is 10 s here, and the last log lines have 5 s more.
    assert_eq!(report(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000");
}

/// Values of `name=` in a unit file.
fn values<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

#[test]
fn units_fit_together_and_have_valid_settings() {
    let service = fs::read_to_string("config/deploy/systemd/sideman.service").unwrap();
    let socket = fs::read_to_string("config/deploy/systemd/sideman.socket").unwrap();
    let variables: Vec<(&str, &str)> =
        values(&service, "Environment").iter().map(|pair| pair.split_once('=').unwrap()).collect();
    let sideman = Settings::default().args(&["check"]);
    let sideman =
        variables.iter().fold(sideman, |all, (name, value)| all.variable(name, value)).run_to_end();
    // The directories of the site are not here.
    assert!(sideman.stdout.contains("server.listen"), "{}{}", sideman.stdout, sideman.stderr);
    let listens = variables.iter().find(|(name, _)| *name == "SIDEMAN_LISTEN").unwrap().1;
    assert_eq!(values(&socket, "ListenStream"), [listens]);
}

#[test]
fn systemd_accepts_the_units() {
    let directory = TempDir::new();
    for name in ["sideman.service", "sideman.socket"] {
        let unit = fs::read_to_string(format!("config/deploy/systemd/{name}")).unwrap();
        let unit = unit.replace("/usr/local/bin/sideman", env!("CARGO_BIN_EXE_sideman"));
        directory.write(name, &unit);
    }
    let paths = ["sideman.service", "sideman.socket"].map(|name| directory.path().join(name));
    let [service, socket] = paths.each_ref().map(|path| path.to_str().unwrap());
    let arguments = ["verify", "--man=no", service, socket];
    let Some(verified) = Tool::SystemdAnalyze.run(&arguments, "") else { return };
    let stderr = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && stderr.is_empty(), "{stderr}");
}
