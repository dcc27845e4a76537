//! The status as a page for browsers. It loads nothing, runs no script, and reloads itself.

use std::fmt::Write as _;

use super::{
    chart,
    report::{NOT_CHECKED, StatusReport, StatusSection},
    value::StatusValue,
};
use crate::finding::{Finding, printable};

const STYLE: &str = include_str!("page.css");

/// The `Content-Security-Policy` of the page: only its own style is allowed, by its hash.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'sha256-6TjM9L8qhHyxke7IgG7LR6FYcNdKKQfCkBRBnReRTJc='; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the page.
pub fn page(report: &StatusReport) -> String {
    // Without an icon of its own, browsers would request /favicon.ico.
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"5\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>Sideman: status</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>Sideman</h1><p>The page reloads every 5 seconds.</p></header>\n<main>\n"
    );
    add_findings(&mut page, report);
    for section in report.sections.iter().filter(|section| !section.values.is_empty()) {
        add(&mut page, section, report);
    }
    page + "</main>\n</body>\n</html>\n"
}

/// Adds what is wrong, in front of everything else.
fn add_findings(page: &mut String, report: &StatusReport) {
    if !report.has_findings() {
        return;
    }
    page.push_str("<section class=\"wide\">\n<h2>findings</h2>\n");
    if report.findings.is_none() {
        let _ = writeln!(page, "<div>{NOT_CHECKED}</div>");
    }
    for Finding { check, what, seen, remedy } in report.findings.iter().flatten() {
        let _ = writeln!(
            page,
            "<h3>{}: {}</h3>\n<div>{}<br>seen: {}<br>do: {}<br>see: {}</div>",
            check.severity.name(),
            check.id,
            escaped(&printable(what)),
            escaped(&printable(seen)),
            escaped(&printable(remedy)),
            check.page
        );
    }
    page.push_str("</section>\n");
}

fn add(page: &mut String, section: &StatusSection, report: &StatusReport) {
    let class = if section.title == "errors" { " class=\"wide\"" } else { "" };
    let _ = write!(page, "<section{class}>\n<h2>{}</h2>\n<dl>\n", section.heading());
    for (name, value) in &section.values {
        let text = escaped(&value.to_string());
        let _ = writeln!(
            page,
            "<dt>{}</dt><dd>{text}{}</dd>",
            escaped(&section.name(name)),
            meter(name, value)
        );
    }
    page.push_str("</dl>\n");
    let windows = match section.title {
        "last_minute" => &report.seconds,
        "last_hour" => &report.minutes,
        _ => {
            page.push_str("</section>\n");
            return;
        }
    };
    if !windows.is_empty() {
        page.push_str(&chart::requests(windows));
        page.push_str(&chart::p95(windows));
    }
    page.push_str("</section>\n");
}

/// Returns a bar for memory with a limit.
fn meter(name: &str, value: &StatusValue) -> String {
    let StatusValue::Bytes(used, Some(limit)) = value else { return String::new() };
    let name = escaped(name);
    format!("<meter aria-label=\"{name}\" min=\"0\" max=\"{limit}\" value=\"{used}\"></meter>")
}

/// Returns text that is safe in an element and in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use aws_lc_rs::digest::{SHA256, digest};
    use data_encoding::BASE64;

    use super::*;
    use crate::telemetry::{
        Metrics,
        status::{ApplicationStatus, StatusHistory},
    };

    #[test]
    fn policy_allows_the_style_of_the_page() {
        let hash = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
        assert!(PAGE_POLICY.contains(&format!("'sha256-{hash}'")), "the hash is {hash}");
    }

    #[test]
    fn names_of_certificates_are_escaped() {
        let metrics = Metrics::new(1);
        metrics.process().tls.set_expiries(vec![("<script>\"&".into(), 1)]);
        let history = StatusHistory::default();
        let report = StatusReport::read(
            &metrics,
            &history,
            &ApplicationStatus::default(),
            "ready",
            Instant::now(),
        );
        let page = page(&report);
        assert!(page.contains("<dt>&lt;script&gt;&quot;&amp;</dt>"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}
