//! The setting changes while Sideman runs.

use super::{REQUEST, V1, ask, echo, refused};
use crate::support::{App, Client, Settings, Sideman, TempDir};

const PROXIED: &str = "proxy_protocol = [\"127.0.0.1:0\"]\nproxy_protocol_from = [\"127.0.0.1\"]\n";

fn write(directory: &TempDir, application: &App, more: &str) {
    let url = application.url();
    directory.write(
        "sideman.toml",
        format!(
            "[upstream]\nurl = \"{url}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[shutdown]\ndelay = \"0s\"\n\
             [server]\nlisten = [\"127.0.0.1:0\"]\n{more}"
        ),
    );
}

#[track_caller]
fn reload(sideman: &Sideman) {
    let response = sideman.admin_post("/-/reload");
    assert_eq!(response.status, 200, "{}", response.text());
}

#[test]
fn reload_turns_the_header_on_and_off() {
    let (application, directory) = (echo(), TempDir::new());
    write(&directory, &application, "");
    let path = directory.join("sideman.toml");
    let sideman = Settings::default().args(&["run", "--config", path.to_str().unwrap()]).start();
    let address = sideman.address();
    let direct = format!("127.0.0.1 http {}", address.port());
    let mut kept = Client::connect(address);
    assert_eq!(kept.get("/").text(), direct);

    write(&directory, &application, PROXIED);
    reload(&sideman);
    assert_eq!(ask(address, V1), "192.0.2.7 http 8443");
    let mut bare = Client::connect(address);
    bare.send(REQUEST);
    assert_eq!(bare.until_gone(), b"");
    refused(&sideman, "missing", 1.0);
    // Connections that were there before have no header.
    assert_eq!(kept.get("/").text(), direct);

    // Other networks.
    write(&directory, &application, &PROXIED.replace("\"127.0.0.1\"", "\"192.0.2.0/24\""));
    reload(&sideman);
    let mut client = Client::connect(address);
    client.send([V1, REQUEST].concat());
    assert_eq!(client.until_gone(), b"");
    refused(&sideman, "network", 1.0);

    write(&directory, &application, "");
    reload(&sideman);
    assert_eq!(ask(address, ""), direct);
    assert_eq!(kept.get("/").text(), direct);
}
