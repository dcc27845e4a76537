//! Whole configurations: what becomes of them, that the settings are valid, and that nothing is more open than before.

use proptest::prelude::*;

use super::{Import, parser, template, written};
use crate::config;

fn import(text: &str) -> Import {
    let text = template::substitute(text, &|_| None);
    let tree = parser::parse(&text, &"f".into()).unwrap();
    written(&tree, &["f".into()])
}

/// The settings without comments, one a line, each route on a line of its own.
fn settings(text: &str) -> Vec<String> {
    let import = import(text);
    if let Err(problems) = config::check_text(import.checkable()) {
        let listed = problems.to_string();
        let is_without_application =
            listed.starts_with("1 problem") && listed.contains("upstream.url (not set)");
        assert!(is_without_application, "{listed}\n{}", import.text);
    }
    let table: toml::Table = toml::from_str(&import.text).unwrap();
    let mut lines = Vec::new();
    for (section, keys) in &table {
        let keys = keys.as_table().unwrap();
        if section == "route" {
            for (name, route) in keys {
                let mut words = vec![format!("route.{name}")];
                let order = ["host", "path", "method"];
                let rank = |key: &str| order.iter().position(|known| *known == key).unwrap_or(9);
                let mut keys: Vec<_> = route.as_table().unwrap().iter().collect();
                keys.sort_by_key(|(key, _)| (rank(key), key.to_string()));
                words.extend(keys.iter().map(|(key, value)| format!("{key}={}", shown(value))));
                lines.push(words.join(" "));
            }
        } else {
            lines.extend(
                keys.iter().map(|(key, value)| format!("{section}.{key}={}", shown(value))),
            );
        }
    }
    lines
}

fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Everything is translated, to exactly these settings; `server.listen` apart.
#[track_caller]
fn assert_settings(text: &str, expected: &[&str]) {
    let import = import(text);
    assert_eq!(import.lost, 0, "{}", import.text);
    let mut found = settings(text);
    found.retain(|line| line != "server.listen=0.0.0.0:80");
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{}", import.text);
}

/// Something is lost, and its line and remedy are named.
#[track_caller]
fn assert_lost(text: &str, line: &str) {
    let import = import(text);
    let list = import.text.split("# Not translated").nth(1).unwrap_or_default();
    assert!(import.lost > 0 && list.contains(line), "{}", import.text);
    settings(text);
}

const APP: &str = "location / { proxy_pass http://app:8000; }";

fn with_app(text: &str) -> String {
    format!("server {{ {text} {APP} }}")
}

#[test]
fn the_usual_configuration_of_django() {
    assert_settings(
        "upstream app { server app:8000 max_conns=8; }
         server {
             listen 80;
             server_name example.org;
             client_max_body_size 20m;
             location /static/ { alias /srv/static/; }
             location /media/ { alias /srv/media/; }
             location /protected/ { internal; alias /srv/protected/; }
             location / {
                 proxy_set_header Host $http_host;
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                 proxy_read_timeout 90s;
                 proxy_pass http://app;
             }
         }",
        &[
            "server.max_body=20MiB",
            "upstream.url=http://app:8000",
            "upstream.max_in_flight=8",
            "upstream.read_timeout=90s",
            "static.roots=/static/=/srv/static",
            "media.roots=/media/=/srv/media",
            "accel.roots=/protected/=/srv/protected",
        ],
    );
}

#[test]
fn servers_for_the_application_alone_have_the_path_that_nginx_asks_for() {
    assert_settings(
        "server {
             location / { proxy_pass http://app:8000; }
             location /base/ { internal; proxy_pass https://files.internal/a/b/; }
             location /bare/ { internal; proxy_pass http://files:81/; proxy_set_header Authorization \"\"; }
             location /whole/ { internal; proxy_pass http://files:81; }
             location /near/ { internal; alias /srv/near/; try_files $uri @far; }
             location @far { proxy_pass http://files:82; }
             location ~ ^/rest/(.*)$ { internal; proxy_pass https://files/a/$1$is_args$args; }
             location ~ ^/all/(.*) { internal; proxy_pass http://files:83/$1?$args; }
         }",
        &[
            "upstream.url=http://app:8000",
            "accel.roots=/base/=https://files.internal/a/b,/bare/=http://files:81,/whole/=http://files:81/whole,\
             /near/=/srv/near,/near/=http://files:82/near,/rest/=https://files/a,/all/=http://files:83",
        ],
    );
}

#[test]
fn locations_that_only_the_application_may_use_are_never_open() {
    for (restriction, remedy) in [
        ("allow 10.0.0.0/8; deny all;", "accel.roots refuses nobody"),
        ("auth_basic a; auth_basic_user_file /srv/users;", "accel.roots refuses nobody"),
        ("auth_request /auth;", "accel.roots refuses nobody"),
        ("if ($arg_x) { return 403; }", "accel.roots refuses nobody"),
        ("limit_except GET { deny all; }", "accel.roots refuses nobody"),
    ] {
        for content in ["proxy_pass http://files:1;", "alias /srv/private/;"] {
            let text = with_app(&format!("location /c/ {{ internal; {content} {restriction} }}"));
            assert_lost(&text, remedy);
            assert!(!import(&text).text.contains("[accel]"), "{}", import(&text).text);
        }
    }
    // Locations within an internal location are internal too.
    for inner in [
        "location /a/b/ { proxy_pass http://other:1/; }",
        "location /a/b/ { alias /srv/b/; }",
        "location = /a/b { return 200 b; }",
    ] {
        let text =
            with_app(&format!("location /a/ {{ internal; proxy_pass http://f:1; {inner} }}"));
        for line in settings(&text) {
            let is_open = line.starts_with("route.") && !line.contains("respond=404");
            assert!(!is_open, "{line}");
        }
    }
}

#[test]
fn restrictions_of_the_site_hold_for_files_of_the_application() {
    let text = "server { allow 10.0.0.0/8; deny all; location / { proxy_pass http://app:8000; }
        location /c/ { internal; alias /srv/c/; } }";
    assert!(settings(text).iter().any(|line| line == "accel.roots=/c/=/srv/c"));
}

#[test]
fn the_configuration_of_the_readme_is_its_six_variables() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let text = readme.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(import(text).lost, 0, "{}", import(text).text);
    let found = settings(text);
    for line in [
        "upstream.url=http://127.0.0.1:8000",
        "upstream.max_in_flight=8",
        "route.static path=/static/ files=/srv/static max_age=1m",
        "media.roots=/media/=/srv/media",
        "server.trusted_proxies=10.0.0.0/8",
        "server.allowed_hosts=www.example.org",
        "server.max_body=100MiB",
        "server.listen=0.0.0.0:8080",
    ] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:#?}");
    }
}

#[test]
fn uwsgi_on_a_socket() {
    assert_settings(
        "server { location / { include uwsgi_params; uwsgi_pass unix:///run/app.sock; } }",
        &["upstream.url=uwsgi+unix:/run/app.sock"],
    );
}

#[test]
fn applications_with_tls() {
    assert_settings(
        "server { proxy_ssl_verify on; proxy_ssl_trusted_certificate /ca.pem; proxy_ssl_name app.internal;
         proxy_ssl_certificate /own.pem; proxy_ssl_certificate_key /own.key; proxy_ssl_server_name on;
         location / { proxy_pass https://app:8443; } location /plain/ { proxy_pass http://b:1; } }",
        &[
            "upstream.url=https://app:8443",
            "upstream.tls_ca=/ca.pem",
            "upstream.tls_server_name=app.internal",
            "upstream.tls_client_certificate=/own.pem=/own.key",
            "route.plain path=/plain/ upstream=http://b:1",
        ],
    );
    // nginx would not send the certificate there.
    assert_settings(
        "server { location / { proxy_pass https://app; proxy_ssl_certificate /own.pem;
         proxy_ssl_certificate_key /own.key; proxy_ssl_trusted_certificate /ca.pem; }
         location /api/ { proxy_pass https://b; } }",
        &[
            "upstream.url=https://app",
            "upstream.tls_ca=/ca.pem",
            "upstream.tls_client_certificate=/own.pem=/own.key",
            "route.api path=/api/ tls_ca=public tls_client_certificate=none upstream=https://b",
        ],
    );
    let text = with_app("location /c/ { proxy_pass https://a; }");
    let import = import(&text);
    let different = import.text.split("# Different").nth(1).unwrap_or_default();
    assert!(different.contains("nginx verifies no certificate here"), "{}", import.text);
    assert_eq!(import.lost, 0);
}

#[test]
fn another_application_below_a_prefix() {
    assert_settings(
        &with_app("location /ws { proxy_pass http://asgi:9000; proxy_buffering off; }"),
        &[
            "upstream.url=http://app:8000",
            "route.ws path=/ws,/ws/ stream=response upstream=http://asgi:9000",
        ],
    );
    // The same application with the same settings needs no route.
    assert_settings(
        &with_app("location /admin/ { proxy_pass http://app:8000; }"),
        &["upstream.url=http://app:8000"],
    );
}

#[test]
fn files_with_a_fallback_to_a_page_or_a_status() {
    assert_settings(
        "server { root /srv/web; location / { try_files $uri $uri/ /index.html; }
         location /api/ { proxy_pass http://app:8000; } }",
        &[
            "static.index=index.html",
            "route.main files=/srv/web spa=index.html",
            "route.api path=/api/ upstream=http://app:8000",
        ],
    );
    assert_settings(
        &with_app("location /docs/ { root /srv; try_files $uri /old$uri =404; }"),
        &["upstream.url=http://app:8000", "static.roots=/docs/=/srv/docs,/docs/=/srv/old/docs"],
    );
}

#[test]
fn single_files() {
    assert_settings(
        &with_app(
            "location = /favicon.ico { alias /srv/i/favicon.ico; }
             location /robots.txt { root /srv; }
             location = /nothing { access_log off; }",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.favicon_ico path=/favicon.ico file=/srv/i/favicon.ico",
            "route.robots_txt path=/robots.txt file=/srv/robots.txt",
            "route.nothing path=/nothing log=off respond=404",
        ],
    );
}

#[test]
fn lifetimes_and_headers_of_files() {
    assert_settings(
        &with_app(
            "location /static/ { alias /srv/static/; expires 30d; add_header X-A b;
                 location ~* \\.(?:js|css)$ { expires 1y; add_header Pragma public; } }
             location /files/ { root /srv; add_header Cache-Control \"public, max-age=3600\"; }",
        ),
        &[
            "upstream.url=http://app:8000",
            "static.caching=*.js=365d,*.css=365d",
            "route.static path=/static/ files=/srv/static max_age=30d response_headers=set X-A: b",
            "route.files path=/files/ files=/srv/files max_age=1h",
        ],
    );
}

#[test]
fn responses_and_redirects() {
    assert_settings(
        &with_app(
            "location = /ok { return 200 'fine'; }
             location /old/ { return 301 https://$host/new$is_args$args; }
             location ~ ^/(en|de)/x$ { return 302 /$1/y; }
             rewrite ^/a/?$ /b/ permanent;",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.ok path=/ok respond=200 fine",
            "route.old path=/old/ redirect=301 https://{host}/new{query}",
            "route.en_de_x path=~^/(en|de)/x$ redirect=302 /{1}/y",
            "route.redirect_a path=/a,=/a/ redirect=301 /b/{query}",
        ],
    );
}

#[test]
fn tls_with_a_redirect() {
    assert_settings(
        "server { listen 443 ssl http2; listen [::]:443 ssl; server_name a.example;
             ssl_certificate /c.pem; ssl_certificate_key /c.key; ssl_protocols TLSv1.3;
             location / { proxy_pass http://app:8000; } }",
        &[
            "tls.listen=0.0.0.0:443,[::]:443",
            "tls.certificates=/c.pem=/c.key",
            "tls.min_version=1.3",
            "upstream.url=http://app:8000",
        ],
    );
}

#[test]
fn the_proxy_protocol() {
    assert_settings(
        "server { listen 81 proxy_protocol; set_real_ip_from 10.0.0.0/8; real_ip_header proxy_protocol;
             location / { proxy_pass http://app:8000; } }",
        &[
            "server.listen=0.0.0.0:81",
            "server.proxy_protocol=0.0.0.0:81",
            "server.proxy_protocol_from=10.0.0.0/8",
            "upstream.url=http://app:8000",
        ],
    );
}

#[test]
fn several_hosts() {
    assert_settings(
        "server { listen 80 default_server; return 444; }
         server { server_name a.example www.a.example; location / { proxy_pass http://a:1; } }
         server { server_name *.b.example; location / { proxy_pass http://b:1; }
             location /static/ { alias /srv/b/; } }",
        &[
            "server.allowed_hosts=a.example,www.a.example,.b.example",
            "upstream.url=http://a:1",
            "route.b_example_main host=.b.example upstream=http://b:1",
            "route.b_example_static host=.b.example path=/static/ files=/srv/b",
        ],
    );
    assert_lost(
        "server { listen 80; location / { proxy_pass http://a:1; } }
         server { listen 81 proxy_protocol; location / { proxy_pass http://b:1; } }",
        "it only differs from another server by its port",
    );
}

#[test]
fn real_addresses_and_the_scheme() {
    assert_settings(
        &with_app(
            "set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;
             if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; }",
        ),
        &[
            "server.trusted_proxies=10.0.0.0/8",
            "server.redirect_https=true",
            "upstream.url=http://app:8000",
        ],
    );
    let by_proxy = |text: &str| {
        format!(
            "server {{ {text} location / {{ proxy_pass http://a:1;
             proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto; }} }}"
        )
    };
    // nginx trusts everybody.
    assert_settings(&by_proxy(""), &["server.trusted_proxies=private", "upstream.url=http://a:1"]);
    // Clients in private networks could choose their address.
    assert_lost(
        &by_proxy("location /x/ { allow 10.0.0.0/8; deny all; }"),
        "set server.trusted_proxies",
    );
}

#[test]
fn rate_limits() {
    let zone = "limit_req_zone $binary_remote_addr zone=z:10m rate=10r/m; limit_req_status 429;";
    assert_settings(
        &format!(
            "{zone} {}",
            with_app(
                "location /login/ { limit_req zone=z burst=5 nodelay; proxy_pass http://app:8000; }"
            )
        ),
        &[
            "upstream.url=http://app:8000",
            "route.login path=/login/ rate_limit=10/m burst=5 key=client",
        ],
    );
    // That of the server holds for the application; a location without one has none.
    assert_settings(
        &format!(
            "{zone} server {{ limit_req zone=z; location /static/ {{ root /srv; }}
             location / {{ proxy_pass http://app:8000; }} location /b/ {{ proxy_pass http://b:1; }} }}"
        ),
        &[
            "upstream.url=http://app:8000",
            "static.roots=/static/=/srv/static",
            "route.main rate_limit=10/m burst=0 key=client",
            "route.b path=/b/ upstream=http://b:1",
        ],
    );
    assert_settings(
        &format!(
            "{zone} server {{ location / {{ limit_req zone=z; proxy_pass http://app:8000; }}
             location /b/ {{ proxy_pass http://b:1; }} location = /c {{ return 204; }} }}"
        ),
        &[
            "upstream.url=http://app:8000",
            "route.main rate_limit=10/m burst=0 key=client",
            "route.b path=/b/ rate_limit=off upstream=http://b:1",
            "route.c path=/c rate_limit=off respond=204",
        ],
    );
    assert_settings(
        "map $request_method $key { default ''; POST $binary_remote_addr; }
         limit_req_zone $key zone=z:1m rate=1r/s; limit_req_status 429;
         server { location / { limit_req zone=z burst=9 nodelay; proxy_pass http://app:8000; } }",
        &[
            "upstream.url=http://app:8000",
            "route.limit method=POST rate_limit=1/s burst=9 key=client",
        ],
    );
}

#[test]
fn templates_stay_templates() {
    assert_settings(
        "upstream app { server ${APP_HOST}:${APP_PORT}; }
         server { listen ${PORT}; server_name {{ domain }} www.{{ domain }};
             client_max_body_size ${MAX_MiB}m;
             location /${BUCKET}/ { proxy_pass http://minio:9000/uploads/; }
             location /static/ { alias {{ static_root }}/; }
             location /admin/ { allow {{ office_network }}; deny all; proxy_pass http://app; }
             location / { proxy_pass http://app; proxy_set_header X-Forwarded-For ${DOLLAR}remote_addr; } }",
        &[
            "server.listen=0.0.0.0:${PORT}",
            "server.max_body=${MAX_MiB}MiB",
            "upstream.url=http://${APP_HOST}:${APP_PORT}",
            "static.roots=/static/={{ static_root }}",
            "route.admin path=/admin/ allow={{ office_network }} deny=all",
            "route.bucket path=/${BUCKET}/ replace_prefix=/uploads/ upstream=http://minio:9000",
        ],
    );
}

#[test]
fn servers_on_two_ports_share_their_routes() {
    assert_settings(
        "server { listen 8000; location / { proxy_pass http://app:8000; } }
         server { listen 8443 ssl; ssl_certificate /c; ssl_certificate_key /k; location / { proxy_pass http://app:8000; } }",
        &[
            "server.listen=0.0.0.0:8000",
            "tls.certificates=/c=/k",
            "tls.listen=0.0.0.0:8443",
            "upstream.url=http://app:8000",
        ],
    );
    assert_settings(
        "server { listen 1; location / { proxy_pass http://a; } } server { listen 2; location / { root /b; } }",
        &[
            "server.listen=0.0.0.0:1,0.0.0.0:2",
            "upstream.url=http://a",
            "static.index=index.html",
            "route.port_2_main files=/b port=2",
        ],
    );
    assert_lost(
        "server { listen unix:/run/a; location / { proxy_pass http://a; } }
         server { listen 2; location / { root /b; } }",
        "run a second Sideman",
    );
}

#[test]
fn pages_that_are_sent_for_missing_names() {
    assert_settings(
        "server { root /app/dist; location / { try_files $uri $uri/ /index.html =404; }
             location /admin { root /app/admin; try_files $uri /index.html =404; }
             location /docs/ { root /srv; try_files $uri $uri/redoc.html; } }",
        &[
            "static.index=index.html",
            "static.roots=/docs/=/srv/docs",
            "route.main files=/app/dist spa=index.html",
            "route.admin path=~^/admin files=/app/admin spa=index.html",
            "route.docs_index path==/docs/ file=/srv/docs/redoc.html",
        ],
    );
}

#[test]
fn pages_and_maintenance() {
    assert_settings(
        &with_app(
            "error_page 502 503 /50x.html; location = /50x.html { root /srv/pages; internal; }
             if (-f /run/maintenance) { return 503; }",
        ),
        &[
            "errors.502=/srv/pages/50x.html",
            "errors.503=/srv/pages/50x.html",
            "maintenance.flag=/run/maintenance",
            "upstream.url=http://app:8000",
        ],
    );
}

#[test]
fn pages_replace_responses_of_the_application() {
    assert_settings(
        "server { root /srv; error_page 404 /404.html; error_page 500 502 /50x.html;
             location /shop/ { proxy_pass http://shop:1; error_page 404 410 /gone.html; proxy_intercept_errors on; }
             location /api/ { proxy_pass http://api:1; proxy_intercept_errors off; }
             location /static/ { alias /srv/static/; }
             location ~ ^/(404|50x|gone).html$ { internal; }
             location / { proxy_pass http://app:8000; proxy_intercept_errors on; } }",
        &[
            "errors.404=/srv/404.html",
            "errors.500=/srv/50x.html",
            "errors.502=/srv/50x.html",
            "upstream.url=http://app:8000",
            "static.roots=/static/=/srv/static",
            "route.main intercept=404,500,502",
            "route.shop path=/shop/ errors=404=/srv/gone.html,410=/srv/gone.html intercept=404,410 upstream=http://shop:1",
            "route.api path=/api/ intercept=none upstream=http://api:1",
        ],
    );
}

#[test]
fn texts_are_pages() {
    assert_settings(
        "server { error_page 502 504 /e.json; location = /e.json { return 502 '{\"error\": \"down\"}'; }
             location / { proxy_pass http://app:8000; proxy_intercept_errors on; error_page 500 503 = @down; }
             location @down { return 503 'Back soon.'; } }",
        &[
            "errors.500=503 Back soon.",
            "errors.502=502 {\"error\": \"down\"}",
            "errors.503=503 Back soon.",
            "errors.504=504 {\"error\": \"down\"}",
            "upstream.url=http://app:8000",
            "route.main intercept=500,503",
        ],
    );
}

#[test]
fn condition_on_the_line_of_its_location_counts() {
    let text =
        with_app("location /x/ { if ($http_x_key != a) { return 403; } proxy_pass http://x:1; }");
    let import = import(&text);
    assert!(import.lost > 0 && import.text.contains("# Closed: "), "{}", import.text);
}

#[test]
fn page_of_a_maintenance_has_no_path() {
    assert_settings(
        &with_app(
            "root /srv; error_page 502 503 =503 @down; location @down { rewrite ^(.*)$ /down.htm break; }
             location /down.htm { if (-f $document_root/down.htm) { return 503; } }",
        ),
        &[
            "errors.502=503 /srv/down.htm",
            "errors.503=503 /srv/down.htm",
            "upstream.url=http://app:8000",
            "route.down_htm path=/down.htm respond=503",
        ],
    );
}

#[test]
fn path_of_another_site_is_replaced() {
    assert_settings(
        "server { listen 80; location / { proxy_pass http://a:1; } }
         server { listen 81; location / { rewrite ^([^.]*[^/])$ $1/ permanent; proxy_pass http://b:1/x/; } }",
        &[
            "server.listen=0.0.0.0:80,0.0.0.0:81",
            "upstream.url=http://a:1",
            "route.port_81_main path=/ port=81 replace_prefix=/x/ upstream=http://b:1",
            "route.port_81_redirect path=~^([^.]*[^/])$ port=81 redirect=301 {path}/{query}",
        ],
    );
}

#[test]
fn texts_have_the_type_of_their_location() {
    assert_settings(
        &with_app(
            "default_type application/octet-stream;
             location = /up { default_type application/json; return 200 '{\"status\": \"ok\"}'; }
             location = /plain { return 200 ok; }
             location = /text { default_type text/plain; return 200 ok; }
             location = /own { default_type text/html; add_header Content-Type text/css; return 200 ok; }",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.up path=/up respond=200 {\"status\": \"ok\"} response_headers=set Content-Type: application/json",
            "route.plain path=/plain respond=200 ok",
            "route.text path=/text respond=200 ok",
            "route.own path=/own respond=200 ok response_headers=set Content-Type: text/css",
        ],
    );
}

#[test]
fn value_on_several_lines_is_one_value() {
    assert_settings(
        &with_app(
            "add_header Content-Security-Policy \"\n  default-src 'self';\r\n  img-src *;\n\" always;",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.main response_headers=add Content-Security-Policy: default-src 'self'; img-src *;",
        ],
    );
}

#[test]
fn another_port_may_have_another_site() {
    assert_settings(
        "server { listen 80; root /srv/page; location / { try_files $uri /index.html; } }
         server { listen 8000; location /static/ { alias /srv/static/; }
             location /api { proxy_pass http://api:1; } location / { proxy_pass http://app:8000; } }",
        &[
            "server.listen=0.0.0.0:80,0.0.0.0:8000",
            "route.main files=/srv/page spa=index.html",
            "route.port_8000_main port=8000 upstream=http://app:8000",
            "route.port_8000_static path=/static/ files=/srv/static port=8000",
            "route.port_8000_api path=/api,/api/ port=8000 upstream=http://api:1",
        ],
    );
    assert_settings(
        "server { listen 80; add_header X-A a; location / { proxy_pass http://a:1; } }
         server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; location / { proxy_pass http://a:1; } }",
        &[
            "tls.listen=0.0.0.0:443",
            "tls.certificates=/c=/k",
            "upstream.url=http://a:1",
            "route.main_headers port=80 response_headers=add X-A: a",
            "route.port_443_main port=443",
        ],
    );
    // The locations of the first one hold on its port alone.
    assert_settings(
        "server { listen 80; location /a/ { deny all; } location / { proxy_pass http://a:1; } }
         server { listen 81; location / { proxy_pass http://b:1; } }",
        &[
            "server.listen=0.0.0.0:80,0.0.0.0:81",
            "upstream.url=http://a:1",
            "route.a path=/a/ port=80 respond=403",
            "route.port_81_main port=81 upstream=http://b:1",
        ],
    );
}

#[test]
fn each_host_has_its_own_pages() {
    assert_settings(
        "server { server_name a.example; root /srv/a; error_page 404 /404.html;
             location / { proxy_pass http://a:1; } }
         server { server_name b.example; root /srv/b; error_page 404 /404.html;
             location /x/ { proxy_pass http://x:1; } location / { proxy_pass http://b:1; } }",
        &[
            "errors.404=/srv/a/404.html",
            "upstream.url=http://a:1",
            "route.b_example_main host=b.example errors=404=/srv/b/404.html upstream=http://b:1",
            "route.b_example_x host=b.example path=/x/ upstream=http://x:1",
        ],
    );
}

#[test]
fn requests_that_are_not_logged() {
    assert_settings(
        &with_app(
            "location /ping/ { access_log off; proxy_pass http://app:8000; }
             location /static/ { access_log off; alias /srv/static/; }
             location = /up { access_log off; return 200 ok; }
             location /media/ { access_log /var/log/media.log; alias /srv/media/; }",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.ping path=/ping/ log=off",
            "route.static path=/static/ files=/srv/static log=off",
            "route.up path=/up log=off respond=200 ok",
            "media.roots=/media/=/srv/media",
        ],
    );
    assert_settings(
        "server { access_log off;
             location /api/ { access_log /dev/stdout; proxy_pass http://api:1; }
             location /media/ { access_log /dev/stdout; alias /srv/media/; }
             location / { proxy_pass http://app:8000; } }",
        &[
            "upstream.url=http://app:8000",
            "route.main log=off",
            "route.api path=/api/ log=all upstream=http://api:1",
            "route.media path=/media/ log=all media=/srv/media",
        ],
    );
}

#[test]
fn one_path_becomes_another() {
    assert_settings(
        &with_app(
            "location /favicon.ico { proxy_pass http://files:9000/static/favicon.ico; }
             location = /check { proxy_pass http://app:8000/health/check; }
             location = /up { rewrite /.+ /login?next=/ break; proxy_pass http://app:8000; }",
        ),
        &[
            "upstream.url=http://app:8000",
            "route.favicon_ico path=/favicon.ico replace_prefix=/static/favicon.ico upstream=http://files:9000",
            "route.check path=/check replace_prefix=/health/check upstream=http://app:8000",
            "route.up path=/up replace_prefix=/login?next=/ upstream=http://app:8000",
        ],
    );
    assert_lost(
        &with_app("location = /a { rewrite ^/b$ /c break; proxy_pass http://a:1; }"),
        "f:1",
    );
}

#[test]
fn an_expression_wins_over_a_prefix_as_in_nginx() {
    assert_settings(
        &with_app(
            "location /static/ { root /srv; }
             location ^~ /final/ { root /srv; }
             location ~ \\.php$ { return 404; }",
        ),
        &[
            "static.index=index.html",
            "upstream.url=http://app:8000",
            "static.roots=/final/=/srv/final",
            "route.static path=~^/static/ files=/srv",
            "route.php path=~\\.php$,~^/static/.*(?:\\.php$) respond=404",
        ],
    );
    // Where that cannot be said, the prefix is closed.
    let text = with_app(
        "location /s/ { alias /srv/static/; } location ~ \\.php$ { deny all; return 404; }",
    );
    assert!(settings(&text).contains(&"route.s path=/s/ respond=403".to_owned()));
}

#[test]
fn methods() {
    let found = settings(&with_app(
        "location /upload/ { limit_except POST { deny all; } proxy_pass http://b:1; }
         if ($request_method = OPTIONS) { add_header X-A b; return 204; }",
    ));
    for line in [
        "route.upload path=/upload/ method=POST upstream=http://b:1",
        "route.upload_other_methods path=/upload/ respond=403",
        "route.upload_options path=/upload/ method=OPTIONS respond=204 response_headers=set X-A: b",
        "route.options method=OPTIONS respond=204 response_headers=set X-A: b",
    ] {
        assert!(found.contains(&line.to_owned()), "{found:#?}");
    }
}

#[test]
fn what_is_not_translated_names_its_line_and_a_remedy() {
    for (text, line) in [
        (
            "location /c/ { proxy_pass http://a:1; proxy_cache c; }",
            "proxy_cache c\n#     responses",
        ),
        ("location /c/ { proxy_pass https://unix:/a; }", "TLS over a unix socket is not possible"),
        (
            "location /c/ { proxy_pass https://a; proxy_ssl_crl /crl.pem; }",
            "revocation lists are not read",
        ),
        (
            "location /c/ { auth_request /a; proxy_pass http://b; } location = /a { internal;
             proxy_pass https://auth/check; proxy_ssl_trusted_certificate /ca.pem; }",
            "the certificates of auth servers are verified by upstream.tls_ca: add this file",
        ),
        ("location /c/ { proxy_pass http://$x; }", "the address is in a variable"),
        ("client_max_body_size ${SIZE};", "${SIZE} has no value: set it in the environment"),
        ("proxy_buffering {{ on }};", "{{ on }} has no value: render"),
        ("location /c/ { alias {{ a['b'] }}; }", "{{ a['b'] }} has no value: render"),
        ("location /c/ { root $x; }", "the directory is made of variables"),
        ("location /c/ { autoindex on; root /srv; }", "directories are never listed"),
        (
            "location /c/ { internal; proxy_pass http://$arg_a; }",
            "X-Accel-Redirect leads to a directory, a bucket or one server",
        ),
        (
            "location ~ ^/c/(a)/(.*)$ { internal; proxy_pass http://s3:1/$1; }",
            "X-Accel-Redirect leads to a directory, a bucket or one server",
        ),
        (
            "location /c/ { internal; proxy_pass http://s3:1; proxy_set_header A b; }",
            "a file server gets no header of one's own",
        ),
        (
            "location /c/ { internal; proxy_pass http://s3:1; add_header A b; }",
            "send this one there",
        ),
        ("location /c/ { internal; alias /srv/; expires 1d; }", "send this one there"),
        (
            "location /c/ { internal; proxy_pass http://s3:1; proxy_read_timeout 5m; }",
            "the timeout of file servers is upstream.read_timeout",
        ),
        (
            "location /c/ { internal; proxy_pass http://s3:1$request_uri; }",
            "the URL is that of X-Accel-Redirect",
        ),
        (
            "location /c/ { internal; proxy_pass http://s3:1; proxy_set_header Host b; }",
            "a file server gets no header of one's own",
        ),
        (
            "location /c/ { internal; proxy_pass https://s3; proxy_ssl_verify on;
             proxy_ssl_trusted_certificate /ca.pem; }",
            "the certificates of file servers are verified by upstream.tls_ca: add this file",
        ),
        ("location /c/ { try_files $uri @nowhere; }", "there is no location @nowhere"),
        ("add_header X-A $cookie_b;", "$cookie_b has no counterpart"),
        ("location ~ ^/(?=a)b { return 204; }", "the path cannot be said in a route"),
        ("rewrite ^/a$ /b last;", "the path can only lose or change the prefix"),
        ("client_max_body_size big;", "not a size"),
        ("if ($a) { set $b c; }", "there are no conditions"),
    ] {
        assert_lost(&with_app(text), line);
    }
}

/// Directives that restrict access in ways that are not translated.
const RESTRICTIONS: [&str; 13] = [
    "auth_basic a;",
    "auth_jwt on;",
    "satisfy any; allow 10.0.0.0/8; deny all; auth_basic a;",
    "secure_link $arg_md5;",
    "valid_referers none;",
    "modsecurity on;",
    "access_by_lua_file /x;",
    "allow office.example; deny all;",
    "limit_except GET { allow 10.0.0.0/8; deny all; }",
    "if ($http_user_agent ~ bot) { return 403; }",
    "if ($blocked) { deny all; }",
    "${AUTH}\n",
    "{{ auth }}\n",
];

#[test]
fn what_restricts_access_is_never_lost() {
    for restriction in RESTRICTIONS {
        for action in [
            "proxy_pass http://b:1;",
            "root /srv;",
            "alias /srv/;",
            "return 204;",
            "try_files $uri @b;",
        ] {
            let text = with_app(&format!(
                "location @b {{ proxy_pass http://b:1; }} location /p/ {{\n{restriction} {action} }}"
            ));
            let found = settings(&text);
            let is_closed = |line: &&String| {
                line.starts_with("route.p path=/p/") && line.contains("respond=403")
            };
            assert!(
                found.iter().any(|line| is_closed(&line)),
                "{restriction} {action}: {found:#?}"
            );
            assert!(
                !found.iter().any(|line| line.contains("roots=")),
                "{restriction} {action}: {found:#?}"
            );
        }
        // In the server it closes everything.
        let text = format!("server {{\n{restriction} location /p/ {{ root /srv; }} {APP} }}");
        let found = settings(&text);
        let is_open = |line: &&String| {
            line.contains("upstream=") || line.contains("files=") || line.contains("roots=")
        };
        assert!(
            found.iter().any(|line| line.starts_with("route.main respond=403")),
            "{restriction}: {found:#?}"
        );
        assert!(!found.iter().any(|line| is_open(&line)), "{restriction}: {found:#?}");
    }
}

#[test]
fn a_named_location_brings_its_restrictions() {
    let text = "server { location / { try_files $uri @app; } location @app { auth_basic a; proxy_pass http://a:1; } }";
    assert!(settings(text).iter().any(|line| line.starts_with("route.main respond=403")));
}

#[test]
fn an_expression_that_cannot_be_said_closes_what_it_protects() {
    let text = with_app("location ~ ^/(?=admin) { deny all; } location /static/ { root /srv; }");
    let found = settings(&text);
    assert!(found.iter().any(|line| line.starts_with("route.main respond=403")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("path=/static/ respond=403")), "{found:#?}");
}

#[test]
fn empty_configurations_say_so() {
    for text in ["", "events {}", "http { }", "server { location / { proxy_pass https://a; } }"] {
        let import = import(text);
        assert!(import.text.contains("# "), "{text}");
    }
    assert!(import("events {}").text.contains("There is nothing to serve"));
}

/// A part of a configuration.
fn piece() -> impl Strategy<Value = String> {
    let paths = prop::sample::select(vec![
        "/a/",
        "/a",
        "= /a",
        "^~ /a/b/",
        "/static/",
        "/media",
        "~ \\.php$",
        "~* ^/a/(.*)$",
        "~ ^/(x|y)/",
        "@app",
        "/favicon.ico",
        "/a/b",
        "~ /\\.",
        "~ ^/a/[0-9]+",
    ]);
    let directives = prop::sample::select(vec![
        "proxy_pass http://b:1;",
        "proxy_pass http://b:1/;",
        "proxy_pass http://c:1/x/;",
        "uwsgi_pass u:1;",
        "root /srv;",
        "alias /srv/a/;",
        "return 404;",
        "return 301 /x;",
        "return 200 ok;",
        "internal;",
        "deny all;",
        "allow 10.0.0.0/8;",
        "expires 1h;",
        "add_header X-A b;",
        "add_header X-A c;",
        "try_files $uri @app;",
        "try_files $uri $uri/ /index.html;",
        "try_files $uri =404;",
        "client_max_body_size 1m;",
        "proxy_read_timeout 5m;",
        "proxy_buffering off;",
        "auth_basic x;",
        "limit_except GET { deny all; }",
        "error_page 404 /404.html;",
        "error_page 404 502 =502 /a/404.html;",
        "proxy_intercept_errors on;",
        "access_log off;",
        "rewrite ^/a/(.*)$ /$1 break;",
        "rewrite ^/old$ /new permanent;",
        "proxy_set_header X-B $host;",
        "gzip on;",
        "if ($request_method = POST) { return 405; }",
        "index i.html;",
        "limit_req zone=z burst=5;",
        "proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;",
        "try_files $uri $uri/redoc.html;",
        "try_files $uri /index.html =404;",
        "alias {{ dir }}/a/;",
        "proxy_pass http://${HOST_A}:${PORT};",
    ]);
    let location = (paths, prop::collection::vec(directives.clone(), 0..4))
        .prop_map(|(path, inner)| format!("location {path} {{ {} }}\n", inner.join(" ")));
    prop_oneof![4 => location, 1 => directives.prop_map(|one| format!("{one}\n"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the configuration is, the settings are valid, but for an application that is missing.
    #[test]
    fn settings_are_always_valid(
        pieces in prop::collection::vec(piece(), 0..7),
        root in prop::sample::select(vec!["", "allow 10.0.0.0/8; deny all;", "auth_basic a;", "root /srv;"]),
        pass in prop::sample::select(vec!["http://b:1", "http://b:1/x/", "http://b:1/"]),
    ) {
        let root = format!("location / {{ {root} proxy_pass {pass}; }}");
        let zone = "limit_req_zone $binary_remote_addr zone=z:1m rate=1r/s;";
        let text = format!("{zone} server {{ {} {root} }}", pieces.concat());
        let import = import(&text);
        prop_assert_eq!(import.lost > 0, import.text.contains("\n# Not translated\n"));
        if let Err(problems) = config::check_text(import.checkable()) {
            let listed = problems.to_string();
            prop_assert!(listed.contains("upstream.url (not set)") && listed.starts_with("1 problem"),
                "{}\n{}\n{}", listed, text, import.text);
        }
    }
}

#[test]
fn the_arrival_of_a_request_is_always_sent() {
    assert_settings(
        "server { location / { proxy_pass http://app:8000; proxy_set_header X-Request-Start t=${msec}; } }",
        &["upstream.url=http://app:8000"],
    );
}

#[test]
fn schemes_in_other_headers_are_sent_too() {
    assert_settings(
        "server { location / { proxy_pass http://app:8000; proxy_set_header X-Forwarded-Protocol ssl; } }",
        &[
            "server.external_scheme=https",
            "upstream.url=http://app:8000",
            "route.main request_headers=set X-Forwarded-Protocol: ssl",
        ],
    );
    assert_settings(
        "server { location / { uwsgi_pass app:3031; uwsgi_param HTTP_X_FORWARDED_SCHEME $scheme; } }",
        &[
            "upstream.url=uwsgi://app:3031",
            "route.main request_headers=set X-Forwarded-Scheme: {scheme}",
        ],
    );
}

#[test]
fn health_checks_of_the_application_keep_their_paths() {
    assert_settings(
        &with_app("location = /healthz { proxy_pass http://other:1; }"),
        &[
            "health.path=/sideman/healthz",
            "upstream.url=http://app:8000",
            "route.healthz path=/healthz upstream=http://other:1",
        ],
    );
}

#[test]
fn some_methods_are_answered_and_others_refused() {
    let found = settings(
        "server { if ($request_method !~ ^(GET|POST|OPTIONS)$) { return 405; }
             if ($request_method = OPTIONS) { return 204; }
             location /static/ { root /srv; } location / { proxy_pass http://app:8000; } }",
    );
    for line in [
        "route.main method=GET,POST upstream=http://app:8000",
        "route.options method=OPTIONS respond=204",
        "route.other_methods respond=405",
        "route.static path=/static/ method=GET,POST files=/srv/static",
    ] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:#?}");
    }
}

#[test]
fn plain_http_redirects_to_https() {
    let tls = "server { listen 443 ssl; server_name a.example; ssl_certificate /c; ssl_certificate_key /k;
         location / { proxy_pass http://app:8000; } }";
    let of_tls = [
        "server.redirect_https=true",
        "tls.certificates=/c=/k",
        "tls.listen=0.0.0.0:443",
        "upstream.url=http://app:8000",
    ];
    for plain in [
        "server { listen 80; return 301 https://$host$request_uri; }",
        "server { listen 80; server_name a.example; location / { return 301 https://$server_name$request_uri; } }",
        "server { server_name a.example; if ($host = a.example) { return 301 https://$host$request_uri; } return 404; }",
    ] {
        assert_settings(&format!("{plain} {tls}"), &of_tls);
    }
    let challenges = "server { location /.well-known/acme-challenge/ { root /var/www; }
         location / { return 301 https://$host$request_uri; } }";
    let mut expected = of_tls.to_vec();
    expected.push("static.roots=/.well-known/acme-challenge/=/var/www/.well-known/acme-challenge");
    assert_settings(&format!("{challenges} {tls}"), &expected);
    let other = "server { server_name b.example; return 301 https://a.example$request_uri; }";
    let mut expected = of_tls.to_vec();
    expected.push(
        "route.redirect_b_example host=b.example redirect=301 https://a.example{path}{query}",
    );
    assert_settings(&format!("{other} {tls}"), &expected);
    assert_lost(
        &format!(
            "server {{ location /api/ {{ proxy_pass http://b; }} location / {{ return 301 https://$host$request_uri; }} }} {tls}"
        ),
        "plain HTTP only redirects",
    );
}

#[test]
fn passwords() {
    // Only the application asks for one.
    assert_settings(
        "server { location /static/ { root /srv; }
             location / { auth_basic a; auth_basic_user_file /h; proxy_pass http://app:8000; } }",
        &[
            "upstream.url=http://app:8000",
            "route.main auth=basic auth_realm=a auth_users=/h",
            "route.static path=/static/ auth=off files=/srv/static",
        ],
    );
    assert_settings(
        "server { auth_basic Staging; auth_basic_user_file /run/htpasswd;
             location /static/ { root /srv; } location /open/ { auth_basic off; proxy_pass http://app:8000; }
             location = /ping { return 204; } location / { proxy_pass http://app:8000; } }",
        &[
            "upstream.url=http://app:8000",
            "route.main auth=basic auth_realm=Staging auth_users=/run/htpasswd",
            "route.static path=/static/ files=/srv/static",
            "route.open path=/open/ auth=off",
            "route.ping path=/ping auth=off respond=204",
        ],
    );
}
