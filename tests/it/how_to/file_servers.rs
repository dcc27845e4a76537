//! docs/how-to/file-servers.md.

use super::Page;
use crate::support::{App, Settings};

#[test]
fn file_of_the_other_server_is_sent() {
    let files = App::start(|request| match request.target() {
        "/base/2024/plan.pdf" => App::reply(b"plan"),
        other => panic!("{other}"),
    });
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\
          X-Accel-Redirect: /archive/2024/plan.pdf\r\n\r\n"
            .into()
    });
    let url = files.url();
    let changes = [("https://files.internal", url.as_str())];
    let page = Page::read("file-servers.md");
    let settings = page.variables("SIDEMAN_ACCEL", &changes, Settings::before(&application.url()));
    let sideman = settings.start();
    assert_eq!(sideman.get("/drawing/1/").text(), "plan");
    assert_eq!(sideman.get("/archive/2024/plan.pdf").status, 404);
    assert_eq!(files.requests(), 1, "clients do not reach it");
}
