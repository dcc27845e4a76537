//! Which file the application means, and whether it may have it sent: only what lies below a prefix
//! (X-Accel-Redirect) or a directory (X-Sendfile) of the settings.

use std::{
    borrow::Cow,
    io,
    os::unix::ffi::OsStrExt,
    path::{self, Path},
};

use super::directives::Target;
use crate::{
    error::{Error, Kind},
    pipeline::{
        app::App,
        route::{self, FileName},
    },
    plan::Purpose,
    rfc,
};

/// A file to look for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: FileName<'static>,
    /// The only one of its prefix's directories that it may come from.
    pub(super) directory: Option<usize>,
}

/// Where a path leads.
enum Place {
    Below(FileName<'static>),
    /// Out of the prefix that it begins with.
    Out,
    /// It begins with no prefix.
    Nowhere,
}

/// The files that may be meant, the likeliest first; at least one. An error tells the operator why
/// none can be sent.
pub(super) fn resolve(app: &App, target: Target<'_>) -> Result<Vec<Wanted>, Error> {
    let resolved = match target {
        Target::Redirect(value) => redirect(app, value),
        Target::Sendfile(value) => sendfile(app, value).map(|wanted| vec![wanted]),
    };
    resolved.map_err(|why| {
        let text = format!("{target}: {why}");
        Error::io(Kind::AccelRefused, io::Error::other(text))
    })
}

/// nginx decodes, so that most applications encode; those that do not would lose every name with a
/// percent or question mark, and are understood as well.
fn redirect(app: &App, value: &[u8]) -> Result<Vec<Wanted>, &'static str> {
    if value.starts_with(b"=?") {
        return Err("the value is MIME-encoded, as Django does with names beyond Latin-1: \
                    encode the path with urllib.parse.quote");
    }
    if value.first() != Some(&b'/') {
        return Err("only a path that begins with / can be sent, below a prefix of accel.roots, \
                    media.roots or static.roots; there are no named locations (@name), and no \
                    other server is asked");
    }
    let path = value.split(|&byte| byte == b'?').next().unwrap_or(value);
    let decoded = rfc::path::decode(path).map(Cow::Owned);
    let readings = decoded.into_iter().chain([path.into(), value.into()]);
    let mut names: Vec<FileName<'static>> = Vec::new();
    for (index, reading) in readings.enumerate() {
        match below(app, &reading) {
            Place::Below(name) if !names.contains(&name) => names.push(name),
            // The likeliest reading decides: one that climbs is a mistake, however else it reads.
            Place::Out if index == 0 => return Err("the path leaves its prefix by .."),
            Place::Below(_) | Place::Out | Place::Nowhere => {}
        }
    }
    if names.is_empty() {
        return Err("no prefix stands before this path: add it with its directory to accel.roots \
                    (--accel PREFIX=DIR)");
    }
    Ok(names.into_iter().map(|name| Wanted { name, directory: None }).collect())
}

/// The file that a path stands for, without escapes.
fn below(app: &App, path: &[u8]) -> Place {
    let Some(written) = route::file(app, path.into()) else { return Place::Nowhere };
    // From the prefix's last slash on: nothing may lead above it, not even into another prefix.
    let end = path.len().saturating_sub(written.name.len() + 1);
    let (prefix, rest) = path.split_at_checked(end).unwrap_or((path, b""));
    let Some(normal) = rfc::path::literal(rest) else { return Place::Out };
    // Without its double slashes and dots it may lie below a longer prefix.
    match route::file(app, [prefix, &normal].concat().into()) {
        Some(name) => Place::Below(name),
        None => Place::Nowhere,
    }
}

/// The path is literal: no other server decodes it.
fn sendfile(app: &App, value: &[u8]) -> Result<Wanted, &'static str> {
    const OUTSIDE: &str = "the file lies below no directory of accel.roots, media.roots or \
                           static.roots: add its directory to accel.roots (--accel PREFIX=DIR)";
    if value.first() != Some(&b'/') {
        return Err("only an absolute path in the file system can be sent");
    }
    // Where that leads depends on symbolic links.
    if value.split(|&byte| byte == b'/').any(|segment| segment == b"..") {
        return Err("the path has .. in it");
    }
    let path = rfc::path::literal(value).ok_or(OUTSIDE)?;
    let mut best: Option<(usize, Purpose, Wanted)> = None;
    for (family, root, settings) in route::roots(app) {
        for (index, directory) in settings.directories.iter().enumerate() {
            let Some(name) = absolute(directory).and_then(|directory| relative(&path, &directory))
            else {
                continue;
            };
            let is_better = best.as_ref().is_none_or(|(length, purpose, _)| {
                let is_as_near = name.len() == *length;
                // One directory may stand in several sections: this one is for the application.
                let is_proper =
                    settings.purpose == Purpose::Internal && *purpose != Purpose::Internal;
                name.len() < *length || is_as_near && is_proper
            });
            if is_better {
                let name = FileName { family, root, name: name.to_vec().into() };
                let length = name.name.len();
                let wanted = Wanted { name, directory: Some(index) };
                best = Some((length, settings.purpose, wanted));
            }
        }
    }
    best.map(|(_, _, wanted)| wanted).ok_or(OUTSIDE)
}

/// A directory's path, without dots and without a slash at its end. It is compared only; opened is
/// the path of the settings, and nothing outside of it.
fn absolute(directory: &Path) -> Option<Vec<u8>> {
    let path = path::absolute(directory).ok()?;
    let mut path = rfc::path::literal(path.as_os_str().as_bytes())?;
    if path.ends_with(b"/") {
        path.pop();
    }
    Some(path)
}

/// What is left of a path below a directory.
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
            let got = relative(path.as_bytes(), &absolute);
            assert_eq!(got, expected.map(str::as_bytes), "{path} {directory}");
        }
    }
}
