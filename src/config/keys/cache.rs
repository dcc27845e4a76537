//! The settings of the cache of the application's responses.

use std::time::Duration;

use super::{
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::{
    config::{
        address, cache_names,
        format::{BoolFormat, DAY, GIB, KIB, MIB, OrNone, SizeFormat, TIB, TimeFormat, size_or},
        list_item::patterns_of,
        redis_url,
    },
    plan::{IGNORED_COOKIES, IGNORED_QUERY, NamePatterns},
};

/// The longest time for a stale response.
const LONGEST_STALE: Duration = DAY.saturating_mul(7);

/// Responses of the application.
pub(super) const CACHE: &[SettingKey] = &[
    SettingKey {
        name: "cache.memory",
        default: Some(&["off"]),
        kind: &SingleValue(size_or(MIB, 64 * GIB, "off"), |to, bytes| {
            to.plan.cache.memory = bytes.unwrap_or(0);
        }),
        doc: "Maximum size of all stored responses in memory, a part of memory.limit. off disables the cache. Responses \
              are stored if their Cache-Control or Expires allows it; a route's cache can store others. Objects of \
              buckets are stored too.",
        short_env: Some("SIDEMAN_CACHE"),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.disk",
        default: Some(&["off"]),
        kind: &SingleValue(size_or(MIB, TIB, "off"), |to, bytes| {
            to.plan.cache.disk = bytes.unwrap_or(0);
        }),
        doc: "Maximum size of all bodies that are stored in files, which have no name and are in buffers.directory. \
              Bodies longer than cache.max_object are stored there, up to an eighth of this size. off stores none of \
              them.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.max_object",
        default: Some(&["1MiB"]),
        kind: &SingleValue(SizeFormat(KIB, GIB), |to, bytes| to.plan.cache.max_object = bytes),
        doc: "Maximum size of one body in memory, at most a fourth of cache.memory. Longer bodies are stored on disk if \
              cache.disk is set, or not at all.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.stale",
        default: Some(&["10m"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, LONGEST_STALE), |to, time| {
            to.plan.cache.stale = time;
        }),
        doc: "How long a response may be used after it has become stale while the application fails, is unavailable or \
              busy, and after a soft purge. Responses with stale-while-revalidate or stale-if-error say \
              it themselves, and those with must-revalidate, proxy-revalidate, s-maxage or no-cache are never used \
              stale.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.session_cookies",
        default: Some(&["sessionid", "messages"]),
        kind: &ListValue::or_none(cache_names::SESSION_COOKIES, |to, names| {
            to.plan.cache.session_cookies = NamePatterns(names);
        }),
        doc: "Cookies of visitors with a session. Requests with one of them always go to the application, and their \
              responses are not stored. Write SESSION_COOKIE_NAME here if you have changed it. A * at the beginning or \
              the end matches anything.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.ignored_cookies",
        default: Some(&["default"]),
        kind: &ListValue::or_none(cache_names::COOKIES, |to, names| {
            to.plan.cache.ignored_cookies = patterns_of(names, IGNORED_COOKIES);
        }),
        doc: "Cookies that no page depends on. A request with others gets no stored response with Vary: Cookie. A * at \
              the beginning or the end matches anything. default means csrftoken, _ga, _ga_*, _gid, _gat, _gat_*, \
              _gac_*, _gcl_*, __utm*, __gads, __gpi, _dc_gtm_*, _fbp, _fbc, _hj*, _clck, _clsk, _uetsid, _uetvid, _pk_*, \
              _ym_*, _ttp, _scid, _rdt_uuid, _pin_unauth, __hstc, __hssc, __hssrc, ajs_*, amplitude_*, AMP_*, \
              *_mixpanel, intercom-*, AWSALB*, AWSELB*, __cf_bm, _cfuvid and cf_clearance.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.ignored_query",
        default: Some(&["default"]),
        kind: &ListValue::or_none(cache_names::PARAMETERS, |to, names| {
            to.plan.cache.ignored_query = patterns_of(names, IGNORED_QUERY);
        }),
        doc: "Query parameters that no page depends on. URLs that differ in them alone have one stored response, and the \
              application does not get them. A * at the beginning or the end matches anything. default means utm_*, \
              gclid, gclsrc, dclid, gbraid, wbraid, gad_source, gad_campaignid, srsltid, _ga, _gl, fbclid, msclkid, \
              yclid, twclid, ttclid, li_fat_id, igshid, epik, mc_cid, mc_eid, mkt_tok, _hsenc, _hsmi, hsCtaTracking, \
              mtm_*, pk_campaign, pk_kwd, s_kwcid, ef_id and vero_id.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.language_cookie",
        default: Some(&["django_language"]),
        kind: &SingleValue(OrNone(cache_names::COOKIE), |to, name| {
            to.plan.cache.language_cookie = name;
        }),
        doc: "The cookie with a visitor's language, LANGUAGE_COOKIE_NAME in Django. Each of its values has stored \
              responses of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.languages",
        default: Some(&[]),
        kind: &ListValue::or_none(cache_names::LANGUAGE, |to, languages| {
            to.plan.cache.languages = languages;
        }),
        doc: "The languages of the site, the preferred one first, as in Django's LANGUAGES. Pages with Vary: \
              Accept-Language are then stored once for each language. none stores them once for each value of the \
              header. Browsers send many different ones.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.client_refresh",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.cache.client_refresh = on),
        doc: "Whether a client can have a page fetched anew with Cache-Control: no-cache or max-age=0, as the reload of a \
              browser does. Any client can then send every request to the application.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.purge_from",
        default: Some(&["none"]),
        kind: &ListValue::or_none(address::NETWORKS, |to, networks| {
            to.plan.cache.purge_from = networks.concat();
        }),
        doc: "Networks of clients whose PURGE requests are taken on the listeners for clients. The admin listener always \
              takes them.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.redis",
        default: Some(&["off"]),
        kind: &SingleValue(redis_url::REDIS, |to, redis| to.plan.cache.redis = redis),
        doc: "A Redis server that all tasks of the site use, so that a purge at one of them reaches the others, and \
              for rate_limit with global. Use a database of its own for each site. The URL holds a password: pass it by a file \
              (SIDEMAN_CACHE__REDIS_FILE).",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "cache.redis_ca",
        default: Some(&["default"]),
        kind: &SingleValue(redis_url::CA, |to, path| to.plan.cache.redis_ca = path),
        doc: "A PEM file with the authorities that may have issued the certificate of Redis, for rediss://. default means \
              the public authorities.",
        ..SettingKey::BLANK
    },
];
