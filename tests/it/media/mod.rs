//! Uploads of users: served like other files, and never able to run in the origin of the site.

mod browser;
mod hardened;
mod limits;
mod samples;
mod signed;

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use crate::support::{ReservedPort, Settings, Sideman, TempDir};

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// A directory of uploads at `/media/`, and an empty one at `/static/`.
struct Uploads {
    sideman: Sideman,
    directory: TempDir,
    _application: ReservedPort,
}

// === impl Uploads ===

impl Uploads {
    fn with(files: &[(&str, &[u8])]) -> Self {
        Self::set(files, |settings| settings)
    }

    /// Like `with`, with more settings.
    fn set(files: &[(&str, &[u8])], more: impl FnOnce(Settings) -> Settings) -> Self {
        let (directory, application) = (TempDir::new(), ReservedPort::new());
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        for (name, content) in files {
            let path = directory.write(&format!("media/{name}"), content);
            File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
        }
        let settings = Settings::before(&application.url())
            .files("/static/", &directory.join("static"))
            .args(&["--media", &format!("/media/={}", directory.join("media").display())])
            .set("static.check_interval", "50ms");
        Self { sideman: more(settings).start(), directory, _application: application }
    }
}
