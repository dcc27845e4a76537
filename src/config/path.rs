//! URL paths, and the directories behind URL prefixes.

use std::path::PathBuf;

/// Reads the path of a health check.
pub(super) fn health(text: &str) -> Result<String, String> {
    absolute(text)?;
    if text == "/" {
        return Err("the application's first page would never be seen: choose another".into());
    }
    Ok(text.into())
}

/// Reads `PREFIX=DIR`; a prefix without its last `/` gets it.
pub(super) fn root(text: &str) -> Result<(String, PathBuf), String> {
    let Some((prefix, directory)) = text.split_once('=') else {
        return Err(match text.split_once(':') {
            Some((prefix, directory)) if prefix.starts_with('/') && !directory.is_empty() => {
                format!("the = is missing: write {prefix}={directory}")
            }
            _ => "the = between prefix and directory is missing".into(),
        });
    };
    absolute(prefix).map_err(|fault| format!("in the prefix, {fault}"))?;
    let prefix = match prefix.ends_with('/') {
        true => prefix.to_owned(),
        false => format!("{prefix}/"),
    };
    if prefix == "/" {
        return Err(
            "with this prefix no request would reach the application: use STATIC_URL".into()
        );
    }
    if prefix.split('/').any(|segment| segment == "." || segment == "..") || prefix.contains("//") {
        return Err("the prefix must not hold //, . or .. as a segment".into());
    }
    if prefix.contains('%') {
        return Err("write the prefix decoded, without %".into());
    }
    if directory.trim().is_empty() {
        return Err("the directory is missing".into());
    }
    if directory.contains('\0') {
        return Err("the directory must not hold a NUL".into());
    }
    if directory.bytes().all(|byte| byte == b'/') {
        return Err("this would publish the whole file system".into());
    }
    Ok((prefix, directory.into()))
}

/// Accepts what can stand as a path in a request line, literally.
fn absolute(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') {
        return Err("the / in front is missing");
    }
    if text.contains(['?', '#']) {
        return Err("a query or a fragment (? or #) is not possible");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("only visible ASCII characters are possible");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: Result<(&str, &str), &str>) {
        let read = root(text).map(|(prefix, directory)| (prefix, directory.display().to_string()));
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
        reads("static=/srv", Err("in the prefix, the / in front is missing"));
        reads("=/srv", Err("in the prefix, the / in front is missing"));
        reads("/static/=", Err("the directory is missing"));
        reads("/static/=/", Err("this would publish the whole file system"));
        reads("/a/../b=/srv", Err("the prefix must not hold //, . or .. as a segment"));
        reads("//a=/srv", Err("the prefix must not hold //, . or .. as a segment"));
        reads("/a%20b=/srv", Err("write the prefix decoded, without %"));
        let everything = "with this prefix no request would reach the application: use STATIC_URL";
        reads("/=/srv", Err(everything));
    }

    #[test]
    fn health_paths() {
        assert_eq!(health("/up"), Ok("/up".into()));
        assert!(health("up").is_err());
        assert!(health("/up?x").is_err());
        assert!(health("/u p").is_err());
        assert!(health("/").is_err());
    }

    proptest! {
        #[test]
        fn a_root_that_is_read_is_safe(text in "/?[a-z/.%]{0,6}=?[a-z/.]{0,6}") {
            if let Ok((prefix, directory)) = root(&text) {
                prop_assert!(prefix.starts_with('/') && prefix.ends_with('/'));
                prop_assert!(prefix.len() > 1 && !prefix.contains("//"));
                prop_assert!(!prefix.split('/').any(|segment| segment == ".."));
                prop_assert!(!directory.as_os_str().is_empty());
            }
        }
    }
}
