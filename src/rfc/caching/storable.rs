//! Which responses a shared cache may store (RFC 9111, 3 and 3.5), and which of them Sideman stores.

use http::StatusCode;

use super::{
    directives::Restriction,
    policy::ResponsePolicy,
    statuses::{is_understood, never_stored},
};

/// What matters of a request for storing its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTraits {
    pub has_authorization: bool,
    /// Its `Cache-Control` says `no-store` (RFC 9111, 5.2.1.5).
    pub no_store: bool,
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStorable {
    /// `no-store`, or `X-Accel-Expires: 0`.
    NoStore,
    /// `private`.
    Private,
    /// It sets a cookie, and a stored one would reach other clients.
    SetCookie,
    /// The request was authenticated, and the response does not say that others may see it (RFC 9111, 3.5).
    Authorization,
    /// `Vary: *`, a malformed `Vary` or one with too many names.
    VaryAny,
    /// It names no lifetime, or one that has passed, and has no validator.
    NoLifetime,
    /// A status that must not be stored or is not understood.
    Status,
    /// 206: a part of the response.
    Partial,
    /// The request says `no-store`.
    RequestNoStore,
}

// === impl ResponsePolicy ===

impl ResponsePolicy {
    /// Whether the response of such a request may be stored, and is worth it.
    pub fn storable(&self, request: RequestTraits) -> Result<(), NotStorable> {
        let directives = &self.directives;
        // Who demands understanding allows storing where it is given (RFC 9111, 5.2.2.3).
        let no_store = directives.no_store && !directives.must_understand;
        let is_shared =
            directives.public || directives.must_revalidate || directives.s_maxage.is_some();
        let faults = [
            (self.status == StatusCode::PARTIAL_CONTENT, NotStorable::Partial),
            (never_stored(self.status), NotStorable::Status),
            (directives.must_understand && !is_understood(self.status), NotStorable::Status),
            (request.no_store, NotStorable::RequestNoStore),
            (no_store, NotStorable::NoStore),
            (directives.private == Restriction::All, NotStorable::Private),
            (self.has_set_cookie, NotStorable::SetCookie),
            (request.has_authorization && !is_shared, NotStorable::Authorization),
            (self.vary.is_any(), NotStorable::VaryAny),
            (!self.is_worth_storing(), NotStorable::NoLifetime),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map_or(Ok(()), |(_, why)| Err(why))
    }

    /// Whether the stored response could be used at once, or confirmed by a 304. A validator alone is not enough: the
    /// response must say something about caching.
    fn is_worth_storing(&self) -> bool {
        let is_explicit = self.lifetime.is_some()
            || self.directives.public
            || self.directives.no_cache == Restriction::All;
        self.is_ever_usable() || (is_explicit && self.has_validator())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ExchangeTimes, test_lines::lines},
        *,
    };

    const ETAG: &str = "etag: \"a\"";
    const FRESH: &str = "cache-control: max-age=60";
    const PLAIN: RequestTraits = RequestTraits { has_authorization: false, no_store: false };
    const AUTHENTICATED: RequestTraits = RequestTraits { has_authorization: true, no_store: false };

    fn storable(status: u16, fields: &[&str], request: RequestTraits) -> Result<(), NotStorable> {
        let status = StatusCode::from_u16(status).unwrap();
        ResponsePolicy::of(status, &lines(fields), ExchangeTimes::default()).storable(request)
    }

    #[test]
    fn responses_that_may_be_stored() {
        for fields in [
            &[FRESH][..],
            &["cache-control: s-maxage=60"],
            &["expires: Sun, 06 Nov 1994 08:49:37 GMT"],
            &["cache-control: no-cache", ETAG],
            &["cache-control: public", ETAG],
            &["cache-control: max-age=0", "last-modified: Sun, 06 Nov 1994 08:49:37 GMT"],
            &["cache-control: max-age=0, stale-while-revalidate=5"],
            &["cache-control: max-age=60, private=\"x-a\""],
            &["cache-control: no-store", "cdn-cache-control: max-age=60"],
            &["cache-control: private", "sideman-cache-control: max-age=60"],
            &["cache-control: private", "x-accel-expires: 60"],
            &["cache-control: no-store, must-understand, max-age=60"],
            &[FRESH, "vary: cookie"],
            &[FRESH, "pragma: no-cache"],
        ] {
            assert_eq!(storable(200, fields, PLAIN), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn responses_that_are_not_stored() {
        use NotStorable::{NoLifetime, NoStore, Private, SetCookie, VaryAny};
        for (fields, expected) in [
            (&[][..], NoLifetime),
            (&[ETAG], NoLifetime),
            (&["cache-control: max-age=0"], NoLifetime),
            (&["cache-control: max-age=60", "age: 60"], NoLifetime),
            (&["cache-control: no-cache"], NoLifetime),
            (&["cache-control: no-cache, stale-if-error=60"], NoLifetime),
            (&["cache-control: public"], NoLifetime),
            (&["expires: 0"], NoLifetime),
            (&["cache-control: no-store, max-age=60"], NoStore),
            (&["cache-control: private, max-age=60"], Private),
            (&["cache-control: private=\"a b\", max-age=60"], Private),
            (&["cdn-cache-control: private", FRESH], Private),
            (&["cdn-cache-control: no-store", FRESH], NoStore),
            (&["cdn-cache-control: max-age=10000, &&&&&", "cache-control: no-store"], NoStore),
            (&["x-accel-expires: 0", FRESH], NoStore),
            (&[FRESH, "set-cookie: a=b"], SetCookie),
            (&["cache-control: max-age=60, no-cache=\"set-cookie\"", "set-cookie: a=b"], SetCookie),
            (&[FRESH, "vary: cookie, *"], VaryAny),
        ] {
            assert_eq!(storable(200, fields, PLAIN), Err(expected), "{fields:?}");
        }
        let request = RequestTraits { no_store: true, ..PLAIN };
        assert_eq!(storable(200, &[FRESH], request), Err(NotStorable::RequestNoStore));
    }

    #[test]
    fn authenticated_responses_are_shared_only_if_they_say_so() {
        for (field, expected) in [
            ("max-age=60", false),
            ("max-age=60, public", true),
            ("max-age=60, must-revalidate", true),
            ("s-maxage=60", true),
            ("max-age=60, proxy-revalidate", false),
            ("max-age=60, public=x", false),
            ("private, public, max-age=60", false),
        ] {
            let field = format!("cache-control: {field}");
            assert_eq!(storable(200, &[&field], AUTHENTICATED).is_ok(), expected, "{field}");
        }
        let expires = "expires: Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(storable(200, &[expires], AUTHENTICATED), Err(NotStorable::Authorization));
        let accel = "x-accel-expires: 60";
        assert_eq!(storable(200, &[accel], AUTHENTICATED), Err(NotStorable::Authorization));
    }

    #[test]
    fn statuses() {
        for status in [
            200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504,
            599,
        ] {
            assert_eq!(storable(status, &[FRESH], PLAIN), Ok(()), "{status}");
        }
        for status in [100, 103, 304, 412, 416, 421, 428, 429, 431, 511] {
            assert_eq!(storable(status, &[FRESH], PLAIN), Err(NotStorable::Status), "{status}");
        }
        assert_eq!(storable(206, &[FRESH], PLAIN), Err(NotStorable::Partial));
        let understand = &["cache-control: max-age=60, must-understand"];
        assert_eq!(storable(404, understand, PLAIN), Ok(()));
        assert_eq!(storable(599, understand, PLAIN), Err(NotStorable::Status));
    }
}
