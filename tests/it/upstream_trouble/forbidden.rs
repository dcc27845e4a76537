//! Files and sockets that this process may not open: the event names the denying permission, and the remedy.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
};

use crate::support::{ReservedPort, Settings, Sideman, TempDir};

fn chmod(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The event about a failed request.
#[track_caller]
fn check_event(sideman: &Sideman, parts: &[&str]) {
    let user = rustix::process::geteuid().as_raw();
    let event = sideman.event("request failed");
    for part in [&[&*format!("uid {user}")], parts].concat() {
        assert!(event.contains(part), "{part} in {event}");
    }
    assert!(!event.contains("check that the application runs"), "{event}");
}

#[test]
fn forbidden_socket_is_logged_with_the_denying_permission() {
    let remedies = ["--umask", "chmod-socket", "group"];
    // The socket itself, or a directory above it.
    for (refusing, mode, shown) in
        [("app/app.sock", 0o400, "mode 0400"), ("app", 0o600, "mode 0600")]
    {
        let directory = TempDir::new();
        std::fs::create_dir(directory.join("app")).unwrap();
        let path = directory.join("app/app.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        chmod(&directory.join(refusing), mode);
        let settings = Settings::before(&format!("http+unix:{}", path.display()));
        let sideman = settings.unprivileged().start();
        assert_eq!(sideman.get("/").status, 502);
        assert_eq!(sideman.log_of("/")["error"], "upstream_forbidden");
        let (path, refusing) =
            (path.display().to_string(), directory.join(refusing).display().to_string());
        let parts = [&path, &format!("{refusing} ({shown}"), "upstream_forbidden"];
        check_event(&sideman, &[&parts[..], &remedies].concat());
        chmod(&directory.join("app"), 0o700);
    }
}

#[test]
fn unreadable_file_is_logged_with_the_denying_permission() {
    for (refusing, mode, shown) in
        [("deep/a.css", 0o200, "mode 0200"), ("deep", 0o600, "mode 0600"), ("", 0o600, "mode 0600")]
    {
        let (directory, application) = (TempDir::new(), ReservedPort::new());
        let path = directory.write("static/deep/a.css", "a{}");
        let refusing = directory.join("static").join(refusing);
        chmod(&refusing, mode);
        let settings = Settings::before(&application.url());
        let sideman = settings.files("/s/", &directory.join("static")).unprivileged().start();
        assert_eq!(sideman.get("/s/deep/a.css").status, 403, "{refusing:?}");
        let (path, refusing) = (path.display().to_string(), refusing.display().to_string());
        let refusing = format!("{} ({shown}", refusing.trim_end_matches('/'));
        check_event(&sideman, &[&path, &refusing, "file_forbidden", "group"]);
        for place in ["static", "static/deep"] {
            let _ = set_permissions(directory.join(place), Permissions::from_mode(0o700));
        }
    }
}
