//! gunicorn with a certificate, and the project of tests/django.

use std::{
    net::TcpListener,
    process::{Child, Stdio},
};

use super::{authority::Authority, trusting};
use crate::support::{Django, TempDir, eventually_within, pattern};

/// A running gunicorn; killed when dropped.
struct Gunicorn(Child);

impl Drop for Gunicorn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn gunicorn_with_a_certificate_serves_django() {
    let Some(django) = Django::prepared() else { return };
    let (authority, directory, home) =
        (Authority::new("Our authority"), TempDir::new(), django.home());
    let (certificate, key) = authority.issue(&["localhost"]).write(&directory, "own");
    // It inherits a listening socket, so that nobody else gets the port.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&listener);
    let child = django
        .command("python", home.path())
        .args(["-m", "gunicorn", "--no-control-socket", "project.wsgi"])
        .args(["--worker-class", "gthread", "--threads", "8"])
        .args(["--bind", &format!("fd://{descriptor}")])
        .args(["--certfile", &certificate, "--keyfile", &key])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _gunicorn = Gunicorn(child);
    let url = format!("https://localhost:{port}");
    let settings = trusting(&authority, &directory, &url);
    let sideman =
        settings.set("upstream.connect_timeout", "30s").set("server.max_body", "20MiB").start();
    eventually_within(std::time::Duration::from_secs(60), "a response", || {
        (sideman.get("/echo").status == 200).then_some(())
    });
    let body = pattern(1 << 20);
    for _ in 0..5 {
        assert_eq!(sideman.get("/echo").status, 200);
        assert_eq!(sideman.connect().post("/echo", "", &body).status, 200);
    }
}
