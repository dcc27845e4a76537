//! The application of `sideman demo`, in place of Django, and its static files.

mod app;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{fs::DirBuilderExt as _, net::UnixListener},
    path::{Path, PathBuf},
    thread,
};

use md5::{Digest as _, Md5};

use self::app::DemoApp;

/// The application and its files. The application runs until the process ends; the files are removed on drop.
#[derive(Debug)]
pub(super) struct Demo {
    directory: PathBuf,
}

// === impl Demo ===

impl Demo {
    /// Writes the files to a private directory and starts the application on its own threads.
    pub(super) fn start() -> io::Result<Self> {
        let name = format!("sideman-demo-{:012x}", fastrand::u64(..) >> 16);
        let demo = Self { directory: std::env::temp_dir().join(name) };
        DirBuilder::new().mode(0o700).create(&demo.directory)?;
        let (files, socket) = (demo.directory.join("static"), demo.directory.join("app.sock"));
        fs::create_dir(&files)?;
        let style = write_hashed(&files, "demo", "css", include_str!("assets/demo.css"))?;
        let script = write_hashed(&files, "demo", "js", include_str!("assets/demo.js"))?;
        let app = DemoApp { style, script, ..DemoApp::default() };
        let listener = UnixListener::bind(&socket)?;
        thread::Builder::new().spawn(move || app.serve(listener, &socket))?;
        Ok(demo)
    }

    /// Returns the settings of Sideman for this application.
    pub(super) fn settings(&self) -> [(&'static str, Vec<String>); 3] {
        let directory = self.directory.display();
        [
            ("upstream.url", vec![format!("http+unix:{directory}/app.sock")]),
            ("upstream.max_in_flight", vec![app::WORKERS.to_string()]),
            ("static.roots", vec![format!("/static/={directory}/static")]),
        ]
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Writes a file under the name that Django's ManifestStaticFilesStorage gives it, and returns the name.
fn write_hashed(directory: &Path, stem: &str, extension: &str, text: &str) -> io::Result<String> {
    let digest: String =
        Md5::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{stem}.{digest}.{extension}");
    fs::write(directory.join(&name), text)?;
    Ok(name)
}
