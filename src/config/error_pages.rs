//! Error pages: files and texts, those of a route with their status, `404=/srv/pages/404.html`, and the statuses that
//! they replace, `404` and `5xx`.

use http::StatusCode;
use serde::de::IgnoredAny;

use crate::plan::{ErrorPage, PageContent, PageSource, StatusPattern};

use super::{
    format::{FormatProperties, TextFormat},
    local_path,
};

/// A status, or a class of them.
pub(super) const STATUS: TextFormat<StatusPattern> =
    TextFormat::new("statuses from 400 to 599, 4xx or 5xx", status, StatusPattern::to_string)
        .with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// A page with its status.
pub(super) const PAGE: TextFormat<ErrorPage> = TextFormat::new(
    "STATUS=FILE, such as 404=/srv/pages/404.html or 5xx=/srv/pages/down.html; or STATUS=STATUS TEXT",
    page,
    show_page,
)
.with(FormatProperties { stands_alone: true, continues, ..FormatProperties::PLAIN });

/// A page for one status.
pub(super) const SOURCE: TextFormat<PageSource> = TextFormat::new(
    "the absolute path of a file, such as /srv/502.html; or STATUS TEXT, such as 503 Back at noon.",
    source,
    show_source,
);

/// Maximum length of a text in bytes. A file is better for longer ones.
const LONGEST: usize = 4096;

const FAULT: &str = "must be a status from 400 to 599, 4xx or 5xx";

/// Reads `404`, `4xx` or `5xx`.
fn status(text: &str) -> Result<StatusPattern, String> {
    match text {
        "4xx" => return Ok(StatusPattern::ClientErrors),
        "5xx" => return Ok(StatusPattern::ServerErrors),
        _ => {}
    }
    let code = text.parse().ok().filter(|code| is_number(text) && (400..600).contains(code));
    code.and_then(|code: u16| StatusCode::from_u16(code).ok())
        .map(StatusPattern::One)
        .ok_or_else(|| FAULT.to_owned())
}

fn is_number(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads `STATUS=FILE`.
fn page(text: &str) -> Result<ErrorPage, String> {
    let Some((statuses, file)) = text.split_once('=') else {
        return Err("the = between the status and the file is missing".into());
    };
    Ok(ErrorPage { statuses: status(statuses)?, page: source(file)? })
}

/// Whether text after a comma in the environment belongs to the text before it: unless it begins like `404=` or `5xx=`.
fn continues(text: &str) -> bool {
    let is_status = |begin: &str| begin.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x');
    !text
        .trim_start()
        .split_once('=')
        .is_some_and(|(begin, _)| begin.len() == 3 && is_status(begin))
}

/// Reads a file, or a status with a file or a text. In the text, `\\n` is a line break.
fn source(text: &str) -> Result<PageSource, String> {
    let with_status = text.split_once(' ').filter(|(status, _)| is_number(status));
    let Some((code, rest)) = with_status else {
        return Ok(PageSource {
            status: None,
            content: PageContent::File(local_path::file(text)?),
        });
    };
    let StatusPattern::One(code) = status(code)? else { return Err(FAULT.into()) };
    let content = match rest.starts_with('/') {
        true => PageContent::File(local_path::file(rest)?),
        false if rest.trim().is_empty() => return Err("the text is missing".into()),
        false if rest.len() > LONGEST => {
            return Err(format!("the text must have at most {LONGEST} bytes: name a file"));
        }
        false => {
            let text = rest.replace("\\n", "\n");
            PageContent::Text { media_type: media_type(&text), text }
        }
    };
    Ok(PageSource { status: Some(code), content })
}

/// Returns the media type of a text: what looks like a page of HTML, or is JSON, is sent as such.
fn media_type(text: &str) -> &'static str {
    if text.trim_start().starts_with('<') {
        return "text/html; charset=utf-8";
    }
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json { "application/json" } else { "text/plain; charset=utf-8" }
}

/// Returns a text that [`source`] reads as this.
fn show_source(page: &PageSource) -> String {
    let content = match &page.content {
        PageContent::File(path) => path.display().to_string(),
        PageContent::Text { text, .. } => text.replace('\n', "\\n"),
    };
    match page.status {
        Some(status) => format!("{} {content}", status.as_u16()),
        None => content,
    }
}

/// Returns a text that [`page`] reads as this.
fn show_page(page: &ErrorPage) -> String {
    format!("{}={}", page.statuses, show_source(&page.page))
}

/// Puts pages for one status before those for a class.
pub(super) fn most_specific_first(pages: Vec<ErrorPage>) -> Vec<ErrorPage> {
    let is_of_one = |page: &ErrorPage| matches!(page.statuses, StatusPattern::One(_));
    let (of_one, of_class): (Vec<_>, Vec<_>) = pages.into_iter().partition(is_of_one);
    of_one.into_iter().chain(of_class).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages() {
        let reads = |text: &str, expected: &str| {
            let found = page(text).map_or_else(|fault| format!("no: {fault}"), |p| show_page(&p));
            assert_eq!(found, expected, "{text:?}");
        };
        reads("404=/srv/404.html", "404=/srv/404.html");
        reads("5xx=/srv/a=b.html", "5xx=/srv/a=b.html");
        reads("4xx=/srv/a.json", "4xx=/srv/a.json");
        reads("5xx=503 /srv/down.html", "5xx=503 /srv/down.html");
        reads("404=404 {\"a\": 1, \"b\": 2}", "404=404 {\"a\": 1, \"b\": 2}");
        reads("404=410 Gone.\\nSorry.", "404=410 Gone.\\nSorry.");
        reads("404=200 /srv/404.html", "no: must be a status from 400 to 599, 4xx or 5xx");
        reads("404=404 ", "no: the text is missing");
        reads("404=Gone.", "no: the path must be absolute: it must start with /");
        let long = format!("404=404 {}", "a".repeat(LONGEST + 1));
        reads(&long, "no: the text must have at most 4096 bytes: name a file");
        reads("/srv/404.html", "no: the = between the status and the file is missing");
        reads("404=404.html", "no: the path must be absolute: it must start with /");
        for text in ["", "200", "301", "600", "40", "+404", "0404", "3xx", "5XX"] {
            let fault = "no: must be a status from 400 to 599, 4xx or 5xx";
            reads(&format!("{text}=/a"), fault);
        }
    }

    #[test]
    fn texts_have_the_type_that_they_look_like() {
        for (text, expected) in [
            ("{\"a\": [1]}", "application/json"),
            ("[]", "application/json"),
            ("{a}", "text/plain; charset=utf-8"),
            ("<h1>Down</h1>", "text/html; charset=utf-8"),
            ("12", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(media_type(text), expected, "{text}");
        }
    }

    #[test]
    fn comma_of_a_text_ends_no_page() {
        for (text, expected) in [
            (" \"b\": 2}", true),
            ("404=/a", false),
            ("301=/a", false),
            (" 5xx=/a", false),
            ("a=b", true),
        ] {
            assert_eq!(continues(text), expected, "{text}");
        }
    }

    #[test]
    fn classes_contain_their_statuses() {
        let contains = |text: &str, code: u16| {
            status(text).unwrap().contains(StatusCode::from_u16(code).unwrap())
        };
        for (text, code, expected) in [
            ("404", 404, true),
            ("404", 403, false),
            ("4xx", 499, true),
            ("4xx", 500, false),
            ("5xx", 500, true),
            ("5xx", 404, false),
        ] {
            assert_eq!(contains(text, code), expected, "{text} {code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "[3-6]?[0-9x]{2,3}=?(50[0-9] )?(/[a-z.=]{0,3}|[<{a-z]{2}){0,2}") {
            if let Ok(read) = page(&text) {
                prop_assert_eq!(page(&show_page(&read)), Ok(read));
            }
        }
    }
}
