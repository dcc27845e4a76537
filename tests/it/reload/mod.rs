//! Other settings without a restart: what changes and when, what does not, and what comes of a bad file.

mod changes;
mod failures;
mod listeners;
mod load;
mod requests;

use std::{cell::RefCell, path::Path};

use rustix::process::Signal;

use crate::support::{Response, Settings, Sideman, TempDir};

/// A settings file that a test rewrites.
struct File {
    directory: TempDir,
    /// Keys with their values as TOML, the last one for a key holds.
    lines: RefCell<Vec<(String, String)>>,
}

// === impl File ===

impl File {
    /// Settings for an application here, on free ports, quick to leave.
    fn before(upstream: &str) -> Self {
        let file = Self { directory: TempDir::new(), lines: RefCell::default() };
        file.set("server.listen", r#"["127.0.0.1:0"]"#)
            .set("admin.listen", r#""127.0.0.1:0""#)
            .set("upstream.url", &format!("{upstream:?}"))
            .set("upstream.wait", r#""0s""#)
            .set("shutdown.delay", r#""0s""#);
        file
    }

    /// Sets a key from the next start or reload on.
    fn set(&self, key: &str, value: &str) -> &Self {
        self.remove(key).lines.borrow_mut().push((key.to_owned(), value.to_owned()));
        self.write();
        self
    }

    /// Leaves a key to its default.
    fn remove(&self, key: &str) -> &Self {
        self.lines.borrow_mut().retain(|(known, _)| known != key);
        self.write();
        self
    }

    fn settings(&self) -> Settings {
        let path = self.directory.join("sideman.toml");
        Settings::default().args(&["run", "--config", path.to_str().unwrap()])
    }

    #[track_caller]
    fn start(&self) -> Sideman {
        self.settings().start().until_ready()
    }

    fn write(&self) {
        let lines = self.lines.borrow();
        let text = lines.iter().map(|(key, value)| format!("{key} = {value}\n"));
        self.directory.write("sideman.toml", text.collect::<String>());
    }
}

/// Whether a file is there, of whatever kind.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Asks for a reload at the admin listener; gives the answer.
#[track_caller]
fn ask(sideman: &Sideman) -> Response {
    sideman.admin_post("/-/reload")
}

/// Reloads; gives what is said to have changed.
#[track_caller]
fn reload(sideman: &Sideman) -> String {
    let response = ask(sideman);
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}

/// SIGHUP, and waits until it was obeyed for this time.
#[track_caller]
fn hang_up(sideman: &Sideman, count: f64) {
    sideman.signal(Signal::HUP);
    sideman.until_metric("sideman_reloads_total", &[("result", "ok")], count);
}
