//! While a file exists, the application gets no requests.

use std::{fs, path::Path};

use crate::support::{App, Settings, Sideman, TempDir, eventually};

fn settings(application: &App, directory: &TempDir, flag: &Path) -> Settings {
    directory.write("static/a.txt", "a file");
    directory.write("media/b.txt", "an upload");
    let media = format!("/media/={}", directory.join("media").display());
    Settings::before(&application.url())
        .files("/static/", &directory.join("static"))
        .args(&["--media", &media])
        .set("maintenance.flag", flag.to_str().unwrap())
}

#[track_caller]
fn until_status(sideman: &Sideman, status: u16) {
    eventually(&format!("status {status}"), || (sideman.get("/").status == status).then_some(()));
}

#[test]
fn maintenance_begins_and_ends_with_the_file() {
    let (directory, application) = (TempDir::new(), App::saying("here"));
    let flag = directory.join("maintenance");
    let sideman = settings(&application, &directory, &flag).start();
    assert_eq!(sideman.get("/").text(), "here");
    for _ in 0..2 {
        fs::write(&flag, "").unwrap();
        until_status(&sideman, 503);
        let before = application.requests();
        for _ in 0..20 {
            assert_eq!(sideman.get("/").status, 503);
        }
        assert_eq!(application.requests(), before);
        fs::remove_file(&flag).unwrap();
        until_status(&sideman, 200);
    }
    assert!(sideman.event("maintenance began").contains(flag.to_str().unwrap()));
    sideman.event("maintenance ended");
}

#[test]
fn maintenance_file_present_at_start_applies_to_the_first_request() {
    let (directory, application) = (TempDir::new(), App::saying("here"));
    let flag = directory.write("maintenance", "");
    let sideman = settings(&application, &directory, &flag).start();
    let response = sideman.get("/there");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("30"));
    assert!(response.text().contains("under maintenance"), "{}", response.text());
    assert!(!response.closes());
    assert_eq!(application.requests(), 0);
    assert_eq!(sideman.log_of("/there")["error"], "maintenance");
    sideman.until_metric("sideman_errors_total", &[("error", "maintenance")], 1.0);
}

#[test]
fn files_and_health_checks_are_served_during_maintenance() {
    let (directory, application) = (TempDir::new(), App::saying("here"));
    let flag = directory.write("maintenance", "");
    let sideman = settings(&application, &directory, &flag).start().until_ready();
    assert_eq!(sideman.get("/").status, 503);
    for (target, text) in [
        ("/static/a.txt", "a file"),
        ("/media/b.txt", "an upload"),
        ("/healthz", "ok\n"),
        ("/readyz", "ok\n"),
    ] {
        let response = sideman.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, text), "{target}");
    }
}

#[test]
fn maintenance_uses_the_error_page_of_its_status() {
    let (directory, application) = (TempDir::new(), App::saying("here"));
    let flag = directory.write("maintenance", "");
    let page = directory.write("503.html", "<p>Back soon</p>");
    let settings = settings(&application, &directory, &flag);
    let sideman = settings.set("errors.503", page.to_str().unwrap()).start();
    let mut client = sideman.connect();
    let response = client.post("/", "", b"a body that nobody wants");
    assert_eq!((response.status, response.text().as_str()), (503, "<p>Back soon</p>"));
    assert_eq!(response.header("retry-after"), Some("30"));
    let response = client.ask("GET", "/", "Accept: application/json\r\n");
    assert_eq!(response.json()["error"], "maintenance");
    assert_eq!(response.header("retry-after"), Some("30"));
}

#[test]
fn missing_directory_means_no_maintenance() {
    let (directory, application) = (TempDir::new(), App::saying("here"));
    let flag = directory.join("later/maintenance");
    let sideman = settings(&application, &directory, &flag).start();
    assert_eq!(sideman.get("/").status, 200);
    directory.write("later/maintenance", "");
    until_status(&sideman, 503);
    fs::remove_dir_all(directory.join("later")).unwrap();
    until_status(&sideman, 200);
}
