//! The kinds of configurations that Django projects have.

use super::assert_equal;

#[test]
fn application_with_static_files_and_uploads() {
    assert_equal(
        "upstream app { server web:8000; }
         server {
             listen 80;
             server_name shop.example;
             location /static/ { alias /srv/static/; expires 30d; }
             location /media/ { alias /srv/media/; }
             location / {
                 proxy_pass http://app;
                 proxy_set_header Host $host;
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                 proxy_set_header X-Forwarded-Proto $scheme;
                 proxy_redirect off;
             }
         }",
    );
}

#[test]
fn uwsgi_with_files_that_the_application_sends() {
    assert_equal(
        "upstream django { server unix:///run/app/uwsgi.sock; }
         server {
             listen 8080;
             client_max_body_size 20m;
             location /static { alias /vol/static; }
             location /protected/ { internal; alias /vol/protected/; }
             location / { uwsgi_pass django; include /etc/nginx/uwsgi_params; uwsgi_read_timeout 60; }
         }",
    );
}

#[test]
fn single_page_application_with_its_api() {
    assert_equal(
        "server {
             listen 80;
             root /srv/frontend;
             location /api/ { proxy_pass http://backend:8000/api/; proxy_set_header Host $http_host; }
             location /admin/ { proxy_pass http://backend:8000/admin/; proxy_set_header Host $http_host; }
             location /assets/ { alias /srv/assets/; add_header Cache-Control \"public, max-age=86400\"; }
         }",
    );
}

#[test]
fn prefixes_are_stripped_and_replaced() {
    assert_equal(
        "server {
             listen 80;
             location /api/ { proxy_pass http://api:9000/; proxy_set_header Host $host; }
             location /old/ { proxy_pass http://api:9000/v2/; proxy_set_header Host $host; }
             location /events/ { rewrite ^/events/(.*)$ /$1 break; proxy_pass http://events:1; proxy_set_header Host $host; }
             location / { proxy_pass http://web:8000; proxy_set_header Host $host; }
         }",
    );
}

#[test]
fn files_come_before_the_application() {
    assert_equal(
        "upstream web { server unix:/run/gunicorn.sock fail_timeout=0; }
         server {
             listen 80 default_server;
             server_name site.example www.site.example;
             root /srv/site;
             location = /favicon.ico { alias /srv/icons/favicon.ico; }
             location /robots.txt { root /srv/texts; }
             location / { try_files $uri @app; }
             location @app { proxy_pass http://web; proxy_set_header Host $http_host; }
         }",
    );
}

#[test]
fn hosts_have_applications_of_their_own() {
    assert_equal(
        "server { listen 80; server_name one.example; location / { proxy_pass http://one:1; proxy_set_header Host $host; } }
         server { listen 80; server_name two.example; location /static/ { alias /srv/two/; }
             location / { proxy_pass http://two:2; proxy_set_header Host $host; } }
         server { listen 80; server_name old.example; return 301 http://one.example$request_uri; }",
    );
}

#[test]
fn redirects_refusals_and_methods() {
    assert_equal(
        "server {
             listen 80;
             location = /about { return 301 /company/; }
             location = /gone { return 410; }
             location ~ ^/(login|signup)$ { return 302 /accounts/$1/; }
             location ~ \\.php$ { return 404; }
             location /internal/ { allow 10.0.0.0/8; deny all; proxy_pass http://web:8000; }
             location /open/ { allow 127.0.0.0/8; deny all; proxy_pass http://web:8000; proxy_set_header Host $host; }
             location /hooks/ { limit_except POST { deny all; } proxy_pass http://web:8000; proxy_set_header Host $host; }
             location / { proxy_pass http://web:8000; proxy_set_header Host $host; }
         }",
    );
}

#[test]
fn headers_are_set_and_hidden() {
    assert_equal(
        "server {
             listen 80;
             add_header X-Frame-Options DENY always;
             add_header Referrer-Policy same-origin;
             location /static/ { alias /srv/static/; add_header Access-Control-Allow-Origin *; }
             location / {
                 proxy_pass http://web:8000;
                 proxy_set_header Host $host;
                 proxy_set_header X-Scheme $scheme;
                 proxy_set_header X-Own \"\";
                 proxy_hide_header X-From;
             }
         }",
    );
}

#[test]
fn index_of_a_directory_has_another_name() {
    assert_equal(
        "server {
             listen 80;
             location /api/docs/ { root /usr/share/nginx/html; try_files $uri $uri/redoc.html; }
             location / { proxy_pass http://web:8000; proxy_set_header Host $host; }
         }",
    );
}

#[test]
fn expressions_win_over_prefixes() {
    assert_equal(
        "server {
             listen 80;
             location /static/ { root /srv; }
             location ~* \\.(?:css|js)$ { root /srv; expires 1y; }
             location ~ ^/api/[1-9]\\d*/ { proxy_pass http://relay:3000; proxy_set_header Host $host; }
             location ^~ /api/0/ { proxy_pass http://web:8000; proxy_set_header Host $host; }
             location / { proxy_pass http://web:8000; proxy_set_header Host $host; }
         }",
    );
}

#[test]
fn template_with_placeholders() {
    assert_equal(
        "server {
             listen ${LISTEN_PORT};
             server_name {{ server_name }};
             location /static/ { alias {{ project_dir }}/static/; }
             location / { proxy_pass http://${APP_HOST}:${APP_PORT}; proxy_set_header Host $host; }
         }",
    );
}

#[test]
fn password_before_a_staging_site() {
    assert_equal(
        "server {
             listen 80;
             location /static { root /srv; }
             location /open/ { auth_basic off; proxy_pass http://web:8000; proxy_set_header Host $host; }
             location / {
                 auth_basic \"Staging\";
                 auth_basic_user_file /run/staging.htpasswd;
                 proxy_pass http://web:8000;
                 proxy_set_header Host $host;
             }
         }",
    );
}

#[test]
fn error_pages_replace_those_of_the_application() {
    assert_equal(
        "server {
             listen 80;
             root /srv/pages;
             error_page 404 /404.html;
             location /shop/ {
                 proxy_pass http://web:8000;
                 proxy_set_header Host $host;
                 proxy_intercept_errors on;
             }
             location /status {
                 proxy_pass http://web:8000;
                 proxy_set_header Host $host;
                 proxy_intercept_errors on;
                 error_page 404 @missing;
                 error_page 503 =503 /50x.html;
             }
             location = /404.html { root /srv/pages; }
             location = /50x.html { root /srv/pages; }
             location @missing { root /srv/pages; rewrite ^ /redoc.html break; }
             location /static/ { alias /srv/static/; access_log off; }
             location / { proxy_pass http://web:8000; proxy_set_header Host $host; }
         }",
    );
}
