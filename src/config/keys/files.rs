//! The settings of everything that is sent from a disk.

use std::time::Duration;

use super::{
    key::Key,
    kind::{DAY, HOUR, Kind, MILLISECOND, MINUTE},
};

/// The site's own files.
pub(super) const STATIC: &[Key] = &[
    Key {
        name: "static.roots",
        default: Some(&[]),
        kind: Kind::Roots { example: "/static/=/srv/static" },
        doc: "URL prefixes and the directories that their files are in, as STATIC_URL and \
              STATIC_ROOT; a prefix may stand here several times: its directories are tried in \
              this order.",
        short_env: Some("SIDEMAN_STATIC"),
        flag: Some("--static"),
    },
    Key {
        name: "static.memory",
        default: Some(&["64MiB"]),
        kind: MEMORY,
        doc: "File contents kept in memory, at the most; a file that is kept open counts for 64KiB.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.entries",
        default: Some(&["65536"]),
        kind: ENTRIES,
        doc: "Files known at the same time, at the most.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.max_age",
        default: Some(&["60s"]),
        kind: MAX_AGE,
        doc: "Cache-Control max-age of files whose name holds no content hash; \
              those with one are immutable for a year.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.caching",
        default: Some(&[]),
        kind: Kind::CacheRules,
        doc: "How long caches keep the files that a pattern matches; the first that matches decides, \
              over content hashes and max_age too. LIFETIME is a time, immutable or no-store. \
              PATTERN is a name below the directory: * stands for anything but /, ** for anything, \
              ? for one character, and without a / the last part of the name counts; vite, webpack \
              and esbuild stand for the names that these write with a content hash.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.index",
        default: Some(&["none"]),
        kind: Kind::FileNameOrNone,
        doc: "The file that is sent for a directory; there are no listings.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.compress",
        default: Some(&["true"]),
        kind: Kind::Bool,
        doc: "Whether text from 1KiB to 1MiB that has no .br, .zst or .gz file beside it is compressed \
              in the background once it is asked for again, and kept in memory.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.check_interval",
        default: Some(&["1s"]),
        kind: Kind::DurationOrWord { least: Duration::ZERO, most: HOUR, word: "never" },
        doc: "How long a file is believed unchanged before the disk is asked again; never is for \
              directories that do not change while this runs, such as those of an image.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.symlinks",
        default: Some(&["within"]),
        kind: Kind::Choice(&["within", "never", "anywhere"]),
        doc: "Which symbolic links are followed: relative ones that stay within the directory, none, \
              or all, wherever they lead, such as those of collectstatic --link.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.charset",
        default: Some(&["utf-8"]),
        kind: Kind::CharsetOrNone,
        doc: "The charset that Content-Type names for text.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.types",
        default: Some(&[]),
        kind: Kind::Types,
        doc: "Content-Type by the extension of the name, before the built-in ones.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.cors",
        default: Some(&["fonts"]),
        kind: Kind::Cors,
        doc: "Which files scripts and pages of other origins may use \
              (Access-Control-Allow-Origin: *): one word for all prefixes of this section, and \
              PREFIX=WORD for one prefix of this section or of [media].",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.fallback",
        default: Some(&["none"]),
        kind: Kind::HttpUrlOrNone,
        doc: "Where a file with Django's content hash in its name is fetched from when no directory \
              has it, such as the previous release or a bucket; BASE stands before the request's \
              path.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.fallback_timeout",
        default: Some(&["5s"]),
        kind: Kind::Duration { least: MILLISECOND, most: MINUTE },
        doc: "How long the fallback may take to accept a connection, to begin its answer, and to \
              pause within it.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.serve_current",
        default: Some(&["false"]),
        kind: Kind::Bool,
        doc: "Whether the current version of a file is sent, with no-store, when the one with the \
              content hash that was asked for is nowhere.",
        short_env: None,
        flag: None,
    },
];

/// What users uploaded.
pub(super) const MEDIA: &[Key] = &[
    Key {
        name: "media.roots",
        default: Some(&[]),
        kind: Kind::Roots { example: "/media/=/srv/media" },
        doc: "URL prefixes and the directories that their files are in, as MEDIA_URL and MEDIA_ROOT; \
              a prefix may stand here several times, as in [static].",
        short_env: Some("SIDEMAN_MEDIA"),
        flag: Some("--media"),
    },
    Key {
        name: "media.memory",
        default: Some(&["16MiB"]),
        kind: MEMORY,
        doc: "Contents of these files and of those of [accel] kept in memory, at the most; a file that \
              is kept open counts for 64KiB.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "media.entries",
        default: Some(&["16384"]),
        kind: ENTRIES,
        doc: "Files known at the same time, at the most.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "media.max_age",
        default: Some(&["60s"]),
        kind: MAX_AGE,
        doc: "Cache-Control max-age; nothing here is immutable.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "media.cors",
        default: Some(&["none"]),
        kind: Kind::Choice(&["none", "fonts", "all"]),
        doc: "Which files scripts and pages of other origins may use, below prefixes that static.cors \
              does not name.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "media.rate",
        default: Some(&["unlimited"]),
        kind: Kind::SizeOrWord { least: 1 << 10, most: 1 << 30, word: "unlimited" },
        doc: "Bytes a second that one answer is sent with, at the most.",
        short_env: None,
        flag: None,
    },
];

/// What the application alone may send.
pub(super) const ACCEL: &[Key] = &[Key {
    name: "accel.roots",
    default: Some(&[]),
    kind: Kind::Roots { example: "/protected/=/srv/protected" },
    doc: "URL prefixes, 404 to clients, and the directories that their files are in; the application \
          names a file below a prefix in X-Accel-Redirect, or below a directory in X-Sendfile. A \
          prefix may stand here several times, as in [static].",
    short_env: Some("SIDEMAN_ACCEL"),
    flag: Some("--accel"),
}];

const YEAR: Duration = DAY.saturating_mul(365);
const MEMORY: Kind = Kind::Size { least: 0, most: 64 << 30 };
const ENTRIES: Kind = Kind::Integer { least: 16, most: 4 << 20 };
const MAX_AGE: Kind = Kind::Duration { least: Duration::ZERO, most: YEAR };
