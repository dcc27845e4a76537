//! Header fields in which a proxy in front identifies the client: its login or its certificate. An application that
//! reads such a field trusts it, so nobody else may send it. No RFC lists them; RFC 9440, 4 requires this for
//! `Client-Cert`.

/// Whole names, in lower case.
const NAMES: &[&str] = &[
    // Authelia, and Django's RemoteUserMiddleware behind gunicorn or uWSGI.
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "x-proxy-remote-user",
    // oauth2-proxy, beside x-auth-request-.
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "client-cert",
    "client-cert-chain",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-goog-iap-jwt-assertion",
    "cf-access-authenticated-user-email",
];

/// Prefixes of other names, in lower case.
const FAMILIES: &[&str] = &[
    "x-remote-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-webauth-",
    "x-pomerium-",
    "tailscale-user-",
    "x-forwarded-tls-client-cert",
    "ssl-client-",
    "x-ssl-",
    "x-goog-authenticated-user-",
    "x-ms-client-principal",
    "x-amzn-oidc-",
    "x-amzn-mtls-clientcert",
];

/// Whether a field, by its name in lower case, identifies the client.
///
/// ```
/// use sideman::rfc::identity::is_identity;
/// assert!(is_identity("remote-user") && is_identity("x-auth-request-groups"));
/// assert!(!is_identity("authorization") && !is_identity("x-auth-token"));
/// ```
pub fn is_identity(name: &str) -> bool {
    // The first letters of all names; most fields of a request have another.
    matches!(name.as_bytes().first(), Some(b'c' | b'r' | b's' | b't' | b'x'))
        && (NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_family_is_found() {
        for name in NAMES {
            assert!(is_identity(name), "{name}");
            assert_eq!(*name, name.to_ascii_lowercase());
        }
        for family in FAMILIES {
            assert!(is_identity(&format!("{family}user")), "{family}");
            assert_eq!(*family, family.to_ascii_lowercase());
        }
    }

    #[test]
    fn credentials_and_usual_fields_are_none() {
        for name in [
            "",
            "accept",
            "authorization",
            "cookie",
            "referer",
            "x-auth-token",
            "x-api-key",
            "x-csrftoken",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
            "x-amzn-trace-id",
            "remote-addr",
            "sec-fetch-user",
        ] {
            assert!(!is_identity(name), "{name}");
        }
    }
}
