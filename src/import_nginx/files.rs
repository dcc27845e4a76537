//! Reads the files of a configuration and puts what they include in its place. Sizes, files and depth are bounded.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    parser::{self, Directive},
    problem::{ImportError, Place},
    template,
};

/// Of one file; more than any configuration, and it ends the reading of a wrong path.
const MAX_FILE: u64 = 1 << 20;
/// Of all files together.
const MAX_TOTAL: u64 = 8 << 20;
const MAX_FILES: usize = 200;
const MAX_DEPTH: usize = 8;

/// Where nginx has its configuration: includes of files below it are looked for beside the imported file.
const HOME: &str = "/etc/nginx";

/// Includes that come with nginx or certbot. Their contents are known, so that they need not be there.
pub(super) const KNOWN_INCLUDES: [&str; 11] = [
    "mime.types",
    "uwsgi_params",
    "wsgi_params",
    "proxy_params",
    "fastcgi_params",
    "fastcgi.conf",
    "scgi_params",
    "options-ssl-nginx.conf",
    "koi-utf",
    "koi-win",
    "win-utf",
];

/// Reads the value of an environment variable.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

struct Reader<'a> {
    variables: Variables<'a>,
    /// Where relative includes begin.
    home: PathBuf,
    seen: BTreeSet<PathBuf>,
    files: usize,
    bytes: u64,
}

/// Returns the directives of all files, one after the other. A file that an earlier one includes is not read again.
pub(super) fn read(
    paths: &[PathBuf],
    variables: Variables<'_>,
) -> Result<Vec<Directive>, ImportError> {
    let mut reader =
        Reader { variables, home: PathBuf::new(), seen: BTreeSet::new(), files: 0, bytes: 0 };
    let mut directives = Vec::new();
    for path in paths {
        reader.home = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if fs::canonicalize(path).is_ok_and(|path| reader.seen.contains(&path)) {
            continue;
        }
        directives.extend(reader.file(path, 0, None)?);
    }
    Ok(directives)
}

// === impl Reader ===

impl Reader<'_> {
    /// Reads one file; `by` is the line that includes it.
    fn file(
        &mut self,
        path: &Path,
        depth: usize,
        by: Option<&Place>,
    ) -> Result<Vec<Directive>, ImportError> {
        let fail = |message: String| match by {
            Some(place) => ImportError::at(place, message),
            None => ImportError::without_place(message),
        };
        if depth > MAX_DEPTH {
            return Err(fail(format!("includes are nested more than {MAX_DEPTH} deep")));
        }
        let name: Rc<str> = path.display().to_string().into();
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(fail(format!("more than {MAX_FILES} files")));
        }
        let text = self.text(path).map_err(|fault| fail(format!("cannot read {name}: {fault}")))?;
        if let Ok(path) = fs::canonicalize(path) {
            self.seen.insert(path);
        }
        let text = template::substitute(&text, self.variables);
        let tree = parser::parse(&text, &name).map_err(|error| error.in_file(&name))?;
        self.expand(tree, depth)
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        let is_file = fs::metadata(path).map_err(|error| error.to_string())?.is_file();
        if !is_file {
            return Err("not a regular file".into());
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        let len = bytes.len() as u64;
        if len > MAX_FILE {
            return Err("larger than 1MiB".into());
        }
        self.bytes += len;
        if self.bytes > MAX_TOTAL {
            return Err("all files together are larger than 8MiB".into());
        }
        String::from_utf8(bytes).map_err(|_| "not UTF-8 text".into())
    }

    /// Replaces each `include` that can be read.
    fn expand(
        &mut self,
        directives: Vec<Directive>,
        depth: usize,
    ) -> Result<Vec<Directive>, ImportError> {
        let mut expanded = Vec::with_capacity(directives.len());
        for mut directive in directives {
            if let Some(block) = directive.block.take() {
                directive.block = Some(self.expand(block, depth)?);
            }
            if directive.name != "include" {
                expanded.push(directive);
                continue;
            }
            match self.included(&directive)? {
                Some(paths) => {
                    for path in paths {
                        expanded.extend(self.file(&path, depth + 1, Some(&directive.place))?);
                    }
                }
                // Translation says what it means that it is not there.
                None => expanded.push(directive),
            }
        }
        Ok(expanded)
    }

    /// Returns the files that an `include` names; `None` if it names a pattern without files, or a file whose contents
    /// are known.
    fn included(&self, directive: &Directive) -> Result<Option<Vec<PathBuf>>, ImportError> {
        let text = directive.arg(0);
        let path = Path::new(text);
        let candidates = self.candidates(path);
        if text.contains(['*', '?']) {
            let found =
                candidates.iter().map(|path| matching(path)).find(|found| !found.is_empty());
            return Ok(found);
        }
        let is_file = |path: &&PathBuf| fs::metadata(path).is_ok_and(|found| found.is_file());
        let beside = path.file_name().map(|name| self.home.join(name));
        let found = candidates.iter().chain(&beside).find(is_file);
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        match found {
            Some(path) => Ok(Some(vec![path.clone()])),
            None if KNOWN_INCLUDES.contains(&name) => Ok(None),
            None if template::unresolved(text).is_some() => Ok(None),
            None => Err(ImportError::at(
                &directive.place,
                format!("cannot find {text}: copy it into {}", self.home_text()),
            )),
        }
    }

    fn home_text(&self) -> String {
        match self.home.as_os_str().is_empty() {
            true => "the directory of the file".into(),
            false => self.home.display().to_string(),
        }
    }

    /// Where an included path may be: nginx's own directory is that of the imported file.
    fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        match path.strip_prefix(HOME) {
            Ok(below) => vec![self.home.join(below)],
            Err(_) => vec![self.home.join(path)],
        }
    }
}

/// Returns the files whose last part matches, in order.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let pattern = name.as_encoded_bytes();
    let is_match = |path: &PathBuf| {
        path.file_name().map(OsStr::as_encoded_bytes).is_some_and(|name| {
            (!name.starts_with(b".") || pattern.starts_with(b".")) && is_like(name, pattern)
        })
    };
    let mut paths: Vec<PathBuf> = entries
        .take(10 * MAX_FILES)
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(is_match)
        .filter(|path| fs::metadata(path).is_ok_and(|found| found.is_file()))
        .collect();
    paths.sort();
    paths
}

/// Compares a name with a pattern of `*` and `?`.
fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    // The place to go back to: after the last `*`, with one byte more matched by it.
    let (mut name, mut pattern) = (name, pattern);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => {
                pattern = rest;
                retry = Some((name, rest));
            }
            (Some((mark, rest)), Some((byte, after))) if *mark == b'?' || mark == byte => {
                (name, pattern) = (after, rest);
            }
            (None, None) => return true,
            _ => match retry {
                Some((from, rest)) => {
                    let Some((_, after)) = from.split_first() else { return false };
                    (name, pattern) = (after, rest);
                    retry = Some((after, rest));
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that is removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(files: &[(&str, &str)]) -> Self {
            let name = format!("sideman-import-{}-{}", std::process::id(), fastrand::u64(..));
            let path = std::env::temp_dir().join(name);
            let directory = Self(path);
            for (name, text) in files {
                let path = directory.0.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            directory
        }

        fn read(&self, names: &[&str]) -> Result<Vec<String>, String> {
            let paths: Vec<_> = names.iter().map(|name| self.0.join(name)).collect();
            let shown = |error: ImportError| {
                error.to_string().replace(&format!("{}/", self.0.display()), "")
            };
            let tree =
                read(&paths, &|name| (name == "PORT").then(|| "81".into())).map_err(shown)?;
            let mut lines = Vec::new();
            flatten(&tree, &mut lines);
            Ok(lines)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn flatten(tree: &[Directive], lines: &mut Vec<String>) {
        for directive in tree {
            let file = directive.place.file.rsplit('/').next().unwrap();
            let words = [vec![directive.name.clone()], directive.args.clone()].concat().join(" ");
            let words = template::restore(&words);
            lines.push(format!("{file}:{} {words}", directive.place.line));
            flatten(directive.children(), lines);
        }
    }

    #[test]
    fn includes_are_put_in_their_place() {
        let files = [
            ("nginx.conf", "http {\n include /etc/nginx/conf.d/*.conf;\n include mime.types;\n}"),
            ("conf.d/b.conf", "server {\ninclude snippets/p.conf; }"),
            ("conf.d/a.conf", "\nlisten $PORT;"),
            ("conf.d/c.txt", "wrong;"),
            ("snippets/p.conf", "gzip on;"),
        ];
        let directory = Directory::new(&files);
        let expected = [
            "nginx.conf:1 http",
            "a.conf:2 listen 81",
            "b.conf:1 server",
            "p.conf:1 gzip on",
            "nginx.conf:3 include mime.types",
        ];
        assert_eq!(directory.read(&["nginx.conf"]).unwrap(), expected);
        // A file that was included is not read again.
        let twice = directory.read(&["nginx.conf", "conf.d/a.conf", "snippets/p.conf"]).unwrap();
        assert_eq!(twice, expected);
    }

    #[test]
    fn an_included_file_may_lie_beside_the_first() {
        let directory = Directory::new(&[("a", "include /srv/run/b;"), ("b", "c;")]);
        assert_eq!(directory.read(&["a"]).unwrap(), ["b:1 c"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_line() {
        let files = [
            ("a", "x;\ninclude nothing.conf;"),
            ("b", "include b;"),
            ("c", "y {\n"),
            ("d", "\n\ninclude c;"),
            ("e", "include none/*.conf;"),
            ("f", "include ${UNKNOWN};"),
        ];
        let directory = Directory::new(&files);
        let error = |name: &str| directory.read(&[name]).unwrap_err();
        assert!(error("a").starts_with("a:2: cannot find nothing.conf: copy it into "));
        assert_eq!(error("b"), "b:1: includes are nested more than 8 deep");
        assert_eq!(error("c"), "c:1: the block of `y` is not closed by `}`");
        assert_eq!(error("d"), error("c"));
        assert!(error("none").starts_with("cannot read none: No such file"));
        assert_eq!(directory.read(&["e"]).unwrap(), ["e:1 include none/*.conf"]);
        assert_eq!(directory.read(&["f"]).unwrap(), ["f:1 include ${UNKNOWN}"]);
        fs::write(directory.0.join("g"), b"\xff").unwrap();
        assert_eq!(error("g"), "cannot read g: not UTF-8 text");
        fs::write(directory.0.join("h"), vec![b' '; (1 << 20) + 1]).unwrap();
        assert_eq!(error("h"), "cannot read h: larger than 1MiB");
        assert!(
            read(&["/dev/zero".into()], &|_| None).unwrap_err().to_string().contains("regular")
        );
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let directory = Directory::new(&[("a", &"include b;\n".repeat(300)), ("b", "c;")]);
        assert_eq!(directory.read(&["a"]).unwrap_err(), "a:200: more than 200 files");
        let big = " ".repeat(1 << 20);
        let directory = Directory::new(&[("a", &"include big;\n".repeat(10)), ("big", &big)]);
        assert!(directory.read(&["a"]).unwrap_err().ends_with("larger than 8MiB"));
    }

    #[test]
    fn patterns_compare_whole_names() {
        for (name, pattern) in [("a.conf", "*.conf"), ("ab", "a?"), ("", "*"), ("aXbXc", "a*b*c")] {
            assert!(is_like(name.as_bytes(), pattern.as_bytes()), "{name} {pattern}");
        }
        for (name, pattern) in [("a.conf.bak", "*.conf"), ("a", "a?"), ("ab", "*a"), ("", "?")] {
            assert!(!is_like(name.as_bytes(), pattern.as_bytes()), "{name} {pattern}");
        }
    }
}
