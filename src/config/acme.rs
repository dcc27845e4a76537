//! The values of certificates from an authority: domains, the directory's URL, the contact.

use std::path::PathBuf;

use http::Uri;

use super::{
    format::{OrNone, OrWord, TextFormat},
    host, local_path,
};

/// A name of the certificate.
pub(super) const DOMAIN: TextFormat<String> =
    TextFormat::new("host names, such as example.org", domain, String::clone);

/// The authority's directory.
pub(super) const DIRECTORY: TextFormat<String> = TextFormat::new(
    "an https:// URL, such as https://ca.example.org/acme/directory",
    directory,
    String::clone,
);

/// The contact of the account.
pub(super) const CONTACT: OrNone<TextFormat<String>> =
    OrNone(TextFormat::new("an e-mail address, such as admin@example.org", contact, String::clone));

/// The file with the authorities, or `default`.
pub(super) const TLS_CA: OrWord<TextFormat<PathBuf>> = OrWord {
    format: local_path::file_format("the absolute path of a file with certificates (PEM)"),
    word: "default",
    meant: &["none", "off", "system", "public"],
};

/// Longer than any URL of an authority.
const MAX_URL: usize = 1024;
const MAX_CONTACT: usize = 254;

/// Reads a name that an authority can validate at a web server.
fn domain(text: &str) -> Result<String, String> {
    if text.starts_with("*.") {
        return Err(
            "wildcards need a validation by DNS, which is not supported: write each name".into()
        );
    }
    let name = host::canonical(text)?;
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if name.starts_with('[') || name.rsplit('.').next().is_some_and(is_number) {
        return Err("this is an IP address: write a name that leads to it".into());
    }
    let is_bad = |label: &str| label.len() > 63 || label.starts_with('-') || label.ends_with('-');
    if name.contains('_') || name.split('.').any(is_bad) {
        return Err("no certificate can have this name: use letters, digits and -".into());
    }
    Ok(name)
}

/// Reads the URL. ACME is defined over https only (RFC 8555, 6.1).
fn directory(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "this is not a URL".to_owned())?;
    if uri.scheme_str() != Some("https") {
        return Err("must begin with https://".into());
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("must not contain a user: remove the part before @".into());
    }
    if text.contains(['?', '#']) || text.len() > MAX_URL {
        return Err(format!("must have no ? or #, and at most {MAX_URL} bytes"));
    }
    Ok(text.to_owned())
}

fn contact(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#,;<>\"".contains(&byte);
    let is_address = text
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    match is_address && text.len() <= MAX_CONTACT && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("this is not an e-mail address".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn domains() {
        let wildcard =
            "wildcards need a validation by DNS, which is not supported: write each name";
        let address = "this is an IP address: write a name that leads to it";
        let name = "no certificate can have this name: use letters, digits and -";
        for (text, expected) in [
            ("example.org", Ok("example.org")),
            ("WWW.Example.org", Ok("www.example.org")),
            ("xn--bcher-kva.example", Ok("xn--bcher-kva.example")),
            ("*.example.org", Err(wildcard)),
            ("192.0.2.1", Err(address)),
            ("[::1]", Err(address)),
            ("a_b.test", Err(name)),
            ("-a.test", Err(name)),
            (".example.org", Err("this must be one host: write example.org")),
            ("../x", Err("this is not a host name")),
            ("..example.org", Err("this is not a host name")),
            ("m\u{fc}nchen.de", Err("write it in ASCII, as browsers send it: it begins with xn--")),
            ("https://example.org/", Err("this is a URL: write example.org")),
            ("example.org:443", Err("write it without the port: example.org")),
            ("", Err("this is not a host name")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(domain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn directories_and_contacts() {
        for url in ["https://acme-v02.api.letsencrypt.org/directory", "https://127.0.0.1:14000/dir"]
        {
            assert_eq!(directory(url), Ok(url.to_owned()));
        }
        for (url, part) in [
            ("http://ca.test/dir", "must begin with https://"),
            ("ca.test/dir", "not a URL"),
            ("https://a:b@ca.test/", "must not contain a user"),
            ("https://ca.test/?a=b", "no ? or #"),
            ("", "not a URL"),
        ] {
            assert!(directory(url).unwrap_err().contains(part), "{url:?}: {:?}", directory(url));
        }
        assert_eq!(contact("mailto:a@b.test"), Ok("a@b.test".to_owned()));
        for text in ["", "a", "@b.test", "a@b", "a@b.test,c@d.test", "a b@c.test", "a@b@c.test"] {
            assert!(contact(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "[a-zA-Z0-9._*-]{0,12}") {
            if let Ok(name) = domain(&text) {
                prop_assert_eq!(domain(&name), Ok(name.clone()));
                prop_assert!(!name.contains('/') && !name.starts_with('.'));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (domain(&text), contact(&text), directory(&text));
            let _ = directory(&format!("https://{text}"));
        }
    }
}
