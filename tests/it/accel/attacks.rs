//! Attempts to get another user's file.

use super::Site;

#[test]
fn uploaded_gz_is_not_served_as_a_precompressed_file() {
    let report = "month,sum\n".repeat(400);
    let others = ["gz", "br", "zst"].map(|suffix| format!("protected/report.csv.{suffix}"));
    let mut files = vec![("protected/report.csv", report.as_bytes())];
    files.extend(others.iter().map(|name| (name.as_str(), &b"of somebody else"[..])));
    let site = Site::with(&files);
    let said = "X-Accel-Redirect: /protected/report.csv";
    for _ in 0..2 {
        let response = site.ask("GET", said, "Accept-Encoding: br, zstd, gzip\r\n");
        assert_eq!((response.status, response.text()), (200, report.clone()));
        assert_eq!(response.header("content-encoding"), None);
    }
}
