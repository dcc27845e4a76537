//! nginx and Sideman with the same configuration.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use super::adapt::Site;
use crate::support::{Client, Settings, Sideman, Tool, eventually};

/// A running nginx.
pub(super) struct Nginx {
    process: Child,
    pub(super) address: SocketAddr,
}

/// What became of an import.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) code: Option<i32>,
    pub(super) settings: String,
    pub(super) errors: String,
}

// === impl Nginx ===

impl Nginx {
    /// Skips the test if nginx is not installed.
    pub(super) fn start(site: &Site) -> Option<Self> {
        let program = Tool::Nginx.path()?;
        let directory = site.directory.path().display();
        let types =
            if site.nginx.contains("mime.types") { "" } else { "include /etc/nginx/mime.types;" };
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        // Another program may take the port before nginx does.
        for _ in 0..5 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let servers = site.nginx.replace("127.0.0.1:PORT", &address.to_string());
            let text = format!(
                "daemon off; master_process off; {user} pid {directory}/nginx.pid; error_log {directory}/nginx.log;\n\
                 events {{ }}\nhttp {{ access_log off; client_body_temp_path {directory}/t1;\n\
                 proxy_temp_path {directory}/t2; uwsgi_temp_path {directory}/t3; scgi_temp_path {directory}/t4;\n\
                 fastcgi_temp_path {directory}/t5; {types}\n{servers}}}\n"
            );
            let path = site.directory.write("nginx.conf", text);
            let mut command = Command::new("timeout");
            command.arg("120").arg(&program).args(["-p", &directory.to_string(), "-c"]).arg(&path);
            let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut nginx = Self { process: command.spawn().unwrap(), address };
            let ended =
                eventually("nginx listens or ends", || match nginx.process.try_wait().unwrap() {
                    Some(_) => Some(true),
                    None => Client::try_connect(address).ok().map(|_| false),
                });
            if !ended {
                return Some(nginx);
            }
        }
        let log = std::fs::read_to_string(site.directory.join("nginx.log")).unwrap_or_default();
        panic!("nginx does not start: {log}\n{}", site.nginx);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // `timeout` passes the signal on.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// Runs the importer.
pub(super) fn import(site: &Site) -> Imported {
    let path = site.directory.write("site.conf", &site.text);
    let ended = Settings::default().args(&["import-nginx", path.to_str().unwrap()]).run_to_end();
    Imported { code: ended.code, settings: ended.stdout, errors: ended.stderr }
}

/// Starts Sideman with imported settings.
pub(super) fn start(site: &Site, imported: &Imported) -> Sideman {
    let path = site.directory.write("sideman.toml", &imported.settings);
    Settings::default()
        .args(&["run", "--config", path.to_str().unwrap()])
        .args(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .set("server.workers", "2")
        .set("shutdown.delay", "0s")
        .set("upstream.wait", "0s")
        .start()
}
