//! Security headers of uploads: no upload may run as a part of the site.

use super::{ALPHABET, Uploads};

/// In a sandbox a player has no origin, and may not fetch its file (see browser.rs).
const PLAYER: Option<&str> =
    Some("default-src 'none'; media-src 'self'; style-src 'unsafe-inline'");

/// Each name with its type, and whether the type is active: active ones are saved instead of shown.
const CASES: &[(&str, &str, bool)] = &[
    ("a.html", "text/html; charset=utf-8", true),
    ("a.HTM", "text/html; charset=utf-8", true),
    ("a.xhtml", "application/xhtml+xml", true),
    ("a.svg", "image/svg+xml", true),
    ("a.xml", "application/xml", true),
    ("a.gpx", "application/gpx+xml", true),
    ("a.png", "image/png", false),
    ("a.jpg", "image/jpeg", false),
    ("a.mp4", "video/mp4", false),
    ("a.WEBM", "video/webm", false),
    ("a.mp3", "audio/mpeg", false),
    ("a.ogg", "audio/ogg", false),
    ("a.ogx", "application/ogg", false),
    ("a.txt", "text/plain; charset=utf-8", false),
    ("a.js", "text/javascript; charset=utf-8", false),
    ("a.zip", "application/zip", false),
    ("no-extension", "application/octet-stream", false),
    ("a.pdf", "application/pdf", false),
    ("a.0123456789ab.css", "text/css; charset=utf-8", false),
];

#[test]
fn uploads_cannot_run_as_part_of_the_site() {
    let content = b"<script>alert(document.domain)</script>";
    let files: Vec<(&str, &[u8])> = CASES.iter().map(|(name, ..)| (*name, &content[..])).collect();
    let uploads = Uploads::with(&files);
    let mut client = uploads.sideman.connect();
    for (name, media_type, is_active) in CASES {
        let target = format!("/media/{name}");
        for (method, fields, status) in
            [("GET", "", 200), ("HEAD", "", 200), ("GET", "Range: bytes=0-3\r\n", 206)]
        {
            let response = client.ask(method, &target, fields);
            assert_eq!(response.status, status, "{name}");
            let policy = match media_type.split_once('/').unwrap() {
                ("audio" | "video", _) | (_, "ogg") => PLAYER,
                (_, "pdf") => None,
                _ => Some("sandbox"),
            };
            let attachment = is_active.then_some("attachment");
            for (header, expected) in [
                ("content-type", Some(*media_type)),
                ("x-content-type-options", Some("nosniff")),
                ("content-security-policy", policy),
                ("content-disposition", attachment),
                // With any name, because users choose names.
                ("cache-control", Some("public, max-age=60")),
                ("access-control-allow-origin", None),
            ] {
                assert_eq!(response.header(header), expected, "{method} {name}: {header}");
            }
        }
        assert_eq!(uploads.sideman.log_of(&target)["route"], "media", "{name}");
    }
}

#[test]
fn multipart_responses_have_the_security_headers() {
    let content = ALPHABET.repeat(100);
    let uploads = Uploads::with(&[("a.html", content.as_bytes())]);
    let response =
        uploads.sideman.connect().ask("GET", "/media/a.html", "Range: bytes=0-9,1000-1009\r\n");
    assert_eq!(response.status, 206);
    assert!(response.header("content-type").unwrap().starts_with("multipart/byteranges"));
    assert_eq!(response.header("content-security-policy"), Some("sandbox"));
    assert_eq!(response.header("content-disposition"), Some("attachment"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn configured_type_decides_whether_uploads_are_downloaded() {
    // A site that gives an extension an active type means its own files, not those of its users.
    let uploads = Uploads::set(&[("a.page", b"<script>"), ("a.svg", b"<svg>")], |settings| {
        settings.set("static.types", "page=text/html, svg=image/png")
    });
    let page = uploads.sideman.get("/media/a.page");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("content-disposition"), Some("attachment"));
    let image = uploads.sideman.get("/media/a.svg");
    assert_eq!(image.header("content-type"), Some("image/png"));
    assert_eq!(image.header("content-disposition"), None);
}

#[test]
fn conditions_and_ranges_work_and_precompressed_files_are_ignored() {
    let uploads = Uploads::with(&[
        ("a.txt", ALPHABET.as_bytes()),
        ("a.css", ALPHABET.as_bytes()),
        ("a.css.gz", b"packed"),
        ("deep/\u{fc} b.txt", b"below"),
    ]);
    let mut client = uploads.sideman.connect();
    let plain = client.get("/media/a.txt");
    let etag = plain.header("etag").unwrap();
    assert_eq!(plain.text(), ALPHABET);
    for (fields, status, body) in [
        ("Range: bytes=2-4\r\n".to_owned(), 206, "cde"),
        (format!("Range: bytes=-2\r\nIf-Range: {etag}\r\n"), 206, "yz"),
        ("Range: bytes=2-4\r\nIf-Range: \"x\"\r\n".to_owned(), 200, ALPHABET),
        (format!("If-None-Match: {etag}\r\n"), 304, ""),
        ("If-Match: \"x\"\r\n".to_owned(), 412, ""),
        ("Range: bytes=99-\r\n".to_owned(), 416, ""),
    ] {
        let response = client.ask("GET", "/media/a.txt", &fields);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{fields}");
    }
    // Another user may have uploaded a file with the name of a precompressed one.
    let plain = client.ask("GET", "/media/a.css", "Accept-Encoding: gzip\r\n");
    assert_eq!((plain.header("content-encoding"), plain.text().as_str()), (None, ALPHABET));
    assert_eq!(client.get("/media/deep/%C3%BC%20b.txt").text(), "below");
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(client.ask(method, "/media/a.txt", "").status, 405, "{method}");
    }
}

#[test]
fn missing_upload_is_404() {
    let uploads = Uploads::with(&[
        (".htaccess", b"SECRET"),
        ("staticfiles.json", b"SECRET"),
        ("deep/a.txt", b"below"),
        ("deep/index.html", b"below"),
    ]);
    let mut client = uploads.sideman.connect();
    for name in ["none.txt", ".htaccess", "staticfiles.json", "deep", "deep/", "", "../secret.txt"]
    {
        let response = client.get(&format!("/media/{name}"));
        // A path that leaves the prefix goes to the application, which is unavailable.
        assert_eq!(response.status, if name.starts_with("..") { 502 } else { 404 }, "{name}");
        assert!(!response.text().contains("SECRET"), "{name}");
    }
    // A new upload is served at once, or nearly.
    uploads.directory.write("media/none.txt", "here");
    crate::support::eventually("the upload", || {
        (client.get("/media/none.txt").text() == "here").then_some(())
    });
}
