//! A real Wagtail behind the cache: anonymous pages are stored, publishing purges them, and nothing that editors see
//! reaches anybody else.

use super::{cache_status, is_hit, is_stored};
use crate::{
    django::logged_in_at,
    support::{Client, Response, Settings, Sideman, Wagtail},
};

/// The first article, as build_site of tests/wagtail numbers it.
const EDIT: &str = "/admin/pages/4/edit/";
/// Only editors' pages have it.
const USERBAR: &str = "wagtail-userbar";

/// A site, and an editor who is logged in.
struct Site {
    sideman: Sideman,
    editor: String,
    _wagtail: Wagtail,
}

// === impl Site ===

impl Site {
    /// Wagtail purges at the listener that the function names.
    #[track_caller]
    fn start(purged: fn(&Sideman) -> std::net::SocketAddr) -> Option<Self> {
        let mut wagtail = Wagtail::prepared()?;
        let sideman = Settings::before(&wagtail.url())
            .set("cache.memory", "16MiB")
            .set("cache.purge_from", "127.0.0.1")
            .route("pages", &[("path", "/"), ("cache", "anonymous 1h")])
            .start();
        wagtail.serve(purged(&sideman));
        let editor = logged_in_at(&sideman, "/admin/login/");
        Some(Self { sideman, editor, _wagtail: wagtail })
    }

    #[track_caller]
    fn visit(&self, target: &str) -> Response {
        let response = self.sideman.connect().ask("GET", target, "");
        assert!(!response.text().contains(USERBAR), "{target}: {}", response.text());
        response
    }

    #[track_caller]
    fn edit(&self, target: &str) -> Response {
        let response =
            self.sideman.connect().ask("GET", target, &format!("Cookie: {}\r\n", self.editor));
        assert!(!is_hit(&response) && !is_stored(&response), "{}", cache_status(&response));
        response
    }

    /// Submits the form of the first article.
    #[track_caller]
    fn submit(&self, target: &str, title: &str, text: &str, action: &str) -> Response {
        let (_, token) = self.editor.split_once("csrftoken=").expect(&self.editor);
        let token = token.split(';').next().unwrap();
        let body = format!(
            "csrfmiddlewaretoken={token}&title={title}&text={text}&slug=first&seo_title=&\
             search_description=&go_live_at=&expire_at={action}"
        );
        let fields = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nCookie: {}\r\n\
             Origin: http://example.test\r\n",
            self.editor
        );
        let mut client: Client = self.sideman.connect();
        client.post(target, &fields, body.as_bytes())
    }

    /// The page is fetched, has this text, and is stored for the next visitor.
    #[track_caller]
    fn expect_fetched(&self, target: &str, text: &str) {
        let response = self.visit(target);
        assert!(!is_hit(&response) && is_stored(&response), "{}", cache_status(&response));
        assert!(response.text().contains(text), "{text}: {}", response.text());
        self.expect_stored(target, text);
    }

    #[track_caller]
    fn expect_stored(&self, target: &str, text: &str) {
        let response = self.visit(target);
        assert!(is_hit(&response), "{target}: {}", cache_status(&response));
        assert!(response.text().contains(text), "{text}: {}", response.text());
    }
}

/// Publishes a change, and expects that visitors see it at once.
#[track_caller]
fn check_publishing(site: &Site) {
    site.expect_fetched("/", ">First<");
    site.expect_fetched("/first/", "old text");
    site.expect_fetched("/second/", "another text");
    // A draft changes nothing for visitors.
    let saved = site.submit(EDIT, "First", "draft", "");
    assert_eq!(saved.status, 302, "{}", saved.text());
    site.expect_stored("/first/", "old text");
    let published = site.submit(EDIT, "Mended", "new", "&action-publish=action-publish");
    assert_eq!(published.status, 302, "{}", published.text());
    site.expect_fetched("/first/", "<p>new</p>");
    site.expect_fetched("/", ">Mended<");
    site.expect_stored("/second/", "another text");
}

#[test]
fn publishing_purges_the_page_and_its_index() {
    let Some(site) = Site::start(Sideman::address) else { return };
    check_publishing(&site);
    assert_eq!(site.sideman.metric("sideman_cache_purged_total", &[]), 2.0);
}

#[test]
fn publishing_purges_at_the_admin_listener_too() {
    let Some(site) = Site::start(Sideman::admin) else { return };
    check_publishing(&site);
}

#[test]
fn what_editors_see_reaches_no_visitor() {
    let Some(site) = Site::start(Sideman::address) else { return };
    // The page is not stored yet, and then it is.
    for _ in 0..2 {
        assert!(site.edit("/first/").text().contains(USERBAR));
        let visited = site.visit("/first/");
        assert!(visited.text().contains("old text"), "{}", visited.text());
    }
    site.expect_stored("/first/", "old text");
    let preview = format!("{EDIT}preview/");
    let accepted = site.submit(&preview, "First", "preview", "");
    assert!(accepted.text().contains("\"is_valid\": true"), "{}", accepted.text());
    assert!(site.edit(&format!("{preview}?mode=")).text().contains("<p>preview</p>"));
    // A draft, where Wagtail shows it.
    assert_eq!(site.submit(EDIT, "First", "draft", "").status, 302);
    let draft = "/admin/pages/4/view_draft/";
    assert!(site.edit(draft).text().contains("<p>draft</p>"));
    for target in [&format!("{preview}?mode=") as &str, draft, EDIT] {
        let visited = site.visit(target);
        let location = visited.header("location").unwrap_or_default();
        assert!(visited.status == 302 && location.starts_with("/admin/login/"), "{visited:?}");
    }
    site.expect_stored("/first/", "old text");
}
