//! Reloading settings without a restart: which change and when, which do not, and the result of an invalid file.

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
    /// Keys with their values as TOML; the last one for a key is used.
    lines: RefCell<Vec<(String, String)>>,
}

// === impl File ===

impl File {
    /// Settings for an application here, with free ports and a short shutdown.
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

    /// Resets a key to its default.
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

/// Whether a file of any kind exists.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Requests a reload at the admin listener; returns the response.
#[track_caller]
fn ask(sideman: &Sideman) -> Response {
    sideman.admin_post("/-/reload")
}

/// Reloads; returns the settings reported as changed.
#[track_caller]
fn reload(sideman: &Sideman) -> String {
    let response = ask(sideman);
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}

/// Sends SIGHUP, and waits until this number of reloads is complete.
#[track_caller]
fn hang_up(sideman: &Sideman, count: f64) {
    sideman.signal(Signal::HUP);
    sideman.until_metric("sideman_reloads_total", &[("result", "ok")], count);
}
