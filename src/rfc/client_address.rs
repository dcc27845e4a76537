//! Header fields in which a CDN or a load balancer names the client's address. Each product has its own, no RFC lists
//! them, and packages such as django-ipware read them: a client that sends one could choose its address.

/// Whole names, in lower case. `X-Forwarded-For`, `X-Real-IP` and `Forwarded` are not among them, because Sideman
/// always drops the client's.
const NAMES: &[&str] = &[
    // Cloudflare.
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    // Akamai, and Cloudflare.
    "true-client-ip",
    // With the client's port.
    "cloudfront-viewer-address",
    "fastly-client-ip",
    "fly-client-ip",
    "do-connecting-ip",
    "incap-client-ip",
    "x-sucuri-clientip",
    "ali-cdn-real-ip",
    "x-nf-client-connection-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-appengine-user-ip",
    "x-envoy-external-address",
    // Load balancers, and what packages look for.
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-original-forwarded-for",
    "client-ip",
    "forwarded-for",
    "proxy-client-ip",
    "wl-proxy-client-ip",
];

/// Whether a field, by its name in lower case, names the client's address.
///
/// ```
/// use sideman::rfc::client_address::is_client_address;
/// assert!(is_client_address("cf-connecting-ip") && is_client_address("x-client-ip"));
/// assert!(!is_client_address("cf-ray") && !is_client_address("x-client-version"));
/// ```
pub fn is_client_address(name: &str) -> bool {
    // The first letters of all names; most fields of a request have another.
    matches!(
        name.as_bytes().first(),
        Some(b'a' | b'c' | b'd' | b'f' | b'i' | b'p' | b't' | b'w' | b'x')
    ) && NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for name in NAMES {
            assert!(is_client_address(name), "{name}");
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn other_fields_of_these_products_are_none() {
        for name in [
            "",
            "cf-ray",
            "cf-ipcountry",
            "cf-visitor",
            "x-azure-ref",
            "x-client-version",
            "client",
            "fastly-ff",
        ] {
            assert!(!is_client_address(name), "{name}");
        }
    }
}
