//! The cache of the application's responses.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{name_pattern::NamePatterns, redis::RedisSettings};

/// The default names of cookies that no response depends on, separated by spaces: Django's CSRF token, and what scripts
/// for statistics and advertisement, load balancers and networks of proxies keep in browsers.
pub const IGNORED_COOKIES: &str = "\
    csrftoken _ga _ga_* _gid _gat _gat_* _gac_* _gcl_* __utm* __gads __gpi _dc_gtm_* _fbp _fbc _hj* _clck _clsk \
    _uetsid _uetvid _pk_* _ym_* _ttp _scid _rdt_uuid _pin_unauth __hstc __hssc __hssrc ajs_* amplitude_* AMP_* \
    *_mixpanel intercom-* AWSALB* AWSELB* __cf_bm _cfuvid cf_clearance";

/// The default names of query parameters that say which advertisement or message a visitor comes from, separated by
/// spaces.
pub const IGNORED_QUERY: &str = "\
    utm_* gclid gclsrc dclid gbraid wbraid gad_source gad_campaignid srsltid _ga _gl fbclid msclkid yclid twclid ttclid \
    li_fat_id igshid epik mc_cid mc_eid mkt_tok _hsenc _hsmi hsCtaTracking mtm_* pk_campaign pk_kwd s_kwcid ef_id vero_id";

/// The cache of the application's responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// Maximum bytes in memory, with everything that an entry needs; 0 disables the cache.
    pub memory: u64,
    /// Maximum bytes of bodies in files; 0 stores no body in a file.
    pub disk: u64,
    /// Maximum bytes of one body in memory; a longer one is stored in a file, if it may be.
    pub max_object: u64,
    /// How long a stale response may be used at most, if the response does not say itself.
    pub stale: Duration,
    /// Cookies of a session: requests with one go to the application, and their responses are not stored.
    pub session_cookies: NamePatterns,
    /// Cookies that are part of no key, as if the client did not send them.
    pub ignored_cookies: NamePatterns,
    /// Query parameters that are part of no key, and that the application does not get.
    pub ignored_query: NamePatterns,
    /// The cookie with the language of a visitor.
    pub language_cookie: Option<String>,
    /// The languages of the site, in lower case. `Accept-Language` is reduced to one of them; if there are none, it is
    /// taken as it is.
    pub languages: Vec<String>,
    /// Whether a client may demand a new response (`no-cache`, `max-age=0`).
    pub client_refresh: bool,
    /// Networks of clients that may send `PURGE`.
    pub purge_from: Vec<IpNet>,
    /// The Redis server over which several processes tell each other what was purged.
    pub redis: Option<RedisSettings>,
    /// A file with the certificates of the authorities that it must have one of; the public ones without it.
    pub redis_ca: Option<PathBuf>,
}

/// What a route does with responses of the application. Nothing is stored unless the cache has memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteCache {
    /// Requests do not see the cache.
    Off,
    /// Responses are stored that say so (RFC 9111).
    #[default]
    On,
    /// Responses that do not say how long they are fresh are fresh for this time, for requests without a session.
    Anonymous(Duration),
}

// === impl CacheSettings ===

impl CacheSettings {
    /// One body may have this part of `disk`.
    const DISK_SHARE: u64 = 8;
    /// One body may have this part of `memory`.
    pub const MEMORY_SHARE: u64 = 4;

    /// Whether responses are stored at all.
    pub fn is_on(&self) -> bool {
        self.memory > 0
    }

    /// Returns the maximum bytes of one body in a file.
    pub fn max_file(&self) -> u64 {
        self.disk / Self::DISK_SHARE
    }

    /// Returns the maximum bytes of a body that is stored at all.
    pub fn max_body(&self) -> u64 {
        self.max_object.max(self.max_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_body_is_in_memory_or_in_a_file() {
        let plan = |memory, disk| CacheSettings {
            memory,
            disk,
            max_object: memory.min(10),
            ..CacheSettings::default()
        };
        assert!(!plan(0, 800).is_on());
        assert_eq!((plan(100, 0).max_file(), plan(100, 0).max_body()), (0, 10));
        assert_eq!((plan(100, 40).max_file(), plan(100, 40).max_body()), (5, 10));
        assert_eq!((plan(100, 800).max_file(), plan(100, 800).max_body()), (100, 100));
    }
}
