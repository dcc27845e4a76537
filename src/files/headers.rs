//! The header fields of a file's response, made once when the file is loaded.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{entry::EntryValidators, kind, pattern};
use crate::{
    plan::{Cors, FileSettings, Lifetime, Purpose, Root},
    rfc::{
        date,
        encoding::Coding,
        media_type::{essence, is_compressible},
    },
};

/// The facts that follow from the name and its settings, whatever is in the file.
#[derive(Debug)]
pub(super) struct FileHeaders {
    pub(super) content_type: String,
    cache_control: HeaderValue,
    /// Whether caches are told that the contents never change.
    pub(super) is_immutable: bool,
    is_shared: bool,
    purpose: Purpose,
    /// Whether the site's makers control the contents.
    pub(super) is_own: bool,
    /// Whether the response depends on `Accept-Encoding`. This is for the site's own files only: beside a user's
    /// upload, `report.csv.gz` is another upload, not a form of `report.csv`.
    pub(super) varies: bool,
}

/// A browser that navigates to audio or video makes a page with a player, which fetches that address again. In a
/// sandbox the page has no origin, and the fetch fails.
const PLAYER_POLICY: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'";

// === impl FileHeaders ===

impl FileHeaders {
    /// Collects the facts about a name. `manifest_lists` is whether the manifest lists the name as one with a content
    /// hash; `None` without a manifest.
    pub(super) fn new(
        plan: &FileSettings,
        root: &Root,
        name: &[u8],
        manifest_lists: Option<bool>,
    ) -> Self {
        let content_type = kind::content_type(name, &plan.types, plan.charset.as_deref());
        let lifetime = lifetime(root, name, manifest_lists);
        Self {
            cache_control: cache_control(lifetime),
            is_immutable: lifetime == Lifetime::Immutable,
            is_shared: is_shared(root, name),
            purpose: root.purpose,
            is_own: root.purpose == Purpose::Static,
            // A user who may upload `a.txt.gz` must not control the contents of `a.txt`.
            varies: root.purpose == Purpose::Static && is_compressible(&content_type),
            content_type,
        }
    }

    /// Returns the header fields of a whole response. A version that cannot be distinguished from the next must not be
    /// cached.
    pub(super) fn head(
        &self,
        coding: Coding,
        size: u64,
        validity: Option<&EntryValidators>,
    ) -> HeaderMap {
        let mut head = HeaderMap::with_capacity(12);
        head.insert(header::CONTENT_TYPE, value(&self.content_type));
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        if coding != Coding::Identity {
            head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
        }
        if self.varies {
            head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        let cache_control = match validity {
            Some(EntryValidators { etag, modified }) => {
                head.insert(header::LAST_MODIFIED, value(&date::format(*modified)));
                if let Some(etag) = etag {
                    head.insert(header::ETAG, value(etag));
                }
                self.cache_control.clone()
            }
            None => HeaderValue::from_static("no-store"),
        };
        head.insert(header::CACHE_CONTROL, cache_control);
        self.add_common(&mut head);
        head
    }

    /// Returns the header fields of an object of a bucket, whose stored fields are `given`.
    pub(super) fn object_head(mut self, given: &HeaderMap) -> HeaderMap {
        /// Fields about the contents, which the storage knows.
        const KEPT: [HeaderName; 9] = [
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_DISPOSITION,
            header::LAST_MODIFIED,
            header::ETAG,
            header::CACHE_CONTROL,
            header::EXPIRES,
        ];
        let mut head = HeaderMap::with_capacity(12);
        for name in KEPT {
            for value in given.get_all(&name) {
                head.append(&name, value.clone());
            }
        }
        if let Some(stored) = stored_type(given) {
            self.content_type = stored;
        }
        head.insert(header::CONTENT_TYPE, value(&self.content_type));
        head.entry(header::CACHE_CONTROL).or_insert(self.cache_control.clone());
        self.add_common(&mut head);
        if given.get(header::ACCEPT_RANGES).is_some_and(|units| units == "none") {
            head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        }
        head
    }

    /// Adds the fields that do not depend on the contents.
    fn add_common(&self, head: &mut HeaderMap) {
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.is_shared {
            head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        if self.purpose == Purpose::Media {
            self.harden(head);
        }
    }

    /// Keeps scripts in user uploads from running in the site's origin (issue 3.9).
    fn harden(&self, head: &mut HeaderMap) {
        if let Some(policy) = media_policy(&self.content_type) {
            let policy = HeaderValue::from_static(policy);
            head.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if kind::is_active(&self.content_type) {
            let attachment = HeaderValue::from_static("attachment");
            head.insert(header::CONTENT_DISPOSITION, attachment);
        }
    }
}

/// Returns the content security policy of an upload of this type: no script in it runs in the origin of the site.
pub fn media_policy(content_type: &str) -> Option<&'static str> {
    match content_type {
        _ if kind::is_active(content_type) => Some("sandbox"),
        // A browser's own viewer shows PDF apart from the site, and does not start in a sandbox.
        _ if essence(content_type) == "application/pdf" => None,
        _ if kind::is_playable(content_type) => Some(PLAYER_POLICY),
        _ => Some("sandbox"),
    }
}

/// Returns the type that an object was stored with. S3 has a type for objects that were stored without one.
fn stored_type(given: &HeaderMap) -> Option<String> {
    let mut stored = given.get_all(header::CONTENT_TYPE).iter();
    let (Some(stored), None) = (stored.next(), stored.next()) else { return None };
    let is_set = |stored: &&str| !stored.is_empty() && *stored != "binary/octet-stream";
    stored.to_str().ok().filter(is_set).map(str::to_owned)
}

/// Whether pages of other origins may read the file.
pub(super) fn is_shared(root: &Root, name: &[u8]) -> bool {
    match root.cors {
        Cors::All => true,
        Cors::Fonts => kind::is_font(name),
        Cors::None => false,
    }
}

/// Whether a rule of the settings says that a name holds a content hash.
pub(super) fn is_immutable_by_rule(root: &Root, name: &[u8]) -> bool {
    let rule = root.caching.iter().find(|rule| pattern::matches(&rule.pattern, name));
    rule.is_some_and(|rule| rule.lifetime == Lifetime::Immutable)
}

fn lifetime(root: &Root, name: &[u8], manifest_lists: Option<bool>) -> Lifetime {
    let rule = root.caching.iter().find(|rule| pattern::matches(&rule.pattern, name));
    let is_immutable = || {
        root.purpose == Purpose::Static && manifest_lists.unwrap_or_else(|| kind::is_hashed(name))
    };
    match rule {
        Some(rule) => rule.lifetime,
        None if is_immutable() => Lifetime::Immutable,
        None => Lifetime::MaxAge(root.max_age),
    }
}

fn cache_control(lifetime: Lifetime) -> HeaderValue {
    match lifetime {
        Lifetime::Immutable => HeaderValue::from_static("public, max-age=31536000, immutable"),
        Lifetime::NoStore => HeaderValue::from_static("no-store"),
        // Internal files are sent with the application's own value (`pipeline/accel/merge_headers.rs`).
        Lifetime::MaxAge(age) => value(&format!("public, max-age={}", age.as_secs())),
    }
}

/// Makes a value of characters that every header may hold.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
