//! Actions of a route that need no other server and no file: `301 https://example.org{path}{query}`, `410 Gone`.

use http::StatusCode;

use crate::plan::{FixedResponse, Placeholder, RouteRedirect, RouteResponse, TemplatePart};

use super::{format::TextFormat, template};

/// A redirect.
pub(super) const REDIRECT: TextFormat<RouteRedirect> = TextFormat::new(
    "STATUS LOCATION, such as 301 https://example.org{path}{query}",
    redirect,
    show_redirect,
);

/// A response with a fixed text, or none.
pub(super) const RESPOND: TextFormat<RouteResponse> = TextFormat::new(
    "STATUS, or STATUS TEXT, such as 410 This page is gone.; or close",
    respond,
    show_response,
);

/// The statuses of redirects whose meaning every client knows (RFC 9110, 15.4).
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// The word for no response.
const CLOSE: &str = "close";
/// Maximum length of a text in bytes. A file is better for longer ones.
const LONGEST: usize = 4096;

/// Reads a redirect.
fn redirect(text: &str) -> Result<RouteRedirect, String> {
    let (status, location) = text.split_once(' ').unwrap_or((text, ""));
    let location = location.trim();
    if status.contains('/') {
        return Err(format!("the status is missing: write 302 {text}"));
    }
    let status = self::status(status)?;
    if !REDIRECTS.contains(&status.as_u16()) {
        return Err("the status must be 301, 302, 303, 307 or 308".into());
    }
    if location.is_empty() {
        return Err(format!(
            "the location is missing: write {} https://example.org",
            status.as_u16()
        ));
    }
    if !location.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("in the location, only visible ASCII characters are possible".into());
    }
    let location = template::read(location, template::OF_REDIRECT)?;
    check_host(&location)?;
    Ok(RouteRedirect { status, location })
}

/// Rejects a location whose host a client could choose: `https://example.org{1}` would lead to
/// example.org.attacker.org.
fn check_host(location: &[TemplatePart]) -> Result<(), String> {
    let mut is_authority = match location.first() {
        Some(TemplatePart::Text(text)) if text.starts_with('/') => return Ok(()),
        Some(TemplatePart::Text(text))
            if text.starts_with("http://") || text.starts_with("https://") =>
        {
            true
        }
        Some(TemplatePart::Value(Placeholder::Scheme)) => true,
        Some(TemplatePart::Value(Placeholder::Path)) => return Ok(()),
        _ => {
            return Err(
                "the location must begin with http://, https://, {scheme}://, / or {path}".into()
            );
        }
    };
    for (index, part) in location.iter().enumerate() {
        match part {
            TemplatePart::Text(text) => {
                let after = text.split_once("://").map_or(text.as_str(), |(_, after)| after);
                is_authority &= !after.contains(['/', '?', '#']);
            }
            TemplatePart::Value(Placeholder::Scheme) if index == 0 => {}
            TemplatePart::Value(Placeholder::Host) => {}
            // Both begin with a character that ends the host.
            TemplatePart::Value(Placeholder::Path | Placeholder::Query) => is_authority = false,
            TemplatePart::Value(_) if is_authority => {
                let shown = template::show(std::slice::from_ref(part));
                return Err(format!("write / before {shown}: clients could choose the host"));
            }
            TemplatePart::Value(_) => {}
        }
    }
    Ok(())
}

/// Returns a text that [`redirect`] reads as this.
fn show_redirect(redirect: &RouteRedirect) -> String {
    format!("{} {}", redirect.status.as_u16(), template::show(&redirect.location))
}

/// Reads a response. In the text, `\\n` is a line break.
fn respond(text: &str) -> Result<RouteResponse, String> {
    if text == CLOSE {
        return Ok(RouteResponse::Close);
    }
    let (status, text) = match text.split_once(' ') {
        Some((status, text)) => (status, Some(text)),
        None => (text, None),
    };
    let status = self::status(status)?;
    if status.as_u16() == 444 {
        return Err("to close the connection without a response, write close".into());
    }
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Err("for a redirect, set redirect instead".into());
    }
    if status.is_informational() || status == StatusCode::NOT_MODIFIED {
        return Err("this status is no answer of its own: write 200 or higher, but not 304".into());
    }
    if text.is_some_and(|text| text.len() > LONGEST) {
        return Err(format!("the text must have at most {LONGEST} bytes: serve a file"));
    }
    if text.is_some() && status == StatusCode::NO_CONTENT {
        return Err("204 has no text: remove it".into());
    }
    let text = text.map(|text| text.replace("\\n", "\n")).filter(|text| !text.is_empty());
    Ok(RouteResponse::Fixed(FixedResponse { status, text }))
}

/// Returns a text that [`respond`] reads as this.
fn show_response(response: &RouteResponse) -> String {
    let RouteResponse::Fixed(response) = response else { return CLOSE.into() };
    let status = response.status.as_u16();
    match &response.text {
        Some(text) => format!("{status} {}", text.replace('\n', "\\n")),
        None => status.to_string(),
    }
}

fn status(text: &str) -> Result<StatusCode, String> {
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status =
        text.parse().ok().filter(|_| is_number).and_then(|code| StatusCode::from_u16(code).ok());
    status
        .filter(|status| status.as_u16() < 600)
        .ok_or_else(|| "must begin with a status of three digits, such as 404".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redirects(text: &str, expected: &str) {
        let read = redirect(text).map(|read| show_redirect(&read));
        assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    fn responds(text: &str, expected: &str) {
        let read = respond(text).map(|read| show_response(&read));
        assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    #[test]
    fn redirects_keep_their_host() {
        redirects("301 https://example.org{path}{query}", "301 https://example.org{path}{query}");
        redirects("308 {scheme}://www.{host}{path}", "308 {scheme}://www.{host}{path}");
        redirects("302 /new/{rest}", "302 /new/{rest}");
        redirects("302 {path}/", "302 {path}/");
        redirects("303 https://example.org/{1}?b={2}", "303 https://example.org/{1}?b={2}");
        redirects("https://a", "no: the status is missing: write 302 https://a");
        redirects("300 https://a", "no: the status must be 301, 302, 303, 307 or 308");
        redirects("301", "no: the location is missing: write 301 https://example.org");
        redirects("30 /", "no: must begin with a status of three digits, such as 404");
        redirects(
            "301 a",
            "no: the location must begin with http://, https://, {scheme}://, / or {path}",
        );
        redirects(
            "301 {host}/a",
            "no: the location must begin with http://, https://, {scheme}://, / or {path}",
        );
        redirects(
            "301 https://a b",
            "no: in the location, only visible ASCII characters are possible",
        );
        for unsafe_one in [
            "https://example.org{1}",
            "https://{rest}",
            "https://a.{1}.org/",
            "{scheme}://{host}{rest}",
        ] {
            let fault = redirect(&format!("301 {unsafe_one}")).unwrap_err();
            assert!(fault.contains("clients could choose the host"), "{unsafe_one}: {fault}");
        }
        assert!(redirect("301 /{request_id}").unwrap_err().contains("there is no placeholder"));
    }

    #[test]
    fn responses() {
        responds("404", "404");
        responds("410 This page is gone.", "410 This page is gone.");
        responds("200 a\\nb\n", "200 a\\nb\\n");
        responds("204", "204");
        responds("close", "close");
        for text in ["444", "444 ", "444 a"] {
            responds(text, "no: to close the connection without a response, write close");
        }
        responds("204 a", "no: 204 has no text: remove it");
        responds("301 a", "no: for a redirect, set redirect instead");
        responds(
            "304",
            "no: this status is no answer of its own: write 200 or higher, but not 304",
        );
        responds(
            "100",
            "no: this status is no answer of its own: write 200 or higher, but not 304",
        );
        responds("600", "no: must begin with a status of three digits, such as 404");
        responds("gone", "no: must begin with a status of three digits, such as 404");
        assert!(
            respond(&format!("200 {}", "a".repeat(LONGEST + 1)))
                .unwrap_err()
                .contains("serve a file")
        );
    }

    proptest! {
        #[test]
        fn a_shown_action_reads_back(
            location in "(https://a|/|\\{path\\})([a-z/?{}]|\\{rest\\}|\\{1\\}){0,8}",
            response in "close|[2-5][0-9]{2}( [a-z \\\\\n]{0,8})?",
        ) {
            if let Ok(read) = redirect(&format!("301 {location}")) {
                prop_assert_eq!(redirect(&show_redirect(&read)), Ok(read));
            }
            if let Ok(read) = respond(&response) {
                prop_assert_eq!(respond(&show_response(&read)), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = redirect(&text);
            let _ = redirect(&format!("301 {text}"));
            let _ = respond(&text);
            let _ = respond(&format!("200 {text}"));
        }
    }
}
