//! Checks of the stylesheets and scripts that the site's pages load.

use super::probe::ProbeResponse;
use crate::{
    finding::{Check, Finding, Severity},
    plan::Root,
};

const PAGE: &str = "docs/troubleshooting.md#stale-or-missing-static-files";

pub(in crate::command::doctor) static STATIC_PREFIX: Check =
    Check { id: "static-prefix", severity: Severity::Error, page: PAGE };
pub(in crate::command::doctor) static STATIC_MISSING: Check =
    Check { id: "static-missing", severity: Severity::Error, page: PAGE };

/// A stylesheet or script, with the page that loads it and the response to it.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) page: String,
    pub(super) path: String,
    pub(super) response: ProbeResponse,
}

/// A page loads files that do not exist: below another prefix, or of another release. Of those below the prefixes of
/// `media`, which users have uploaded or the application makes, the reason is not known.
pub(super) fn missing(assets: &[Asset], roots: &[Root], media: &[Root]) -> Vec<Finding> {
    let is_below = |asset: &Asset, roots: &[Root]| {
        roots.iter().any(|root| asset.path.starts_with(&root.prefix))
    };
    let missing = || {
        assets
            .iter()
            .filter(|asset| matches!(asset.response.status, 404 | 410) && !is_below(asset, media))
    };
    let root_of = |asset: &Asset| roots.iter().find(|root| asset.path.starts_with(&root.prefix));
    let mut findings = Vec::new();
    if let Some((asset, root)) = missing().find_map(|asset| Some((asset, root_of(asset)?))) {
        let directories: Vec<String> =
            root.directories.iter().map(|one| one.display().to_string()).collect();
        findings.push(STATIC_MISSING.finding(
            "a page loads a file that Sideman does not have, so its directory is older than the application, or another",
            seen(asset),
            format!(
                "run collectstatic into {}, and restart the application if it began before that",
                directories.join(" or ")
            ),
        ));
    }
    if let Some(asset) = missing().find(|asset| root_of(asset).is_none()) {
        let prefixes: Vec<&str> = roots.iter().map(|root| root.prefix.as_str()).collect();
        let prefixes = if prefixes.is_empty() { "none".into() } else { prefixes.join(", ") };
        findings.push(STATIC_PREFIX.finding(
            "a page loads a file below a prefix that nobody serves",
            format!("{}; the prefixes of static.roots are {prefixes}", seen(asset)),
            "make the prefix in SIDEMAN_STATIC equal to STATIC_URL in settings.py",
        ));
    }
    findings
}

fn seen(asset: &Asset) -> String {
    // A query may contain a token.
    let path = asset.path.split('?').next().unwrap_or_default();
    format!("{} loads {path}: {}", asset.page, asset.response.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_files_are_told_from_a_wrong_prefix() {
        let asset = |path: &str, status: u16| Asset {
            page: "/".into(),
            path: path.into(),
            response: ProbeResponse::parse(format!("HTTP/1.0 {status} X\r\n\r\n").as_bytes())
                .unwrap(),
        };
        let root = |prefix: &str| [Root { prefix: prefix.into(), ..Root::default() }];
        let (roots, media) = (root("/static/"), root("/media/"));
        let ids = |assets: &[Asset]| -> Vec<&str> {
            missing(assets, &roots, &media).iter().map(|finding| finding.check.id).collect()
        };
        assert_eq!(ids(&[asset("/static/a.css", 200), asset("/x.js", 403)]), [""; 0]);
        assert_eq!(ids(&[asset("/static/a.css", 404)]), ["static-missing"]);
        assert_eq!(ids(&[asset("/assets/a.css", 404)]), ["static-prefix"]);
        assert_eq!(ids(&[asset("/media/CACHE/a.css", 404)]), [""; 0]);
        let finding = missing(&[asset("/assets/a.css?token=secret", 404)], &roots, &[]).remove(0);
        assert!(!finding.seen.contains("secret"));
    }
}
