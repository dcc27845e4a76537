//! Files: under which prefixes, from which directories, and what is said about them.

use std::{path::PathBuf, time::Duration};

use super::upstream::UpstreamSettings;

/// One store: a family of prefixes whose files share a memory and the way they are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSettings {
    /// A longer prefix wins over a shorter one; no two are the same.
    pub roots: Vec<Root>,
    /// Bytes of contents and heads kept in memory, at the most.
    pub memory: u64,
    /// Files known at the same time, at the most.
    pub entries: usize,
    /// How long a file found is believed unchanged without another look; `None` is for ever.
    pub check_interval: Option<Duration>,
    pub symlinks: Symlinks,
    /// Whether bytes of a file never become others: what changes is another file, renamed over the old one.
    pub write_once: bool,
    /// Bytes a second that are read for the hashes of files which are not kept in memory; `None` is no limit.
    pub hash_rate: Option<u64>,
    /// Whether text that has no compressed sibling is compressed in the background.
    pub compress: bool,
    /// The charset of text types; `None` says none.
    pub charset: Option<String>,
    /// Media types by extension (lower case, without the dot), before the built-in ones.
    pub types: Vec<(String, String)>,
}

// === impl FileSettings ===

impl FileSettings {
    /// Open files that one store may hold where the process may have `limit`. Of few, connections need more.
    pub fn most_descriptors(limit: u64) -> u64 {
        if limit < 512 { limit / 32 } else { limit / 16 }
    }
}

/// One URL prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Root {
    /// Begins and ends with `/`; decoded.
    pub prefix: String,
    /// Tried in this order; at least one. Each may appear after the start, and may be relative to the
    /// working directory.
    pub directories: Vec<PathBuf>,
    pub purpose: Purpose,
    /// The file that stands for a directory, such as `index.html`.
    pub index: Option<String>,
    /// `max-age` of what no rule and no content hash decides.
    pub max_age: Duration,
    /// The first whose pattern matches decides.
    pub caching: Vec<CacheRule>,
    pub cors: Cors,
    /// Bytes a second that one answer is sent with, at the most; `None` is as fast as the client reads.
    pub rate: Option<u64>,
}

/// What the files under a prefix are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The site's own, collected by Django.
    Static,
    /// Uploaded by users: nothing in them may act in the site's name.
    Media,
    /// Sent only when the application says so (X-Accel-Redirect, X-Sendfile).
    #[default]
    Internal,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Those that stay below the directory.
    #[default]
    Within,
    /// None.
    Never,
    /// All, wherever they lead.
    Anywhere,
}

/// How long caches keep the files that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    pub pattern: NamePatternRule,
    pub lifetime: Lifetime,
}

/// What a file's name below its directory must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePatternRule {
    /// `*` stands for anything but `/`, `**` for anything, `?` for one character. Without a `/` the last
    /// segment alone must match.
    Glob(String),
    /// `name-BASE64URL8.ext`, as Vite and Rollup write it.
    Vite,
    /// `name.HEX8TO64.ext` or `HEX8TO64.ext`, as webpack's contenthash.
    Webpack,
    /// `name-BASE32UPPER8.ext`, as esbuild writes it.
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

/// Which files scripts and pages of other origins may read (`Access-Control-Allow-Origin: *`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    #[default]
    None,
    Fonts,
    All,
}

/// What is done about a name with a content hash that is in none of the directories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MissingFileSettings {
    /// Where the file is fetched from, such as the previous release or a bucket.
    pub fallback: Option<FallbackSettings>,
    /// Whether the current version of the same original file is sent instead.
    pub serve_current: bool,
}

/// Another server that has the files of other releases.
#[derive(Clone, Debug, PartialEq)]
pub struct FallbackSettings {
    pub server: UpstreamSettings,
    /// What it is called in `Host`.
    pub host: String,
    /// Stands before the request's path; empty, or begins with `/` and does not end with one.
    pub base: String,
}
