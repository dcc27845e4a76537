//! Settings of files: URL prefixes, directories and response headers.

use std::{path::PathBuf, time::Duration};

use super::{buckets::BucketObjects, signed_urls::SignedUrls, upstream::UpstreamSettings};

/// One store: prefixes whose files share a memory budget and the options of lookups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSettings {
    /// The longest match decides; prefixes are unique.
    pub roots: Vec<Root>,
    /// Maximum bytes of contents and headers in memory.
    pub memory: u64,
    /// Maximum number of cached files.
    pub entries: usize,
    /// How long a cached file is used without a check; `None` is for ever.
    pub check_interval: Option<Duration>,
    pub symlinks: Symlinks,
    /// Whether a file's bytes never change: a changed file is another file, renamed over the old one.
    pub write_once: bool,
    /// Maximum bytes a second to read for the hashes of files that are not kept in memory; `None` is no limit.
    pub hash_rate: Option<u64>,
    /// Whether text without a precompressed file is compressed in the background.
    pub compress: bool,
    /// The charset of text types; `None` sends none.
    pub charset: Option<String>,
    /// Media types by extension (lower case, without the dot). They take precedence over the built-in types.
    pub types: Vec<(String, String)>,
}

// === impl FileSettings ===

impl FileSettings {
    /// Returns the number of open files for one store, if the process may have `limit`. If there are few, connections
    /// need them more.
    pub fn most_descriptors(limit: u64) -> u64 {
        if limit < 512 { limit / 32 } else { limit / 16 }
    }
}

/// A URL prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Root {
    /// Begins and ends with `/`; decoded.
    pub prefix: String,
    /// The named route that serves it; `None` for a prefix of a section.
    pub route: Option<String>,
    /// Tried in this order; at least one, unless there is a bucket. A directory may be created after the start, and may
    /// be relative to the working directory.
    pub directories: Vec<PathBuf>,
    /// Has the files that are in none of the directories.
    pub bucket: Option<BucketObjects>,
    pub purpose: Purpose,
    /// The file that is sent for a directory, such as `index.html`.
    pub index: Option<String>,
    /// `max-age` of files without a caching rule or content hash.
    pub max_age: Duration,
    /// The first match decides.
    pub caching: Vec<CacheRule>,
    pub cors: Cors,
    /// Maximum rate of one response in bytes a second; `None` is no limit.
    pub rate: Option<u64>,
    /// The signatures that URLs must have; `None` requires none.
    pub signed: Option<SignedUrls>,
}

/// The purpose of the files below a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The site's own, collected by Django.
    Static,
    /// Uploaded by users: browsers must not run anything in them in the site's name.
    Media,
    /// Sent only if the application names them (X-Accel-Redirect, X-Sendfile).
    #[default]
    Internal,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Links that stay below the directory.
    #[default]
    Within,
    /// None.
    Never,
    /// All links, with any target.
    Anywhere,
}

/// How long caches keep the files that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    pub pattern: NamePatternRule,
    pub lifetime: Lifetime,
}

/// A pattern for a file's name below its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePatternRule {
    /// `*` matches anything but `/`, `**` anything, `?` one character. A pattern without `/` is compared with the last
    /// segment.
    Glob(String),
    /// `name-BASE64URL8.ext`, as written by Vite and Rollup.
    Vite,
    /// `name.HEX8TO64.ext` or `HEX8TO64.ext`, as webpack's contenthash.
    Webpack,
    /// `name-BASE32UPPER8.ext`, as written by esbuild.
    Esbuild,
}

/// How long caches keep a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// `public, max-age`.
    MaxAge(Duration),
    /// A year, and no revalidation.
    Immutable,
    NoStore,
}

/// Files that other origins may read (`Access-Control-Allow-Origin: *`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    #[default]
    None,
    Fonts,
    All,
}

/// Alternatives for a name with a content hash that is in none of the directories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MissingFileSettings {
    /// The server to fetch the file from, such as the previous release.
    pub fallback: Option<FallbackSettings>,
    /// Or the bucket.
    pub bucket: Option<BucketObjects>,
    /// How long the bucket may take to begin its response.
    pub timeout: Duration,
    /// Whether the current version of the file is sent instead.
    pub serve_current: bool,
}

/// Another server with the files of other releases.
#[derive(Clone, Debug, PartialEq)]
pub struct FallbackSettings {
    pub server: UpstreamSettings,
    /// The value of `Host`.
    pub host: String,
    /// The prefix of the request's path: empty, or begins with `/` and does not end with one.
    pub base: String,
}
