//! The error pages of a route, `404=/srv/pages/404.html`, and the statuses that they replace, `404` and `5xx`.

use http::StatusCode;

use crate::plan::{ErrorPage, StatusPattern};

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
    "STATUS=FILE, such as 404=/srv/pages/404.html or 5xx=/srv/pages/down.html",
    page,
    show_page,
)
.with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// Reads `404`, `4xx` or `5xx`.
fn status(text: &str) -> Result<StatusPattern, String> {
    let fault = || "must be a status from 400 to 599, 4xx or 5xx".to_owned();
    match text {
        "4xx" => return Ok(StatusPattern::ClientErrors),
        "5xx" => return Ok(StatusPattern::ServerErrors),
        _ => {}
    }
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.parse().ok().filter(|code| is_number && (400..600).contains(code));
    code.and_then(|code: u16| StatusCode::from_u16(code).ok())
        .map(StatusPattern::One)
        .ok_or_else(fault)
}

/// Reads `STATUS=FILE`.
fn page(text: &str) -> Result<ErrorPage, String> {
    let Some((statuses, file)) = text.split_once('=') else {
        return Err("the = between the status and the file is missing".into());
    };
    Ok(ErrorPage { statuses: status(statuses)?, file: local_path::file(file)? })
}

/// Returns a text that [`page`] reads as this.
fn show_page(page: &ErrorPage) -> String {
    format!("{}={}", page.statuses, page.file.display())
}

/// Puts pages for one status before those for a class.
pub(super) fn most_specific_first(mut pages: Vec<ErrorPage>) -> Vec<ErrorPage> {
    pages.sort_by_key(|page| !matches!(page.statuses, StatusPattern::One(_)));
    pages
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
        reads("/srv/404.html", "no: the = between the status and the file is missing");
        reads("404=404.html", "no: the path must be absolute: it must start with /");
        for text in ["", "200", "301", "600", "40", "+404", "0404", "3xx", "5XX"] {
            let fault = "no: must be a status from 400 to 599, 4xx or 5xx";
            reads(&format!("{text}=/a"), fault);
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
        fn what_is_read_reads_back(text in "[3-6]?[0-9x]{2,3}=?(/[a-z.=]{0,3}){0,2}") {
            if let Ok(read) = page(&text) {
                prop_assert_eq!(page(&show_page(&read)), Ok(read));
            }
        }
    }
}
