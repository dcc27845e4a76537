//! What an application gets in place of parts of the request: `Host`, the prefix of the path, `SCRIPT_NAME`.

use crate::plan::HostHeader;

use super::{format::TextFormat, header_edit, host, path, template};

/// `Host` for the application.
pub(super) const HOST_HEADER: TextFormat<HostHeader> = TextFormat::new(
    "a host such as example.org, upstream for the address of the application, or {host} for the requested host",
    host_header,
    show_host_header,
);

/// The path in place of a prefix.
pub(super) const PREFIX: TextFormat<String> =
    TextFormat::new("a path, such as /v2/", prefix, String::clone);

/// `SCRIPT_NAME`.
pub(super) const SCRIPT_NAME: TextFormat<String> =
    TextFormat::new("a path that does not end with /, such as /app", script_name, String::clone);

/// Reads the value of `Host`.
fn host_header(text: &str) -> Result<HostHeader, String> {
    if text == "upstream" {
        return Ok(HostHeader::Upstream);
    }
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if !text.contains('{') && !crate::rfc::host::is_valid(text.as_bytes()) {
        return Err(host::of_route(text).err().unwrap_or_else(|| "this is not a host".into()));
    }
    header_edit::value(text, template::FACTS).map(HostHeader::Text)
}

/// Returns a text that [`host_header`] reads as this.
fn show_host_header(header: &HostHeader) -> String {
    match header {
        HostHeader::Upstream => "upstream".into(),
        HostHeader::Text(text) => header_edit::show_text(text),
    }
}

/// Reads the path in place of a prefix.
fn prefix(text: &str) -> Result<String, String> {
    let (beginning, query) = text.split_once('?').unwrap_or((text, "x"));
    path::beginning(beginning)?;
    let is_query = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
    match !query.is_empty() && query.bytes().all(is_query) {
        true => Ok(text.into()),
        false => Err("the part behind ? is not a query: write it as in /login?next=/".into()),
    }
}

/// Reads the path below which the application is.
fn script_name(text: &str) -> Result<String, String> {
    let path = path::beginning(text)?;
    match path.strip_suffix('/') {
        None => Ok(path),
        Some("") => Err("at / an application needs none: remove this".into()),
        Some(shorter) => Err(format!("must not end with /: write {shorter}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let hosts = |text: &str| host_header(text).map(|read| show_host_header(&read));
        for text in ["upstream", "example.org", "example.org:8080", "{host}", "www.{host}"] {
            assert_eq!(hosts(text), Ok(text.into()));
        }
        assert_eq!(hosts(""), Err("it is empty".into()));
        assert_eq!(hosts("http://a/"), Err("this is a URL: write a".into()));
        assert!(hosts("$host").is_err());
        assert!(hosts("{hots}").unwrap_err().contains("did you mean {host}?"));
        assert_eq!(prefix("/v2/"), Ok("/v2/".into()));
        assert_eq!(prefix("/v2"), Ok("/v2".into()));
        assert_eq!(prefix("/login?next=/"), Ok("/login?next=/".into()));
        for text in ["/a?", "/a?b c", "/a?b#c", "/a?\u{e4}", "/a?{b}"] {
            assert!(prefix(text).unwrap_err().starts_with("the part behind ?"), "{text}");
        }
        assert_eq!(prefix("v2/"), Err("must start with /".into()));
        assert_eq!(script_name("/app"), Ok("/app".into()));
        assert_eq!(script_name("/app/"), Err("must not end with /: write /app".into()));
        assert_eq!(script_name("/"), Err("at / an application needs none: remove this".into()));
    }
}
