//! The sections `static`, `media` and `accel` to the two stores of a plan, and to what is done about
//! missing files.

use std::{path::PathBuf, time::Duration};

use crate::plan::{
    Admission, CacheRule, Cors, Fallback, Files, Missing, Protocol, Purpose, Root, Symlinks,
    Upstream,
};

use super::{caching, cors, media_type, path, reader::Reader, repeated::repeated, url};

const STATIC: &str = "static.roots";
const MEDIA: &str = "media.roots";
const ACCEL: &str = "accel.roots";
const CORS: &str = "static.cors";

/// How long an unused connection to the fallback is kept: it is asked rarely, during deployments.
const FALLBACK_IDLE: Duration = Duration::from_secs(30);
/// Unused connections to the fallback that are kept, for each worker.
const FALLBACK_MAX_IDLE: usize = 4;

/// How long a connection to the fallback is used at all.
const FALLBACK_AGE: Duration = Duration::from_secs(600);

/// A prefix with its directories.
type Place = (String, Vec<PathBuf>);

/// What `static` alone has, apart from its roots and CORS.
struct Site {
    memory: u64,
    entries: usize,
    max_age: Duration,
    caching: Vec<CacheRule>,
    index: Option<String>,
    compress: bool,
}

/// What holds for every section.
struct Look {
    check_interval: Option<Duration>,
    symlinks: Symlinks,
    charset: Option<String>,
    types: Vec<(String, String)>,
}

/// What `media` alone has, apart from its roots.
struct Media {
    memory: u64,
    entries: usize,
    max_age: Duration,
    cors: Cors,
    rate: Option<u64>,
}

/// The site's files, then what users uploaded together with what the application alone may send,
/// then what is done about missing ones.
pub(super) fn files(reader: &mut Reader<'_>) -> Option<(Files, Files, Missing)> {
    let static_places = places(reader, STATIC);
    let site = site(reader);
    let look = look(reader);
    let cors = reader.list(CORS, cors::rule, cors::show);
    let missing = missing(reader);
    let media_places = places(reader, MEDIA);
    let media = media(reader);
    let accel_places = places(reader, ACCEL);

    let (static_places, media_places) = (static_places?, media_places?);
    let accel_places = accel_places?;
    apart(reader, (MEDIA, &media_places), (STATIC, &static_places));
    apart(reader, (ACCEL, &accel_places), (STATIC, &static_places));
    apart(reader, (ACCEL, &accel_places), (MEDIA, &media_places));
    let cors = cors?;
    cors_fits(reader, &cors, static_places.iter().chain(&media_places));

    let (site, look, media) = (site?, look?, media?);
    let static_roots = static_places.into_iter().map(|place| Root {
        index: site.index.clone(),
        max_age: site.max_age,
        caching: site.caching.clone(),
        cors: cors_of(&cors, Some(&place.0)).or(cors_of(&cors, None)).unwrap_or(Cors::Fonts),
        ..root(place, Purpose::Static)
    });
    let media_roots = media_places.into_iter().map(|place| Root {
        max_age: media.max_age,
        cors: cors_of(&cors, Some(&place.0)).unwrap_or(media.cors),
        rate: media.rate,
        ..root(place, Purpose::Media)
    });
    let accel_roots = accel_places.into_iter().map(|place| root(place, Purpose::Internal));
    let files = Files {
        roots: static_roots.collect(),
        memory: site.memory,
        entries: site.entries,
        check_interval: look.check_interval,
        symlinks: look.symlinks,
        compress: site.compress,
        charset: look.charset,
        types: look.types,
    };
    let media = Files {
        roots: media_roots.chain(accel_roots).collect(),
        memory: media.memory,
        entries: media.entries,
        compress: false,
        ..files.clone()
    };
    Some((files, media, missing?))
}

/// One section's roots: the directories of a prefix stand together, in the order of the list.
fn places(reader: &mut Reader<'_>, name: &str) -> Option<Vec<Place>> {
    let listed = reader
        .list(name, path::root, |(prefix, directory)| format!("{prefix}={}", directory.display()));
    let mut places: Vec<Place> = Vec::new();
    for (prefix, directory) in listed? {
        match places.iter_mut().find(|(known, _)| *known == prefix) {
            None => places.push((prefix, vec![directory])),
            Some((_, directories)) if !directories.contains(&directory) => {
                directories.push(directory);
            }
            Some(_) => {
                let pair = format!("{prefix}={}", directory.display());
                let plain = "a prefix has the same directory twice: leave one out";
                reader.conflict_of(&[name], format!("{pair} is here twice: leave one out"), plain);
            }
        }
    }
    Some(places)
}

fn site(reader: &mut Reader<'_>) -> Option<Site> {
    let memory = reader.size("static.memory");
    let entries = reader.integer("static.entries");
    let max_age = reader.duration("static.max_age");
    let caching = caching(reader);
    let index = reader.one_or_none("static.index", path::index, String::clone);
    let compress = reader.boolean("static.compress");
    Some(Site {
        memory: memory?,
        entries: entries?,
        max_age: max_age?,
        caching: caching?,
        index: index?,
        compress: compress?,
    })
}

fn caching(reader: &mut Reader<'_>) -> Option<Vec<CacheRule>> {
    const NAME: &str = "static.caching";
    let rules = reader.list(NAME, caching::rule, caching::show)?;
    let pattern = |rule: &CacheRule| caching::show_pattern(&rule.pattern).to_owned();
    for pattern in repeated(rules.iter().map(pattern)) {
        let fault = format!("{pattern} is here twice, and the first decides: leave one out");
        let plain = "a pattern is here twice, and the first decides: leave one out";
        reader.conflict_of(&[NAME], fault, plain);
    }
    Some(rules)
}

fn look(reader: &mut Reader<'_>) -> Option<Look> {
    const SYMLINKS: [Symlinks; 3] = [Symlinks::Within, Symlinks::Never, Symlinks::Anywhere];
    let check_interval = reader.duration_or_word("static.check_interval");
    let symlinks = reader.choice("static.symlinks", &SYMLINKS);
    let charset = reader.one_or_none("static.charset", media_type::charset, String::clone);
    let types = types(reader);
    Some(Look {
        check_interval: check_interval?,
        symlinks: symlinks?,
        charset: charset?,
        types: types?,
    })
}

fn types(reader: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    const NAME: &str = "static.types";
    let types = reader.list(NAME, media_type::by_extension, |(extension, media_type)| {
        format!("{extension}={media_type}")
    })?;
    for extension in repeated(types.iter().map(|(extension, _)| extension.clone())) {
        let fault = format!("{extension} is here twice: leave one out");
        reader.conflict_of(&[NAME], fault, "an extension is here twice: leave one out");
    }
    Some(types)
}

fn missing(reader: &mut Reader<'_>) -> Option<Missing> {
    let origin = reader.one_or_none("static.fallback", url::fallback, url::show_fallback);
    let timeout = reader.duration("static.fallback_timeout");
    let serve_current = reader.boolean("static.serve_current");
    let (origin, timeout) = (origin?, timeout?);
    let fallback = origin.map(|origin| Fallback {
        server: Upstream {
            protocol: Protocol::Http1,
            targets: vec![origin.target()],
            connect_timeout: timeout,
            read_timeout: timeout,
            total_timeout: None,
            idle_timeout: FALLBACK_IDLE,
            max_idle: FALLBACK_MAX_IDLE,
            max_age: FALLBACK_AGE,
            // Its own bound stands in pipeline/fallback.rs; one that is away is not waited for.
            admission: Admission {
                max_in_flight: usize::MAX,
                queue: 0,
                queue_timeout: Duration::ZERO,
                wait: Duration::ZERO,
            },
            probe: None,
            abort: true,
            tunnel_timeout: Duration::ZERO,
        },
        host: origin.name(),
        base: origin.base,
    });
    Some(Missing { fallback, serve_current: serve_current? })
}

fn media(reader: &mut Reader<'_>) -> Option<Media> {
    let memory = reader.size("media.memory");
    let entries = reader.integer("media.entries");
    let max_age = reader.duration("media.max_age");
    let cors = reader.choice("media.cors", &cors::ALL);
    let rate = reader.size_or_word("media.rate");
    Some(Media { memory: memory?, entries: entries?, max_age: max_age?, cors: cors?, rate: rate? })
}

/// A root that says nothing by itself: the application decides about what it alone may send.
fn root((prefix, directories): Place, purpose: Purpose) -> Root {
    Root {
        prefix,
        directories,
        purpose,
        index: None,
        max_age: Duration::ZERO,
        caching: Vec::new(),
        cors: Cors::None,
        rate: None,
    }
}

/// Reports each prefix that two sections have.
fn apart(reader: &mut Reader<'_>, (name, places): (&str, &[Place]), other: (&str, &[Place])) {
    let (other_name, others) = other;
    for (prefix, _) in places {
        if others.iter().any(|(other, _)| other == prefix) {
            let fault = format!(
                "{prefix} is in {other_name} too: files are of one kind only, so take it out of \
                 {name} or of {other_name}"
            );
            let plain = match other_name == STATIC {
                true => {
                    "one of these prefixes is in static.roots too: take it out of one of the two"
                }
                false => {
                    "one of these prefixes is in media.roots too: take it out of one of the two"
                }
            };
            reader.conflict_of(&[name, other_name], fault, plain);
        }
    }
}

/// Reports rules for prefixes that do not exist, and rules that contradict each other.
fn cors_fits<'a>(
    reader: &mut Reader<'_>,
    rules: &[cors::Rule],
    places: impl Iterator<Item = &'a Place>,
) {
    let mut known: Vec<&str> = places.map(|(prefix, _)| prefix.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    for prefix in rules.iter().filter_map(|rule| rule.prefix.as_deref()) {
        if known.contains(&prefix) {
            continue;
        }
        let there_are = match known.is_empty() {
            true => "there are no prefixes in static.roots and media.roots".into(),
            false => format!("the prefixes are {}", known.join(", ")),
        };
        let fault = format!("{prefix} is no prefix of static.roots or media.roots: {there_are}");
        let plain = "this names a prefix that is not in static.roots or media.roots";
        reader.conflict_of(&[CORS, STATIC, MEDIA], fault, plain);
    }
    for prefix in repeated(rules.iter().map(|rule| rule.prefix.clone())) {
        let plain = "one of these prefixes is here twice: leave one out";
        match prefix {
            None => reader.conflict(CORS, "one word is for all prefixes: leave the others out"),
            Some(prefix) => {
                let fault = format!("{prefix} is here twice: leave one out");
                reader.conflict_of(&[CORS], fault, plain);
            }
        }
    }
}

/// What the list says about a prefix, or about all (`None`).
fn cors_of(rules: &[cors::Rule], prefix: Option<&str>) -> Option<Cors> {
    rules.iter().find(|rule| rule.prefix.as_deref() == prefix).map(|rule| rule.cors)
}
