//! Sideman as the first process of a container: the kernel leaves it every process whose parent has ended.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{application, command};
use crate::support::{Client, Settings, TempDir, can_mount, eventually};

/// The zombies below a process, by /proc, and whether it has any child.
fn children(parent: u32) -> Vec<(u32, String)> {
    let status = |id: u32, name: &str| {
        let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))?;
        Some(line.to_owned())
    };
    let all = fs::read_dir("/proc").unwrap();
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| status(*id, "PPid").is_some_and(|found| found == parent.to_string());
    ids.filter(is_child).filter_map(|id| Some((id, status(id, "State")?))).collect()
}

#[test]
fn zombies_are_reaped_and_the_status_is_passed_on() {
    if !can_mount() {
        return;
    }
    let home = TempDir::new();
    let socket = home.join("web.sock");
    let Some(words) = application(&["{socket}", "orphan", "orphan"]) else { return };
    let settings = Settings::default()
        .args(&["exec", "--listen", &format!("unix:{}", socket.display()), "--admin", "off"])
        .set("shutdown.delay", "0s")
        .variable("PATH", "/usr/bin:/bin");
    let inner = command(settings, &words).command();
    let mut outer = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        outer.arg("--map-root-user");
    }
    outer.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(inner.get_program());
    outer.args(inner.get_args()).env_clear();
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(home.join("log")).unwrap());
    let mut outer = outer.spawn().unwrap();
    let ask = |path: &str| {
        let client = Path::new(&socket);
        std::os::unix::net::UnixStream::connect(client).ok()?;
        let mut client = Client::connect_to(client);
        client.try_send(format!("GET {path} HTTP/1.1\r\nHost: example.test\r\n\r\n")).ok()?;
        client.try_response("GET").ok()
    };
    eventually("a healthy site", || (ask("/healthz")?.status == 200).then_some(()));
    assert_eq!(ask("/").unwrap().status, 200);
    let sideman = eventually("sideman", || children(outer.id()).first().map(|(id, _)| *id));
    // The application is its only child, once the orphans have ended.
    eventually("the end of zombies", || {
        let children = children(sideman);
        (children.len() == 1 && !children[0].1.starts_with('Z')).then_some(())
    });
    // The application ends with every start, until Sideman gives up with its status.
    let status = eventually("the end of sideman", || {
        let _ = ask("/exit/9");
        outer.try_wait().unwrap()
    });
    let log = fs::read_to_string(home.join("log")).unwrap();
    assert_eq!(status.code(), Some(9), "{log}");
    assert!(log.contains("giving up"), "{log}");
}
