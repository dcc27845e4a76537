//! The settings of files: `[static]`, `[media]` and `[accel]`.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
    memory,
};
use crate::{
    config::{
        caching, cors,
        file_place::{ACCEL_ROOT, FALLBACK, root_format},
        format::{
            BoolFormat, ChoiceFormat, DAY, GIB, HOUR, KIB, MIB, MILLISECOND, MINUTE, NumberFormat,
            OrNone, OrWord, TimeFormat, size_or,
        },
        local_path, media_type, path, signed_urls,
    },
    plan::Symlinks,
};

/// The site's own files.
pub(super) const STATIC: &[SettingKey] = &[
    SettingKey {
        name: "static.roots",
        default: Some(&[]),
        kind: &ListValue::or_none(
            root_format("PREFIX=DIR or PREFIX=BUCKET, such as /static/=/srv/static"),
            |to, roots| to.static_roots = roots,
        ),
        doc: "URL prefixes and the directories of their files, such as STATIC_URL and STATIC_ROOT. Repeat a prefix \
              for several directories, which are tried in this order. BUCKET is s3://NAME/PREFIX, with region and \
              endpoint behind a ? if they are needed; it comes last.",
        short_env: Some("SIDEMAN_STATIC"),
        flag: flag(
            "--static",
            "PREFIX=DIR",
            "Serve the files of DIR below the URL prefix; may be repeated",
        ),
    },
    SettingKey {
        name: "static.root_files",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::DIRECTORY), |to, directory| to.root_files = directory),
        doc: "The directory of files at the root of the site, such as favicon.ico and robots.txt. Names that do not \
              exist there go to the application, and so do names without a dot and files in directories.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(0), |to, bytes| {
            to.plan.memory.is_static_auto = bytes.is_none();
            to.plan.files.memory = bytes.unwrap_or(64 * MIB);
        }),
        doc: "Maximum size of file contents kept in memory; a file that is kept open counts for 64KiB. auto is an \
              eighth of memory.limit, at most 64MiB.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.entries",
        default: Some(&["65536"]),
        kind: &SingleValue(ENTRIES, |to, count| to.plan.files.entries = count),
        doc: "Maximum number of files in the cache.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.max_age",
        default: Some(&["60s"]),
        kind: &SingleValue(MAX_AGE, |to, time| to.static_root.max_age = time),
        doc: "Cache-Control max-age of files without a content hash in their name; files with one are immutable for \
              a year.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.caching",
        default: Some(&[]),
        kind: &ListValue::or_none(caching::RULE, |to, rules| to.static_root.caching = rules),
        doc: "How long caches keep the files that match a pattern. The first match decides, before content hashes \
              and max_age. LIFETIME is a time, immutable or no-store. PATTERN is a name below the directory: * \
              matches anything but /, ** anything, ? one character. A pattern without / is compared with the last \
              part of the name. vite, webpack and esbuild match the names that these tools write with a content \
              hash.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.index",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::INDEX), |to, name| to.static_root.index = name),
        doc: "The file that is sent for a directory. Directories are never listed.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.compress",
        default: Some(&["true"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.files.compress = on),
        doc: "Whether text files from 1KiB to 1MiB without a .br, .zst or .gz file beside them are compressed in \
              the background and kept in memory. A file is compressed once it is requested again.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.check_interval",
        default: Some(&["1s"]),
        kind: &SingleValue(
            OrWord { format: TimeFormat(Duration::ZERO, HOUR), word: "never", meant: &[] },
            |to, time| to.plan.files.check_interval = time,
        ),
        doc: "How long a cached file is used before the disk is checked for changes. never is for directories that \
              do not change while Sideman runs, such as those of an image.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.write_once",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.files.write_once = on),
        doc: WRITE_ONCE,
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.hash_rate",
        default: Some(&["64MiB"]),
        kind: &SingleValue(size_or(64 * KIB, 64 * GIB, "unlimited"), |to, rate| {
            to.plan.files.hash_rate = rate
        }),
        doc: "Maximum number of bytes read in a second to compute ETags of files that are not kept in memory; \
              bursts may reach one second's bytes. Until its turn a file has no ETag.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.symlinks",
        default: Some(&["within"]),
        kind: &SingleValue(
            ChoiceFormat(&[
                ("within", Symlinks::Within),
                ("never", Symlinks::Never),
                ("anywhere", Symlinks::Anywhere),
            ]),
            |to, symlinks| to.plan.files.symlinks = symlinks,
        ),
        doc: "Which symbolic links are followed. within: relative links that stay within the directory; never: \
              none; anywhere: all, such as those of collectstatic --link.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.charset",
        default: Some(&["utf-8"]),
        kind: &SingleValue(OrNone(media_type::CHARSET), |to, charset| {
            to.plan.files.charset = charset
        }),
        doc: "The charset in the Content-Type of text files.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.types",
        default: Some(&[]),
        kind: &ListValue::or_none(media_type::BY_EXTENSION, |to, types| {
            to.plan.files.types = types
        }),
        doc: "Content-Type by file extension; these take precedence over the built-in types.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.cors",
        default: Some(&["fonts"]),
        kind: &ListValue::at_least_one(cors::RULE, |to, rules| to.cors = rules),
        doc: "Which files other origins may use (Access-Control-Allow-Origin: *): one word for all prefixes of this \
              section, and PREFIX=WORD for one prefix of this section or of [media].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.fallback",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(FALLBACK), |to, place| to.fallback = place),
        doc: "Where to fetch a file with Django's content hash in its name if no directory has it, such as the \
              previous release or a bucket. BASE or PREFIX is put before the request's path.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.fallback_timeout",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, MINUTE), |to, time| to.fallback_timeout = time),
        doc: "How long the fallback may take to accept a connection, how long to begin its response, and how long \
              to pause within it. A bucket may take so long to begin its response.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.serve_current",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.missing.serve_current = on),
        doc: "Whether the current version of a file is sent, with no-store, if the requested content hash is found \
              nowhere.",
        ..SettingKey::BLANK
    },
];

/// Files that users uploaded.
pub(super) const MEDIA: &[SettingKey] = &[
    SettingKey {
        name: "media.roots",
        default: Some(&[]),
        kind: &ListValue::or_none(
            root_format(
                "PREFIX=DIR or PREFIX=BUCKET, such as /media/=/srv/media or /media/=s3://site/media",
            ),
            |to, roots| to.media_roots = roots,
        ),
        doc: "URL prefixes and the directories of their files, such as MEDIA_URL and MEDIA_ROOT. Repeat a prefix \
              for several directories, as in [static]. BUCKET is one of S3, such as s3://site/media.",
        short_env: Some("SIDEMAN_MEDIA"),
        flag: flag(
            "--media",
            "PREFIX=DIR",
            "Like --static, for files that users uploaded, hardened",
        ),
    },
    SettingKey {
        name: "media.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(0), |to, bytes| {
            to.plan.memory.is_media_auto = bytes.is_none();
            to.plan.media.memory = bytes.unwrap_or(16 * MIB);
        }),
        doc: "Maximum size of contents of these files, and of those of [accel], kept in memory; a file that is kept \
              open counts for 64KiB. auto is a thirty-second of memory.limit, at most 16MiB.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.entries",
        default: Some(&["16384"]),
        kind: &SingleValue(ENTRIES, |to, count| to.plan.media.entries = count),
        doc: "Maximum number of files in the cache.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.write_once",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.media.write_once = on),
        doc: "Like static.write_once, for these files and those of [accel].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.max_age",
        default: Some(&["60s"]),
        kind: &SingleValue(MAX_AGE, |to, time| to.media_root.max_age = time),
        doc: "Cache-Control max-age; these files are never immutable.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.cors",
        default: Some(&["none"]),
        kind: &SingleValue(ChoiceFormat(cors::WORDS), |to, cors| to.media_root.cors = cors),
        doc: "Which files other origins may use, below prefixes that static.cors does not name.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.rate",
        default: Some(&["unlimited"]),
        kind: &SingleValue(size_or(KIB, GIB, "unlimited"), |to, rate| to.media_root.rate = rate),
        doc: "Maximum rate of one response, in bytes a second.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.signed",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(signed_urls::SIGNED), |to, signed| to.media_root.signed = signed),
        doc: "The signature that clients must have for these files, in the parameter signature of the URL: that of \
              the path by django.core.signing.TimestampSigner. max_age, from 1s to 365d, is how long it is valid, \
              an hour if it is not set. salt is that of the signer, sideman.media if it is not set. Files that the \
              application sends need none.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.signing_keys",
        default: Some(&["none"]),
        kind: &SingleValue(
            OrNone(local_path::file_format(
                "the absolute path of a file, such as /run/secrets/django",
            )),
            |to, file| to.signing_keys = file,
        ),
        doc: "The file with the keys of media.signed: the value of SECRET_KEY, then those of SECRET_KEY_FALLBACKS, \
              each on a line of its own.",
        ..SettingKey::BLANK
    },
];

/// Files that only the application may send.
pub(super) const ACCEL: &[SettingKey] = &[SettingKey {
    name: "accel.roots",
    default: Some(&[]),
    kind: &ListValue::or_none(ACCEL_ROOT, |to, roots| to.accel_roots = roots),
    doc: "URL prefixes and the directories of their files. Clients get 404 for these prefixes. The application \
          names a file below a prefix in X-Accel-Redirect, or below a directory in X-Sendfile. Repeat a prefix for \
          several directories, as in [static]. BUCKET is one of S3, such as s3://private. URL is that of another \
          server with the files, such as https://files.internal/base.",
    short_env: Some("SIDEMAN_ACCEL"),
    flag: flag(
        "--accel",
        "PREFIX=DIR",
        "Like --static, for files that only the application may send, by X-Accel-Redirect or X-Sendfile",
    ),
}];

const WRITE_ONCE: &str = "Whether files are never rewritten in place, but replaced by renaming a new file over the old \
     one. The kernel then sends large files without copying them (sendfile). If a file is rewritten in place \
     nevertheless, clients may get a mixture of both versions. Immutable files are always sent this way.";
const YEAR: Duration = DAY.saturating_mul(365);
const ENTRIES: NumberFormat = NumberFormat(16, 4 << 20);
pub(super) const MAX_AGE: TimeFormat = TimeFormat(Duration::ZERO, YEAR);
