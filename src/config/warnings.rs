//! What is worth a word although the settings are valid: what is missing now, and what is dangerous.

use std::fs;

use crate::plan::{Plan, Target};

use super::load::Loaded;

/// What `run` starts with all the same, because it may come right by itself.
pub fn warnings(loaded: &Loaded) -> Vec<String> {
    let Plan { files, upstream, server, .. } = &loaded.plan;
    let secret = |name| loaded.settings.iter().any(|s| s.key.name == name && s.origin.is_secret());
    let mut warnings = Vec::new();
    let directories =
        files.roots.iter().filter(|_| !secret("static.roots")).flat_map(|root| {
            root.directories.iter().map(move |directory| (&root.prefix, directory))
        });
    for (prefix, path) in directories {
        let directory = path.display();
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => warnings.push(format!(
                "{directory} (static.roots) is not a directory: nothing below {prefix} comes from it"
            )),
            Err(error) => warnings.push(format!(
                "{directory} (static.roots) is not there now: {error}; until it is, nothing below \
                 {prefix} comes from it"
            )),
        }
    }
    if let Target::Unix(path) = &upstream.target
        && !secret("upstream.url")
        && let Err(error) = fs::metadata(path)
    {
        let path = path.display();
        warnings.push(format!("the socket {path} (upstream.url) is not there now: {error}"));
    }
    if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(
            "server.trusted_proxies holds every address: any client can claim to be another".into(),
        );
    }
    warnings
}
