//! What a page of the site says: its stylesheets and scripts, and whether it has a login form.

/// A tag with its attributes as they are in the page.
struct Tag<'a>(&'a str);

// === impl Tag ===

impl<'a> Tag<'a> {
    /// Returns the value of an attribute.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        loop {
            let at = rest.find(name)?;
            let before = rest.get(..at)?;
            let after = rest.get(at + name.len()..)?;
            let is_whole = before.ends_with(|c: char| c.is_ascii_whitespace());
            if let Some(value) = after.trim_start().strip_prefix('=').filter(|_| is_whole) {
                let value = value.trim_start();
                return match value.chars().next()? {
                    quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
                    _ => value.split(|c: char| c.is_ascii_whitespace() || c == '>').next(),
                };
            }
            rest = after;
        }
    }
}

/// Returns a page without its comments.
fn visible(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, comment)) = rest.split_once("<!--") {
        text += before;
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    text + rest
}

fn tags<'a>(html: &'a str, name: &'static str) -> impl Iterator<Item = Tag<'a>> {
    let after = html.split('<').skip(1);
    after.filter_map(move |text| {
        let rest = text.strip_prefix(name)?;
        let is_whole = rest.starts_with(|c: char| c.is_ascii_whitespace());
        // Attributes end with the tag; a `>` inside of a value is rare, and only shortens it.
        is_whole.then(|| Tag(rest.split('>').next().unwrap_or(rest)))
    })
}

/// Returns the paths of this site's stylesheets and scripts that a page loads.
pub(super) fn assets(html: &str) -> Vec<String> {
    let is_stylesheet = |tag: &Tag<'_>| {
        tag.attribute("rel")
            .is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one == "stylesheet"))
    };
    let html = &visible(html);
    let styles = tags(html, "link").filter(is_stylesheet).filter_map(|tag| tag.attribute("href"));
    let scripts = tags(html, "script").filter_map(|tag| tag.attribute("src"));
    let is_own = |url: &&str| url.starts_with('/') && !url.starts_with("//");
    let mut paths: Vec<String> = Vec::new();
    for url in styles.chain(scripts).filter(is_own) {
        let path = url.split('#').next().unwrap_or_default().replace("&amp;", "&");
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Whether the page has a form of Django with a password.
pub(super) fn has_login_form(html: &str) -> bool {
    let html = visible(html);
    let inputs = || tags(&html, "input");
    let has_password = inputs().any(|tag| tag.attribute("type") == Some("password"));
    has_password && inputs().any(|tag| tag.attribute("name") == Some("csrfmiddlewaretoken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_of_this_site_are_found() {
        let html = r#"<link rel="stylesheet" href="/static/a.css?v=1&amp;w=2"><link rel=icon href=/static/i.png>
            <script src='/static/b.js'></script><script>let src="/x.js"</script>
            <link href="https://cdn.example/c.css" rel="stylesheet"><script src="//cdn.example/d.js"></script>
            <!-- <script src="/static/old.js"></script> --><!--[if lt IE 9]><script src="/static/ie.js"></script><![endif]-->
            <LINK rel="stylesheet" href="/static/a.css?v=1&amp;w=2" data-href="/no">"#;
        assert_eq!(assets(html), ["/static/a.css?v=1&w=2", "/static/b.js"]);
    }

    #[test]
    fn login_forms_have_a_password_and_a_token() {
        let token = r#"<input type="hidden" name="csrfmiddlewaretoken" value="x">"#;
        let password = r#"<input name=password type=password>"#;
        assert!(has_login_form(&format!("<form>{token}{password}</form>")));
        assert!(!has_login_form(&format!("<!-- {token}{password} -->")));
        assert!(!has_login_form(token) && !has_login_form(password));
    }
}
