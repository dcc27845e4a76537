//! URL paths, directories of files, and index files.

use std::path::{Component, Path, PathBuf};

use crate::rfc::path::normalize;

use super::{
    format::{FormatProperties, TextFormat},
    local_path,
};

/// The path of a health check.
pub(super) const HEALTH: TextFormat<String> = path("a path, such as /healthz", health);
/// The path of a probe.
pub(super) const PROBE: TextFormat<String> = path("a path, such as /healthz", probe);
/// The path of a readiness check, with a query.
pub(super) const READINESS: TextFormat<String> =
    path("a path with or without a query, such as /health/?ready", readiness)
        .with(FormatProperties { is_private: true, ..FormatProperties::PLAIN });
/// The name of an index file.
pub(super) const INDEX: TextFormat<String> = path("the name of a file, such as index.html", index);

/// Directories in which the kernel shows its state as files. /dev may contain a directory of the site.
const KERNEL_FILE_SYSTEMS: [&str; 3] = ["/proc", "/sys", "/dev"];
const SHARED_MEMORY: &str = "/dev/shm";

/// A directory of files that are served.
pub(super) const DIRECTORY: TextFormat<PathBuf> =
    TextFormat::new("a directory, such as /srv/site", directory, |directory| {
        directory.display().to_string()
    })
    .with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// A file that is served.
pub(super) const SERVED_FILE: TextFormat<PathBuf> = TextFormat::new(
    "the absolute path of a file, such as /srv/site/robots.txt",
    served_file,
    |file| file.display().to_string(),
);

const fn path(
    expected: &'static str,
    read: fn(&str) -> Result<String, String>,
) -> TextFormat<String> {
    TextFormat::new(expected, read, String::clone)
}

/// Reads the path of a health check.
fn health(text: &str) -> Result<String, String> {
    absolute(text)?;
    // Requests are compared by their decoded and normalised path.
    let Some(path) = normalize(text) else {
        return Err("no request can have this path: choose one without % and ..".into());
    };
    if *path == *b"/" {
        return Err("the application's home page would be hidden: choose another path".into());
    }
    if *path == *text.as_bytes() {
        return Ok(text.into());
    }
    Err(match std::str::from_utf8(&path).ok().filter(|path| absolute(path).is_ok()) {
        Some(path) => {
            format!("requests never have this path, because it is decoded first: write {path}")
        }
        None => "requests never have this path, because it is decoded first: choose one without %"
            .into(),
    })
}

/// Reads the directory of files that are served.
pub(super) fn directory(directory: &str) -> Result<PathBuf, String> {
    if directory.trim().is_empty() {
        return Err("the directory is missing".into());
    }
    if directory.contains('\0') {
        return Err("the directory must not contain a NUL".into());
    }
    if directory.chars().any(char::is_control) {
        return Err("the directory must not hold control characters".into());
    }
    let plain = without_detours(Path::new(directory));
    if plain == Path::new("/") {
        return Err("this would publish the whole file system: name a directory".into());
    }
    let is_kernel = KERNEL_FILE_SYSTEMS.iter().any(|kernel| plain.starts_with(kernel));
    if is_kernel && (plain == Path::new(SHARED_MEMORY) || !plain.starts_with(SHARED_MEMORY)) {
        return Err(
            "this is a file system of the kernel, which exposes secrets of processes: name a directory of the \
             site's own"
                .into(),
        );
    }
    Ok(directory.into())
}

/// Reads the path of a file that is served.
fn served_file(text: &str) -> Result<PathBuf, String> {
    let path = local_path::file(text)?;
    let name = text.rsplit('/').next().unwrap_or_default();
    if name.starts_with('.') {
        return Err("names that begin with a dot are never sent".into());
    }
    directory(path.parent().and_then(Path::to_str).unwrap_or_default()).map(|_| path)
}

/// Returns a path without `.`, and without `..` unless it follows a link.
fn without_detours(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::ParentDir if plain.has_root() => drop(plain.pop()),
            Component::CurDir => {}
            Component::ParentDir
            | Component::RootDir
            | Component::Prefix(_)
            | Component::Normal(_) => plain.push(component),
        }
        plain
    })
}

/// Reads a URL prefix. Appends `/` to a prefix without one.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    absolute(text)?;
    let prefix = match text.ends_with('/') {
        true => text.to_owned(),
        false => format!("{text}/"),
    };
    if prefix == "/" {
        return Err("/ would hide the application: write a prefix such as /static/".into());
    }
    plain(&prefix)?;
    Ok(prefix)
}

/// Reads a path prefix, which is compared byte by byte and may be `/`.
pub(super) fn beginning(text: &str) -> Result<String, String> {
    absolute(text)?;
    if text != "/" {
        plain(text)?;
    }
    Ok(text.into())
}

/// Reads the path of a probe.
fn probe(text: &str) -> Result<String, String> {
    absolute(text)?;
    Ok(text.into())
}

/// Reads the path of a readiness check, with its query.
fn readiness(text: &str) -> Result<String, String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    absolute(path)?;
    if query.contains('#') || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("only visible ASCII characters without # are allowed in the query".into());
    }
    Ok(text.into())
}

/// Reads the name of an index file.
fn index(text: &str) -> Result<String, String> {
    if let Some((_, name)) = text.rsplit_once('/') {
        return Err(match name {
            "" => "this is a directory: write the name of a file".into(),
            name => format!("the name applies to every directory: write {name}"),
        });
    }
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.starts_with('.') {
        return Err("names that begin with a dot are never sent".into());
    }
    if text.contains(['*', '?', ',', ' ', '\\']) || text.chars().any(char::is_control) {
        return Err("this is not the name of one file".into());
    }
    Ok(text.into())
}

/// Accepts a path that is valid in a request line as written.
fn absolute(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') {
        return Err("must start with /");
    }
    if text.contains(['?', '#']) {
        return Err("a query or a fragment (? or #) is not allowed");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("only visible ASCII characters are allowed");
    }
    Ok(())
}

/// Accepts a decoded and normalised path.
fn plain(prefix: &str) -> Result<(), &'static str> {
    if prefix.split('/').any(|segment| segment == "." || segment == "..") || prefix.contains("//") {
        return Err("//, . and .. are not allowed as a segment");
    }
    if prefix.contains('%') {
        return Err("% is not possible: write it decoded");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        let reads = |text: &str, expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(beginning(text), expected, "{text:?}");
        };
        reads("/", Ok("/"));
        reads("/ws", Ok("/ws"));
        reads("/ws/", Ok("/ws/"));
        reads("/a.b/..c", Ok("/a.b/..c"));
        reads("ws/", Err("must start with /"));
        reads("", Err("must start with /"));
        reads("//", Err("//, . and .. are not allowed as a segment"));
        reads("/a/./b", Err("//, . and .. are not allowed as a segment"));
        reads("/a%20b", Err("% is not possible: write it decoded"));
        reads("/a?b", Err("a query or a fragment (? or #) is not allowed"));
        reads("/a b", Err("only visible ASCII characters are allowed"));
    }

    #[test]
    fn probed_paths() {
        assert_eq!(probe("/"), Ok("/".into()));
        assert_eq!(probe("/up%20now"), Ok("/up%20now".into()));
        assert!(probe("up").is_err());
        assert!(probe("/up?x").is_err());
        assert!(probe("/u\r\np").is_err());
    }

    #[test]
    fn readiness_paths() {
        for text in ["/", "/health/?ready", "/health/?a=b&c=%20", "/up%20now"] {
            assert_eq!(readiness(text), Ok(text.into()));
        }
        for text in
            ["", "health", "?ready", "/a b", "/a#b", "/a?b#c", "/a?b c", "/a?\r\nb", "/\u{e9}"]
        {
            assert!(readiness(text).is_err(), "{text}");
        }
    }

    #[test]
    fn health_paths() {
        assert_eq!(health("/up"), Ok("/up".into()));
        assert!(health("up").is_err());
        assert!(health("/up?x").is_err());
        assert!(health("/u p").is_err());
        assert!(health("/").is_err());
        let first = "the application's home page would be hidden: choose another path";
        let never = "requests never have this path, because it is decoded first: write ";
        for (text, expected) in [
            ("/%41", format!("{never}/A")),
            ("//a", format!("{never}/a")),
            ("/a/../b", format!("{never}/b")),
            ("/a/./b", format!("{never}/a/b")),
            ("/a/.", format!("{never}/a/")),
            ("/a//", format!("{never}/a/")),
            ("/.", first.to_owned()),
            ("/a/..", first.to_owned()),
            ("/%2F", first.to_owned()),
            ("/../a", "no request can have this path: choose one without % and ..".to_owned()),
            ("/%zz", "no request can have this path: choose one without % and ..".to_owned()),
        ] {
            assert_eq!(health(text), Err(expected), "{text}");
        }
        assert!(health("/a%20b").unwrap_err().ends_with("choose one without %"));
        for text in ["/healthz", "/health/", "/.well-known/up", "/a.b", "/..a", "/~a;b=c"] {
            assert_eq!(health(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn directories_that_are_nobodys_site() {
        for directory in [
            "/",
            "//",
            "/.",
            "/srv/..",
            "/../.",
            "/proc",
            "/proc/self",
            "/sys/",
            "/dev",
            "/dev/shm",
            "/srv/../proc",
            "/./dev/fd",
        ] {
            assert!(self::directory(directory).is_err(), "{directory}");
        }
        for directory in
            ["/dev/shm/site", "/process", "/devel", "srv", "../srv", "/srv/../www", "."]
        {
            assert_eq!(self::directory(directory), Ok(PathBuf::from(directory)));
        }
    }

    #[test]
    fn index_files() {
        let reads = |text: &str, expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(index(text), expected, "{text:?}");
        };
        reads("index.html", Ok("index.html"));
        reads("", Err("it is empty"));
        reads(".index.html", Err("names that begin with a dot are never sent"));
        reads("..", Err("names that begin with a dot are never sent"));
        reads("/index.html", Err("the name applies to every directory: write index.html"));
        reads("a/index.html", Err("the name applies to every directory: write index.html"));
        reads("index/", Err("this is a directory: write the name of a file"));
        reads("index.html index.htm", Err("this is not the name of one file"));
        reads("index.html,index.htm", Err("this is not the name of one file"));
        reads("index.*", Err("this is not the name of one file"));
        reads("a\0b", Err("this is not the name of one file"));
    }
}
