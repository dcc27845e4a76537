//! What is worth a word although the settings are valid: what is missing now, and what is dangerous.

use std::{
    fs,
    path::{self, Path, PathBuf},
};

use crate::plan::{Plan, Purpose, Root, Target};

use super::load::Loaded;

/// What `run` starts with all the same, because it may come right by itself.
pub fn warnings(loaded: &Loaded) -> Vec<String> {
    let Plan { files, media, upstream, server, .. } = &loaded.plan;
    let secret = |name| loaded.settings.iter().any(|s| s.key.name == name && s.origin.is_secret());
    let places: Vec<Place<'_>> = files
        .roots
        .iter()
        .chain(&media.roots)
        .filter(|root| !secret(key(root.purpose)))
        .flat_map(Place::all)
        .collect();
    let mut warnings: Vec<String> = places.iter().filter_map(Place::missing).collect();
    for (index, place) in places.iter().enumerate() {
        let others = places.get(index + 1..).unwrap_or_default();
        warnings.extend(others.iter().filter_map(|other| mixed(place, other)));
    }
    for target in &upstream.targets {
        if let Target::Unix(path) = target
            && !secret("upstream.url")
            && let Err(error) = fs::metadata(path)
        {
            let path = path.display();
            warnings.push(format!("the socket {path} (upstream.url) is not there now: {error}"));
        }
    }
    if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(
            "server.trusted_proxies holds every address: any client can claim to be another".into(),
        );
    }
    warnings
}

/// One directory of one prefix.
struct Place<'a> {
    root: &'a Root,
    directory: &'a Path,
    /// Absolute, and without links as far as it is there.
    real: PathBuf,
}

// === impl Place ===

impl<'a> Place<'a> {
    fn all(root: &'a Root) -> impl Iterator<Item = Self> {
        root.directories.iter().map(move |directory| Self {
            root,
            directory,
            real: real(directory),
        })
    }

    fn missing(&self) -> Option<String> {
        let (prefix, place) = (&self.root.prefix, self.show());
        match fs::metadata(self.directory) {
            Ok(found) if found.is_dir() => None,
            Ok(_) => {
                Some(format!("{place} is not a directory: nothing below {prefix} comes from it"))
            }
            Err(error) => Some(format!(
                "{place} is not there now: {error}; until it is, nothing below {prefix} comes from it"
            )),
        }
    }

    fn show(&self) -> String {
        format!("{} ({})", self.directory.display(), key(self.root.purpose))
    }
}

/// The setting that a root stands in.
fn key(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Static => "static.roots",
        Purpose::Media => "media.roots",
        Purpose::Internal => "accel.roots",
    }
}

/// What is wrong with two directories of different kinds, if one holds the other. Uploads below a
/// directory that the application may send from are no mistake: they are public anyway.
fn mixed(a: &Place<'_>, b: &Place<'_>) -> Option<String> {
    // Of two that are the same, the later section is the one that is not kept.
    let (inner, outer) = if b.real.starts_with(&a.real) {
        (b, a)
    } else if a.real.starts_with(&b.real) {
        (a, b)
    } else {
        return None;
    };
    let (from, to) = (inner.root.purpose, outer.root.purpose);
    let danger = match (from, to) {
        (Purpose::Media, Purpose::Static) => format!(
            "uploads are served below {} as well, as files of the site's own: a page in them acts \
             in its name",
            outer.root.prefix
        ),
        (Purpose::Static, Purpose::Media) => {
            "an upload can take the place of the site's own files, and acts in its name".into()
        }
        (Purpose::Internal, Purpose::Static | Purpose::Media) => format!(
            "what only the application may send can be had below {} without asking it",
            outer.root.prefix
        ),
        (Purpose::Static, Purpose::Internal) => format!(
            "what is in it can be had below {} without asking the application",
            inner.root.prefix
        ),
        (Purpose::Media, Purpose::Internal)
        | (Purpose::Static, Purpose::Static)
        | (Purpose::Media, Purpose::Media)
        | (Purpose::Internal, Purpose::Internal) => return None,
    };
    let relation = if inner.real == outer.real { "is the same as" } else { "is inside of" };
    let advice = "give each a directory of its own";
    Some(format!("{} {relation} {}: {danger}; {advice}", inner.show(), outer.show()))
}

/// The path as the kernel would follow it, as far as it is there.
fn real(directory: &Path) -> PathBuf {
    let absolute = path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let resolved = absolute.ancestors().find_map(|ancestor| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        let real = fs::canonicalize(ancestor).ok()?;
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    resolved.unwrap_or(absolute)
}
