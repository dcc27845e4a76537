//! Finds the file that the application names, and checks that it may be sent. It must be below a prefix
//! (X-Accel-Redirect) or a directory (X-Sendfile) of the settings.

use std::{
    borrow::Cow,
    io,
    os::unix::ffi::OsStrExt,
    path::{self, Path},
    str,
};

use super::{directives::AccelTarget, server_url};
use crate::{
    error::{Error, FailureKind},
    pipeline::{
        app::App,
        own_paths::{self, RequestedFile},
    },
    plan::{BucketProtocol, Purpose, Root},
    rfc::{self, encoded_word},
};

/// A file to look for.
#[derive(Debug)]
pub(super) struct FileCandidate {
    pub(super) name: RequestedFile<'static>,
    /// The only one of its prefix's directories that the file may come from.
    pub(super) directory: Option<usize>,
    /// Path and query for the file server of the prefix, relative to its base.
    pub(super) url: Option<String>,
}

/// Where a path leads.
enum PathLocation {
    Below(RequestedFile<'static>),
    /// Out of the prefix that it begins with.
    Out,
    /// To no prefix.
    Nowhere,
}

/// Returns the files that may be meant, the likeliest first; at least one. The error tells the operator why none can be
/// sent.
pub(super) fn resolve(app: &App, target: AccelTarget<'_>) -> Result<Vec<FileCandidate>, Error> {
    let resolved = match target {
        AccelTarget::Redirect(value) => plain(value).and_then(|value| redirect(app, &value)),
        AccelTarget::Sendfile(value) => plain(value).and_then(|value| sendfile(app, &value)),
    };
    resolved.map_err(|why| {
        let text = format!("{target}: {why}");
        Error::io(FailureKind::AccelRefused, io::Error::other(text))
    })
}

/// Returns the value without the MIME encoding that Django applies to names beyond Latin-1.
fn plain(value: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    if !encoded_word::is_encoded(value) {
        return Ok(value.into());
    }
    encoded_word::decode(value).map(Cow::Owned).ok_or(
        "the value is MIME-encoded (RFC 2047) and cannot be decoded: only UTF-8 and Latin-1 are supported; \
         encode the path with urllib.parse.quote instead",
    )
}

/// Returns a name in UTF-8, if it was written in Latin-1.
fn utf8(name: &[u8]) -> Vec<u8> {
    match str::from_utf8(name) {
        Ok(_) => name.into(),
        Err(_) => encoded_word::latin1_to_utf8(name),
    }
}

/// Returns each name as written, and in UTF-8 if it was written in Latin-1. Django sends every name in Latin-1 if it
/// can, and most file systems use UTF-8.
fn with_utf8(written: Vec<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let is_beyond_ascii = |name: &&Vec<u8>| !name.is_ascii();
    let utf8: Vec<Vec<u8>> = written
        .iter()
        .filter(is_beyond_ascii)
        .map(|name| encoded_word::latin1_to_utf8(name))
        .collect();
    written.into_iter().chain(utf8)
}

/// Resolves a value of `X-Accel-Redirect`. nginx decodes the path, so most applications encode it. Unencoded paths are
/// accepted as well, because a name with a percent sign or question mark would be lost.
fn redirect(app: &App, value: &[u8]) -> Result<Vec<FileCandidate>, &'static str> {
    if value.first() != Some(&b'/') {
        return Err("only a path that begins with / can be sent, below a prefix of accel.roots, \
                    media.roots or static.roots; named locations (@name) and other servers are not supported");
    }
    let path = value.split(|&byte| byte == b'?').next().unwrap_or(value);
    let paths: Vec<Vec<u8>> =
        rfc::path::decode(path).into_iter().chain([path.into(), value.into()]).collect();
    let url_path = paths.first().map(|path| utf8(path));
    let mut names: Vec<FileCandidate> = Vec::new();
    for (index, path) in with_utf8(paths).enumerate() {
        match below(app, &path) {
            PathLocation::Below(name) if let Some(prefix) = server_prefix(app, &name) => {
                // For a server the path is that of a URL, so that the other readings name other files.
                if names.is_empty() && Some(&path) == url_path.as_ref() {
                    let url = server_url::of(value, prefix, &name.name)?;
                    names.push(FileCandidate { name, directory: None, url: Some(url) });
                }
            }
            PathLocation::Below(name) if names.iter().all(|known| known.name != name) => {
                names.push(FileCandidate::of_directories(name, None));
            }
            // The likeliest reading decides: if it leaves the prefix, the value is a mistake, whatever the other
            // readings are.
            PathLocation::Out if index == 0 => return Err("the path leaves its prefix with .."),
            PathLocation::Below(_) | PathLocation::Out | PathLocation::Nowhere => {}
        }
    }
    if names.is_empty() {
        return Err(match sendfile(app, value) {
            Ok(_) => {
                "this is a path in the file system, and X-Accel-Redirect takes a URL path: send \
                 the path below a prefix of accel.roots (with django-sendfile2 set SENDFILE_URL to \
                 the prefix), or send X-Sendfile"
            }
            Err(_) => {
                "no prefix matches this path: add one with its directory to accel.roots \
                 (--accel PREFIX=DIR)"
            }
        });
    }
    Ok(names)
}

/// Returns the prefix of a name, if it has a file server.
fn server_prefix<'a>(app: &'a App, name: &RequestedFile<'_>) -> Option<&'a str> {
    let root = app.store(name.store_kind).roots().get(name.root)?;
    let bucket = app.plan.buckets.get(root.bucket.as_ref()?.bucket)?;
    (bucket.protocol == BucketProtocol::Http).then_some(&root.prefix)
}

/// Returns the file that an unescaped path names.
fn below(app: &App, path: &[u8]) -> PathLocation {
    let Some(written) = own_paths::file(app, path.into()) else { return PathLocation::Nowhere };
    // The part from the prefix's last slash on: it must not lead above the prefix, not even into another one.
    let end = path.len().saturating_sub(written.name.len() + 1);
    let (prefix, rest) = path.split_at_checked(end).unwrap_or((path, b""));
    let Some(normal) = rfc::path::literal(rest) else { return PathLocation::Out };
    // Without double slashes and dots, the path may be below a longer prefix.
    match own_paths::file(app, [prefix, &normal].concat().into()) {
        Some(name) => PathLocation::Below(name),
        None => PathLocation::Nowhere,
    }
}

/// Resolves a value of `X-Sendfile`. The path counts as written. A path that is encoded because of names beyond ASCII
/// is accepted as well.
fn sendfile(app: &App, value: &[u8]) -> Result<Vec<FileCandidate>, &'static str> {
    let decoded = rfc::path::decode(value).filter(|path| path != value && !path.is_ascii());
    let paths = [value.to_vec()].into_iter().chain(decoded).collect();
    let (mut all, mut refusal) = (Vec::new(), None);
    for path in with_utf8(paths) {
        match in_directory(app, &path) {
            Ok(wanted) => all.push(wanted),
            // The error is that of the likeliest reading.
            Err(why) => refusal = refusal.or(Some(why)),
        }
    }
    match refusal {
        Some(why) if all.is_empty() => Err(why),
        _ => Ok(all),
    }
}

/// Returns the file that a path in the file system names.
fn in_directory(app: &App, value: &[u8]) -> Result<FileCandidate, &'static str> {
    const OUTSIDE: &str = "the file is below no directory of accel.roots, media.roots or static.roots: add \
        its directory to accel.roots (--accel PREFIX=DIR)";
    if value.first() != Some(&b'/') {
        return Err("only an absolute path in the file system can be sent");
    }
    // Symbolic links decide where such a path leads.
    if value.split(|&byte| byte == b'/').any(|segment| segment == b"..") {
        return Err("the path contains ..");
    }
    let path = rfc::path::literal(value).ok_or(OUTSIDE)?;
    let mut best: Option<(usize, Purpose, FileCandidate)> = None;
    for (store_kind, root, settings) in own_paths::roots(app) {
        for (index, directory) in settings.directories.iter().enumerate() {
            let Some(name) = absolute(directory).and_then(|directory| relative(&path, &directory))
            else {
                continue;
            };
            let is_better = best.as_ref().is_none_or(|(length, purpose, _)| {
                let is_as_near = name.len() == *length;
                // A directory may be listed in several sections. This one is for the application.
                let is_proper =
                    settings.purpose == Purpose::Internal && *purpose != Purpose::Internal;
                name.len() < *length || is_as_near && is_proper
            });
            if is_better {
                let name = RequestedFile { store_kind, root, name: name.to_vec().into() };
                let length = name.name.len();
                let wanted = FileCandidate::of_directories(name, Some(index));
                best = Some((length, settings.purpose, wanted));
            }
        }
    }
    best.map(|(_, _, wanted)| wanted).ok_or(OUTSIDE)
}

// === impl FileCandidate ===

impl FileCandidate {
    fn of_directories(name: RequestedFile<'static>, directory: Option<usize>) -> Self {
        Self { name, directory, url: None }
    }

    /// Returns the path where the file was looked for, for log events.
    pub(super) fn shown(&self, app: &App) -> String {
        let root = app.store(self.name.store_kind).roots().get(self.name.root);
        let bucket =
            root.filter(|_| self.directory.is_none()).and_then(|root| root.bucket.as_ref());
        let object = bucket.map(|objects| {
            let url = app.plan.buckets.get(objects.bucket).map_or("", |bucket| &bucket.url);
            let name = String::from_utf8_lossy(&self.name.name);
            format!("{url}/{}{}", objects.prefix, name.escape_debug())
        });
        let in_directory = root.is_none_or(|root| !root.directories.is_empty());
        let file = in_directory.then(|| self.shown_file(root));
        file.into_iter().chain(object).collect::<Vec<_>>().join(", ")
    }

    /// Returns the path of the file in its directory, or in the first of its prefix.
    fn shown_file(&self, root: Option<&Root>) -> String {
        let directory = root.and_then(|root| root.directories.get(self.directory.unwrap_or(0)));
        let directory = directory.map(|path| path.as_os_str().as_bytes()).unwrap_or_default();
        let path = [directory, b"/", &self.name.name].concat();
        match str::from_utf8(&path) {
            Ok(text) => text.escape_debug().to_string(),
            // Escaped, not lossy: the exact bytes matter.
            Err(_) => path.escape_ascii().to_string(),
        }
    }
}

/// Returns a directory's path without dots and without a trailing slash. It serves for comparison only. The path of the
/// settings is the one that is opened, and nothing outside of it.
fn absolute(directory: &Path) -> Option<Vec<u8>> {
    let path = path::absolute(directory).ok()?;
    let mut path = rfc::path::literal(path.as_os_str().as_bytes())?;
    if path.ends_with(b"/") {
        path.pop();
    }
    Some(path)
}

/// Returns the rest of a path below a directory.
fn relative<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(directory)?.strip_prefix(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_compared_by_whole_names() {
        let working = std::env::current_dir().unwrap();
        let working = working.to_str().unwrap();
        for (path, directory, expected) in [
            ("/srv/media/a.txt".to_owned(), "/srv/media", Some("a.txt")),
            ("/srv/media/a/b".to_owned(), "/srv/media/", Some("a/b")),
            ("/srv/media/a".to_owned(), "/srv/./media//", Some("a")),
            ("/srv/media/a".to_owned(), "/srv/x/../media", Some("a")),
            ("/srv/media/".to_owned(), "/srv/media", Some("")),
            ("/srv/media".to_owned(), "/srv/media", None),
            ("/srv/media-next/a".to_owned(), "/srv/media", None),
            ("/srv/a".to_owned(), "/srv/media", None),
            ("/other/srv/media/a".to_owned(), "/srv/media", None),
            (format!("{working}/media/a"), "media", Some("a")),
            (format!("{working}/media/a"), "./media/", Some("a")),
            ("/media/a".to_owned(), "media", None),
        ] {
            let absolute = absolute(Path::new(directory)).unwrap();
            let received = relative(path.as_bytes(), &absolute);
            assert_eq!(received, expected.map(str::as_bytes), "{path} {directory}");
        }
    }
}
