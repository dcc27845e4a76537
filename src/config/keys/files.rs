//! The settings of everything that is sent from a disk.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
    memory,
};
use crate::{
    config::{
        caching, cors,
        format::{
            BoolFormat, ChoiceFormat, DAY, GIB, HOUR, KIB, MIB, MILLISECOND, MINUTE, NumberFormat,
            OrNone, OrWord, TimeFormat, size_or,
        },
        media_type,
        path::{self, root_format},
        url,
    },
    plan::Symlinks,
};

/// The site's own files.
pub(super) const STATIC: &[SettingKey] = &[
    SettingKey {
        name: "static.roots",
        default: Some(&[]),
        kind: &ListValue::or_none(
            root_format("PREFIX=DIR, such as /static/=/srv/static"),
            |to, roots| to.static_roots = roots,
        ),
        doc: "URL prefixes and the directories that their files are in, as STATIC_URL and \
              STATIC_ROOT; a prefix may stand here several times: its directories are tried in \
              this order.",
        short_env: Some("SIDEMAN_STATIC"),
        flag: flag(
            "--static",
            "PREFIX=DIR",
            "Serve the files of DIR below the URL prefix, once or more",
        ),
    },
    SettingKey {
        name: "static.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(0), |to, bytes| {
            to.plan.memory.is_static_auto = bytes.is_none();
            to.plan.files.memory = bytes.unwrap_or(64 * MIB);
        }),
        doc: "File contents kept in memory, at the most; a file that is kept open counts for 64KiB. auto is an eighth \
              of memory.limit, and 64MiB at the most.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.entries",
        default: Some(&["65536"]),
        kind: &SingleValue(ENTRIES, |to, count| to.plan.files.entries = count),
        doc: "Files known at the same time, at the most.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.max_age",
        default: Some(&["60s"]),
        kind: &SingleValue(MAX_AGE, |to, time| to.static_root.max_age = time),
        doc: "Cache-Control max-age of files whose name holds no content hash; \
              those with one are immutable for a year.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.caching",
        default: Some(&[]),
        kind: &ListValue::or_none(caching::RULE, |to, rules| to.static_root.caching = rules),
        doc: "How long caches keep the files that a pattern matches; the first that matches decides, \
              over content hashes and max_age too. LIFETIME is a time, immutable or no-store. \
              PATTERN is a name below the directory: * stands for anything but /, ** for anything, \
              ? for one character, and without a / the last part of the name counts; vite, webpack \
              and esbuild stand for the names that these write with a content hash.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.index",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::INDEX), |to, name| to.static_root.index = name),
        doc: "The file that is sent for a directory; there are no listings.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.compress",
        default: Some(&["true"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.files.compress = on),
        doc: "Whether text from 1KiB to 1MiB that has no .br, .zst or .gz file beside it is compressed \
              in the background once it is asked for again, and kept in memory.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.check_interval",
        default: Some(&["1s"]),
        kind: &SingleValue(
            OrWord { format: TimeFormat(Duration::ZERO, HOUR), word: "never", meant: &[] },
            |to, time| to.plan.files.check_interval = time,
        ),
        doc: "How long a file is believed unchanged before the disk is asked again; never is for \
              directories that do not change while this runs, such as those of an image.",
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
        doc: "Bytes a second that are read to make the ETags of files that are not kept in memory, at the \
              most, beyond those of one second at once; a file has no ETag until it is its turn.",
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
        doc: "Which symbolic links are followed: relative ones that stay within the directory, none, \
              or all, wherever they lead, such as those of collectstatic --link.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.charset",
        default: Some(&["utf-8"]),
        kind: &SingleValue(OrNone(media_type::CHARSET), |to, charset| {
            to.plan.files.charset = charset
        }),
        doc: "The charset that Content-Type names for text.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.types",
        default: Some(&[]),
        kind: &ListValue::or_none(media_type::BY_EXTENSION, |to, types| {
            to.plan.files.types = types
        }),
        doc: "Content-Type by the extension of the name, before the built-in ones.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.cors",
        default: Some(&["fonts"]),
        kind: &ListValue::at_least_one(cors::RULE, |to, rules| to.cors = rules),
        doc: "Which files scripts and pages of other origins may use \
              (Access-Control-Allow-Origin: *): one word for all prefixes of this section, and \
              PREFIX=WORD for one prefix of this section or of [media].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.fallback",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(url::FALLBACK), |to, origin| to.fallback = origin),
        doc: "Where a file with Django's content hash in its name is fetched from when no directory \
              has it, such as the previous release or a bucket; BASE stands before the request's \
              path.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.fallback_timeout",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, MINUTE), |to, time| to.fallback_timeout = time),
        doc: "How long the fallback may take to accept a connection, to begin its answer, and to \
              pause within it.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "static.serve_current",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.missing.serve_current = on),
        doc: "Whether the current version of a file is sent, with no-store, when the one with the \
              content hash that was asked for is nowhere.",
        ..SettingKey::BLANK
    },
];

/// What users uploaded.
pub(super) const MEDIA: &[SettingKey] = &[
    SettingKey {
        name: "media.roots",
        default: Some(&[]),
        kind: &ListValue::or_none(
            root_format("PREFIX=DIR, such as /media/=/srv/media"),
            |to, roots| to.media_roots = roots,
        ),
        doc: "URL prefixes and the directories that their files are in, as MEDIA_URL and MEDIA_ROOT; \
              a prefix may stand here several times, as in [static].",
        short_env: Some("SIDEMAN_MEDIA"),
        flag: flag("--media", "PREFIX=DIR", "The same for files that users uploaded, hardened"),
    },
    SettingKey {
        name: "media.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(0), |to, bytes| {
            to.plan.memory.is_media_auto = bytes.is_none();
            to.plan.media.memory = bytes.unwrap_or(16 * MIB);
        }),
        doc: "Contents of these files and of those of [accel] kept in memory, at the most; a file that \
              is kept open counts for 64KiB. auto is a thirty-second of memory.limit, and 16MiB at the most.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.entries",
        default: Some(&["16384"]),
        kind: &SingleValue(ENTRIES, |to, count| to.plan.media.entries = count),
        doc: "Files known at the same time, at the most.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.write_once",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.media.write_once = on),
        doc: "The same as static.write_once for these files and those of [accel].",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.max_age",
        default: Some(&["60s"]),
        kind: &SingleValue(MAX_AGE, |to, time| to.media_root.max_age = time),
        doc: "Cache-Control max-age; nothing here is immutable.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.cors",
        default: Some(&["none"]),
        kind: &SingleValue(ChoiceFormat(cors::WORDS), |to, cors| to.media_root.cors = cors),
        doc: "Which files scripts and pages of other origins may use, below prefixes that static.cors \
              does not name.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "media.rate",
        default: Some(&["unlimited"]),
        kind: &SingleValue(size_or(KIB, GIB, "unlimited"), |to, rate| to.media_root.rate = rate),
        doc: "Bytes a second that one answer is sent with, at the most.",
        ..SettingKey::BLANK
    },
];

/// What the application alone may send.
pub(super) const ACCEL: &[SettingKey] = &[SettingKey {
    name: "accel.roots",
    default: Some(&[]),
    kind: &ListValue::or_none(
        root_format("PREFIX=DIR, such as /protected/=/srv/protected"),
        |to, roots| to.accel_roots = roots,
    ),
    doc: "URL prefixes, 404 to clients, and the directories that their files are in; the application \
          names a file below a prefix in X-Accel-Redirect, or below a directory in X-Sendfile. A \
          prefix may stand here several times, as in [static].",
    short_env: Some("SIDEMAN_ACCEL"),
    flag: flag(
        "--accel",
        "PREFIX=DIR",
        "The same for files that only the application may send, by \
              X-Accel-Redirect or X-Sendfile",
    ),
}];

const WRITE_ONCE: &str = "Whether files are never rewritten in place: what changes comes as another file, renamed over \
     the old one. Then the kernel sends large files by itself, without copying them (sendfile); one that is rewritten \
     all the same may reach clients as a mixture. Files that are immutable are sent so in any case.";
const YEAR: Duration = DAY.saturating_mul(365);
const ENTRIES: NumberFormat = NumberFormat(16, 4 << 20);
const MAX_AGE: TimeFormat = TimeFormat(Duration::ZERO, YEAR);
