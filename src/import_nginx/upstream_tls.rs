//! TLS to applications: `proxy_pass https://…` and `proxy_ssl_*`.

use super::{
    parser::Directive,
    report::Report,
    scope::Scope,
    settings::{Policies, Settings, Value},
    text,
};

/// The settings of a route, those of `[upstream]`, and what they are where nothing sets them.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("tls_ca", "upstream.tls_ca", "public"),
    ("tls_client_certificate", "upstream.tls_client_certificate", "none"),
    ("tls_server_name", "upstream.tls_server_name", "auto"),
];

const NOT_VERIFIED: &str = "nginx verifies no certificate here (proxy_ssl_verify is off), and Sideman does: if it is not \
                            from a public authority, set tls_ca to the file of its authority";
const NO_PATH: &str = "write the absolute path of the file";

/// Translates the settings of an application that is asked over TLS.
pub(super) fn policies(pass: &Directive, scope: &Scope<'_>, report: &mut Report) -> Policies {
    let mut policies = Policies::new();
    if scope.last(&["proxy_ssl_verify"]).is_none_or(|verify| verify.arg(0) != "on") {
        report.differs(pass, NOT_VERIFIED);
    }
    if let Some(file) = scope.last(&["proxy_ssl_trusted_certificate"]) {
        match path(file, scope) {
            Some(path) => {
                policies.insert("tls_ca", Value::List(vec![path]));
            }
            None => report.lost(file, NO_PATH),
        }
    }
    let certificate = scope.last(&["proxy_ssl_certificate"]).filter(|one| !one.arg(0).is_empty());
    let key = scope.last(&["proxy_ssl_certificate_key"]);
    if let Some((certificate, key)) = certificate.zip(key) {
        match path(certificate, scope).zip(path(key, scope)) {
            Some((certificate, key)) => {
                let pair = Value::Text(format!("{certificate}={key}"));
                policies.insert("tls_client_certificate", pair);
            }
            None => report.lost(certificate, NO_PATH),
        }
    }
    if let Some(name) = scope.last(&["proxy_ssl_name"]) {
        match text::with_constants(name.arg(0), scope) {
            host if host == "$proxy_host" => {}
            host if text::has_variable(&host) => {
                report.lost(name, "the name is made of variables: write it");
            }
            host => {
                policies.insert("tls_server_name", Value::Text(host));
            }
        }
    }
    policies
}

/// Returns a path that does not depend on nginx's directories.
fn path(directive: &Directive, scope: &Scope<'_>) -> Option<String> {
    let path = text::with_constants(directive.arg(0), scope);
    (path.starts_with('/') && !text::has_variable(&path)).then_some(path)
}

/// Writes the settings of the application that gets all other paths.
pub(super) fn set_section(policies: &Policies, settings: &mut Settings, from: &str) {
    for (key, setting, _) in SETTINGS {
        if let Some(value) = policies.get(key) {
            settings.set(setting, value.clone(), from);
        }
    }
}

/// Adds the settings of a route. It must not inherit those of `[upstream]`, which are for another application: they get
/// their defaults back.
pub(super) fn add_to_route(own: &Policies, section: &Policies, route: &mut Policies) {
    for (key, _, default) in SETTINGS {
        let value = match (own.get(key), section.get(key)) {
            (Some(own), Some(section)) if own == section => continue,
            (Some(own), _) => own.clone(),
            (None, Some(Value::List(_))) => Value::List(vec![default.into()]),
            (None, Some(_)) => Value::Text(default.into()),
            (None, None) => continue,
        };
        route.insert(key, value);
    }
}
