//! Two servers with the same names on two ports. A route matches on every port, so that both can have the same routes
//! if nothing that matters differs.

use super::{
    known::{self, Duty},
    parser::Directive,
    report::{self, Report},
};

/// Directives that differ for each port anyway.
const OF_PORTS: [&str; 6] =
    ["listen", "server_name", "ssl", "ssl_certificate", "ssl_certificate_key", "ssl_protocols"];

/// Returns the directives of the second server, or of the first, that the other has not; `None` if one of them decides
/// who gets which response.
pub(super) fn differences<'a>(
    first: &'a Directive,
    second: &'a Directive,
) -> Option<Vec<&'a Directive>> {
    let missing = |from: &'a Directive, of: &Directive| {
        let known: Vec<String> = of.children().iter().map(written).collect();
        let differs = move |one: &&Directive| !is_of_port(one) && !known.contains(&written(one));
        from.children().iter().filter(differs).collect::<Vec<_>>()
    };
    let found = [missing(first, second), missing(second, first)].concat();
    found.iter().all(|one| one.name == "add_header").then_some(found)
}

/// Whether differences are more than those that browsers ignore.
pub(super) fn matter(differences: &[&Directive]) -> bool {
    differences.iter().any(|one| !is_of_tls(one))
}

fn is_of_tls(header: &Directive) -> bool {
    header.arg(0).eq_ignore_ascii_case("strict-transport-security")
}

/// Reports the directives that now hold for both ports, or for none.
pub(super) fn report(differences: &[&Directive], report: &mut Report) {
    for one in differences {
        match is_of_tls(one) {
            true => report.unnecessary(one, "browsers ignore it where there is no TLS"),
            false => report
                .lost(one, "routes hold for every port: write it for both servers, or for none"),
        }
    }
}

fn is_of_port(directive: &Directive) -> bool {
    OF_PORTS.contains(&directive.name.as_str())
        || matches!(known::duty(directive), Some(Duty::Unnecessary(_)))
        || directive.name == "access_log"
}

/// A directive with its block, without its place.
fn written(directive: &Directive) -> String {
    let mut text = report::shown(directive);
    for inner in directive.children().iter().filter(|inner| !is_of_port(inner)) {
        text.push_str("; ");
        text.push_str(&written(inner));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn found(text: &str) -> Option<(Vec<String>, usize)> {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let found = differences(&tree[0], &tree[1])?;
        let mut lost = Report::default();
        report(&found, &mut lost);
        Some((found.iter().map(|one| one.arg(0).to_owned()).collect(), lost.lost_count()))
    }

    #[test]
    fn servers_that_only_differ_by_their_port_share_routes() {
        let same = "location / { proxy_pass http://a; access_log off; }";
        let other = "location / { proxy_pass http://a; }";
        let text = |first: &str, second: &str| {
            format!(
                "server {{ listen 443 ssl; ssl_certificate a; {first} }} server {{ listen 80; {second} }}"
            )
        };
        assert_eq!(found(&text(same, other)), Some((vec![], 0)));
        let hsts = format!("{same} add_header Strict-Transport-Security x;");
        assert_eq!(found(&text(&hsts, same)).unwrap().1, 0);
        let header = format!("{same} add_header X-A x;");
        assert_eq!(found(&text(same, &header)), Some((vec!["X-A".into()], 1)));
        for different in ["location / { return 404; }", "deny all;", "location /a/ { deny all; }"] {
            assert_eq!(found(&text(same, different)), None, "{different}");
            assert_eq!(found(&text(&format!("{same} {different}"), same)), None, "{different}");
        }
    }
}
