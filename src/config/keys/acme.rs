//! The settings of certificates from an authority.

use super::{
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::config::{acme, local_path};

/// Certificates from an authority.
pub(super) const ACME: &[SettingKey] = &[
    SettingKey {
        name: "acme.domains",
        default: Some(&[]),
        kind: &ListValue::or_none(acme::DOMAIN, |to, domains| to.acme.domains = domains),
        doc: "Names of the site, all in one certificate, which Sideman obtains from the authority of acme.directory and \
              renews, instead of tls.certificates. The names must lead here, at port 443 (tls.listen) or 80 \
              (server.listen). By setting this, you agree to the authority's terms of service.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "acme.directory",
        default: Some(&["https://acme-v02.api.letsencrypt.org/directory"]),
        kind: &SingleValue(acme::DIRECTORY, |to, url| to.acme.directory = url),
        doc: "The authority: the URL of its ACME directory. Try a new setup at \
              https://acme-staging-v02.api.letsencrypt.org/directory, whose certificates no browser trusts and whose \
              rate limits are high.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "acme.storage",
        default: Some(&["/var/lib/sideman/acme"]),
        kind: &SingleValue(
            local_path::directory_format("an absolute directory, such as /var/lib/sideman/acme"),
            |to, path| to.acme.storage = path,
        ),
        doc: "The directory for the account and the certificate with their keys. It must be writable and outlive the \
              container, on a volume: authorities issue few certificates a week for the same names.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "acme.contact",
        default: Some(&["none"]),
        kind: &SingleValue(acme::CONTACT, |to, contact| to.acme.contact = contact),
        doc: "An e-mail address that the authority may write to, sent when the account is created.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "acme.tls_ca",
        default: Some(&["default"]),
        kind: &SingleValue(acme::TLS_CA, |to, path| to.acme.tls_ca = path),
        doc: "A PEM file with the certificates that are trusted at acme.directory, for an authority of your own. default \
              means the public authorities.",
        ..SettingKey::BLANK
    },
];
