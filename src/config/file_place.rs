//! Places of files: directories, buckets and file servers, with the URL prefixes that they are behind.

use std::path::PathBuf;

use super::{
    bucket_url::{self, BucketUrl},
    conflict::{Conflict, when},
    format::{FormatProperties, TextFormat},
    path,
    secret::TextKind,
    url::{self, HttpOrigin},
};

/// A directory, a bucket, or a file server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FilePlace {
    Directory(PathBuf),
    Bucket(BucketUrl),
    /// For `accel.roots` alone.
    Server(HttpOrigin),
}

/// A URL prefix with one of its places.
pub(super) type PrefixedPlace = (String, FilePlace);

const NO_SERVER: &str = "only accel.roots takes the URL of a server: send these requests to it with upstream of a route";

/// A directory or a bucket.
pub(super) const PLACE: TextFormat<FilePlace> = TextFormat::new(
    "a directory, such as /srv/site, or a bucket, such as s3://site/prefix",
    read,
    show,
)
.with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// A URL prefix with one of its places: a directory or a bucket.
pub(super) const fn root_format(expected: &'static str) -> TextFormat<PrefixedPlace> {
    TextFormat::new(expected, |text| root(text, read), show_root)
}

/// A URL prefix with one of its places: a directory, a bucket or a file server.
pub(super) const ACCEL_ROOT: TextFormat<PrefixedPlace> = TextFormat::new(
    "PREFIX=DIR, PREFIX=BUCKET or PREFIX=URL, such as /protected/=/srv/protected, /protected/=s3://private or \
     /protected/=https://files.internal",
    |text| root(text, read_any),
    show_root,
)
.with(FormatProperties { kind: TextKind::Place, ..FormatProperties::PLAIN });

/// Where files of other releases are: a server, or a bucket.
pub(super) const FALLBACK: TextFormat<FilePlace> = TextFormat::new(
    "http://HOST[:PORT][/BASE], https://HOST[:PORT][/BASE] or s3://BUCKET/PREFIX, such as http://previous:8080",
    |text| match text.starts_with(bucket_url::SCHEME) {
        true => bucket_url::read(text).map(FilePlace::Bucket),
        false => url::origin(text).map(FilePlace::Server),
    },
    show,
)
.with(FormatProperties::ADDRESS);

/// Returns a text that reads as this root.
pub(super) fn show_root((prefix, place): &PrefixedPlace) -> String {
    format!("{prefix}={}", show(place))
}

/// Returns a conflict if anything comes after a bucket or a file server, which is the last place where a file is looked
/// for.
pub(super) fn after_bucket<'a>(mut places: impl Iterator<Item = &'a FilePlace>) -> Vec<Conflict> {
    let has_last = places.any(|place| !matches!(place, FilePlace::Directory(_)));
    let fault = "files are looked for in a bucket or on a server last: write it behind the directories, and only one";
    when(has_last && places.next().is_some(), fault)
}

/// Reads the path of a directory, or the URL of a bucket.
fn read(text: &str) -> Result<FilePlace, String> {
    if is_server(text) {
        return Err(NO_SERVER.into());
    }
    let is_bucket = text.starts_with(bucket_url::SCHEME);
    // No directory has such a name, but mistyped URLs do.
    if !is_bucket && text.split('/').next().is_some_and(|first| first.ends_with(':')) {
        return Err("this is not the path of a directory, and not the URL of a bucket".into());
    }
    match is_bucket {
        true => bucket_url::read(text).map(FilePlace::Bucket),
        false => path::directory(text).map(FilePlace::Directory),
    }
}

fn show(place: &FilePlace) -> String {
    match place {
        FilePlace::Directory(directory) => directory.display().to_string(),
        FilePlace::Bucket(url) => bucket_url::show(url),
        FilePlace::Server(origin) => url::show_origin(origin),
    }
}

/// Reads the path of a directory, the URL of a bucket, or that of a file server.
fn read_any(text: &str) -> Result<FilePlace, String> {
    match is_server(text) {
        true => url::origin(text).map(FilePlace::Server),
        false => read(text),
    }
}

/// Whether a text begins as the URL of a file server.
fn is_server(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Reads `PREFIX=DIR`, `PREFIX=s3://BUCKET` or `PREFIX=https://HOST`. Appends `/` to a prefix without one.
fn root(text: &str, place: fn(&str) -> Result<FilePlace, String>) -> Result<PrefixedPlace, String> {
    let Some((prefix, directory)) = text.split_once('=') else {
        return Err(match text.split_once(':') {
            Some((prefix, directory)) if prefix.starts_with('/') && !directory.is_empty() => {
                format!("the = is missing: write {prefix}={directory}")
            }
            _ => "the = between prefix and directory is missing".into(),
        });
    };
    if is_name_of_file(prefix) {
        return Err(format!(
            "{prefix} is the name of a file, but a prefix must name a directory: serve the directory \
             that holds the file, or write {prefix}/ if it is one"
        ));
    }
    let prefix = path::prefix(prefix).map_err(|fault| format!("in the prefix: {fault}"))?;
    Ok((prefix, place(directory)?))
}

/// Returns whether a prefix without `/` at its end looks like a file: `/favicon.ico`.
fn is_name_of_file(prefix: &str) -> bool {
    let last = prefix.rsplit('/').next().unwrap_or_default();
    let Some((stem, extension)) = last.rsplit_once('.') else { return false };
    let letters = extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    !stem.is_empty() && letters && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_root(text: &str) -> Result<PrefixedPlace, String> {
        root(text, read_any)
    }

    fn reads(text: &str, expected: Result<(&str, &str), &str>) {
        let read = any_root(text).map(|(prefix, place)| (prefix, show(&place)));
        let expected = expected.map(|(prefix, directory)| (prefix.into(), directory.into()));
        assert_eq!(read, expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn roots() {
        reads("/static/=/srv/static", Ok(("/static/", "/srv/static")));
        reads("/static=static", Ok(("/static/", "static")));
        reads("/a/b/=/srv/x=y", Ok(("/a/b/", "/srv/x=y")));
        reads("/static/:/srv", Err("the = is missing: write /static/=/srv"));
        reads("/srv/static", Err("the = between prefix and directory is missing"));
        reads("static=/srv", Err("in the prefix: must start with /"));
        reads("=/srv", Err("in the prefix: must start with /"));
        reads("/static/=", Err("the directory is missing"));
        reads("/static/=/", Err("this would publish the whole file system: name a directory"));
        let segments = "in the prefix: //, . and .. are not allowed as a segment";
        reads("/a/../b=/srv", Err(segments));
        reads("//a=/srv", Err(segments));
        reads("/a%20b=/srv", Err("in the prefix: % is not possible: write it decoded"));
        reads("/media/=s3://site", Ok(("/media/", "s3://site/")));
        reads("/media=s3://site/a?region=x", Ok(("/media/", "s3://site/a/?region=x")));
        reads("/far=https://files/a/", Ok(("/far/", "https://files:443/a")));
        reads("/far/=HTTP://files:81", Ok(("/far/", "http://files:81")));
        assert!(any_root("/far/=https://").unwrap_err().contains("host"));
        assert!(any_root("/far/=https://files/a?b").unwrap_err().contains("query"));
        assert!(any_root("/media/=s3://").unwrap_err().contains("the name of a bucket"));
        assert_eq!(root("/media/=https://a", read), Err(NO_SERVER.into()));
        assert_eq!((PLACE.read)("http://a"), Err(NO_SERVER.into()));
        for wrong in ["ftp://a/b", "https:/a", "http+unix:/a", "S3://a"] {
            let fault = any_root(&format!("/far/={wrong}")).unwrap_err();
            assert!(fault.contains("not the path of a directory"), "{fault}");
        }
        assert!(any_root("/=/srv").unwrap_err().contains("would hide the application"));
    }

    #[test]
    fn prefix_that_is_the_name_of_a_file_is_refused() {
        for prefix in ["/favicon.ico", "/robots.txt", "/a/b.c.html", "/sw.js", "/song.mp3"] {
            let fault = any_root(&format!("{prefix}=/srv")).unwrap_err();
            assert!(fault.contains("is the name of a file"), "{fault}");
            assert!(any_root(&format!("{prefix}/=/srv")).is_ok());
        }
        for prefix in ["/v1.2", "/.well-known", "/static", "/a.b/c"] {
            assert!(any_root(&format!("{prefix}=/srv")).is_ok(), "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn a_root_that_is_read_is_safe(text in "/?[a-z/.%]{0,6}=?[a-z/.]{0,6}") {
            if let Ok((prefix, place)) = any_root(&text) {
                prop_assert!(prefix.starts_with('/') && prefix.ends_with('/'));
                prop_assert!(prefix.len() > 1 && !prefix.contains("//"));
                prop_assert!(!prefix.split('/').any(|segment| segment == ".."));
                let FilePlace::Directory(directory) = place else { return Ok(()) };
                prop_assert!(!directory.as_os_str().is_empty());
            }
        }
    }
}
