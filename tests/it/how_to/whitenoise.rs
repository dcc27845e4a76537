//! docs/how-to/from-whitenoise.md: a directory in the form of WhiteNoise's storage.

use super::Page;
use crate::support::{App, Settings, TempDir};

const HASHED: &str = "base.4c0ff4b9b0a1.css";
const CSS: &str = "a{color:red;background:white}";

/// The files of `CompressedManifestStaticFilesStorage`, including originals.
fn collected() -> TempDir {
    let files = TempDir::new();
    let manifest = format!(
        r#"{{"paths":{{"css/base.css":"css/{HASHED}","a.js":"a.aaaaaaaaaaaa.js"}},"version":"1.1","hash":"0123456789ab"}}"#
    );
    files.write("staticfiles.json", manifest);
    for name in ["css/base.css", &format!("css/{HASHED}")] {
        files.write(name, CSS);
        files.write(&format!("{name}.gz"), "gz of it");
        files.write(&format!("{name}.br"), "br");
    }
    files.write("img/0123456789ab.png", "png");
    files.write("font.woff2", "font");
    // The files with `WHITENOISE_KEEP_ONLY_HASHED_FILES`.
    files.write("a.aaaaaaaaaaaa.js", "js");
    files
}

#[test]
fn files_of_whitenoises_storage_are_served_without_the_application() {
    let (page, files, application) =
        (Page::read("from-whitenoise.md"), collected(), App::saying("django"));
    let changes = [
        ("/srv/static", files.path().to_str().unwrap()),
        ("http://127.0.0.1:8000", &application.url()),
    ];
    let before = Settings::before(&application.url());
    let sideman = page.variables("SIDEMAN_MAX_IN_FLIGHT", &changes, before).start();
    let mut client = sideman.connect();
    let target = format!("/static/css/{HASHED}");
    let mut tags = Vec::new();
    for (accepted, encoding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("", None)] {
        let response = client.ask("GET", &target, &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!((response.status, response.header("content-encoding")), (200, encoding));
        let caching = response.header("cache-control").unwrap();
        assert_eq!(caching, "public, max-age=31536000, immutable");
        page.says(&[&format!("`{caching}`")]);
        tags.push(response.header("etag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
    let alone = client.get("/static/a.aaaaaaaaaaaa.js");
    assert!(alone.text() == "js" && alone.header("cache-control").unwrap().ends_with("immutable"));
    let plain = client.get("/static/css/base.css");
    assert_eq!(plain.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(plain.header("access-control-allow-origin"), None);
    assert_eq!(client.get("/static/font.woff2").header("access-control-allow-origin"), Some("*"));
    // Only files in the manifest are immutable.
    let looks_hashed = client.get("/static/img/0123456789ab.png");
    assert_eq!(looks_hashed.header("cache-control"), Some("public, max-age=60"));
    let first = client.ask("GET", &target, "Range: bytes=0-0\r\n");
    assert_eq!((first.status, first.text().as_str()), (206, "a"));
    for (name, caching) in
        [("none.css", "public, max-age=5"), ("none.4c0ff4b9b0a1.css", "no-store")]
    {
        let missing = client.get(&format!("/static/{name}"));
        assert_eq!((missing.status, missing.header("cache-control")), (404, Some(caching)));
    }
    assert_eq!(client.get("/static/staticfiles.json").status, 404);
    // A new file.
    files.write("new.txt", "new");
    assert_eq!(client.get("/static/new.txt").text(), "new");
    assert_eq!(application.requests(), 0);
    assert_eq!(client.get("/robots.txt").text(), "django");
}

#[test]
fn root_files_are_served_and_the_rest_goes_to_the_application() {
    let (page, application, home) =
        (Page::read("from-whitenoise.md"), App::saying("django"), TempDir::new());
    let settings = TempDir::new();
    home.write("robots.txt", "User-agent: *");
    home.write(".well-known/security.txt", "Contact: mailto:a@example.org");
    home.write(".env", "SECRET");
    let changes = [("/srv/root", home.path().to_str().unwrap())];
    let before = Settings::before(&application.url());
    let sideman = page.file("fallthrough", &changes, before, &settings).start();
    assert_eq!(sideman.get("/robots.txt").text(), "User-agent: *");
    let contact = sideman.get("/.well-known/security.txt");
    assert_eq!(contact.text(), "Contact: mailto:a@example.org");
    assert_eq!(sideman.get("/admin/").text(), "django");
    assert_eq!(sideman.get("/").text(), "django");
    assert_eq!(sideman.get("/.env").text(), "django");
}

/// The values of the second column.
#[test]
fn settings_of_the_table_are_valid_and_effective() {
    let (page, files, application) =
        (Page::read("from-whitenoise.md"), TempDir::new(), App::saying("django"));
    files.write("index-DiwrgTda.js", "js");
    files.write("a.glb", "glb");
    files.write("docs/index.html", "index");
    page.says(&[
        "`static.caching = [\"vite=immutable\"]`",
        "`static.types = [\"glb=model/gltf-binary\"]`",
        "`static.index = \"index.html\"`",
        "`SIDEMAN_ROUTE__STATIC__PATH=/static/`",
        "`SIDEMAN_ROUTE__STATIC__RESPONSE_HEADERS=set X-Robots-Tag: noindex`",
        "`static.compress = false`",
    ]);
    let sideman = Settings::before(&application.url())
        .files("/static/", files.path())
        .set("static.caching", "vite=immutable")
        .set("static.types", "glb=model/gltf-binary")
        .set("static.index", "index.html")
        .set("static.cors", "all")
        .set("static.compress", "false")
        .route("static", &[("path", "/static/"), ("response_headers", "set X-Robots-Tag: noindex")])
        .start();
    let bundled = sideman.get("/static/index-DiwrgTda.js");
    assert!(bundled.header("cache-control").unwrap().ends_with("immutable"));
    assert_eq!(bundled.header("x-robots-tag"), Some("noindex"));
    assert_eq!(bundled.header("access-control-allow-origin"), Some("*"));
    assert_eq!(sideman.get("/static/a.glb").header("content-type"), Some("model/gltf-binary"));
    assert_eq!(sideman.get("/static/docs/").text(), "index");
    assert_eq!(sideman.get("/").header("x-robots-tag"), None);
}

#[test]
fn prefix_of_the_whole_site_is_refused() {
    let arguments = ["check", "--upstream", "http://127.0.0.1:8000", "--static", "/=/srv/root"];
    let ended = Settings::default().args(&arguments).run_to_end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("would hide the application"), "{}", ended.stderr);
}
